//! Components into registries, in the layout of CNCF's "Wasm OCI Artifact", as `wkg` pushes them.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::HeaderValue;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_wasm::{ToConfig, WASM_LAYER_MEDIA_TYPE, WASM_MANIFEST_MEDIA_TYPE, WasmConfig};
use sandglass_manifest::{Digest, OciReference};

use super::OciError;
use super::registry::{Action, Registry};
use crate::sandbox::LoadError;
use crate::sandbox::compiled::check_kind;
use crate::source::http::{Authorization, CONNECT_TIMEOUT, READ_TIMEOUT, USER_AGENT};
use crate::source::{Fetcher, Progress};

/// Names the file that a layer holds (OCI image spec, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";

/// Bytes of a component that are sent at once.
const PIECE: usize = 1 << 20;

/// Why a component could not be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Bytes can't be pushed to a digest that they may not have.
    #[error("it names a digest: push to a tag")]
    Pinned,
    /// Not a component.
    #[error(transparent)]
    Kind(#[from] LoadError),
    /// A component whose types cannot be read.
    #[error("its exports and imports cannot be read ({0}): build it again")]
    Types(String),
    /// Getting in.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// Underway.
    #[error(
        "{registry} did not take it ({error}): check the repository's name, and that you may push to it"
    )]
    Refused {
        /// The registry.
        registry: String,
        /// Its words, or the client's.
        error: OciDistributionError,
    },
}

impl PushError {
    /// Whether it is about the file that was to be pushed, and not about the registry.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Self::Kind(_) | Self::Types(_))
    }
}

/// Pushes a component; the digest of its manifest. `title` is its file's name; `annotations` are the manifest's.
/// `progress` is told how much of the component the registry has.
pub async fn push(
    fetcher: &Fetcher,
    reference: &OciReference,
    component: Bytes,
    title: String,
    annotations: BTreeMap<String, String>,
    progress: &Progress,
) -> Result<Digest, PushError> {
    let (Some(tag), None) = (reference.tag(), reference.digest()) else {
        return Err(PushError::Pinned);
    };
    check_kind(&component)?;
    let config = WasmConfig::from_raw_component(component.to_vec(), None)
        .and_then(|(config, _)| config.to_config())
        .map_err(|error| PushError::Types(format!("{error:#}")))?;
    let layer = ImageLayer::new(
        component,
        WASM_LAYER_MEDIA_TYPE.to_owned(),
        Some(BTreeMap::from([(TITLE.to_owned(), title)])),
    );
    let annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    let mut manifest = OciImageManifest::build(std::slice::from_ref(&layer), &config, annotations);
    manifest.media_type = Some(WASM_MANIFEST_MEDIA_TYPE.to_owned());
    let manifest = serde_json::to_vec(&manifest).expect("a manifest is texts and numbers");
    let digest = Digest::of(&manifest);

    let registry = Registry::new(fetcher, reference, Action::Push).await;
    let upload = Upload::begin(&registry, reference).await?;
    upload.large_blob(layer.data, progress).await?;
    upload.blob(config.data).await?;
    upload
        .manifest(tag, manifest, WASM_MANIFEST_MEDIA_TYPE)
        .await?;
    Ok(digest)
}

/// A login to push with.
pub struct Upload<'a> {
    client: Client,
    reference: &'a OciReference,
}

impl<'a> Upload<'a> {
    /// Logs in to push.
    pub async fn begin(
        registry: &Registry<'_>,
        reference: &'a OciReference,
    ) -> Result<Self, PushError> {
        let auth = match registry.log_in().await? {
            Authorization::None => RegistryAuth::Anonymous,
            Authorization::Basic { user, password } => RegistryAuth::Basic(user, password),
            Authorization::Bearer(token) => RegistryAuth::Bearer(token),
        };
        let client = Client::try_from(ClientConfig {
            protocol: if registry.is_plain() {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        })
        .map_err(|error| refused(reference, error))?;
        let upload = Self { client, reference };
        let target = upload.target(String::new());
        upload
            .client
            .store_auth_if_needed(target.resolve_registry(), &auth)
            .await;
        Ok(upload)
    }

    /// Pushes a blob; its digest.
    pub async fn blob(&self, bytes: Bytes) -> Result<Digest, PushError> {
        let digest = Digest::of(&bytes);
        self.client
            .push_blob(&self.target(String::new()), bytes, &digest.to_string())
            .await
            .map_err(|error| refused(self.reference, error))?;
        Ok(digest)
    }

    /// Pushes a blob piece by piece, where the registry takes pieces; else as a whole.
    async fn large_blob(&self, bytes: Bytes, progress: &Progress) -> Result<(), PushError> {
        let whole = bytes.len() as u64;
        let pieces = stream::iter((0..bytes.len()).step_by(PIECE)).map(|begin| {
            // It asks for the next piece when the registry has those before.
            progress(begin as u64, Some(whole));
            Ok(bytes.slice(begin..bytes.len().min(begin.saturating_add(PIECE))))
        });
        let (target, digest) = (self.target(String::new()), Digest::of(&bytes).to_string());
        let pushed = self.client.push_blob_stream(&target, pieces, &digest).await;
        match pushed {
            Ok(_) => {}
            Err(OciDistributionError::SpecViolationError(_)) => {
                self.blob(bytes).await?;
            }
            Err(error) => return Err(refused(self.reference, error)),
        }
        progress(whole, Some(whole));
        Ok(())
    }

    /// Pushes a manifest to a tag, or to the digest that it has.
    pub async fn manifest(
        &self,
        at: &str,
        manifest: Vec<u8>,
        media_type: &'static str,
    ) -> Result<(), PushError> {
        // The client puts either into the same place of the URL.
        let target = self.target(at.to_owned());
        self.client
            .push_manifest_raw(&target, manifest, HeaderValue::from_static(media_type))
            .await
            .map_err(|error| refused(self.reference, error))?;
        Ok(())
    }

    fn target(&self, tag: String) -> Reference {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        Reference::with_tag(registry.to_owned(), repository.to_owned(), tag)
    }
}

fn refused(reference: &OciReference, error: OciDistributionError) -> PushError {
    PushError::Refused {
        registry: reference.registry().to_owned(),
        error,
    }
}
