//! Names: of a source, and the prefix before its tools' names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::scalar::{self, InvalidValue, Scalar};

/// The longest name or prefix, in characters: MCP asks for tool names of at most 128, which a prefix
/// must leave room for.
const LONGEST: usize = 64;

/// What stands, followed by `_`, before the names of a source's tools.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ToolPrefix(String);

/// A source's name in logs, audit and status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceName(String);

/// The characters that MCP allows in a tool's name.
pub(crate) fn check<T: Scalar>(given: &str) -> Result<String, InvalidValue> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let problem = if given.is_empty() {
        "it is empty".to_owned()
    } else if let Some(stranger) = given.chars().find(|c| !allowed(*c)) {
        let stranger = scalar::quoted(&stranger.to_string());
        format!("{stranger} is not allowed, use letters, digits, `_`, `-` and `.`")
    } else if given.len() > LONGEST {
        format!("it is longer than {LONGEST} characters")
    } else {
        return Ok(given.to_owned());
    };
    Err(InvalidValue::new::<T>(given, problem))
}

impl ToolPrefix {
    /// The prefix without its `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which a tool is served.
    pub fn apply(&self, tool: &str) -> String {
        format!("{}_{tool}", self.0)
    }
}

impl SourceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for ToolPrefix {
    const EXPECTED: &'static str = "a prefix for tool names";
}

impl Scalar for SourceName {
    const EXPECTED: &'static str = "a source's name";
}

impl FromStr for ToolPrefix {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        check::<Self>(given).map(Self)
    }
}

impl FromStr for SourceName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        check::<Self>(given).map(Self)
    }
}

impl fmt::Display for ToolPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ToolPrefix {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize_text(input)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize_text(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_before_the_tools_name() {
        let prefix: ToolPrefix = "acme".parse().expect("a prefix");
        assert_eq!(prefix.apply("get_weather"), "acme_get_weather");
    }

    #[test]
    fn names_keep_to_the_characters_of_mcp_tool_names() {
        for given in ["a", "acme-2", "a.b_c", "no", &"x".repeat(64)] {
            assert!(given.parse::<ToolPrefix>().is_ok(), "{given}");
            assert!(given.parse::<SourceName>().is_ok(), "{given}");
        }
        for (given, part) in [
            ("", "it is empty"),
            ("a b", "` ` is not allowed"),
            ("a/b", "`/` is not allowed"),
            ("é", "`é` is not allowed"),
            ("a\n", r"`\n` is not allowed"),
            (&"x".repeat(65), "longer than 64"),
        ] {
            let prefix = given.parse::<ToolPrefix>().expect_err(given).to_string();
            let name = given.parse::<SourceName>().expect_err(given).to_string();
            assert!(prefix.contains(part), "{prefix}");
            assert!(name.contains(part), "{name}");
        }
    }
}
