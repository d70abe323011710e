//! Components from OCI registries.
//!
//! A tag is resolved once, to the digest of a manifest; everything after that is fetched by digest, from the cache where
//! it is there. So what was checked is what runs, whatever becomes of the tag in between.

mod artifact;
mod credentials;
mod push;
mod registry;
mod sign;
mod signatures;
mod upload;

use std::path::PathBuf;

use bytes::Bytes;
use http::StatusCode;
use sandglass_manifest::{Digest, OciReference};
use tokio::sync::OnceCell;

use super::verify::{SignerName, Signers, Unsigned};
use super::{FetchError, Fetcher};
pub use artifact::ArtifactError;
use artifact::{Artifact, Blob, Manifest};
pub use credentials::{CredentialError, file as credentials_file};
pub use push::{PushError, push};
pub use registry::Action;
use registry::Registry;
pub use sign::{Format, SignatureError, Signed, sign};

/// An artifact's component.
#[derive(Debug)]
pub struct Pulled {
    /// The layer's bytes.
    pub bytes: Bytes,
    /// The reference, with the digest of the manifest that it stands for.
    pub pinned: OciReference,
    /// Who signed it, of those that must have.
    pub signed_by: Vec<SignerName>,
    /// What the operator should know.
    pub notice: Option<String>,
}

/// Why a registry gives no component.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// Our own credentials.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What the artifact is.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// On the way.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It wants a login.
    #[error(
        "{registry} refuses whoever is not logged in ({}): log in, as by `docker login {registry}`, or name a docker config.json in SANDGLASS_REGISTRY_AUTH_FILE", .status.as_u16()
    )]
    Anonymous {
        /// The registry.
        registry: String,
        /// 401, or what its token service answered.
        status: StatusCode,
    },
    /// The login is no good.
    #[error("{registry} refuses the credentials of {} ({}): they are wrong or expired; log in again", .file.display(), .status.as_u16())]
    Refused {
        /// The registry.
        registry: String,
        /// 401, or what its token service answered.
        status: StatusCode,
        /// Where the credentials come from.
        file: PathBuf,
    },
    /// The login may not.
    #[error(
        "{registry} denies the right to {} {repository} (403): log in as somebody who may, or ask its owner", match .action { Action::Pull => "pull", Action::Push => "push to" }
    )]
    Denied {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// What was tried.
        action: Action,
    },
    /// There is none.
    #[error("{registry} has no `{name}` in {repository} (404): check the reference, or push it")]
    Missing {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The tag or digest.
        name: String,
    },
    /// Not all have signed it who must.
    #[error(transparent)]
    Unsigned(#[from] Box<Unsigned>),
    /// Whether they have is not known.
    #[error("its signatures cannot be had: {0}")]
    Signatures(Box<OciError>),
    /// The registry asks for a token and gives none.
    #[error("{registry} cannot be logged in to: {reason}")]
    Token {
        /// The registry.
        registry: String,
        /// What it did.
        reason: &'static str,
    },
}

impl OciError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.may_pass())
    }
}

/// Pulls an artifact's component, once it is known to be signed by all who must have; none where the reference still
/// stands for the one that is known.
pub async fn pull(
    fetcher: &Fetcher,
    reference: &OciReference,
    signers: &Signers,
    known: Option<&OciReference>,
) -> Result<Option<Pulled>, OciError> {
    let pull = Pull::new(fetcher, reference);
    let (digest, notice) = pull.digest().await?;
    let pinned = reference.pinned(digest.clone());
    if known == Some(&pinned) {
        warn(reference, notice.as_deref());
        return Ok(None);
    }
    let signed_by = signatures::verify(&pull, &digest, signers).await?;
    let artifact = pull.artifact(&digest).await?;
    let bytes = pull.blob(&artifact.component).await?;
    if pull.registry.initialized() {
        tracing::info!(reference = %pinned, "pulled");
    }
    warn(reference, notice.as_deref());
    if artifact.policy.is_some() {
        tracing::warn!(%reference, "the artifact comes with a policy, which is not applied: grants come from the manifest; `sandglass inspect` prints what would grant the same");
    }
    Ok(Some(Pulled {
        bytes,
        pinned,
        signed_by,
        notice,
    }))
}

/// The policy that comes with an artifact, if one does. It is not applied: grants come from operators, and it may help them.
pub async fn policy(
    fetcher: &Fetcher,
    reference: &OciReference,
) -> Result<Option<Bytes>, OciError> {
    let pull = Pull::new(fetcher, reference);
    let (digest, _) = pull.digest().await?;
    match pull.artifact(&digest).await?.policy()? {
        Some(policy) => pull.blob(&policy).await.map(Some),
        None => Ok(None),
    }
}

/// The digest that a reference stands for, and who signed it, of those that must have.
pub async fn verify(
    fetcher: &Fetcher,
    reference: &OciReference,
    signers: &Signers,
) -> Result<(Digest, Vec<SignerName>), OciError> {
    let pull = Pull::new(fetcher, reference);
    let (digest, notice) = pull.digest().await?;
    let signed_by = signatures::verify(&pull, &digest, signers).await?;
    warn(reference, notice.as_deref());
    Ok((digest, signed_by))
}

fn warn(reference: &OciReference, notice: Option<&str>) {
    if let Some(notice) = notice {
        tracing::warn!(%reference, "{notice}");
    }
}

/// One pull. The registry is only spoken to if the cache lacks something.
struct Pull<'a> {
    fetcher: &'a Fetcher,
    reference: &'a OciReference,
    registry: OnceCell<Registry<'a>>,
}

impl<'a> Pull<'a> {
    fn new(fetcher: &'a Fetcher, reference: &'a OciReference) -> Self {
        Self {
            fetcher,
            reference,
            registry: OnceCell::new(),
        }
    }

    /// The digest that the reference stands for.
    async fn digest(&self) -> Result<(Digest, Option<String>), OciError> {
        match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => Ok((digest.clone(), None)),
            (None, tag) => self.resolve(tag.unwrap_or_default()).await,
        }
    }

    /// The digest that a tag stands for; where the registry is down, the one that it stood for last, and a word on that.
    /// A registry that refuses, or has no such tag any more, is not down.
    async fn resolve(&self, tag: &str) -> Result<(Digest, Option<String>), OciError> {
        let cache = &self.fetcher.cache;
        let error = match self.registry().await.tagged(tag).await {
            Ok(manifest) => {
                let digest = Digest::of(&manifest);
                cache.put(&digest, manifest).await;
                cache.remember(self.reference, &digest).await;
                return Ok((digest, None));
            }
            Err(error) => error,
        };
        match cache.tag(self.reference).await {
            Some(digest) if error.may_pass() => {
                let notice = format!(
                    "{error}; what `{tag}` last stood for is served from the cache ({digest})"
                );
                Ok((digest, Some(notice)))
            }
            _ => Err(error),
        }
    }

    async fn artifact(&self, digest: &Digest) -> Result<Artifact, OciError> {
        match Manifest::parse(&self.manifest(digest).await?)? {
            Manifest::Artifact(artifact) => Ok(artifact),
            Manifest::Index(digest) => match Manifest::parse(&self.manifest(&digest).await?)? {
                Manifest::Artifact(artifact) => Ok(artifact),
                Manifest::Index(_) => Err(ArtifactError::Nested.into()),
            },
        }
    }

    async fn manifest(&self, digest: &Digest) -> Result<Bytes, OciError> {
        let cache = &self.fetcher.cache;
        if let Some(bytes) = cache.get(digest).await {
            return Ok(bytes);
        }
        let bytes = self.registry().await.pinned(digest).await?;
        cache.put(digest, bytes.clone()).await;
        Ok(bytes)
    }

    async fn blob(&self, blob: &Blob) -> Result<Bytes, OciError> {
        let cache = &self.fetcher.cache;
        if let Some(bytes) = cache.get(&blob.digest).await {
            return Ok(bytes);
        }
        let bytes = self.registry().await.blob(blob).await?;
        cache.put(&blob.digest, bytes.clone()).await;
        Ok(bytes)
    }

    async fn registry(&self) -> &Registry<'a> {
        let connect = || Registry::new(self.fetcher, self.reference, Action::Pull);
        self.registry.get_or_init(connect).await
    }
}
