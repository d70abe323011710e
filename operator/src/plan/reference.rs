//! ConfigMaps and Secrets that a server names.

use std::fmt;

/// A key that a server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What has the key.
    pub kind: ReferenceKind,
    /// The object's name, in the server's namespace.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether the server does without it.
    pub optional: bool,
    /// The field that names it.
    pub field: String,
}

/// A kind of object that holds values by key.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ReferenceKind {
    ConfigMap,
    Secret,
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
