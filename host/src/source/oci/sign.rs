//! Signatures into registries, where cosign puts them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sandglass_manifest::{Digest, OciReference};
use serde_json::{Value, json};

use super::push::PushError;
use super::registry::{Action, Registry};
use super::signatures::{classic_tag, is_signed, referrers_tag};
use super::upload::Upload;
use super::{OciError, Pull};
use crate::source::Fetcher;
use crate::source::verify::{
    PrivateKey, SignError, Signers, bundle,
    classic::{self, PAYLOAD_TYPE, SIGNATURE},
};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// The config of an artifact that has none (OCI image spec, "Guidance for an Empty Descriptor").
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

/// In which format to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The one that every cosign reads.
    Classic,
    /// A Sigstore bundle, as cosign writes it from version 3 on.
    Bundle,
}

/// What was signed.
#[derive(Debug)]
pub struct Signed {
    /// The digest that the reference stands for.
    pub digest: Digest,
    /// Whether the key had signed it before: then nothing is pushed.
    pub before: bool,
}

/// Why a signature could not be pushed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The artifact, or its repository.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// The key.
    #[error(transparent)]
    Key(#[from] SignError),
    /// The upload.
    #[error(transparent)]
    Push(#[from] PushError),
    /// Something else lies where the signature must go.
    #[error("{0} is in the way: it is no list of signatures; remove that tag")]
    Occupied(OciReference),
}

/// Signs what a reference stands for.
pub async fn sign(
    fetcher: &Fetcher,
    reference: &OciReference,
    key: &PrivateKey,
    format: Format,
) -> Result<Signed, SignatureError> {
    let registry = Registry::new(fetcher, reference, Action::Push).await;
    let manifest = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => registry.pinned(digest).await?,
        (None, tag) => registry.tagged(tag.unwrap_or_default()).await?,
    };
    let digest = Digest::of(&manifest);
    let own = Signers::any_of(vec![key.public().clone()]);
    let pull = Pull::new(fetcher, reference);
    if is_signed(&pull, &digest, &own, format).await? {
        let before = true;
        return Ok(Signed { digest, before });
    }
    let target = Target {
        upload: Upload::begin(&registry, reference).await?,
        registry,
        reference,
        manifest,
        digest,
    };
    match format {
        Format::Classic => target.classic(key).await?,
        Format::Bundle => target.bundle(key).await?,
    }
    Ok(Signed {
        digest: target.digest,
        before: false,
    })
}

/// What is signed, and the way there.
struct Target<'a> {
    registry: Registry<'a>,
    reference: &'a OciReference,
    upload: Upload<'a>,
    manifest: Bytes,
    digest: Digest,
}

impl Target<'_> {
    /// Adds a layer to the manifest at the signatures' tag.
    async fn classic(&self, key: &PrivateKey) -> Result<(), SignatureError> {
        let payload = classic::payload(self.reference, &self.digest);
        let signature = STANDARD.encode(key.sign(&payload)?);
        let mut layer = descriptor(PAYLOAD_TYPE, &payload);
        layer["annotations"] = json!({ SIGNATURE: signature });
        self.upload.blob(payload.into()).await?;

        let tag = classic_tag(&self.digest);
        let mut layers = self.listed(&tag, "layers").await?;
        layers.push(layer);
        // What an image must have; a payload is no archive, so its digest is also that of its content.
        let contents: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": contents },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers,
        });
        self.upload.blob(config.into()).await?;
        let manifest = manifest.to_string().into_bytes();
        self.upload.manifest(&tag, manifest, MANIFEST_TYPE).await?;
        Ok(())
    }

    /// Pushes a bundle that refers to the artifact; where the registry does not list such, also into the list at the tag that stands for it.
    async fn bundle(&self, key: &PrivateKey) -> Result<(), SignatureError> {
        let bundle = bundle::sign(&self.digest, key)?;
        let subject: Value = serde_json::from_slice(&self.manifest).unwrap_or_default();
        let subject = subject["mediaType"].as_str().unwrap_or(MANIFEST_TYPE);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": bundle::BUNDLE_TYPE,
            "config": descriptor(EMPTY_TYPE, EMPTY),
            "layers": [descriptor(bundle::BUNDLE_TYPE, &bundle)],
            "subject": descriptor(subject, &self.manifest),
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": bundle::PREDICATE_TYPE,
            },
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = descriptor(MANIFEST_TYPE, &manifest);
        entry["artifactType"] = bundle::BUNDLE_TYPE.into();
        self.upload.blob(Bytes::from_static(EMPTY)).await?;
        self.upload.blob(bundle.into()).await?;
        let at = Digest::of(&manifest).to_string();
        self.upload.manifest(&at, manifest, MANIFEST_TYPE).await?;

        let listed = self.registry.referrers(&self.digest, bundle::BUNDLE_TYPE);
        if listed.await?.is_some() {
            return Ok(());
        }
        let tag = referrers_tag(&self.digest);
        let mut entries = self.listed(&tag, "manifests").await?;
        entries.push(entry);
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": entries,
        });
        let index = index.to_string().into_bytes();
        self.upload.manifest(&tag, index, INDEX_TYPE).await?;
        Ok(())
    }

    /// What a tag lists so far: it is kept, also the parts that are not known here.
    async fn listed(&self, tag: &str, list: &str) -> Result<Vec<Value>, SignatureError> {
        let manifest = match self.registry.tagged(tag).await {
            Ok(manifest) => manifest,
            Err(OciError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let manifest: Value = serde_json::from_slice(&manifest).unwrap_or_default();
        match &manifest[list] {
            Value::Array(entries) => Ok(entries.clone()),
            _ => Err(SignatureError::Occupied(
                self.reference.tagged(tag.to_owned()),
            )),
        }
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}
