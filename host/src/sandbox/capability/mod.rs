//! What a guest may reach beyond its own memory, clocks and randomness: one file a capability.
//!
//! Each capability has three moments. It is linked once, for every component; configured once a
//! source, when what the manifest grants is read and checked; and prepared for each call, which is
//! cheap and never blocks. A guest that uses what it was not granted is refused at that use.

mod env;
mod files;
mod folders;
pub(super) mod http;
pub mod keyvalue;
mod secret;
mod summary;
mod trail;

use std::sync::Arc;

use sandglass_manifest::{Allow, HttpLimits, ManifestError};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_config::WasiConfigVariables;

use super::file_share::FileShare;
use super::memory::HostMemory;

pub use self::env::Env;
pub use self::files::Files;
pub use self::folders::{Grant, GrantedFolders, OwnFile, Secrecy};
pub use self::http::Http;
pub use self::keyvalue::{BucketError, KeyValue, NoRecords, Records, Stores, UnknownStore};
pub use self::summary::Summary;
pub use self::trail::{MAX_URI, Trail};

/// What a source's tools are granted. The default grants nothing.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Environment variables.
    pub env: Env,
    /// Outbound HTTP.
    pub http: Http,
    /// Folders.
    pub files: Files,
    /// Key-value stores.
    pub keyvalue: KeyValue,
}

/// Why a grant cannot be given as it is written. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// A value in the manifest, with its place.
    #[error(transparent)]
    Value(#[from] ManifestError),
    /// A key-value store.
    #[error("allow.keyvalue: {0}")]
    Store(#[from] UnknownStore),
}

impl Grants {
    /// Reads and checks what a source is allowed: secrets, certificates, its part of `folders`, the tenant's part of `stores`.
    /// Blocks on files.
    pub fn configure(
        allow: &Allow,
        stores: &Stores,
        folders: &GrantedFolders,
        tenant: &str,
    ) -> Result<Self, GrantError> {
        Ok(Self {
            env: Env::configure(&allow.env)?,
            http: Http::configure(&allow.http)?,
            files: Files::configure(&allow.files, folders)?,
            keyvalue: stores.grant(tenant, &allow.keyvalue)?,
        })
    }

    /// What a call gets of it.
    pub(super) fn prepare(
        &self,
        limits: &HttpLimits,
        host_memory: &HostMemory,
        files: &FileShare,
        trail: &Trail,
        wasi: &mut WasiCtxBuilder,
    ) -> (Arc<WasiConfigVariables>, http::Outbound) {
        (
            self.env.prepare(wasi),
            self.http
                .prepare(limits, host_memory.clone(), files.clone(), trail.clone()),
        )
    }
}
