//! Where components come from, one file each: [`file`] (a file or a folder), [`oci`] (a registry), [`https`],
//! [`kubernetes`] (a ConfigMap or Secret), [`parts`] (several of these).
//!
//! [`http`] is what registries and web servers share, [`attempt`] when to try again, [`cache`] keeps what was downloaded,
//! [`unpack`] takes compression off, [`verify`] checks signatures.
//!
//! Sizes, times and numbers here are what registries, servers and archives say: what is reckoned with them saturates, or is checked.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

mod attempt;
pub mod cache;
pub mod file;
mod http;
mod https;
pub mod kubernetes;
pub mod oci;
mod parts;
mod redirect;
mod unpack;
pub mod verify;

use std::path::PathBuf;

use bytes::Bytes;
pub use sandglass_manifest::{Digest, InvalidDigest};
use sandglass_manifest::{OciReference, Parts, SourceRef};

pub use attempt::FetchError;
pub use cache::ByteCache;
pub use file::FileError;
pub use http::Progress;
pub use kubernetes::KubernetesError;
pub use oci::OciError;
pub use parts::PartsError;
pub use unpack::UnpackError;

use crate::watch::Stamp;
use http::Http;
use kubernetes::Kubernetes;
use verify::{SignerName, Signers};

/// One component that a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name that it has in logs and status: the file's, or the last part of the repository.
    pub name: String,
    reference: SourceRef,
}

/// A component's bytes.
#[derive(Debug)]
pub struct Fetched {
    /// The component or source text, nothing packed about it.
    pub bytes: Bytes,
    /// Which bytes these are.
    pub version: Version,
    /// Who signed it, of those that must have.
    pub signed_by: Vec<SignerName>,
    /// What the operator should know, though the component can be served.
    pub notice: Option<String>,
}

/// What a reference stood for when it was fetched: as long as that is the same, so are the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Where the bytes come from; a tag is pinned to what it stood for.
    pub reference: SourceRef,
    /// That of a file, which keeps its name when it changes.
    stamp: Option<Stamp>,
    /// That of the bytes as they are stored, where nothing less tells whether they have changed.
    digest: Option<Digest>,
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
    /// A ConfigMap or Secret.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// A part, or all together.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// A signature is asked for where there can be none.
    #[error(
        "only artifacts of registries carry signatures: push the component to one (`sandglass push`)"
    )]
    NoSignature,
    /// The bytes that were found.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

/// What fetching needs to know.
#[derive(Debug, Clone, Default)]
pub struct FetchSettings {
    /// The folder for downloads.
    pub cache: Option<PathBuf>,
    /// Bytes that the folder may hold.
    pub cache_size: u64,
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
    kubernetes: Kubernetes,
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
            SourceRef::Kubernetes(key) => key.name().to_owned(),
            SourceRef::Joined(parts) => return Self::joined(parts.clone()),
            SourceRef::Inline(inline) => inline.language.as_str().to_owned(),
        };
        Self { name, reference }
    }

    /// Where it lies.
    pub fn reference(&self) -> &SourceRef {
        &self.reference
    }

    /// The name of the file that it lies in, or of the key.
    pub fn file_name(&self) -> Option<String> {
        match &self.reference {
            SourceRef::File(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            SourceRef::Kubernetes(key) => Some(key.key().to_owned()),
            _ => None,
        }
    }

    /// Parts have the name of the first.
    fn joined(parts: Parts) -> Self {
        let first = parts.as_slice()[0].clone();
        Self {
            name: Self::at(first.into()).name,
            reference: SourceRef::Joined(parts),
        }
    }

    /// Where it lies, for people.
    pub fn location(&self) -> String {
        match &self.reference {
            SourceRef::File(path) => path.display().to_string(),
            other => other.to_string(),
        }
    }
}

impl Version {
    fn is(&self, known: Option<&Self>) -> bool {
        known == Some(self)
    }
}

impl Fetcher {
    /// A fetcher that connects to nothing yet.
    pub fn new(settings: FetchSettings) -> Self {
        Self {
            cache: ByteCache::new(settings.cache.clone()),
            http: Http::new(None),
            kubernetes: Kubernetes::default(),
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

    /// The Kubernetes API.
    pub fn kubernetes(&self) -> &Kubernetes {
        &self.kubernetes
    }

    /// What was downloaded before.
    pub fn cache(&self) -> &ByteCache {
        &self.cache
    }

    /// Fetches a component. Its digest and size are checked, and never more bytes are taken than a component may have.
    /// None is given that is not signed by all `signers`.
    pub async fn fetch(&self, found: &Found, signers: &Signers) -> Result<Fetched, SourceError> {
        let fetched = self.fetch_newer(found, signers, None).await?;
        Ok(fetched.expect("any version is newer than none"))
    }

    /// The same, unless the reference still stands for the version that is known: then there is nothing to fetch.
    pub async fn fetch_newer(
        &self,
        found: &Found,
        signers: &Signers,
        known: Option<&Version>,
    ) -> Result<Option<Fetched>, SourceError> {
        let mut version = Version {
            reference: found.reference.clone(),
            stamp: None,
            digest: None,
        };
        let mut signed_by = Vec::new();
        let mut notice = None;
        let bytes = match &found.reference {
            SourceRef::File(_)
            | SourceRef::Https(_)
            | SourceRef::Kubernetes(_)
            | SourceRef::Joined(_)
            | SourceRef::Inline(_)
                if !signers.is_empty() =>
            {
                return Err(SourceError::NoSignature);
            }
            SourceRef::File(path) => {
                // Before the bytes: what is written while they are read is newer.
                version.stamp = Stamp::of(path);
                if version.is(known) {
                    return Ok(None);
                }
                file::read(path).await?
            }
            SourceRef::Https(_) | SourceRef::Inline(_) if version.is(known) => return Ok(None),
            SourceRef::Inline(inline) => Bytes::copy_from_slice(inline.text.as_bytes()),
            SourceRef::Https(source) => https::fetch(self, source).await?,
            SourceRef::Oci(reference) => {
                let pinned = match known.map(|known| &known.reference) {
                    Some(SourceRef::Oci(pinned)) => Some(pinned),
                    _ => None,
                };
                let Some(pulled) = oci::pull(self, reference, signers, pinned).await? else {
                    return Ok(None);
                };
                version.reference = SourceRef::Oci(pulled.pinned);
                signed_by = pulled.signed_by;
                notice = pulled.notice;
                pulled.bytes
            }
            SourceRef::Kubernetes(key) => {
                let mut values = kubernetes::fetch(self, &[key]).await?;
                notice = values.notice;
                let bytes = values.bytes.remove(0);
                version.digest = Some(Digest::of(&bytes));
                bytes
            }
            SourceRef::Joined(parts) => {
                let joined = parts::fetch(self, parts).await?;
                notice = joined.1;
                version.digest = Some(Digest::of(&joined.0));
                joined.0
            }
        };
        if version.digest.is_some() && version.is(known) {
            return Ok(None);
        }
        let unpacked = tokio::task::spawn_blocking(move || unpack::unpack(bytes)).await;
        Ok(Some(Fetched {
            bytes: unpacked.expect("unpacking does not panic")?,
            version,
            signed_by,
            notice,
        }))
    }

    /// Keeps the cache folder within its size.
    pub async fn trim_cache(&self) {
        let (cache, size) = (self.cache.clone(), self.settings.cache_size);
        let trimmed = tokio::task::spawn_blocking(move || cache.prune(size)).await;
        match trimmed {
            Ok(Ok(removed)) if removed.is_empty() => {}
            Ok(Ok(removed)) => tracing::info!(files = removed.len(), "cache folder trimmed"),
            Ok(Err(error)) => tracing::warn!(%error, "cache folder not trimmed"),
            // The host ends.
            Err(error) if error.is_cancelled() => {}
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
            ("configmap://tools/any/time.wasm.gz".to_owned(), "time"),
        ] {
            let found = Found::at(reference.parse().unwrap());
            assert_eq!(found.name, name);
            assert_eq!(found.location(), reference);
        }
    }
}
