//! The route of a gateway to a server.

use serde_json::{Map, Value, json};

use super::{PORT, name_of};
use crate::plan::Plan;
use crate::settings::Gateway;

/// `/NAMESPACE/mcp/NAME` leads to the server's root (KAOS' contract).
pub fn route(plan: &Plan, gateway: &Gateway) -> Map<String, Value> {
    let prefix = format!("/{}/mcp/{}", plan.namespace, plan.name);
    let mut rule = json!({
        "matches": [{ "path": { "type": "PathPrefix", "value": prefix } }],
        "filters": [{
            "type": "URLRewrite",
            "urlRewrite": { "path": { "type": "ReplacePrefixMatch", "replacePrefixMatch": "/" } },
        }],
        "backendRefs": [{ "name": name_of(&plan.name), "port": PORT }],
    });
    if let Some(timeout) = plan.route_timeout.of_route() {
        rule["timeouts"] = json!({ "request": timeout });
    }
    let spec = json!({
        "parentRefs": [{ "name": gateway.name, "namespace": gateway.namespace }],
        "rules": [rule],
    });
    Map::from_iter([("spec".to_owned(), spec)])
}
