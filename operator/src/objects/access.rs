//! Who the pods are, and under which name they are reached.

use serde_json::{Map, Value, json};

use super::PORT;

/// Pods have an identity of their own, and no token: a host asks nothing of the API server.
pub fn service_account() -> Map<String, Value> {
    Map::from_iter([("automountServiceAccountToken".to_owned(), json!(false))])
}

/// The port of the calls alone: the management port is asked pod by pod.
pub fn service(selector: &Value, target: &Value) -> Map<String, Value> {
    let spec = json!({
        "type": "ClusterIP",
        "selector": selector,
        "ports": [{ "name": "http", "port": PORT, "targetPort": target, "protocol": "TCP" }],
    });
    Map::from_iter([("spec".to_owned(), spec)])
}
