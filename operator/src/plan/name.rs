//! Names of objects and of their keys.

use std::fmt;
use std::str::FromStr;

use super::problem::{Problem, Reason};
use crate::crd::KeyRef;

/// A name that a Secret or a ConfigMap can have (RFC 1123, as Kubernetes has it: a "DNS subdomain").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName(String);

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_label = |label: &str| {
            label.starts_with(is_edge)
                && label.ends_with(is_edge)
                && label.chars().all(|c| is_edge(c) || c == '-')
        };
        if given.len() <= 253 && given.split('.').all(is_label) {
            return Ok(Self(given.to_owned()));
        }
        Err(format!(
            "`{given}` cannot be an object's name; use lower-case letters, digits, `-` and `.`, with a letter or digit at each end of a part, and at most 253 of them"
        ))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key can be the name of a file (apimachinery, `IsConfigMapKey`).
fn is_key(given: &str) -> bool {
    (1..=253).contains(&given.len())
        && !given.starts_with("..")
        && given != "."
        && given
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Refuses a reference to what there can never be.
pub(super) fn check_reference(
    reference: &KeyRef,
    reason: Reason,
    field: &str,
) -> Result<(), Problem> {
    if reference.name.is_empty() {
        let message = "it is empty; write the object's name";
        return Err(Problem::new(reason, format!("{field}.name"), message));
    }
    if let Err(message) = reference.name.parse::<ObjectName>() {
        return Err(Problem::new(reason, format!("{field}.name"), message));
    }
    if !is_key(&reference.key) {
        let message = format!(
            "`{}` cannot be a key; use letters, digits, `-`, `_` and `.`",
            reference.key
        );
        return Err(Problem::new(reason, format!("{field}.key"), message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_subdomain() {
        for right in ["a", "0", "api-keys", "a.b-c.d", &"a".repeat(253)] {
            assert_eq!(right.parse::<ObjectName>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "../x",
            "Bad Name",
            "Bad",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a_b",
            &"a".repeat(254),
        ] {
            assert!(wrong.parse::<ObjectName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_a_file_name() {
        for right in ["a", "tools.py", "_A-b", ".x"] {
            assert!(is_key(right), "{right}");
        }
        for wrong in ["", ".", "..", "..a", "a/b", "a b", "ä", &"a".repeat(254)] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }
}
