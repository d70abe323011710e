//! Texts that may be secrets: read once, when a source is configured, and shown to nobody.

use std::fmt;

use sandglass_manifest::{ManifestError, Placed, TextOrSecret};

use crate::secret;

/// A text that is handed to a guest or a server, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Value(pub String);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Value {
    /// Reads it from where it lies. `field` is what the manifest calls it.
    pub(super) fn read(given: &Placed<TextOrSecret>, field: &str) -> Result<Self, ManifestError> {
        let text = match &**given {
            TextOrSecret::Text(text) => Ok(text.clone()),
            TextOrSecret::Secret { secret } => secret::read(secret),
        };
        text.map(Self)
            .map_err(|problem| given.error(format!("{field}: {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use sandglass_manifest::SecretRef;

    fn file(content: &[u8]) -> Result<Value, ManifestError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let secret = SecretRef::File(file.path().to_owned());
        Value::read(&TextOrSecret::Secret { secret }.into(), "allow.env.KEY")
    }

    fn environment(name: &str) -> Result<Value, ManifestError> {
        let secret = SecretRef::Env(name.to_owned());
        Value::read(&TextOrSecret::Secret { secret }.into(), "allow.env.KEY")
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_cut() {
        for (content, secret) in [
            (&b"s3cret"[..], "s3cret"),
            (b"s3cret\n", "s3cret"),
            (b"s3cret\r\n", "s3cret"),
            (b"s3cret\n\n", "s3cret\n"),
            (b" a\nb ", " a\nb "),
        ] {
            assert_eq!(file(content).unwrap().0, secret);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for (content, part) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"\xff", "is not UTF-8"),
            (b"a\0b", "has a NUL"),
            (&[b'x'; (64 << 10) + 1][..], "more than 64KiB"),
        ] {
            let error = file(content).unwrap_err().to_string();
            assert!(error.starts_with("allow.env.KEY: "), "{error}");
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(file(&[b'x'; 64 << 10]).unwrap().0.len(), 64 << 10);
    }

    #[test]
    fn a_missing_secret_names_its_place_and_the_mend() {
        let secret = SecretRef::File("/no/such/file".into());
        let error =
            Value::read(&TextOrSecret::Secret { secret }.into(), "allow.env.KEY").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("/no/such/file cannot be read"), "{error}");
        assert!(error.contains("correct the path"), "{error}");
        let error = environment("SANDGLASS_TEST_NOT_SET").unwrap_err();
        assert_eq!(
            error.to_string(),
            "allow.env.KEY: the host's environment has no `SANDGLASS_TEST_NOT_SET`; set it where the host is started, or correct `env`"
        );
    }

    #[test]
    fn the_hosts_environment_holds_secrets() {
        // Cargo sets it for tests.
        assert_eq!(
            environment("CARGO_PKG_NAME").unwrap().0,
            env!("CARGO_PKG_NAME")
        );
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", Value("s3cret".to_owned())).contains("s3cret"));
    }
}
