//! Key-value stores.

use std::{path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ByteSize, Placed, TextOrSecret,
    field::Field,
    name,
    scalar::{self, InvalidValue, Scalar},
    secret::TextOrSecretDocument,
};

/// A store's name, as `allow.keyvalue` and guests give it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StoreName(String);

/// A key-value store. Each tenant has a key space of its own in it, with this quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Store {
    /// Where the values are kept.
    #[serde(flatten)]
    pub kind: StoreKind,
    /// Bytes that one tenant can keep in it: those of keys and values, and 256 for each key.
    pub quota: ByteSize,
}

/// Where a store's values are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StoreKind {
    /// In a file of this host's own.
    Embedded {
        /// The file; made where it is not there.
        path: Placed<PathBuf>,
    },
    /// In a Redis server, which several hosts can share.
    Redis {
        /// `redis://..` or `rediss://..`
        url: Placed<TextOrSecret>,
    },
}

impl Store {
    /// The quota where none is written.
    pub const QUOTA: ByteSize = ByteSize::mib(64);
}

impl StoreName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key-value store. Each tenant has a key space of its own in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
#[schemars(extend("oneOf" = [
    { "properties": { "kind": { "const": "embedded" } }, "required": ["path"], "not": { "required": ["url"] } },
    { "properties": { "kind": { "const": "redis" } }, "required": ["url"], "not": { "required": ["path"] } },
]))]
pub(crate) struct StoreDocument {
    /// `embedded`: in a file of this host's own; `redis`: in a server that several hosts can share.
    pub kind: Field<StoreWord>,
    /// With `embedded`: the file; made where it is not there.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub path: Field<String>,
    /// With `redis`: `redis://..` or `rediss://..`; with a password in it, only as a secret.
    #[serde(default)]
    pub url: Field<TextOrSecretDocument>,
    /// Bytes that one tenant can keep in it: those of keys and values, and 256 for each key.
    #[serde(default)]
    #[schemars(extend("default" = Store::QUOTA))]
    pub quota: Field<ByteSize>,
}

/// A store's kind as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreWord {
    Embedded,
    Redis,
}

impl Scalar for StoreName {
    const EXPECTED: &'static str = "a store's name";
}

impl Scalar for StoreWord {
    const EXPECTED: &'static str = "a kind of store";
}

impl FromStr for StoreName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        name::check::<Self>(given).map(Self)
    }
}

impl FromStr for StoreWord {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let words = [("embedded", Self::Embedded), ("redis", Self::Redis)];
        scalar::word(given, &words)
    }
}

scalar::read_as_text!(StoreName, StoreWord);

impl std::fmt::Display for StoreName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
