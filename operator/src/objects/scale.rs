//! How many pods there are, and may be missing.

use serde_json::{Map, Value, json};

use super::{name_of, selector};
use crate::plan::{Plan, Scale};

/// The HorizontalPodAutoscaler of a server that asks for one.
pub fn autoscaler(plan: &Plan) -> Option<Map<String, Value>> {
    let Scale::Automatic {
        min,
        max,
        target_cpu,
    } = plan.scale
    else {
        return None;
    };
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name_of(&plan.name) },
        "minReplicas": min,
        "maxReplicas": max,
        "metrics": [{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": target_cpu } },
        }],
    });
    Some(Map::from_iter([("spec".to_owned(), spec)]))
}

/// The PodDisruptionBudget of a server that asks for one.
pub fn disruption_budget(plan: &Plan) -> Option<Map<String, Value>> {
    let mut spec = plan.budget?.of_spec();
    spec["selector"] = json!({ "matchLabels": selector(&plan.name) });
    Some(Map::from_iter([("spec".to_owned(), spec)]))
}
