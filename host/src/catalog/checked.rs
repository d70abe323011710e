//! Checks that hold for everything that a component says of itself.

use sandglass_text::walk::Found;
use serde_json::{Map, Value};

/// Characters of a name (MCP 2025-11-25, "Tool Names").
pub(super) const MAX_NAME: usize = 128;

/// What is wrong with a description.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The name.
    #[error("a name has 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`")]
    Name,
    /// A character that a reader does not see, and a model does.
    #[error(transparent)]
    Hidden(#[from] Found),
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

pub(super) fn read_meta(text: Option<&String>) -> Result<Option<Map<String, Value>>, Unfit> {
    text.map(|text| serde_json::from_str(text))
        .transpose()
        .map_err(|_| Unfit::Meta)
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
}
