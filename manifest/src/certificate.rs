//! Whom a signing certificate is for.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// The identity of a certificate, an email address or URI, exactly; or, with `*` at the end, all that begin so. That of a workflow
/// ends with the branch or tag that it ran for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateIdentity {
    written: String,
}

impl CertificateIdentity {
    /// Whether it is this one.
    pub fn covers(&self, identity: &str) -> bool {
        match self.written.strip_suffix('*') {
            Some(beginning) => identity.starts_with(beginning),
            None => identity == self.written,
        }
    }
}

impl Scalar for CertificateIdentity {
    const EXPECTED: &'static str = "the identity of a certificate";
}

impl FromStr for CertificateIdentity {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let refuse = |problem: &str| Err(InvalidValue::new::<Self>(given, problem.to_owned()));
        if given.is_empty() || given.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return refuse("it is an email address or a URI");
        }
        match given.split_once('*') {
            None => {}
            // Where a name ends: what comes after it is of the same owner.
            Some((beginning, "")) if beginning.ends_with(['/', '@']) => {}
            Some(_) => return refuse("`*` stands at the end, after a `/` or `@`"),
        }
        Ok(Self {
            written: given.to_owned(),
        })
    }
}

scalar::read_as_text!(CertificateIdentity);

impl fmt::Display for CertificateIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for CertificateIdentity {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_covers_itself_and_with_a_star_what_begins_so() {
        let identity = |given: &str| given.parse::<CertificateIdentity>().expect(given);
        let ada = identity("ada@example.com");
        assert!(ada.covers("ada@example.com"));
        assert!(!ada.covers("ada@example.com.evil.org"));
        let releases = identity("https://github.com/acme/time/.github/workflows/release.yml@*");
        assert!(
            releases
                .covers("https://github.com/acme/time/.github/workflows/release.yml@refs/tags/v1")
        );
        assert!(
            !releases
                .covers("https://github.com/evil/time/.github/workflows/release.yml@refs/tags/v1")
        );
    }

    #[test]
    fn an_identity_that_anybody_could_have_is_refused() {
        for given in [
            "",
            "*",
            "*@example.com",
            "https://github.com/acme*",
            "a b",
            "a/*/b",
        ] {
            assert!(given.parse::<CertificateIdentity>().is_err(), "{given}");
        }
    }
}
