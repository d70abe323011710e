//! The beginning of the paths that a rule of outbound HTTP means.

use std::str::FromStr;

use serde::Serialize;

use crate::scalar::{self, InvalidValue, Scalar};

/// A path's beginning. It starts with `/` and has no dot segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Whether it covers a request's path, as it is sent (percent-encoded). A path with dot segments,
    /// encoded or not, is covered by `/` alone: what it means depends on the server.
    pub fn covers(&self, path: &str) -> bool {
        let prefix = self.0.trim_end_matches('/');
        prefix.is_empty()
            || !is_ambiguous(path)
                && path
                    .strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a server may read another path from it: it has dot segments, with parameters (`..;x`) or without, or
/// encoded separators; encoded once, or more often for those who decode more often.
fn is_ambiguous(path: &str) -> bool {
    let mut path = path.to_ascii_lowercase();
    while path.contains("%25") {
        path = path.replace("%25", "%");
    }
    let path = path.replace("%2e", ".").replace("%3b", ";");
    let separators = ["%2f", "%5c", "%00"];
    separators.iter().any(|encoded| path.contains(encoded))
        || path
            .split(['/', '\\'])
            .any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl Scalar for PathPrefix {
    const EXPECTED: &'static str = "the beginning of a path";
}

impl FromStr for PathPrefix {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let problem = if !given.starts_with('/') {
            "it must start with `/`"
        } else if given.contains(['?', '#']) {
            "it ends before the `?`; queries are not looked at"
        } else if given.contains('*') {
            "it covers what lies below by itself; leave `*` out"
        } else if !given.bytes().all(|byte| byte.is_ascii_graphic()) || given.contains('\\') {
            "write it as it is sent: other characters percent-encoded"
        } else if is_ambiguous(given) {
            "it has a dot segment or an encoded `/`; write the path that they stand for"
        } else if given.contains("//") {
            "it has an empty segment; write one `/`"
        } else {
            return Ok(Self(given.to_owned()));
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(PathPrefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_segments() {
        let prefix: PathPrefix = "/v1".parse().expect("a prefix");
        let folder: PathPrefix = "/v1/".parse().expect("a prefix");
        for prefix in [prefix, folder] {
            for (path, covered) in [
                ("/v1", true),
                ("/v1/", true),
                ("/v1/x", true),
                ("/v10", false),
                ("/", false),
                ("/v1/../x", false),
                ("/v1/%2E%2e/x", false),
                ("/v1/.%2e", false),
                ("/v1/..%2fx", false),
                ("/v1\\..\\x", false),
                ("/v1/%5c..", false),
                ("/v1/..;/x", false),
                ("/v1/..%3Ba=b/x", false),
                ("/v1/%252e%252e/x", false),
                ("/v1/%25252E./x", false),
                ("/v1/a%00", false),
                ("/v1/..x", true),
                ("/v1/a;b/100%25", true),
            ] {
                assert_eq!(prefix.covers(path), covered, "{path}");
            }
        }
        assert!(PathPrefix::default().covers("/a/../b"));
    }

    #[test]
    fn what_could_never_be_covered_is_refused() {
        for (given, part) in [
            ("", "start with `/`"),
            ("v1", "start with `/`"),
            ("/v1?x=1", "before the `?`"),
            ("/v1/*", "leave `*` out"),
            ("/a b", "percent-encoded"),
            ("/ü", "percent-encoded"),
            ("/a\\b", "percent-encoded"),
            ("/a/../b", "dot segment"),
            ("/a/%2e", "dot segment"),
            ("/a%2Fb", "dot segment"),
            ("/a//b", "empty segment"),
        ] {
            let error = given.parse::<PathPrefix>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }
}
