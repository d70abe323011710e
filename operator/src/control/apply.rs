//! Making objects what they should be: by server-side apply, and only where they are not.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::caches::Caches;
use crate::cluster::words;
use crate::objects::{Desired, Kind, STATE_KEY};
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
    /// It may pass.
    #[error("{}", words(.0))]
    Api(kube::Error),
}

impl ApplyError {
    /// The error in one word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "NameTaken",
            Self::Refused { .. } => "Refused",
            Self::Api(_) => "Unavailable",
        }
    }
}

/// Writes objects of one server.
pub struct Applier<'a> {
    /// The way to the API server.
    pub client: &'a Client,
    /// What it has.
    pub caches: &'a Caches,
    /// Where the server is.
    pub namespace: &'a str,
    /// The ids of the servers whose objects these are.
    pub owners: &'a [String],
}

impl Applier<'_> {
    /// Makes an object what it should be; as it is then.
    pub async fn apply(&self, desired: &Desired) -> Result<Arc<DynamicObject>, ApplyError> {
        let live = self
            .caches
            .object(desired.kind, self.namespace, &desired.name);
        if let Some(live) = &live
            && is_made(&desired.object, live)
        {
            return Ok(Arc::clone(live));
        }
        let is_ours = live.is_some_and(|live| self.owns(&live));
        match self.patch(desired, is_ours).await {
            Err(kube::Error::Api(status)) if status.code == 409 && !is_ours => {
                let api = self.api(desired.kind);
                let live = api.get(&desired.name).await.map_err(ApplyError::Api)?;
                if !self.owns(&live) {
                    return Err(ApplyError::NameTaken {
                        kind: desired.kind.gvk().kind,
                        name: desired.name.clone(),
                    });
                }
                self.patch(desired, true).await.map(Arc::new)
            }
            applied => applied.map(Arc::new),
        }
        .map_err(|error| judged(error, &desired.kind.gvk().kind, &desired.name))
    }

    /// Removes an object that is not asked for any more, if it is the server's.
    pub async fn remove(&self, kind: Kind, name: &str) -> Result<(), ApplyError> {
        let Some(live) = self.caches.object(kind, self.namespace, name) else {
            return Ok(());
        };
        if !self.owns(&live) {
            return Ok(());
        }
        match self
            .api(kind)
            .delete(name, &DeleteParams::background())
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(judged(error, &kind.gvk().kind, name)),
        }
    }

    /// Whether an object is what it should be.
    pub fn is_made(&self, desired: &Desired) -> bool {
        let live = self
            .caches
            .object(desired.kind, self.namespace, &desired.name);
        live.is_some_and(|live| is_made(&desired.object, &live))
    }

    /// Makes the key that seals sessions, once: another one would end them all.
    pub async fn make_state_key(
        &self,
        name: &str,
        labels: &Value,
        owners: &[Value],
    ) -> Result<(), ApplyError> {
        if self
            .caches
            .version(ReferenceKind::Secret, self.namespace, name)
            .is_some()
        {
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
            Err(error) => Err(judged(error, "Secret", name)),
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

    fn owns(&self, object: &DynamicObject) -> bool {
        let owners = object.metadata.owner_references.iter().flatten();
        owners
            .into_iter()
            .any(|owner| self.owners.contains(&owner.uid))
    }
}

/// What may pass, and what waits for somebody to change something. (An amount that is none is a 500 to some versions.)
fn judged(error: kube::Error, kind: &str, name: &str) -> ApplyError {
    match error {
        kube::Error::Api(status) if !matches!(status.code, 429 | 502..) => ApplyError::Refused {
            kind: kind.to_owned(),
            name: name.to_owned(),
            message: status.message,
        },
        other => ApplyError::Api(other),
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

/// Whether an object has all that is asked of it. The API server adds defaults, and leaves out what is empty.
fn is_within(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().all(|(key, value)| match live.get(key) {
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
