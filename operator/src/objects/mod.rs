//! From a plan to the objects that it asks of Kubernetes. Pure: the same plan has the same objects, to the byte.
//!
//! Names, labels, the readiness probe and the order of variables are those of KAOS' own operator, so that nobody notices who made
//! them.

mod access;
mod confine;
mod deployment;
mod desired;
mod network_policy;
mod pod;
mod refusal;
mod route;
mod scale;
pub mod shared;

use serde_json::{Map, Value, json};

pub use desired::{Desired, HASH, Kind};
pub use pod::{CONTAINER, MANAGEMENT_PORT_NAME, STATE_KEY};
pub use refusal::{refusal, without_addresses};

use crate::crd::MANAGED_BY;
use crate::plan::{Plan, Problem};
use crate::settings::Settings;

/// The port of the calls (KAOS' contract).
pub const PORT: u16 = 8000;

/// The port that the operator asks for tools, and Prometheus for metrics.
pub const MANAGEMENT_PORT: u16 = 9090;

/// The server that objects are made for; when it goes, Kubernetes removes them too.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The server's name.
    pub name: String,
    /// Its id.
    pub uid: String,
}

impl Owner {
    /// As the objects have it.
    pub fn reference(&self) -> Value {
        json!({
            "apiVersion": "kaos.tools/v1alpha1",
            "kind": "MCPServer",
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

/// The name of a server's Deployment, Service and all else.
pub fn name_of(server: &str) -> String {
    format!("mcpserver-{server}")
}

/// The name of the Secret whose key seals sessions, so that all pods of a server go on with them.
pub fn state_secret_of(server: &str) -> String {
    format!("mcpserver-{server}-state")
}

/// The URL for agents.
pub fn endpoint(namespace: &str, server: &str) -> String {
    format!(
        "http://{}.{namespace}.svc.cluster.local:{PORT}",
        name_of(server)
    )
}

/// All objects of a server that has a host of its own.
pub fn of_server(plan: &Plan, owner: &Owner, settings: &Settings) -> Result<Vec<Desired>, Problem> {
    let all = [
        Some((Kind::ServiceAccount, access::service_account())),
        Some((
            Kind::Service,
            access::service(&selector(&plan.name), &json!("http")),
        )),
        Some((
            Kind::NetworkPolicy,
            network_policy::of_server(plan, settings),
        )),
        Some((Kind::Deployment, deployment::deployment(plan, settings)?)),
        settings
            .gateway
            .as_ref()
            .map(|gateway| (Kind::HttpRoute, route::route(plan, gateway))),
        scale::disruption_budget(plan).map(|body| (Kind::PodDisruptionBudget, body)),
        scale::autoscaler(plan).map(|body| (Kind::HorizontalPodAutoscaler, body)),
    ];
    let all = all.into_iter().flatten();
    Ok(all
        .map(|(kind, body)| Desired::of_server(kind, body, &plan.namespace, owner))
        .collect())
}

/// What a server's pods are selected by.
fn selector(server: &str) -> Value {
    json!({ "app": "mcpserver", "mcpserver": server })
}

/// What stands on each object of a server.
pub fn labels(server: &str) -> Map<String, Value> {
    let (key, value) = MANAGED_BY;
    let mut labels = match selector(server) {
        Value::Object(labels) => labels,
        _ => Map::new(),
    };
    labels.insert(key.to_owned(), json!(value));
    labels
}

#[cfg(test)]
mod tests;
