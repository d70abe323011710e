//! Where the audit records go.

use std::{path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ByteSize, Count, Placed, SecretRef,
    field::Field,
    scalar::{self, InvalidValue, Scalar},
    secret::{self, SecretBody},
};

/// The audit: one record a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Where the records go.
    #[serde(flatten)]
    pub to: AuditTarget,
    /// The key of the arguments' HMAC; without it one is made for each run of the host, so that hashes of different runs cannot be compared.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::in_object"
    )]
    pub key: Option<Placed<SecretRef>>,
}

/// Where the audit records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "to", rename_all = "lowercase")]
pub enum AuditTarget {
    /// To standard output, a record a line.
    Stdout,
    /// To a file, a record a line.
    File {
        /// The file; a new one beside it (`.1`, `.2`, ..) takes over when it is full.
        path: Placed<PathBuf>,
        /// Bytes of a file before the next one is begun.
        max_size: ByteSize,
        /// Full files that are kept.
        keep: Count,
    },
}

impl AuditTarget {
    /// `max_size` where none is written.
    pub const MAX_SIZE: ByteSize = ByteSize::mib(64);
    /// `keep` where none is written.
    pub const KEEP: Count = Count::new(8).expect("more than zero");
}

/// Where the audit records go: one record a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Audit")]
#[schemars(extend("oneOf" = [
    { "properties": { "to": { "const": "file" } }, "required": ["path"] },
    { "properties": { "to": { "const": "stdout" }, "path": false, "max_size": false, "keep": false } },
]))]
pub(crate) struct AuditDocument {
    /// `stdout` or `file`.
    pub to: Field<AuditWord>,
    /// With `file`: the file; a new one beside it (`.1`, `.2`, ..) takes over when it is full.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub path: Field<String>,
    /// With `file`: bytes of a file before the next one is begun.
    #[serde(default)]
    #[schemars(extend("default" = AuditTarget::MAX_SIZE))]
    pub max_size: Field<ByteSize>,
    /// With `file`: full files that are kept.
    #[serde(default)]
    #[schemars(extend("default" = AuditTarget::KEEP))]
    pub keep: Field<Count>,
    /// The key of the arguments' HMAC; without it one is made for each run of the host, so that hashes
    /// of different runs cannot be compared.
    #[serde(default)]
    pub key: Field<SecretBody>,
}

/// Where the records go, as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AuditWord {
    Stdout,
    File,
}

impl Scalar for AuditWord {
    const EXPECTED: &'static str = "a place for audit records";
}

impl FromStr for AuditWord {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        scalar::word(given, &[("stdout", Self::Stdout), ("file", Self::File)])
    }
}

scalar::read_as_text!(AuditWord);
