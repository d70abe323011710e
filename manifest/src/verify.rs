//! Whose signatures components must carry.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CertificateIdentity, Placed, SourcePattern, field::Field, list::OneOrMore, url::IssuerUrl,
};

/// The signature that a source's components must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// Made by cosign.
    pub cosign: Cosign,
}

/// Whose signature, as cosign makes them: by one of the keys, or for the identity. One of both is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosign {
    /// The files of public keys (PEM).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<PathBuf>,
    /// A certificate that was good for minutes, and logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyless: Option<Placed<Keyless>>,
}

/// For whom a signing certificate was issued, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keyless {
    /// Whom the certificate is for.
    pub identity: CertificateIdentity,
    /// Where they logged in: an OpenID Connect issuer, exactly.
    pub issuer: String,
    /// The file that says which certificate authorities and logs are trusted (Sigstore's `trusted_root.json`).
    pub trust_root: PathBuf,
}

/// The signature that the components of many sources must carry, whatever these say themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureRule {
    /// Which sources.
    pub source: SourcePattern,
    /// Made by cosign.
    pub cosign: Cosign,
}

/// The signature that the components must carry; others are not used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Verify")]
pub(crate) struct VerifyDocument {
    /// A signature as cosign makes them.
    pub cosign: Field<CosignDocument>,
}

/// Whose signature, as cosign makes them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cosign")]
#[schemars(extend("anyOf" = [{ "required": ["key"] }, { "required": ["keyless"] }]))]
pub(crate) struct CosignDocument {
    /// The file of the public key (PEM), or a list of such files: a signature by one of them is enough.
    #[serde(default)]
    pub key: Field<OneOrMore>,
    /// A signature by a certificate that was issued for a moment ("keyless"); beside a key it is as good as one by that.
    #[serde(default)]
    pub keyless: Field<KeylessDocument>,
}

/// A signature by a certificate that was issued for a moment to someone who logged in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keyless")]
pub(crate) struct KeylessDocument {
    /// Whom the certificate is for: an email address or URI; with `*` at the end, after `/` or `@`, all that begin so.
    pub identity: Field<CertificateIdentity>,
    /// Where they logged in: the URL of the OpenID Connect issuer, exactly.
    pub issuer: Field<IssuerUrl>,
    /// The file with the certificate authorities and logs that are trusted: Sigstore's `trusted_root.json`.
    pub trust_root: Field<String>,
}

/// The signature that the components of all sources must carry that match, whatever these say themselves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `source` and `cosign`"
)]
#[schemars(rename = "SignatureRule")]
pub(crate) struct SignatureRuleDocument {
    /// Which sources: `oci://REGISTRY/REPOSITORY`, or `oci://REGISTRY/FOLDER/*` for all below.
    pub source: Field<SourcePattern>,
    /// A signature as cosign makes them.
    pub cosign: Field<CosignDocument>,
}
