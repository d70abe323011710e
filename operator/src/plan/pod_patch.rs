//! What a server's pod spec is patched with.

use serde_json::{Map, Value};

use super::problem::{Problem, Reason};
use super::quantity::Quantity;

const FIELD: &str = "spec.podSpec";

/// Where a pod spec has quantities; `*` is each item of a list, or each key.
const QUANTITIES: [&str; 13] = [
    "overhead.*",
    "resources.limits.*",
    "resources.requests.*",
    "containers.*.resources.limits.*",
    "containers.*.resources.requests.*",
    "containers.*.env.*.valueFrom.resourceFieldRef.divisor",
    "initContainers.*.resources.limits.*",
    "initContainers.*.resources.requests.*",
    "initContainers.*.env.*.valueFrom.resourceFieldRef.divisor",
    "volumes.*.emptyDir.sizeLimit",
    "volumes.*.ephemeral.volumeClaimTemplate.spec.resources.requests.*",
    "volumes.*.downwardAPI.items.*.resourceFieldRef.divisor",
    "volumes.*.projected.sources.*.downwardAPI.items.*.resourceFieldRef.divisor",
];

/// A strategic merge patch, whose quantities are as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq)]
pub struct PodPatch(Map<String, Value>);

impl PodPatch {
    /// Reads `spec.podSpec`.
    pub(super) fn parse(patch: &Map<String, Value>) -> Result<Self, Problem> {
        let mut patch = Value::Object(patch.clone());
        for path in QUANTITIES {
            let path: Vec<&str> = path.split('.').collect();
            write_quantities(&mut patch, &path, FIELD)?;
        }
        match patch {
            Value::Object(patch) => Ok(Self(patch)),
            _ => unreachable!("it was made of an object"),
        }
    }

    /// The patch.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn write_quantities(value: &mut Value, path: &[&str], field: &str) -> Result<(), Problem> {
    let Some((step, rest)) = path.split_first() else {
        return write_quantity(value, field);
    };
    match (*step, value) {
        ("*", Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                write_quantities(item, rest, &format!("{field}[{index}]"))?;
            }
        }
        ("*", Value::Object(fields)) => {
            // What begins with `$` says how to merge.
            for (key, value) in fields.iter_mut().filter(|(key, _)| !key.starts_with('$')) {
                write_quantities(value, rest, &format!("{field}.{key}"))?;
            }
        }
        (step, Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(step) {
                write_quantities(value, rest, &format!("{field}.{step}"))?;
            }
        }
        // What is not as it should be is for others to say.
        _ => {}
    }
    Ok(())
}

fn write_quantity(value: &mut Value, field: &str) -> Result<(), Problem> {
    // `null` deletes.
    if value.is_null() {
        return Ok(());
    }
    let quantity = Quantity::of_value(value)
        .map_err(|message| Problem::new(Reason::InvalidPodSpec, field, message))?;
    *value = Value::String(quantity.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(patch: Value) -> Result<Value, Problem> {
        PodPatch::parse(patch.as_object().unwrap()).map(|patch| Value::Object(patch.0))
    }

    #[test]
    fn quantities_are_as_kubernetes_writes_them_and_all_else_is_left() {
        let patch = json!({
            "containers": [{
                "name": "mcp-server",
                "args": ["0.1"],
                "env": [{ "name": "MEMORY", "value": "1024Mi" },
                    { "name": "M", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1024Ki" } } }],
                "resources": { "$patch": "replace", "limits": { "cpu": 1, "memory": 134_217_728 }, "requests": { "$patch": "merge", "cpu": "0.1", "memory": null } },
            }],
            "initContainers": [{ "name": "a", "resources": { "limits": { "cpu": "1000m" } } }],
            "nodeSelector": { "resources": "1000m", "env": "0.1" },
            "volumes": [{ "name": "cache", "emptyDir": { "sizeLimit": "1024Mi" } }],
        });
        assert_eq!(
            parse(patch).unwrap(),
            json!({
                "containers": [{
                    "name": "mcp-server",
                    "args": ["0.1"],
                    "env": [{ "name": "MEMORY", "value": "1024Mi" },
                        { "name": "M", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } }],
                    "resources": { "$patch": "replace", "limits": { "cpu": "1", "memory": "134217728" }, "requests": { "$patch": "merge", "cpu": "100m", "memory": null } },
                }],
                "initContainers": [{ "name": "a", "resources": { "limits": { "cpu": "1" } } }],
                "nodeSelector": { "resources": "1000m", "env": "0.1" },
                "volumes": [{ "name": "cache", "emptyDir": { "sizeLimit": "1Gi" } }],
            })
        );
    }

    #[test]
    fn what_is_no_quantity_is_named() {
        let patch = json!({ "containers": [{ "name": "a" }, { "name": "b", "resources": { "limits": { "memory": "1GB" } } }] });
        let problem = parse(patch).unwrap_err();
        assert_eq!(
            (problem.reason, &*problem.field),
            (
                Reason::InvalidPodSpec,
                "spec.podSpec.containers[1].resources.limits.memory"
            )
        );
        assert!(problem.message.contains("`1GB` is no quantity"));
    }
}
