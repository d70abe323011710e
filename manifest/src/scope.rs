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
    /// `prompts:*`: get every prompt.
    AllPrompts,
    /// `prompts:NAME`: get this one, by its name in the catalog.
    Prompt(String),
    /// `resources:*`: read every resource.
    AllResources,
    /// `management`: read `/metrics` and the usage and readiness of all tenants.
    Management,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AllTools => f.write_str("tools:*"),
            Self::Tool(name) => write!(f, "tools:{name}"),
            Self::AllPrompts => f.write_str("prompts:*"),
            Self::Prompt(name) => write!(f, "prompts:{name}"),
            Self::AllResources => f.write_str("resources:*"),
            Self::Management => f.write_str("management"),
        }
    }
}

impl Scope {
    /// Whether a credential with this scope may do what needs that one.
    pub fn covers(&self, needed: &Self) -> bool {
        self == needed
            || matches!(
                (self, needed),
                (Self::AllTools, Self::Tool(_)) | (Self::AllPrompts, Self::Prompt(_))
            )
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
        // A scope is a word (RFC 6749, section 3.3), and no name has a `*`.
        let is_name = |name: &&str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'*')
        };
        let named = |kind: &str| given.strip_prefix(kind).filter(is_name).map(str::to_owned);
        match given {
            "tools:*" => return Ok(Self::AllTools),
            "prompts:*" => return Ok(Self::AllPrompts),
            "resources:*" => return Ok(Self::AllResources),
            "management" => return Ok(Self::Management),
            _ => {}
        }
        named("tools:")
            .map(Self::Tool)
            .or_else(|| named("prompts:").map(Self::Prompt))
            .ok_or_else(|| {
                InvalidValue::new::<Self>(
                    given,
                    "write `tools:*`, `tools:` and a tool's name, `prompts:*`, `prompts:` and a prompt's name, `resources:*`, or `management`",
                )
            })
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
            ("prompts:*", Scope::AllPrompts),
            ("prompts:greet", Scope::Prompt("greet".to_owned())),
            ("resources:*", Scope::AllResources),
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
            "prompts:",
            "resources:file:///a",
        ] {
            assert!(given.parse::<Scope>().is_err(), "{given}");
        }
    }
}
