//! Where the signatures of an artifact lie in its repository, and the search for the ones that count.
//!
//! They are looked for in the cache first: a signature does not become less true, and it is checked against the keys at each use. So what
//! was verified once needs no registry, and what the registry says is only asked where that does not do.

use bytes::Bytes;
use sandglass_manifest::{Digest, OciReference};

use super::artifact::{Blob, Descriptor, Document as Listing};
use super::{Format, OciError, Pull};
use crate::source::verify::{
    Document, Search, SignerName, Signers, bundle,
    classic::{PAYLOAD_TYPE, SIGNATURE},
};

/// Bytes of a signature with what it signs; cosign's have less than a KiB.
const MAX_DOCUMENT: u64 = 256 << 10;

/// The signatures that are looked at, of each format: whoever may push could push any number.
const MAX_SIGNATURES: usize = 64;

/// The tag with the signatures of a digest in the classic format.
pub fn classic_tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// The tag with what refers to a digest, where the registry does not list it by itself (OCI distribution spec, "Referrers tag schema").
pub fn referrers_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

/// Who signed the artifact of this digest. An error if not all did who must.
pub async fn verify(
    pull: &Pull<'_>,
    digest: &Digest,
    signers: &Signers,
) -> Result<Vec<SignerName>, OciError> {
    if signers.is_empty() {
        return Ok(Vec::new());
    }
    let mut search = Search::new(signers, digest);
    look(pull, digest, Place::Cache, &mut search).await?;
    if !search.is_done() {
        search = Search::new(signers, digest);
        look(pull, digest, Place::Registry, &mut search)
            .await
            .map_err(|error| OciError::Signatures(Box::new(error)))?;
    }
    let keys = search.end(pull.reference)?;
    for key in &keys {
        tracing::info!(reference = %pull.reference, %digest, "signed by {key}");
    }
    Ok(keys)
}

/// Whether the repository has a signature in this format by all `signers`.
pub async fn is_signed(
    pull: &Pull<'_>,
    digest: &Digest,
    signers: &Signers,
    format: Format,
) -> Result<bool, OciError> {
    let place = Place::Registry;
    let repository = Repository { pull, place };
    let mut search = Search::new(signers, digest);
    match format {
        Format::Classic => repository.classic(digest, &mut search).await,
        Format::Bundle => repository.bundles(digest, &mut search).await,
    }
}

/// Where is looked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the cache alone.
    Cache,
    /// In the registry, and for what is named by digest in the cache first.
    Registry,
}

async fn look(
    pull: &Pull<'_>,
    digest: &Digest,
    place: Place,
    search: &mut Search<'_>,
) -> Result<(), OciError> {
    let repository = Repository { pull, place };
    if !repository.classic(digest, search).await? {
        repository.bundles(digest, search).await?;
    }
    Ok(())
}

/// The artifact's repository, as far as it is looked at.
struct Repository<'p, 'a> {
    pull: &'p Pull<'a>,
    place: Place,
}

impl Repository<'_, '_> {
    /// Looks at the signatures in the classic format; whether all are found.
    async fn classic(&self, digest: &Digest, search: &mut Search<'_>) -> Result<bool, OciError> {
        let Some(manifest) = self.tagged(&classic_tag(digest)).await? else {
            return Ok(false);
        };
        let layers = match Listing::read(&manifest) {
            Ok(manifest) => manifest.layers,
            Err(_) => {
                search.skip("what lies where its signatures should is no manifest");
                return Ok(false);
            }
        };
        let payloads = layers.iter().filter(|layer| layer.is(&[PAYLOAD_TYPE]));
        for layer in payloads.take(MAX_SIGNATURES) {
            let Some(signature) = layer.annotations.get(SIGNATURE) else {
                search.skip("a payload has no signature");
                continue;
            };
            let Some(payload) = self.document(layer, search).await? else {
                continue;
            };
            let signature = signature.clone();
            if search.offer(&Document::Classic { payload, signature }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the bundles that refer to the artifact; whether all signatures are found.
    async fn bundles(&self, digest: &Digest, search: &mut Search<'_>) -> Result<bool, OciError> {
        let Some(index) = self.referrers(digest).await? else {
            return Ok(false);
        };
        let Ok(index) = Listing::read(&index) else {
            search.skip("what lies where its signatures should is no index");
            return Ok(false);
        };
        // Not by the entry's type: in the tag's index cosign writes that of the config there.
        for entry in index.manifests.iter().flatten().take(MAX_SIGNATURES) {
            let Ok(digest) = entry.digest() else { continue };
            let Some(manifest) = self.manifest(&digest).await? else {
                continue;
            };
            let Ok(manifest) = Listing::read(&manifest) else {
                continue;
            };
            let Some(layer) = manifest
                .layers
                .iter()
                .find(|layer| layer.is(&[bundle::BUNDLE_TYPE]))
            else {
                continue;
            };
            let Some(bundle) = self.document(layer, search).await? else {
                continue;
            };
            if search.offer(&Document::Bundle(bundle)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What refers to an artifact: an index by the registry, or at the tag that stands for it.
    async fn referrers(&self, digest: &Digest) -> Result<Option<Bytes>, OciError> {
        let tag = referrers_tag(digest);
        if self.place == Place::Registry {
            let registry = self.pull.registry().await;
            if let Some(index) = registry.referrers(digest, bundle::BUNDLE_TYPE).await? {
                self.keep(&tag, &index).await;
                return Ok(Some(index));
            }
        }
        self.tagged(&tag).await
    }

    /// What a tag stands for, if there is such a tag.
    async fn tagged(&self, tag: &str) -> Result<Option<Bytes>, OciError> {
        let cache = &self.pull.fetcher.cache;
        match self.place {
            Place::Cache => match cache.tag(&self.at(tag)).await {
                Some(digest) => Ok(cache.get(&digest).await),
                None => Ok(None),
            },
            Place::Registry => match self.pull.registry().await.tagged(tag).await {
                Ok(manifest) => {
                    self.keep(tag, &manifest).await;
                    Ok(Some(manifest))
                }
                Err(OciError::Missing { .. }) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    async fn keep(&self, tag: &str, manifest: &Bytes) {
        let cache = &self.pull.fetcher.cache;
        let digest = Digest::of(manifest);
        cache.put(&digest, manifest.clone()).await;
        cache.remember(&self.at(tag), &digest).await;
    }

    async fn manifest(&self, digest: &Digest) -> Result<Option<Bytes>, OciError> {
        match self.place {
            Place::Cache => Ok(self.pull.fetcher.cache.get(digest).await),
            Place::Registry => match self.pull.manifest(digest).await {
                Ok(manifest) => Ok(Some(manifest)),
                Err(OciError::Missing { .. }) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// The bytes that a layer of a signature's manifest names.
    async fn document(
        &self,
        layer: &Descriptor,
        search: &mut Search<'_>,
    ) -> Result<Option<Bytes>, OciError> {
        if layer.size > MAX_DOCUMENT {
            search.skip("a signature is larger than signatures are");
            return Ok(None);
        }
        let Ok(digest) = layer.digest() else {
            search.skip("a signature is named by no sha256 digest");
            return Ok(None);
        };
        let size = layer.size;
        match self.place {
            Place::Cache => Ok(self.pull.fetcher.cache.get(&digest).await),
            Place::Registry => match self.pull.blob(&Blob { digest, size }).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(OciError::Missing { .. }) => {
                    search.skip("a signature is named, and not there");
                    Ok(None)
                }
                Err(error) => Err(error),
            },
        }
    }

    fn at(&self, tag: &str) -> OciReference {
        self.pull.reference.tagged(tag.to_owned())
    }
}
