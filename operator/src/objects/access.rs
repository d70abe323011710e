//! Who the pods are, and under which name they are reached.

use serde_json::{Map, Value, json};

use super::{PORT, selector};

/// Pods have an identity of their own, and no token: a host asks nothing of the API server.
pub fn service_account() -> Map<String, Value> {
    Map::from_iter([("automountServiceAccountToken".to_owned(), json!(false))])
}

/// The port of the calls alone: the management port is asked pod by pod.
pub fn service(server: &str) -> Map<String, Value> {
    let spec = json!({
        "type": "ClusterIP",
        "selector": selector(server),
        "ports": [{ "name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP" }],
    });
    Map::from_iter([("spec".to_owned(), spec)])
}
