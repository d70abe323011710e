//! Where a server's tools run, and so where they find what is mounted.

use super::reference::ReferenceKind;

/// Where a server's tools run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In a host of their own.
    Alone,
    /// Beside those of other servers of the namespace.
    Shared,
}

impl Placement {
    /// Where the object with the tools is mounted.
    pub fn tools_folder(self, kind: ReferenceKind, object: &str) -> String {
        match self {
            Self::Alone => "/etc/sandglass/tools".to_owned(),
            Self::Shared => object_folder(kind, object),
        }
    }

    /// Where the ConfigMap with the public key of signatures is mounted.
    pub fn keys_folder(self, object: &str) -> String {
        match self {
            Self::Alone => "/etc/sandglass/keys".to_owned(),
            Self::Shared => object_folder(ReferenceKind::ConfigMap, object),
        }
    }
}

/// Where a shared host has an object of one of its tenants, or of several.
pub fn object_folder(kind: ReferenceKind, object: &str) -> String {
    match kind {
        ReferenceKind::ConfigMap => format!("/etc/sandglass/configmaps/{object}"),
        ReferenceKind::Secret => format!("/etc/sandglass/secrets/{object}"),
    }
}
