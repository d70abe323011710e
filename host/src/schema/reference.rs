//! What a reference within a schema points to. jsonschema resolves it again: what it finds must be the same, or what is
//! bounded here is not what is applied there. So there is one resource a document, and no two anchors of a name.

use std::collections::HashMap;

use sandglass_text::Line;
use serde_json::Value;

use super::json_schema::SchemaError;
use super::subschemas;

/// Dialects that a schema can name, less the `#` at their ends.
const DIALECTS: [(&str, Dialect); 5] = [
    ("json-schema.org/draft/2020-12/schema", Dialect::New),
    ("json-schema.org/draft/2019-09/schema", Dialect::New),
    ("json-schema.org/draft-07/schema", Dialect::Old),
    ("json-schema.org/draft-06/schema", Dialect::Old),
    ("json-schema.org/draft-04/schema", Dialect::Old),
];

/// What of the drafts makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `format` and what a string contains are notes.
    New,
    /// They are checked.
    Old,
}

/// A document whose references can be followed.
pub(super) struct References<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
    pub dialect: Dialect,
}

impl<'a> References<'a> {
    /// Looks for all that could make a reference ambiguous.
    pub fn of(root: &'a Value) -> Result<Self, SchemaError> {
        let mut this = Self {
            root,
            anchors: HashMap::new(),
            dialect: dialect(root)?,
        };
        let mut left = vec![(root, true)];
        while let Some((value, is_schema)) = left.pop() {
            match value {
                Value::Object(map) => {
                    if is_schema {
                        this.check(value)?;
                    }
                    for (keyword, child) in map {
                        // What looks like a schema may be made one by a reference to it.
                        let by_name = is_schema && subschemas::BY_NAME.contains(&keyword.as_str());
                        left.push((child, !by_name));
                    }
                }
                Value::Array(items) => left.extend(items.iter().map(|item| (item, true))),
                _ => {}
            }
        }
        Ok(this)
    }

    fn check(&mut self, schema: &'a Value) -> Result<(), SchemaError> {
        let is_root = std::ptr::eq(schema, self.root);
        for keyword in ["$id", "id", "$schema"] {
            if !is_root && schema.get(keyword).is_some_and(Value::is_string) {
                // In drafts that have no `id` it is a note.
                if keyword != "id" || self.dialect == Dialect::Old {
                    return Err(SchemaError::Embedded(keyword));
                }
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = schema.get(keyword).and_then(Value::as_str)
                && self.anchors.insert(name, schema).is_some()
            {
                return Err(SchemaError::Anchors(Line::name(name)));
            }
        }
        Ok(())
    }

    /// What a reference points to.
    pub fn target(&self, reference: &str) -> Result<&'a Value, SchemaError> {
        let remote = || SchemaError::Remote(Line::name(reference));
        let fragment = reference.strip_prefix('#').ok_or_else(remote)?;
        let nothing = || {
            SchemaError::Invalid(Line::excerpt(format_args!(
                "`{reference}` points to nothing"
            )))
        };
        let fragment = decoded(fragment).ok_or_else(nothing)?;
        let target = match fragment.starts_with('/') || fragment.is_empty() {
            true => self.root.pointer(&fragment),
            false => self.anchors.get(&*fragment).copied(),
        };
        target.ok_or_else(nothing)
    }
}

fn dialect(root: &Value) -> Result<Dialect, SchemaError> {
    let Some(Value::String(named)) = root.get("$schema") else {
        return Ok(Dialect::New);
    };
    let name = named
        .strip_prefix("https://")
        .or_else(|| named.strip_prefix("http://"));
    let name = name.map(|name| name.strip_suffix('#').unwrap_or(name));
    DIALECTS
        .iter()
        .find(|(dialect, _)| name == Some(dialect))
        .map(|(_, dialect)| *dialect)
        .ok_or_else(|| SchemaError::Dialect(Line::name(named)))
}

/// A fragment without its percent-encoding (RFC 3986, section 2.1).
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
