//! Whose signatures components must carry.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SourcePattern, field::Field, list::OneOrMore};

/// The signature that a source's components must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// Made by cosign.
    pub cosign: Cosign,
}

/// Whose signature, as cosign makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosign {
    /// The files of public keys (PEM); a signature by one of them is enough. At least one.
    pub key: Vec<PathBuf>,
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
pub(crate) struct CosignDocument {
    /// The file of the public key (PEM), or a list of such files: a signature by one of them is enough.
    pub key: Field<OneOrMore>,
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
