//! References to where components lie.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// Where a component's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceRef {
    /// A component's file, or a folder of components. In a [`Manifest`](crate::Manifest) the path is
    /// absolute as long as the working directory is known.
    File(PathBuf),
}

/// Schemes of the manifest's format that this version does not serve.
const NOT_YET: [&str; 4] = ["oci", "https", "configmap", "secret"];

impl Scalar for SourceRef {
    const EXPECTED: &'static str = "a source";
}

impl FromStr for SourceRef {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        path_of(given)
            .map(|path| Self::File(path.into()))
            .map_err(|problem| InvalidValue::new::<Self>(given, problem))
    }
}

fn path_of(given: &str) -> Result<&str, String> {
    if given.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(stranger) = given.chars().find(|c| c.is_control()) {
        let stranger = scalar::quoted(&stranger.to_string());
        return Err(format!("a path cannot contain {stranger}"));
    }
    match scheme(given) {
        Some(("file", path)) => file_path(path),
        Some((scheme, _)) if NOT_YET.contains(&scheme) => Err(format!(
            "`{scheme}:` sources are not yet supported; use a file or a folder"
        )),
        Some((scheme, _)) => Err(format!(
            "the scheme {} is unknown; use `file:` or a path such as ./tool.wasm",
            scalar::quoted(&format!("{scheme}:"))
        )),
        None if looks_like_a_path(given) => Ok(given),
        None => Err(
            "a path starts with ./, ../, ~/ or /, or ends with .wasm or /; or write `file:` before it"
                .to_owned(),
        ),
    }
}

/// A URI's scheme (RFC 3986, section 3.1) and what follows its colon.
fn scheme(given: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = given.split_once(':')?;
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    well_formed.then_some((scheme, rest))
}

/// `file:x`, `file:/x` and `file:///x`; nothing is percent-decoded.
fn file_path(path: &str) -> Result<&str, String> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(
                "between `file://` and the next `/` stands a host; write `file:` and the path"
                    .to_owned(),
            );
        }
    };
    if path.is_empty() {
        return Err("after `file:` the path is missing".to_owned());
    }
    Ok(path)
}

/// Not any text is a path: `ghcr.io/acme/time` without its `oci://` should not become a missing file.
fn looks_like_a_path(given: &str) -> bool {
    let starts = ["/", "./", "../", "~/"];
    starts.iter().any(|start| given.starts_with(start))
        || matches!(given, "." | ".." | "~")
        || given.ends_with(".wasm")
        || given.ends_with('/')
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Serialize for SourceRef {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SourceRef {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize_text(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_sources() {
        for (given, path) in [
            ("./x.wasm", "./x.wasm"),
            ("../x.wasm", "../x.wasm"),
            ("/x.wasm", "/x.wasm"),
            ("/srv/tools", "/srv/tools"),
            ("dir/", "dir/"),
            (".", "."),
            ("x.wasm", "x.wasm"),
            ("a/b:c.wasm", "a/b:c.wasm"),
            ("~/tools", "~/tools"),
            ("file:x", "x"),
            ("file:./x.wasm", "./x.wasm"),
            ("file:/x.wasm", "/x.wasm"),
            ("file:///x.wasm", "/x.wasm"),
        ] {
            let source: SourceRef = given.parse().expect(given);
            assert_eq!(source, SourceRef::File(path.into()), "{given}");
            assert_eq!(source.to_string().parse(), Ok(source), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_source_is_refused_with_what_to_write() {
        for (given, part) in [
            ("", "it is empty"),
            ("a\0.wasm", r"cannot contain `\0`"),
            ("file:", "after `file:` the path is missing"),
            ("file://host/x.wasm", "stands a host"),
            (
                "oci://ghcr.io/acme/time:1.2",
                "`oci:` sources are not yet supported",
            ),
            (
                "https://example.org/x.wasm",
                "`https:` sources are not yet supported",
            ),
            (
                "configmap://ns/name/key",
                "`configmap:` sources are not yet supported",
            ),
            (
                "secret://ns/name/key",
                "`secret:` sources are not yet supported",
            ),
            ("http://example.org/x.wasm", "the scheme `http:` is unknown"),
            ("ghcr.io/acme/time", "a path starts with ./"),
            ("time", "a path starts with ./"),
        ] {
            let error = given.parse::<SourceRef>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
            assert!(error.contains("is not a source"), "{error}");
        }
    }
}
