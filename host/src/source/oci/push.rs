//! Components into registries, in the layout of CNCF's "Wasm OCI Artifact", as `wkg` pushes them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use oci_client::client::ImageLayer;
use oci_client::manifest::OciImageManifest;
use oci_wasm::{ToConfig, WASM_LAYER_MEDIA_TYPE, WASM_MANIFEST_MEDIA_TYPE, WasmConfig};
use sandglass_manifest::{Digest, OciReference};

use super::OciError;
use super::registry::{Action, Registry};
use super::upload::Upload;
use crate::sandbox::LoadError;
use crate::sandbox::compiled::check_kind;
use crate::source::{FetchError, Fetcher, Progress};

/// Names the file that a layer holds (OCI image spec, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";

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
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// By the registry.
    #[error(
        "{registry} did not take it ({status}): check the repository's name, and that you may push to it"
    )]
    Refused {
        /// The registry.
        registry: String,
        /// What it answered.
        status: StatusCode,
    },
    /// To somebody else.
    #[error(
        "{registry} wants it sent to {host}, which gets neither its credentials nor what is pushed: ask who runs it to take uploads itself"
    )]
    Elsewhere {
        /// The registry.
        registry: String,
        /// Where it leads to.
        host: String,
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
