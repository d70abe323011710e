//! Whether the ConfigMaps and Secrets that a server names have what it needs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ObjectMeta;
use kube::{Api, Client};

use super::caches::Caches;
use crate::plan::{Reference, ReferenceKind};

/// An object: its kind, namespace and name.
type Key = (ReferenceKind, String, String);

/// Which keys an object has, and whether there is something under them.
type Keys = BTreeMap<String, bool>;

/// Reads each version of an object once. Values are looked at and not kept.
pub struct References {
    client: Client,
    known: Mutex<HashMap<Key, (String, Keys)>>,
}

/// What a server needs and cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The field, what is missing, and what to do.
    pub message: String,
    /// The same in one word.
    pub reason: &'static str,
}

impl References {
    /// Nothing was read yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// What is missing of these.
    pub async fn missing(
        &self,
        caches: &Caches,
        namespace: &str,
        references: &[Reference],
    ) -> Result<Vec<Missing>, kube::Error> {
        let mut missing = Vec::new();
        for reference in references.iter().filter(|reference| !reference.optional) {
            let Reference {
                kind,
                name,
                key,
                field,
                ..
            } = reference;
            let keys = self.keys(caches, *kind, namespace, name).await?;
            let (reason, problem) = match keys.as_ref().map(|keys| (keys, keys.get(key))) {
                None => (
                    "NotFound",
                    format!(
                        "there is no {kind} `{name}` in this namespace; create it, or correct the name"
                    ),
                ),
                Some((keys, None)) => {
                    let has: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
                    let has = if has.is_empty() {
                        "none at all".to_owned()
                    } else {
                        has.join(", ")
                    };
                    (
                        "KeyNotFound",
                        format!(
                            "the {kind} `{name}` has no key `{key}`, it has {has}; add the key, or correct it"
                        ),
                    )
                }
                Some((_, Some(false))) => (
                    "KeyEmpty",
                    format!("the {kind} `{name}` has nothing under `{key}`; write the value there"),
                ),
                Some((_, Some(true))) => continue,
            };
            missing.push(Missing {
                message: format!("{field}: {problem}"),
                reason,
            });
        }
        Ok(missing)
    }

    async fn keys(
        &self,
        caches: &Caches,
        kind: ReferenceKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Keys>, kube::Error> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let version = |found: &ObjectMeta| found.resource_version.clone().unwrap_or_default();
        let Some(version) = caches.metadata(kind, namespace, name, version) else {
            self.known().remove(&key);
            return Ok(None);
        };
        if let Some((known, keys)) = self.known().get(&key)
            && *known == version
        {
            return Ok(Some(keys.clone()));
        }
        let Some((version, keys)) = self.read(kind, namespace, name).await? else {
            return Ok(None);
        };
        self.known().insert(key, (version, keys.clone()));
        Ok(Some(keys))
    }

    async fn read(
        &self,
        kind: ReferenceKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(String, Keys)>, kube::Error> {
        let (metadata, keys): (_, Keys) = match kind {
            ReferenceKind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let Some(map) = api.get_opt(name).await? else {
                    return Ok(None);
                };
                let text = map.data.into_iter().flatten();
                let bytes = map.binary_data.into_iter().flatten();
                let text = text.map(|(key, value)| (key, !value.is_empty()));
                let bytes = bytes.map(|(key, value)| (key, !value.0.is_empty()));
                (map.metadata, text.chain(bytes).collect())
            }
            ReferenceKind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                let Some(secret) = api.get_opt(name).await? else {
                    return Ok(None);
                };
                let data = secret.data.into_iter().flatten();
                let keys = data.map(|(key, value)| (key, !value.0.is_empty()));
                (secret.metadata, keys.collect())
            }
        };
        Ok(Some((metadata.resource_version.unwrap_or_default(), keys)))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (String, Keys)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
