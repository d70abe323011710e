//! Who signed something.

use std::fmt;

use sandglass_manifest::Digest;
use sandglass_text::Line;
use serde::Serialize;

use super::KeyName;

/// Who signed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SignerName {
    /// Whoever has a key.
    Key(KeyName),
    /// Whom a certificate was for.
    Certificate(CertificateName),
}

/// What a certificate says, and who believes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateName {
    /// Whom it is for: an email address or URI.
    pub identity: String,
    /// Where they logged in.
    pub issuer: String,
    /// The digest of the trust root by which it was checked: what another one says of it is not known.
    #[serde(skip)]
    pub trust_root: Digest,
}

impl SignerName {
    /// What identifies the signer: a key's digest, or the certificate's identity and issuer.
    pub fn id(&self) -> String {
        match self {
            Self::Key(key) => key.id.to_string(),
            Self::Certificate(name) => format!("{} ({})", name.identity, name.issuer),
        }
    }
}

impl From<&KeyName> for SignerName {
    fn from(key: &KeyName) -> Self {
        Self::Key(key.clone())
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Certificate(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            identity, issuer, ..
        } = self;
        write!(f, "{} ({})", Line::name(identity), Line::name(issuer))
    }
}
