//! Making objects what they should be: by server-side apply, and only where they are not.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::caches::Caches;
use crate::cluster::words;
use crate::crd::{MANAGED_BY, MCPServer};
use crate::objects::shared::{self, MAX_MANIFEST};
use crate::objects::{Desired, Kind, Owner, STATE_KEY, refusal, without_addresses};
use crate::plan::ReferenceKind;

/// Under this name the API server keeps which fields are the operator's.
pub const FIELD_MANAGER: &str = "sandglass-operator";

/// Random bytes of the key that seals sessions.
const STATE_KEY_LENGTH: usize = 48;

/// Why an object is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else has made an object of this name.
    #[error(
        "the {kind} `{name}` was not made by this operator: rename the server, or delete that object"
    )]
    NameTaken {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server does not take it, and will not unless something is changed.
    #[error("the API server refuses the {kind} `{name}`: {message}")]
    Refused {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The API server's words.
        message: String,
    },
    /// The manifest of a shared host has no place for more.
    #[error(
        "spec.config.tools: the tools of all servers that share this namespace's host are over {MAX_MANIFEST} bytes; keep the source in a ConfigMap (fromConfigMapKeyRef), or set `shared: false`"
    )]
    HostFull,
    /// It may pass.
    #[error("{}", words(.0))]
    Api(kube::Error),
}

/// What waits for somebody to change something: in one word, and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In one word, for conditions.
    pub reason: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl ApplyError {
    /// What waits for somebody; the error where it may pass by itself.
    pub fn refusal(self) -> Result<Refusal, kube::Error> {
        let reason = match self {
            Self::NameTaken { .. } => "NameTaken",
            Self::Refused { .. } => "Refused",
            Self::HostFull => "TooLarge",
            Self::Api(error) => return Err(error),
        };
        Ok(Refusal {
            reason,
            message: self.to_string(),
        })
    }
}

/// Whose objects are written.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// Those of one server.
    Server(&'a Owner),
    /// Those of the host that servers of the namespace share.
    SharedHost,
}

impl Whose<'_> {
    /// Whether an object is one of them, by its labels or by its owner: others may have removed the one or the other.
    fn owns(self, object: &ObjectMeta) -> bool {
        let label = |key: &str| object.labels.as_ref()?.get(key).map(String::as_str);
        let is_marked = label(MANAGED_BY.0) == Some(MANAGED_BY.1);
        let mut owners = object.owner_references.iter().flatten();
        match self {
            Self::Server(owner) => {
                is_marked && label("mcpserver") == Some(&*owner.name)
                    || owners.any(|found| found.uid == owner.uid)
            }
            Self::SharedHost => {
                is_marked && label(shared::LABEL).is_some()
                    || owners.any(|found| found.kind == MCPServer::kind(&()))
            }
        }
    }
}

/// Writes objects.
pub struct Applier<'a> {
    /// The way to the API server.
    pub client: &'a Client,
    /// What it has.
    pub caches: &'a Caches,
    /// Where they are.
    pub namespace: &'a str,
    /// Whose they are.
    pub whose: Whose<'a>,
}

impl Applier<'_> {
    /// Makes an object what it should be, unless somebody else has made one of that name; as it is then.
    pub async fn apply(&self, desired: &Desired) -> Result<Arc<DynamicObject>, ApplyError> {
        let known = self
            .caches
            .object(desired.kind, self.namespace, &desired.name);
        if let Some(known) = &known
            && is_made(&desired.object, known)
        {
            return Ok(Arc::clone(known));
        }
        let judged = |error| self.judged(error, &desired.kind.gvk().kind, &desired.name);
        // What has not our mark is not in the cache.
        let mut live = match known {
            Some(known) => Some(known.metadata.clone()),
            None => self.find(desired).await.map_err(judged)?,
        };
        loop {
            if live.as_ref().is_some_and(|live| !self.whose.owns(live)) {
                return Err(ApplyError::NameTaken {
                    kind: desired.kind.gvk().kind,
                    name: desired.name.clone(),
                });
            }
            match self.patch(desired, live.is_some()).await {
                // Somebody has made it meanwhile.
                Err(kube::Error::Api(status)) if status.code == 409 && live.is_none() => {
                    live = self.find(desired).await.map_err(judged)?;
                }
                applied => return applied.map(Arc::new).map_err(judged),
            }
        }
    }

    /// What may pass, and what waits for somebody to change something. (An amount that is none is a 500 to some versions.)
    fn judged(&self, error: kube::Error, kind: &str, name: &str) -> ApplyError {
        match error {
            kube::Error::Api(status) if !matches!(status.code, 429 | 502..) => {
                ApplyError::Refused {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    message: match self.whose {
                        Whose::Server(_) => refusal(kind, &status.message),
                        Whose::SharedHost => without_addresses(&status.message),
                    },
                }
            }
            other => ApplyError::Api(other),
        }
    }

    async fn find(&self, desired: &Desired) -> Result<Option<ObjectMeta>, kube::Error> {
        let api = self.api(desired.kind);
        let found = api.get_metadata_opt(&desired.name).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// Removes an object that is not asked for any more, if it is the server's.
    pub async fn remove(&self, kind: Kind, name: &str) -> Result<(), ApplyError> {
        let Some(live) = self.caches.object(kind, self.namespace, name) else {
            return Ok(());
        };
        if !self.whose.owns(&live.metadata) {
            return Ok(());
        }
        match self
            .api(kind)
            .delete(name, &DeleteParams::background())
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(self.judged(error, &kind.gvk().kind, name)),
        }
    }

    /// Whether an object is what it should be.
    pub fn is_made(&self, desired: &Desired) -> bool {
        let live = self
            .caches
            .object(desired.kind, self.namespace, &desired.name);
        live.is_some_and(|live| is_made(&desired.object, &live))
    }

    /// Whether the Secret with the key that seals sessions is there.
    pub fn has_state_key(&self, name: &str) -> Result<bool, ApplyError> {
        let kind = ReferenceKind::Secret;
        let owned = self
            .caches
            .metadata(kind, self.namespace, name, |found| self.whose.owns(found));
        match owned {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => Err(ApplyError::NameTaken {
                kind: "Secret".to_owned(),
                name: name.to_owned(),
            }),
        }
    }

    /// Makes the key that seals sessions, once: another one would end them all.
    pub async fn make_state_key(
        &self,
        name: &str,
        labels: &Value,
        owners: &[Value],
    ) -> Result<(), ApplyError> {
        if self.has_state_key(name)? {
            return Ok(());
        }
        let mut key = [0; STATE_KEY_LENGTH];
        aws_lc_rs::rand::fill(&mut key).expect("the system has random numbers");
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels, "ownerReferences": owners },
            "type": "Opaque",
            // As text, which a host takes as it is; and once more as the API has bytes.
            "data": { STATE_KEY: STANDARD.encode(STANDARD.encode(key)) },
        }))
        .expect("a Secret");
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, &secret).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
            Err(error) => Err(self.judged(error, "Secret", name)),
        }
    }

    async fn patch(&self, desired: &Desired, force: bool) -> Result<DynamicObject, kube::Error> {
        let parameters = PatchParams {
            force,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api(desired.kind);
        api.patch(&desired.name, &parameters, &Patch::Apply(&desired.object))
            .await
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, &kind.resource())
    }
}

/// Whether an object is what it should be. (Of objects in a list the API server does not repeat the kind.)
fn is_made(desired: &Value, live: &DynamicObject) -> bool {
    let live = json!(live);
    let fields = desired.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"))
        .all(|(key, value)| {
            live.get(key)
                .map_or_else(|| is_empty(value), |live| is_within(value, live))
        })
}

/// Whether an object has all that is asked of it. The API server adds defaults, and leaves out what is empty; others may add
/// to lists whose items have names. (What is not asked for any more shows in the hash.)
fn is_within(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().all(|(key, value)| match live.get(key) {
                Some(Value::Array(live)) if is_by_name(key, live) => {
                    let mut desired = value.as_array().into_iter().flatten();
                    desired.all(|desired| live.iter().any(|live| is_within(desired, live)))
                }
                Some(live) => is_within(value, live),
                None => is_empty(value),
            })
        }
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len()
                && desired
                    .iter()
                    .zip(live)
                    .all(|(desired, live)| is_within(desired, live))
        }
        (desired, live) => desired == live,
    }
}

/// Whether server-side apply merges a list item by item (`x-kubernetes-list-type: map` in the API's schema), and with it what
/// others have added.
fn is_by_name(key: &str, items: &[Value]) -> bool {
    let name = match key {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "ports" => "containerPort",
        "ownerReferences" => "uid",
        _ => return false,
    };
    items.iter().all(|item| item.get(name).is_some())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_what_is_left_out_empty_make_no_difference() {
        let desired = json!({ "a": { "b": [{ "c": 1, "d": "" }] }, "e": [] });
        assert!(is_within(
            &desired,
            &json!({ "a": { "b": [{ "c": 1, "x": 2 }] }, "y": 3 })
        ));
        let named = json!({ "env": [{ "name": "A" }, { "name": "B", "value": "1" }] });
        let more =
            json!({ "env": [{ "name": "A" }, { "name": "X" }, { "name": "B", "value": "1" }] });
        assert!(is_within(&named, &more), "others may add what has a name");
        let less = json!({ "env": [{ "name": "A" }, { "name": "B", "value": "2" }] });
        assert!(!is_within(&named, &less));
        let rules = json!({ "egress": [{ "ports": [{ "port": 53 }] }] });
        let wider = json!({ "egress": [{ "ports": [{ "port": 53 }, { "port": 80 }] }] });
        assert!(!is_within(&rules, &wider), "rules have none");
        for live in [
            json!({ "a": { "b": [] } }),
            json!({ "a": { "b": [{ "c": 2 }] } }),
            json!({ "a": { "b": [{ "c": 1 }, { "c": 1 }] } }),
            json!({}),
        ] {
            assert!(!is_within(&desired, &live), "{live}");
        }
    }
}
