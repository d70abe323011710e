//! An object as it should be.

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Owner, labels, name_of};

/// The annotation with the hash of what was asked for: a field that is not asked for any more shows in it.
pub const HASH: &str = "sandglass.dev/hash";

/// A kind of object that the operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    ServiceAccount,
    ConfigMap,
    Service,
    NetworkPolicy,
    Deployment,
    HttpRoute,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
}

impl Kind {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 8] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::NetworkPolicy,
        Self::Deployment,
        Self::HttpRoute,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
    ];

    /// Whether every API server that the operator is for has it.
    pub fn is_everywhere(self) -> bool {
        !matches!(
            self,
            Self::HttpRoute | Self::PodDisruptionBudget | Self::HorizontalPodAutoscaler
        )
    }

    /// Group, version and kind.
    pub fn gvk(self) -> GroupVersionKind {
        let (group, version, kind) = match self {
            Self::ServiceAccount => ("", "v1", "ServiceAccount"),
            Self::ConfigMap => ("", "v1", "ConfigMap"),
            Self::Service => ("", "v1", "Service"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy"),
            Self::Deployment => ("apps", "v1", "Deployment"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        };
        GroupVersionKind::gvk(group, version, kind)
    }

    /// The name of the resource in paths and roles.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccounts",
            Self::ConfigMap => "configmaps",
            Self::Service => "services",
            Self::NetworkPolicy => "networkpolicies",
            Self::Deployment => "deployments",
            Self::HttpRoute => "httproutes",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::HorizontalPodAutoscaler => "horizontalpodautoscalers",
        }
    }

    /// The name that a server's object of this kind has.
    pub fn name_of(self, server: &str) -> String {
        match self {
            Self::HttpRoute => format!("mcp-{server}"),
            _ => name_of(server),
        }
    }

    /// The resource for a client.
    pub fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&self.gvk(), self.plural())
    }
}

/// An object as it should be: what it does not speak of is left to others.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The whole object.
    pub object: Value,
}

impl Desired {
    /// An object of one server.
    pub(super) fn of_server(
        kind: Kind,
        body: Map<String, Value>,
        namespace: &str,
        owner: &Owner,
    ) -> Self {
        let name = kind.name_of(&owner.name);
        let metadata = json!({
            "name": name,
            "namespace": namespace,
            "labels": labels(&owner.name),
            "ownerReferences": [owner.reference()],
        });
        Self::new(kind, name, metadata, body)
    }

    pub(super) fn new(kind: Kind, name: String, metadata: Value, body: Map<String, Value>) -> Self {
        let gvk = kind.gvk();
        let mut object = json!({
            "apiVersion": gvk.api_version(),
            "kind": gvk.kind,
            "metadata": metadata,
        });
        for (key, value) in body {
            object[key] = value;
        }
        let hash = hash(&object);
        object["metadata"]["annotations"] = json!({ HASH: hash });
        Self { kind, name, object }
    }
}

/// The hash of what is asked for.
pub(super) fn hash(object: &Value) -> String {
    let digest = Sha256::digest(object.to_string());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
