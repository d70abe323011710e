//! A tool as callers see it.

use std::sync::Arc;

use sandglass_manifest::Limits;
use serde_json::{Map, Value};

use super::definition::Definition;
use super::schema::{Schema, SchemaError};
use crate::invoke::Admission;
use crate::sandbox::{Component, Grants, bindings};
use crate::source::verify::KeyName;

/// Characters of a tool's name (MCP 2025-11-25, "Tool Names").
const MAX_NAME: usize = 128;

/// A tool of a loaded component, checked and ready to be called.
pub struct Tool {
    /// Its name in the catalog, with the source's prefix.
    pub name: String,
    /// Its name inside the component.
    pub own_name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The schema of its arguments.
    pub input: Schema,
    /// The schema of its value, unwrapped.
    pub output: Option<Schema>,
    /// Hints about its behaviour.
    pub annotations: Option<bindings::ToolAnnotations>,
    /// Images for clients to show.
    pub icons: Vec<bindings::Icon>,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// What a model is told of it, told apart.
    pub definition: Definition,
    /// The component that has it.
    pub component: Component,
    /// What a call may use.
    pub limits: Limits,
    /// What a call may reach.
    pub grants: Grants,
    /// Calls at once, and the queue before them.
    pub admission: Arc<Admission>,
    /// The keys by which the component is signed, of those that must have.
    pub signed_by: Arc<[KeyName]>,
}

/// Why a tool is refused. Its component is left out with it.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The name.
    #[error("tool {0:?}: a name has 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`")]
    Name(String),
    /// Characters that a reader does not see, and a model does.
    #[error(
        "tool `{tool}`: its {field} has control or invisible characters (U+{character:04X}): remove them"
    )]
    Invisible {
        /// The tool.
        tool: String,
        /// Title or description.
        field: &'static str,
        /// The first such character.
        character: u32,
    },
    /// The input schema.
    #[error("tool `{0}`: its input schema {1}")]
    Input(String, SchemaError),
    /// The output schema.
    #[error("tool `{0}`: its output schema {1}")]
    Output(String, SchemaError),
    /// The `_meta`.
    #[error("tool `{0}`: its `_meta` is no JSON object")]
    Meta(String),
}

impl Tool {
    /// Checks what the component says of a tool. `name` has the source's prefix.
    pub fn new(
        described: bindings::Tool,
        name: String,
        component: Component,
        limits: Limits,
        grants: Grants,
        admission: Arc<Admission>,
        signed_by: Arc<[KeyName]>,
    ) -> Result<Self, ToolError> {
        let definition = Definition::of(&described);
        let own_name = described.name;
        for name in [&own_name, &name] {
            check_name(name)?;
        }
        let visible = [
            ("title", &described.title),
            ("description", &described.description),
        ];
        for (field, text) in visible {
            if let Some(character) = text.as_deref().and_then(invisible) {
                return Err(ToolError::Invisible {
                    tool: own_name,
                    field,
                    character: character.into(),
                });
            }
        }
        let input = Schema::compile_object(&described.input_schema)
            .map_err(|error| ToolError::Input(own_name.clone(), error))?;
        let output = described
            .output_schema
            .map(|text| Schema::compile(&text))
            .transpose()
            .map_err(|error| ToolError::Output(own_name.clone(), error))?;
        let meta = described
            .meta
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| ToolError::Meta(own_name.clone()))?;
        Ok(Self {
            name,
            own_name,
            title: described.title,
            description: described.description,
            input,
            output,
            annotations: described.annotations,
            icons: described.icons,
            meta,
            definition,
            component,
            limits,
            grants,
            admission,
            signed_by,
        })
    }
}

fn check_name(name: &str) -> Result<(), ToolError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return Err(ToolError::Name(name.to_owned()));
    }
    Ok(())
}

/// The first character that would hide text from a person: controls (but for
/// line breaks and tabs), bidirectional overrides, zero-width and tag characters.
fn invisible(text: &str) -> Option<char> {
    text.chars().find(|character| match character {
        '\n' | '\r' | '\t' => false,
        // Zero-width joiners are part of emoji and of several scripts.
        '\u{200c}' | '\u{200d}' => false,
        '\u{00ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_mcp_allows() {
        for name in ["a", "get_time", "a-b.c", &"x".repeat(128)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a\u{7}", "é", "a/b", &"x".repeat(129)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn characters_that_hide_text_are_found() {
        assert_eq!(
            invisible("Two\nlines, a tab\t and \u{1f469}\u{200d}\u{1f52c}"),
            None
        );
        for text in ["a\u{202e}b", "a\u{e0041}", "a\u{200b}b", "a\u{1b}[0m"] {
            assert!(invisible(text).is_some(), "{text:?}");
        }
    }
}
