//! What the operator must be allowed to do, and no more; `sandglass-operator rbac` prints it.

use serde_json::{Value, json};

/// A rule of a Role or ClusterRole: API groups, resources, verbs, and names where it is for some alone.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The API group; empty: the core one.
    pub group: &'static str,
    /// The resources.
    pub resources: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// The objects that it is for; empty: all.
    pub names: &'static [&'static str],
}

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule {
        group,
        resources,
        verbs,
        names: &[],
    }
}

/// What it does to the objects that it makes.
const MAKE: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// In the namespaces whose servers are served.
pub const RULES: &[Rule] = &[
    // `patch`: the finalizer of servers that share a host.
    rule(
        "kaos.tools",
        &["mcpservers"],
        &["get", "list", "watch", "patch"],
    ),
    rule("kaos.tools", &["mcpservers/status"], &["get", "patch"]),
    // Where OwnerReferencesPermissionEnforcement is on: objects that block their owner's deletion.
    rule("kaos.tools", &["mcpservers/finalizers"], &["update"]),
    rule("", &["serviceaccounts", "services"], MAKE),
    rule("apps", &["deployments"], MAKE),
    rule("networking.k8s.io", &["networkpolicies"], MAKE),
    rule("gateway.networking.k8s.io", &["httproutes"], MAKE),
    rule("policy", &["poddisruptionbudgets"], MAKE),
    rule("autoscaling", &["horizontalpodautoscalers"], MAKE),
    // Those that servers name (that the keys are there is seen only in the values), and those of shared hosts.
    rule("", &["configmaps"], MAKE),
    // And the keys that seal sessions are made.
    rule("", &["secrets"], &["get", "list", "watch", "create"]),
    rule("", &["pods"], &["list", "watch"]),
    rule("events.k8s.io", &["events"], &["create", "patch"]),
];

/// In the whole cluster: the definition of MCPServer. Names do not bound `create`.
pub const CLUSTER_RULES: &[Rule] = &[
    rule(
        "apiextensions.k8s.io",
        &["customresourcedefinitions"],
        &["create"],
    ),
    Rule {
        names: &["mcpservers.kaos.tools"],
        ..rule(
            "apiextensions.k8s.io",
            &["customresourcedefinitions"],
            &["get", "patch"],
        )
    },
];

/// In the operator's own namespace, with `--leader-election`.
pub const OWN_RULES: &[Rule] = &[rule(
    "coordination.k8s.io",
    &["leases"],
    &["get", "create", "update"],
)];

/// Rules as a Role has them.
pub fn as_json(rules: &[Rule]) -> Vec<Value> {
    let rules = rules.iter().map(|rule| {
        let mut written =
            json!({ "apiGroups": [rule.group], "resources": rule.resources, "verbs": rule.verbs });
        if !rule.names.is_empty() {
            written["resourceNames"] = json!(rule.names);
        }
        written
    });
    rules.collect()
}

/// The roles as YAML: a ClusterRole, and a Role for the operator's own namespace.
pub fn document() -> String {
    let all = [RULES, CLUSTER_RULES].concat();
    let name = json!({ "name": "sandglass-operator" });
    let roles = [
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": name, "rules": as_json(&all) }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": as_json(OWN_RULES) }),
    ];
    let documents = roles.map(|role| serde_saphyr::to_string(&role).expect("text and lists"));
    documents.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Kind;

    #[test]
    fn each_kind_that_is_made_has_a_rule() {
        for kind in Kind::ALL {
            let found = RULES.iter().any(|rule| {
                rule.group == kind.gvk().group
                    && rule.resources.contains(&kind.plural())
                    && rule.verbs == MAKE
            });
            assert!(found, "{kind:?}");
        }
    }
}
