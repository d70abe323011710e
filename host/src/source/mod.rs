//! Where components come from, one file each: [`file`] (a file or a folder), [`oci`] (a registry), [`https`].
//!
//! [`http`] is what the last two share, [`cache`] keeps what they downloaded, [`unpack`] takes compression off.

pub mod cache;
pub mod file;
mod http;
mod https;
pub mod oci;
mod unpack;

use std::path::PathBuf;

use bytes::Bytes;
pub use sandglass_manifest::{Digest, InvalidDigest};
use sandglass_manifest::{OciReference, SourceRef};

pub use cache::ByteCache;
pub use file::FileError;
pub use http::{FetchError, Progress};
pub use oci::OciError;
pub use unpack::UnpackError;

use http::Http;

/// One component that a reference names.
#[derive(Debug)]
pub struct Found {
    /// The name that it has in logs and status: the file's, or the last part of the repository.
    pub name: String,
    reference: SourceRef,
}

/// A component's bytes.
#[derive(Debug)]
pub struct Fetched {
    /// The component, nothing packed about it.
    pub bytes: Bytes,
    /// Where they come from; a tag is pinned to what it stood for.
    pub reference: SourceRef,
    /// What the operator should know, though the component can be served.
    pub notice: Option<String>,
}

/// Why a source gives no component.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// A registry.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// A web server.
    #[error(transparent)]
    Https(#[from] FetchError),
    /// The bytes that were found.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

/// What fetching needs to know.
#[derive(Debug, Clone, Default)]
pub struct FetchSettings {
    /// The folder for downloads.
    pub cache: Option<PathBuf>,
    /// Registries, as `host` or `host:port`, that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// A docker `config.json` or Kubernetes `.dockerconfigjson` with the credentials of registries; without one the
    /// user's docker configuration.
    pub registry_auth: Option<PathBuf>,
}

/// Fetches components, from wherever they lie.
pub struct Fetcher {
    settings: FetchSettings,
    cache: ByteCache,
    http: Http,
}

/// The components behind a reference: a folder has several.
pub fn find(reference: &SourceRef) -> Result<Vec<Found>, SourceError> {
    match reference {
        SourceRef::File(path) => {
            let files = file::find(path)?.into_iter();
            Ok(files.map(|file| Found::at(SourceRef::File(file))).collect())
        }
        one => Ok(vec![Found::at(one.clone())]),
    }
}

impl Found {
    /// What lies at a reference, whether it can be had or not.
    pub fn at(reference: SourceRef) -> Self {
        let name = match &reference {
            SourceRef::File(path) => path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            SourceRef::Oci(reference) => reference.name().to_owned(),
            SourceRef::Https(source) => source.name().to_owned(),
        };
        Self { name, reference }
    }

    /// Where it lies, for people.
    pub fn location(&self) -> String {
        match &self.reference {
            SourceRef::File(path) => path.display().to_string(),
            other => other.to_string(),
        }
    }
}

impl Fetcher {
    /// A fetcher that connects to nothing yet.
    pub fn new(settings: FetchSettings) -> Self {
        Self {
            cache: ByteCache::new(settings.cache.clone()),
            http: Http::new(None),
            settings,
        }
    }

    /// Tells how far a download is.
    #[must_use]
    pub fn with_progress(self, progress: Progress) -> Self {
        Self {
            http: Http::new(Some(progress)),
            ..self
        }
    }

    /// What was downloaded before.
    pub fn cache(&self) -> &ByteCache {
        &self.cache
    }

    /// Fetches a component. Its digest and size are checked, and never more bytes are taken than a component may have.
    pub async fn fetch(&self, found: &Found) -> Result<Fetched, SourceError> {
        let mut reference = found.reference.clone();
        let mut notice = None;
        let bytes = match &found.reference {
            SourceRef::File(path) => file::read(path).await?,
            SourceRef::Https(source) => https::fetch(self, source).await?,
            SourceRef::Oci(tagged) => {
                let pulled = oci::pull(self, tagged).await?;
                reference = SourceRef::Oci(tagged.pinned(pulled.digest));
                notice = pulled.notice;
                pulled.bytes
            }
        };
        let unpacked = tokio::task::spawn_blocking(move || unpack::unpack(bytes)).await;
        Ok(Fetched {
            bytes: unpacked.expect("unpacking does not panic")?,
            reference,
            notice,
        })
    }

    /// Keeps the cache folder within its size.
    pub async fn trim_cache(&self) {
        let cache = self.cache.clone();
        let trimmed = tokio::task::spawn_blocking(move || cache.prune(cache::MAX_SIZE)).await;
        match trimmed {
            Ok(Ok(removed)) if removed.is_empty() => {}
            Ok(Ok(removed)) => tracing::info!(files = removed.len(), "cache folder trimmed"),
            Ok(Err(error)) => tracing::warn!(%error, "cache folder not trimmed"),
            Err(error) => tracing::warn!(%error, "cache folder not trimmed"),
        }
    }

    /// Whether a registry may be spoken to without TLS.
    fn may_be_plain(&self, reference: &OciReference) -> bool {
        self.settings
            .insecure_registries
            .iter()
            .any(|registry| registry == reference.registry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_named_after_its_file_or_repository() {
        let digest = Digest::of(b"");
        for (reference, name) in [
            ("./tools/time.wasm".to_owned(), "time"),
            ("oci://ghcr.io/acme/time:1.2".to_owned(), "time"),
            (format!("https://example.org/a/time.wasm@{digest}"), "time"),
        ] {
            let found = Found::at(reference.parse().unwrap());
            assert_eq!(found.name, name);
            assert_eq!(found.location(), reference);
        }
    }
}
