//! Names of tools made from exported functions, by Wassette's rule, so that its users keep theirs.

use super::LeftOutReason;

/// Characters of a tool's name (MCP 2025-11-25, "Tool Names").
const MAX_NAME: usize = 128;

/// The tool name of a function, of an exported interface or at the root: `acme:math/ops@0.1.0` and `add-all`
/// are `acme_math_ops_0_1_0_add-all`. Lower case; what is no letter, digit or `-` becomes `_`.
pub(super) fn tool_name(interface: Option<&str>, function: &str) -> Result<String, LeftOutReason> {
    let name: String = interface
        .into_iter()
        .flat_map(|interface| interface.chars().chain(['_']))
        .chain(function.chars())
        .map(|character| match character {
            '-' => '-',
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            _ => '_',
        })
        .collect();
    if name.len() > MAX_NAME {
        return Err(LeftOutReason::Name {
            length: name.len(),
            limit: MAX_NAME,
        });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_that_wassettes_users_know() {
        for (interface, function, expected) in [
            (None, "add", "add"),
            (None, "get-HTTP-status", "get-http-status"),
            (Some("ops"), "add", "ops_add"),
            (Some("acme:math/ops"), "add-all", "acme_math_ops_add-all"),
            (
                Some("acme:math/ops@0.1.0-rc.1"),
                "add",
                "acme_math_ops_0_1_0-rc_1_add",
            ),
            (
                Some("a:b/c"),
                "[static]counter.of",
                "a_b_c__static_counter_of",
            ),
        ] {
            assert_eq!(tool_name(interface, function).unwrap(), expected);
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        assert!(tool_name(Some("i"), &"f".repeat(126)).is_ok());
        assert_eq!(
            tool_name(Some("i"), &"f".repeat(127)).unwrap_err(),
            LeftOutReason::Name {
                length: 129,
                limit: 128
            }
        );
    }
}
