//! What an artifact's manifest says: which layer is the component.
//!
//! The layout of today is CNCF's ("Wasm OCI Artifact"): a config of `application/vnd.wasm.config.v0+json` and one layer of
//! `application/wasm`. Older tools pushed other types, and some bundle a policy. So layers are chosen by their type, among
//! all, whatever the config.

use std::collections::BTreeMap;

use sandglass_manifest::{ByteSize, Digest};
use sandglass_text::Line;
use serde::Deserialize;

use crate::sandbox::compile::MAX_COMPONENT;

/// The layers that are components.
const COMPONENT: [&str; 5] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.component.v1",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
];

/// The layers that Wassette reads as policies.
const POLICY: [&str; 4] = [
    "application/vnd.wasm.policy.v1+yaml",
    "application/vnd.wassette.policy+yaml",
    "application/x-yaml",
    "text/yaml",
];

/// Bytes of a policy.
const MAX_POLICY: u64 = 256 << 10;

/// Layers, or platforms, that an error names.
const MAX_LISTED: usize = 8;

/// Why an artifact is no component.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Not what a manifest is.
    #[error("its manifest cannot be read ({0}): push it again")]
    Manifest(Line),
    /// No layer is a component.
    #[error(
        "none of its layers is a component (they are {}): push it with `sandglass push`, `wkg oci push`, or `oras push` and `:application/wasm`", list(.0)
    )]
    NoComponent(Vec<String>),
    /// Several layers are components.
    #[error("{0} of its layers are components: push each as an artifact of its own")]
    SeveralComponents(usize),
    /// No entry of an index is for WebAssembly.
    #[error(
        "none of its platforms is WebAssembly (they are {}): push a component to it, or name another tag", list(.0)
    )]
    NoPlatform(Vec<String>),
    /// An index that names an index.
    #[error("its index names another index: push it again")]
    Nested,
    /// A layer that is larger than a component may be.
    #[error("the component has {0} bytes; a component may have at most {limit}", limit = ByteSize::bytes(MAX_COMPONENT))]
    TooLarge(u64),
    /// A policy that is larger than any.
    #[error("its policy has {0} bytes; one may have at most {limit}", limit = ByteSize::bytes(MAX_POLICY))]
    PolicyTooLarge(u64),
    /// A digest of another kind.
    #[error("its manifest names `{0}`: only sha256 digests are accepted")]
    Digest(Line),
}

fn list(items: &[String]) -> String {
    match items {
        [] => "none at all".to_owned(),
        items => {
            let named = items.iter().take(MAX_LISTED);
            let mut named: Vec<String> = named.map(|item| Line::name(item).into()).collect();
            if let more @ 1.. = items.len().saturating_sub(named.len()) {
                named.push(format!("{more} more"));
            }
            named.join(", ")
        }
    }
}

/// What a manifest says, as far as it matters here.
#[derive(Debug)]
pub enum Manifest {
    /// An artifact.
    Artifact(Artifact),
    /// An index of manifests by platform: the one for WebAssembly.
    Index(Digest),
}

/// A component, and what comes with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The component's bytes as they are stored.
    pub component: Blob,
    /// The policy that comes with it.
    pub policy: Option<Descriptor>,
}

impl Artifact {
    /// The policy's bytes as they are stored, if one comes with it.
    pub fn policy(&self) -> Result<Option<Blob>, ArtifactError> {
        match &self.policy {
            None => Ok(None),
            Some(layer) if layer.size > MAX_POLICY => {
                Err(ArtifactError::PolicyTooLarge(layer.size))
            }
            Some(layer) => Ok(Some(Blob {
                digest: layer.digest()?,
                size: layer.size,
            })),
        }
    }
}

/// Bytes in a registry.
#[derive(Debug, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub size: u64,
}

/// Image manifest and image index in one (OCI image spec, "manifest.md", "image-index.md"): which one it is shows by its lists.
#[derive(Deserialize)]
pub struct Document {
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    pub manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads either.
    pub fn read(bytes: &[u8]) -> Result<Self, ArtifactError> {
        serde_json::from_slice(bytes).map_err(|error| ArtifactError::Manifest(Line::excerpt(error)))
    }
}

/// What a manifest or an index names (OCI image spec, "descriptor.md").
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    media_type: String,
    digest: String,
    /// Bytes.
    pub size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

impl Descriptor {
    /// The digest, if it is one that is accepted.
    pub fn digest(&self) -> Result<Digest, ArtifactError> {
        let invalid = |_| ArtifactError::Digest(Line::name(&self.digest));
        self.digest.parse().map_err(invalid)
    }

    /// Whether it is of one of these media types.
    pub fn is(&self, types: &[&str]) -> bool {
        types.contains(&&*self.media_type)
    }

    fn platform(&self) -> String {
        match &self.platform {
            Some(platform) => format!("{}/{}", platform.os, platform.architecture),
            None => self.media_type.clone(),
        }
    }
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let document = Document::read(bytes)?;
        match document.manifests {
            Some(entries) => Self::of_index(&entries),
            None => Self::of_layers(&document.layers),
        }
    }

    fn of_index(entries: &[Descriptor]) -> Result<Self, ArtifactError> {
        let is_wasm = |entry: &&Descriptor| {
            entry
                .platform
                .as_ref()
                .is_some_and(|platform| platform.architecture == "wasm")
        };
        match entries.iter().find(is_wasm) {
            Some(entry) => Ok(Self::Index(entry.digest()?)),
            None => Err(ArtifactError::NoPlatform(
                entries.iter().map(Descriptor::platform).collect(),
            )),
        }
    }

    fn of_layers(layers: &[Descriptor]) -> Result<Self, ArtifactError> {
        let components: Vec<&Descriptor> =
            layers.iter().filter(|layer| layer.is(&COMPONENT)).collect();
        let component = match components[..] {
            [component] => component,
            [] => {
                let types = layers.iter().map(|layer| layer.media_type.clone());
                return Err(ArtifactError::NoComponent(types.collect()));
            }
            _ => return Err(ArtifactError::SeveralComponents(components.len())),
        };
        if component.size > MAX_COMPONENT {
            return Err(ArtifactError::TooLarge(component.size));
        }
        Ok(Self::Artifact(Artifact {
            component: Blob {
                digest: component.digest()?,
                size: component.size,
            },
            policy: layers.iter().find(|layer| layer.is(&POLICY)).cloned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn layer(media_type: &str, content: &str) -> Value {
        json!({ "mediaType": media_type, "digest": Digest::of(content.as_bytes()), "size": 7 })
    }

    fn parse(document: &Value) -> Result<Manifest, ArtifactError> {
        Manifest::parse(document.to_string().as_bytes())
    }

    fn refused(document: &Value) -> String {
        parse(document).unwrap_err().to_string()
    }

    #[test]
    fn the_component_is_found_by_its_type_wherever_it_stands() {
        for media_type in COMPONENT {
            for policy in POLICY {
                let layers = json!([
                    layer(policy, "policy"),
                    layer("text/markdown", "readme"),
                    layer(media_type, "component"),
                ]);
                let Manifest::Artifact(artifact) = parse(&json!({ "layers": layers })).unwrap()
                else {
                    panic!("{layers}");
                };
                assert_eq!(artifact.component.digest, Digest::of(b"component"));
                assert_eq!(artifact.component.size, 7);
                assert_eq!(artifact.policy.unwrap().digest(), Ok(Digest::of(b"policy")));
            }
        }
    }

    #[test]
    fn what_layers_there_are_is_told_in_a_line() {
        let odd = layer("text/a\n\u{1b}[2J", "odd");
        let long = layer(&"x".repeat(100_000), "long");
        let layers: Vec<_> = [odd, long].into_iter().cycle().take(1_000).collect();
        let error = refused(&json!({ "layers": layers }));
        assert!(
            error.contains("they are text/a\\n\\u{1b}[2J, xx"),
            "{error}"
        );
        assert!(error.contains("992 more)"), "{error}");
        assert!(error.len() < 4 << 10, "{} bytes", error.len());
    }

    #[test]
    fn an_index_leads_to_webassembly() {
        let entry = |os: &str, architecture: &str| {
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": Digest::of(architecture.as_bytes()),
                "size": 1,
                "platform": { "os": os, "architecture": architecture },
            })
        };
        let index = json!({ "manifests": [entry("linux", "amd64"), entry("wasip2", "wasm")] });
        assert!(
            matches!(parse(&index), Ok(Manifest::Index(digest)) if digest == Digest::of(b"wasm"))
        );
        let index = json!({ "manifests": [entry("linux", "amd64")] });
        let error = refused(&index);
        assert!(error.contains("they are linux/amd64"), "{error}");
    }

    #[test]
    fn what_is_no_component_is_refused_with_what_it_is() {
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        let large = json!({
            "mediaType": "application/wasm", "digest": Digest::of(b""), "size": MAX_COMPONENT + 1,
        });
        let sha512 = json!({ "mediaType": "application/wasm", "digest": "sha512:00", "size": 1 });
        let negative =
            json!({ "mediaType": "application/wasm", "digest": Digest::of(b""), "size": -1 });
        for (layers, part) in [
            (json!([layer(tar, "")]), tar),
            (json!([]), "they are none at all"),
            (
                json!([layer(COMPONENT[0], "a"), layer(COMPONENT[1], "b")]),
                "2 of its layers are components",
            ),
            (json!([large]), "at most 128MiB"),
            (json!([sha512]), "only sha256"),
            (json!([negative]), "cannot be read"),
        ] {
            let error = refused(&json!({ "layers": layers }));
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(
            Manifest::parse(b"<html>"),
            Err(ArtifactError::Manifest(_))
        ));
    }
}
