//! The Deployment of a host.

use serde_json::{Map, Value, json};

use super::{labels, pod, selector};
use crate::plan::{Plan, Problem, Scale};
use crate::settings::Settings;

/// The Deployment; it has no word on the number of pods where others have it.
pub fn deployment(plan: &Plan, settings: &Settings) -> Result<Map<String, Value>, Problem> {
    let mut spec = json!({
        "selector": { "matchLabels": selector(&plan.name) },
        // A pod that serves goes only when one that serves too has taken its place.
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": {
            "metadata": { "labels": labels(&plan.name) },
            "spec": pod::spec(plan, settings)?,
        },
    });
    if let Scale::Fixed(replicas) = plan.scale {
        spec["replicas"] = json!(replicas);
    }
    Ok(Map::from_iter([("spec".to_owned(), spec)]))
}
