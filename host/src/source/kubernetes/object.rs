//! What the API says a ConfigMap or Secret holds.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sandglass_manifest::KubernetesKind;
use serde::Deserialize;

/// An object's values by key. They may be secrets, so it has no `Debug`.
pub struct Object {
    /// Changes whenever the object does.
    pub version: Option<String>,
    values: BTreeMap<String, Value>,
}

enum Value {
    Text(String),
    Base64(String),
}

/// ConfigMap and Secret in one (Kubernetes API reference, "Config and Storage Resources").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
    binary_data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: Option<String>,
}

impl Object {
    /// Reads an answer, if it is such an object. Why it is none is not told: the reason may quote a secret.
    pub fn parse(kind: KubernetesKind, answer: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(answer).ok()?;
        let in_data = match kind {
            KubernetesKind::ConfigMap => Value::Text,
            KubernetesKind::Secret => Value::Base64,
        };
        let data = document.data.into_iter().flatten();
        let binary = document.binary_data.into_iter().flatten();
        Some(Self {
            version: document.metadata.resource_version,
            values: data
                .map(|(key, value)| (key, in_data(value)))
                .chain(binary.map(|(key, value)| (key, Value::Base64(value))))
                .collect(),
        })
    }

    /// The bytes of a key, if it is there and they can be read.
    pub fn get(&self, key: &str) -> Option<Result<Bytes, base64::DecodeError>> {
        Some(match self.values.get(key)? {
            Value::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Value::Base64(text) => STANDARD.decode(text).map(Bytes::from),
        })
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(kind: KubernetesKind, document: &serde_json::Value) -> Option<Object> {
        Object::parse(kind, document.to_string().as_bytes())
    }

    #[test]
    fn a_config_map_has_text_and_bytes_and_a_secret_bytes() {
        let document = json!({
            "metadata": { "resourceVersion": "7" },
            "data": { "text": "AGFz" },
            "binaryData": { "bytes": "AGFz" },
        });
        let map = parse(KubernetesKind::ConfigMap, &document).unwrap();
        assert_eq!(map.version.as_deref(), Some("7"));
        assert_eq!(map.get("text").unwrap().unwrap(), "AGFz");
        assert_eq!(map.get("bytes").unwrap().unwrap(), "\0as");
        assert!(map.get("other").is_none());
        assert_eq!(map.keys().collect::<Vec<_>>(), ["bytes", "text"]);
        let secret = parse(KubernetesKind::Secret, &document).unwrap();
        assert_eq!(secret.get("text").unwrap().unwrap(), "\0as");
        let broken = json!({ "metadata": {}, "data": { "a": "!" } });
        let broken = parse(KubernetesKind::Secret, &broken).unwrap();
        assert!(broken.get("a").unwrap().is_err());
    }

    #[test]
    fn what_holds_nothing_has_no_keys_and_other_answers_are_no_object() {
        let empty = json!({ "metadata": {}, "data": null });
        let empty = parse(KubernetesKind::ConfigMap, &empty).unwrap();
        assert_eq!(empty.keys().count(), 0);
        for other in [
            json!("hello"),
            json!({}),
            json!({ "metadata": {}, "data": 1 }),
        ] {
            assert!(
                parse(KubernetesKind::ConfigMap, &other).is_none(),
                "{other}"
            );
        }
    }
}
