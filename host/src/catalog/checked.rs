//! Checks that hold for everything that a component says of itself.

use serde_json::{Map, Value};

/// Characters of a name (MCP 2025-11-25, "Tool Names").
pub(super) const MAX_NAME: usize = 128;

/// What is wrong with a description.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The name.
    #[error("a name has 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`")]
    Name,
    /// Characters that a reader does not see, and a model does.
    #[error("its {field} has control or invisible characters (U+{character:04X}): remove them")]
    Invisible {
        /// Where.
        field: &'static str,
        /// The first such character.
        character: u32,
    },
    /// The `_meta`.
    #[error("its `_meta` is no JSON object")]
    Meta,
}

pub(super) fn check_name(name: &str) -> Result<(), Unfit> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return Err(Unfit::Name);
    }
    Ok(())
}

/// Looks for text that hides from people.
pub(super) fn check_visible<'a>(
    fields: impl IntoIterator<Item = (&'static str, Option<&'a String>)>,
) -> Result<(), Unfit> {
    for (field, text) in fields {
        if let Some(character) = text.and_then(|text| invisible(text)) {
            return Err(Unfit::Invisible {
                field,
                character: character.into(),
            });
        }
    }
    Ok(())
}

pub(super) fn read_meta(text: Option<&String>) -> Result<Option<Map<String, Value>>, Unfit> {
    text.map(|text| serde_json::from_str(text))
        .transpose()
        .map_err(|_| Unfit::Meta)
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
