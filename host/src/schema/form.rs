//! The schemas of forms that a person fills in (MCP, "Elicitation: Requested Schema"): flat, of simple types. A form is
//! brought into the shape in which clients get it, and what they send back is checked against that.

use rmcp::model::ElicitationSchema;
use sandglass_text::Line;
use sandglass_text::walk::{self, Found};
use serde_json::{Map, Value};

use super::account::Account;
use super::json_schema::Schema;

/// Bytes of a form's schema.
const MAX_FORM: usize = 16 << 10;

/// Keywords that hold nothing of which a person would have to know.
const NOTES: [&str; 10] = [
    "$comment",
    "$defs",
    "$id",
    "additionalProperties",
    "definitions",
    "deprecated",
    "examples",
    "format",
    "readOnly",
    "writeOnly",
];

/// A form as clients get it.
#[derive(Debug)]
pub struct Form {
    schema: Value,
}

/// Why a text is no form.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// Too large.
    #[error("its form has {0} bytes; at most {MAX_FORM} are accepted")]
    TooLarge(usize),
    /// Not such a schema.
    #[error("its form is no schema of a form (MCP, \"Requested Schema\"): {0}")]
    NotOne(#[from] serde_json::Error),
    /// Something that the person would not see.
    #[error("its form at {0}")]
    Hidden(#[from] Found),
    /// Something that clients would not get.
    #[error(
        "its form has `{0}`, which clients are not told of: forms are flat, of strings, numbers, booleans and choices"
    )]
    Keyword(Line),
}

impl Form {
    /// Reads a form's schema.
    pub fn read(text: &str) -> Result<Self, FormError> {
        if text.len() > MAX_FORM {
            return Err(FormError::TooLarge(text.len()));
        }
        let given: Value = serde_json::from_str(text)?;
        let schema = serde_json::from_str::<ElicitationSchema>(text)?;
        let schema = serde_json::to_value(schema)?;
        walk::data(&schema)??;
        check_told(&given, &schema)?;
        let properties =
            |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
        let given = properties(&given).unwrap_or_default();
        for (name, told) in properties(&schema).unwrap_or_default() {
            if let Some(given) = given.get(&name) {
                check_told(given, &told)?;
            }
        }
        Ok(Self { schema })
    }

    /// As clients get it.
    pub fn text(&self) -> String {
        self.schema.to_string()
    }

    /// Whether this is what it can be filled in with.
    pub fn takes(&self, content: &str) -> bool {
        let schema = Schema::read(self.schema.clone(), &mut Account::default());
        match (schema, serde_json::from_str(content)) {
            (Ok(schema), Ok(content)) => schema.check(&content).is_ok(),
            _ => false,
        }
    }
}

fn check_told(given: &Value, told: &Value) -> Result<(), FormError> {
    let no_keywords = Map::new();
    let given = given.as_object().unwrap_or(&no_keywords);
    let is_told = |keyword: &&String| {
        told.get(*keyword).is_some()
            || NOTES.contains(&keyword.as_str())
            || keyword.starts_with("x-")
    };
    match given.keys().find(|keyword| !is_told(keyword)) {
        None => Ok(()),
        Some(keyword) => Err(FormError::Keyword(Line::name(keyword))),
    }
}
