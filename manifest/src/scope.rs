//! What a credential may do.

use std::str::FromStr;

use serde::Serialize;

use crate::scalar::{self, InvalidValue, Scalar};

/// What a credential may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `tools:*`: call every tool of its tenant.
    AllTools,
    /// `tools:NAME`: call this one, by its name in the catalog.
    Tool(String),
    /// `management`: read `/metrics` and the usage and readiness of all tenants.
    Management,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AllTools => f.write_str("tools:*"),
            Self::Tool(name) => write!(f, "tools:{name}"),
            Self::Management => f.write_str("management"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl Scalar for Scope {
    const EXPECTED: &'static str = "a scope";
}

impl FromStr for Scope {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let tool = given.strip_prefix("tools:");
        match tool {
            Some("*") => Ok(Self::AllTools),
            // A scope is a word (RFC 6749, section 3.3), and no tool's name has a `*`.
            Some(name)
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'*') =>
            {
                Ok(Self::Tool(name.to_owned()))
            }
            None if given == "management" => Ok(Self::Management),
            _ => Err(InvalidValue::new::<Self>(
                given,
                "write `tools:*`, `tools:` and a tool's name, or `management`",
            )),
        }
    }
}

scalar::read_as_text!(Scope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_shown() {
        for (given, scope) in [
            ("tools:*", Scope::AllTools),
            ("tools:get_weather", Scope::Tool("get_weather".to_owned())),
            ("management", Scope::Management),
        ] {
            assert_eq!(given.parse(), Ok(scope.clone()));
            assert_eq!(scope.to_string(), given);
        }
        for given in [
            "",
            "*",
            "tools",
            "tools:",
            "tools:a*",
            "tools:a b",
            "tool:a",
            "Management",
        ] {
            assert!(given.parse::<Scope>().is_err(), "{given}");
        }
    }
}
