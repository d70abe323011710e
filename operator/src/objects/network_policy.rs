//! Who reaches a server's pods, and what they reach.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{MANAGEMENT_PORT_NAME, selector};
use crate::plan::{Egress, Plan};
use crate::settings::Settings;

/// The label of a namespace that has its name. The API server sets it, and whoever may change a namespace cannot change it
/// (Kubernetes documentation, "Automatic labelling").
const NAMESPACE: &str = "kubernetes.io/metadata.name";

/// OTLP over gRPC, where an endpoint names no port.
const OTLP_PORT: u16 = 4317;

/// The policy of a server with a host of its own.
pub fn of_server(plan: &Plan, settings: &Settings) -> Map<String, Value> {
    let mut places = plan.entry.egress();
    places.extend(collector(plan));
    let ports = [json!({ "port": "http", "protocol": "TCP" })];
    network_policy(&selector(&plan.name), &ports, places, settings)
}

/// Calls come from anywhere; questions of operators from the operator's namespace, and from those that it was told. Out go
/// questions of names, and connections to the ports of registries and of hosts that the tools may reach: a policy knows no
/// names, so these are checked by the host.
pub fn network_policy(
    selector: &Value,
    ports: &[Value],
    places: BTreeSet<Egress>,
    settings: &Settings,
) -> Map<String, Value> {
    let own = std::iter::once(settings.own_namespace.clone());
    let namespaces = own.chain(settings.scrape_namespaces.iter().map(ToString::to_string));
    let from: Vec<Value> = namespaces
        .map(|name| json!({ "namespaceSelector": { "matchLabels": { NAMESPACE: name } } }))
        .collect();
    let spec = json!({
        "podSelector": { "matchLabels": selector },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            { "ports": ports },
            {
                "from": from,
                "ports": [{ "port": MANAGEMENT_PORT_NAME, "protocol": "TCP" }],
            },
        ],
        "egress": egress(places),
    });
    Map::from_iter([("spec".to_owned(), spec)])
}

fn egress(places: BTreeSet<Egress>) -> Vec<Value> {
    if places.is_empty() {
        return Vec::new();
    }
    let (addressed, named): (BTreeSet<Egress>, BTreeSet<Egress>) = places
        .into_iter()
        .partition(|place| place.address.is_some());
    let mut rules = Vec::new();
    if !named.is_empty() {
        rules.push(json!({ "ports": [
            { "port": 53, "protocol": "UDP" },
            { "port": 53, "protocol": "TCP" },
        ] }));
        let ports: Vec<Value> = named
            .iter()
            .map(|place| json!({ "port": place.port, "protocol": "TCP" }))
            .collect();
        rules.push(json!({ "ports": ports }));
    }
    for place in &addressed {
        let block = match place.address {
            Some(IpAddr::V4(address)) => format!("{address}/32"),
            Some(IpAddr::V6(address)) => format!("{address}/128"),
            None => continue,
        };
        rules.push(json!({
            "to": [{ "ipBlock": { "cidr": block } }],
            "ports": [{ "port": place.port, "protocol": "TCP" }],
        }));
    }
    rules
}

/// Where traces go.
fn collector(plan: &Plan) -> Option<Egress> {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    if !plan.environment.has(ENDPOINT) {
        return None;
    }
    let endpoint = plan.environment.literal(ENDPOINT).unwrap_or_default();
    let authority = endpoint.split("://").last().unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    Some(Egress {
        address: None,
        port: port.unwrap_or(OTLP_PORT),
    })
}
