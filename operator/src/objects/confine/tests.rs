use serde_json::json;

use super::*;
use crate::objects::{Desired, Kind, Owner, of_server, shared};
use crate::plan::Plan;
use crate::plan::tests::{server, settings};

/// The pod of a server with this patch, where pod specs are confined.
fn confined(patch: Value) -> Result<Value, Problem> {
    let mut settings = settings();
    settings.confine_pod_spec = true;
    let spec = json!({
        "type": "wasm-runtime",
        "config": { "tools": { "fromOCI": "oci://r.example/a:1" } },
        "podSpec": patch,
    });
    let plan = Plan::parse(&server(spec), &settings)?;
    let owner = Owner {
        name: plan.name.clone(),
        uid: "0-1".to_owned(),
    };
    let objects = of_server(&plan, &owner, &settings)?;
    Ok(pod_of(&objects))
}

fn pod_of(objects: &[Desired]) -> Value {
    let mut objects = objects.iter();
    let deployment = objects.find(|object| object.kind == Kind::Deployment);
    deployment.expect("there is one").object["spec"]["template"]["spec"].clone()
}

fn assert_refused(patch: Value, field: &str, part: &str) {
    let problem = match confined(patch.clone()) {
        Err(problem) => problem,
        Ok(pod) => panic!("{patch} is let through: {pod}"),
    };
    let given = (problem.reason, &*problem.field);
    assert_eq!(given, (Reason::ConfinedPodSpec, field), "{problem}");
    let by = "is refused by the operator's `--confine-pod-spec`; ";
    assert!(problem.message.contains(by), "{problem}");
    assert!(problem.message.contains(part), "{part}: {problem}");
}

#[test]
fn what_is_of_the_node_of_its_neighbours_and_of_foreign_accounts_is_refused() {
    let volume = |kind: &str, of: Value| json!({ "volumes": [{ "name": "v", kind: of }] });
    let source = |source: Value| volume("projected", json!({ "sources": [source] }));
    for (patch, field, part) in [
        (json!({ "hostNetwork": true }), "hostNetwork", "`true`"),
        (json!({ "hostPID": true }), "hostPID", "remove it"),
        (json!({ "hostIPC": true }), "hostIPC", "remove it"),
        (
            json!({ "serviceAccountName": "admin" }),
            "serviceAccountName",
            "the pod's account is `mcpserver-my-mcp`",
        ),
        (
            json!({ "serviceAccountName": "default" }),
            "serviceAccountName",
            "`default`",
        ),
        // Without a name the account is `default`, or what the field's older name says.
        (
            json!({ "serviceAccountName": null }),
            "serviceAccountName",
            "no account of its own",
        ),
        (
            json!({ "serviceAccountName": null, "serviceAccount": "admin" }),
            "serviceAccountName",
            "no account of its own",
        ),
        (
            json!({ "serviceAccount": "admin" }),
            "serviceAccount",
            "`admin`",
        ),
        (
            json!({ "$patch": "replace", "containers": [{
                "name": "mcp-server", "image": "a",
                "env": [{ "name": "MCP_PARAMS", "value": "" }],
                "ports": [{ "containerPort": 8000, "name": "http" }],
            }] }),
            "serviceAccountName",
            "no account of its own",
        ),
        (
            json!({ "automountServiceAccountToken": true }),
            "automountServiceAccountToken",
            "remove it",
        ),
        (
            source(json!({ "serviceAccountToken": { "path": "token" } })),
            "volumes[v].projected.sources[0].serviceAccountToken",
            "clusterTrustBundle, configMap, downwardAPI, secret",
        ),
        (json!({ "nodeName": "node-1" }), "nodeName", "`node-1`"),
        (
            json!({ "priorityClassName": "system-node-critical" }),
            "priorityClassName",
            "Kubernetes' own",
        ),
        (
            json!({ "ephemeralContainers": [{ "name": "debug", "image": "a" }] }),
            "ephemeralContainers",
            "remove them",
        ),
        (
            volume("hostPath", json!({ "path": "/" })),
            "volumes[v].hostPath",
            "use one of configMap, csi",
        ),
        (
            volume("nfs", json!({ "server": "a", "path": "/" })),
            "volumes[v].nfs",
            "use one of",
        ),
        (
            volume("flexVolume", json!({ "driver": "a/b" })),
            "volumes[v].flexVolume",
            "use one of",
        ),
        (
            volume("image", json!({ "reference": "a" })),
            "volumes[v].image",
            "use one of",
        ),
        // A volume that is another one too.
        (
            json!({ "volumes": [{ "name": "v", "emptyDir": {}, "hostPath": { "path": "/" } }] }),
            "volumes[v].hostPath",
            "use one of",
        ),
        // One of the operator's own.
        (
            json!({ "volumes": [{ "name": "cache", "hostPath": { "path": "/" } }] }),
            "volumes[cache].hostPath",
            "use one of",
        ),
    ] {
        assert_refused(patch, &format!("spec.podSpec.{field}"), part);
    }
}

#[test]
fn what_a_pod_and_any_of_its_containers_may_not_be_is_refused() {
    // In the pod's own security context; and in that of each container, whoever made it.
    let both = [
        (json!({ "runAsNonRoot": false }), "runAsNonRoot", "`true`"),
        (json!({ "runAsUser": 0 }), "runAsUser", "`0`"),
        (
            json!({ "seccompProfile": { "type": "Unconfined" } }),
            "seccompProfile.type",
            "`RuntimeDefault` or `Localhost`",
        ),
        (
            json!({ "appArmorProfile": { "type": "Unconfined" } }),
            "appArmorProfile.type",
            "`Unconfined`",
        ),
        (
            json!({ "seLinuxOptions": { "type": "spc_t" } }),
            "seLinuxOptions.type",
            "`container_t`",
        ),
        (
            json!({ "seLinuxOptions": { "user": "system_u" } }),
            "seLinuxOptions.user",
            "remove it",
        ),
        (
            json!({ "seLinuxOptions": { "role": "system_r" } }),
            "seLinuxOptions.role",
            "remove it",
        ),
        (
            json!({ "windowsOptions": { "hostProcess": true } }),
            "windowsOptions.hostProcess",
            "remove it",
        ),
        (
            json!({ "windowsOptions": { "gmsaCredentialSpecName": "admin" } }),
            "windowsOptions.gmsaCredentialSpecName",
            "remove it",
        ),
    ];
    let containers = [
        (json!({ "privileged": true }), "privileged", "remove it"),
        (
            json!({ "allowPrivilegeEscalation": true }),
            "allowPrivilegeEscalation",
            "write `false`",
        ),
        (
            json!({ "capabilities": { "add": ["NET_BIND_SERVICE", "SYS_ADMIN"] } }),
            "capabilities.add",
            "`SYS_ADMIN`",
        ),
        (
            json!({ "capabilities": { "drop": ["NET_RAW"] } }),
            "capabilities.drop",
            "`[ALL]`",
        ),
        (json!({ "procMount": "Unmasked" }), "procMount", "`Default`"),
    ];
    for (context, field, part) in &both {
        let patch = json!({ "securityContext": context });
        let field = format!("spec.podSpec.securityContext.{field}");
        assert_refused(patch, &field, part);
    }
    for (context, field, part) in both.iter().chain(&containers) {
        for (list, name) in [
            ("containers", "mcp-server"),
            ("containers", "sidecar"),
            ("initContainers", "first"),
        ] {
            let mut container = json!({ "name": name, "image": "a", "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
            } });
            let fields = context.as_object().unwrap().clone();
            for (key, value) in fields {
                match &mut container["securityContext"][key] {
                    Value::Object(before) => before.extend(value.as_object().unwrap().clone()),
                    before => *before = value,
                }
            }
            // The operator allows no escalation, and says nothing of privileges: what it cannot be with is told first.
            if *field == "privileged" && name == "mcp-server" {
                container["securityContext"]["allowPrivilegeEscalation"] = json!(null);
            }
            let field = format!("spec.podSpec.{list}[{name}].securityContext.{field}");
            assert_refused(json!({ list: [container] }), &field, part);
        }
    }
    let sysctls = json!([{ "name": "kernel.shm_rmid_forced", "value": "1" }, { "name": "kernel.msgmax", "value": "1" }]);
    assert_refused(
        json!({ "securityContext": { "sysctls": sysctls } }),
        "spec.podSpec.securityContext.sysctls",
        "`kernel.msgmax`",
    );
}

#[test]
fn what_the_operator_sets_cannot_be_taken_away() {
    let own = |context: Value| json!({ "containers": [{ "name": "mcp-server", "securityContext": context }] });
    let pod = |context: Value| json!({ "securityContext": context });
    let container = "containers[mcp-server].securityContext";
    for (patch, field) in [
        (
            own(json!({ "allowPrivilegeEscalation": null })),
            format!("{container}.allowPrivilegeEscalation"),
        ),
        (
            own(json!({ "capabilities": null })),
            format!("{container}.capabilities.drop"),
        ),
        (
            own(json!({ "capabilities": { "drop": [] } })),
            format!("{container}.capabilities.drop"),
        ),
        (
            own(json!({ "$patch": "replace", "readOnlyRootFilesystem": true })),
            format!("{container}.allowPrivilegeEscalation"),
        ),
        (
            own(json!({ "$retainKeys": ["capabilities"] })),
            format!("{container}.allowPrivilegeEscalation"),
        ),
        (
            own(json!({ "capabilities": { "$deleteFromPrimitiveList/drop": ["ALL"] } })),
            format!("{container}.capabilities.drop"),
        ),
        (
            pod(json!({ "runAsNonRoot": null })),
            format!("{container}.runAsNonRoot"),
        ),
        (
            pod(json!({ "seccompProfile": null })),
            format!("{container}.seccompProfile.type"),
        ),
        (
            pod(json!({ "$patch": "delete" })),
            format!("{container}.runAsNonRoot"),
        ),
    ] {
        assert_refused(patch, &format!("spec.podSpec.{field}"), "write `");
    }
    // A container that is added has to say what it is not.
    assert_refused(
        json!({ "containers": [{ "name": "sidecar", "image": "a" }] }),
        "spec.podSpec.containers[sidecar].securityContext.allowPrivilegeEscalation",
        "leaving it out",
    );
}

#[test]
fn ports_probes_and_hooks_reach_nothing_of_the_node() {
    for (part, field) in [
        (
            json!({ "ports": [{ "containerPort": 8000, "hostPort": 80 }] }),
            "ports[8000].hostPort",
        ),
        (
            json!({ "livenessProbe": { "httpGet": { "host": "169.254.169.254" } } }),
            "livenessProbe.httpGet.host",
        ),
        (
            json!({ "readinessProbe": { "tcpSocket": { "host": "10.0.0.1" } } }),
            "readinessProbe.tcpSocket.host",
        ),
        (
            json!({ "startupProbe": { "httpGet": { "host": "localhost", "port": 1 } } }),
            "startupProbe.httpGet.host",
        ),
        (
            json!({ "lifecycle": { "postStart": { "httpGet": { "host": "a", "port": 1 } } } }),
            "lifecycle.postStart.httpGet.host",
        ),
        (
            json!({ "lifecycle": { "preStop": { "tcpSocket": { "host": "a", "port": 1 } } } }),
            "lifecycle.preStop.tcpSocket.host",
        ),
    ] {
        let mut container = part;
        container["name"] = json!("mcp-server");
        let field = format!("spec.podSpec.containers[mcp-server].{field}");
        assert_refused(json!({ "containers": [container] }), &field, "remove it");
    }
}

#[test]
fn what_the_operator_does_not_know_is_refused_with_its_place() {
    for (patch, field) in [
        (json!({ "hostnetwork": true }), "hostnetwork"),
        (json!({ "hostFoo": true }), "hostFoo"),
        (json!({ "metadata": { "annotations": {} } }), "metadata"),
        (
            json!({ "containers": [{ "name": "mcp-server", "securityContext": { "privilegd": true } }] }),
            "containers[mcp-server].securityContext.privilegd",
        ),
        (
            json!({ "volumes": [{ "name": "v", "fooPath": { "path": "/" } }] }),
            "volumes[v].fooPath",
        ),
    ] {
        let field = format!("spec.podSpec.{field}");
        assert_refused(patch, &field, "a field that the operator does not know");
    }
    for (patch, field) in [
        (json!({ "hostNetwork": "true" }), "hostNetwork"),
        (
            json!({ "containers": [{ "name": "mcp-server", "ports": [{ "containerPort": 8000, "hostPort": "80" }] }] }),
            "containers[0].ports[0].hostPort",
        ),
    ] {
        let problem = confined(patch).unwrap_err();
        let given = (problem.reason, &*problem.field);
        let field = format!("spec.podSpec.{field}");
        assert_eq!(given, (Reason::InvalidPodSpec, &*field), "{problem}");
    }
}

#[test]
fn what_is_shown_of_a_spec_is_cut_and_on_one_line() {
    let name = format!("a\n\u{202e}{}", "b".repeat(1_000));
    let problem = confined(json!({ "priorityClassName": format!("system-{name}") })).unwrap_err();
    assert!(problem.message.len() < 300, "{problem}");
    assert!(
        problem.message.contains(r"`system-a\n\u{202e}bbb"),
        "{problem}"
    );
}

#[test]
fn what_is_restricted_itself_is_let_through() {
    let context = json!({
        "allowPrivilegeEscalation": false,
        "privileged": false,
        "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] },
        "runAsUser": 1000,
        "runAsGroup": 0,
        "seccompProfile": { "type": "Localhost", "localhostProfile": "a.json" },
        "appArmorProfile": { "type": "RuntimeDefault" },
        "seLinuxOptions": { "type": "container_t", "level": "s0:c1,c2" },
        "procMount": "Default",
    });
    let pod = confined(json!({
        "serviceAccountName": "mcpserver-my-mcp",
        "hostNetwork": false,
        "hostUsers": false,
        "priorityClassName": "batch",
        "nodeSelector": { "pool": "tools" },
        "tolerations": [{ "key": "tools", "operator": "Exists", "value": null }],
        "runtimeClassName": "gvisor",
        "securityContext": { "sysctls": [{ "name": "net.ipv4.tcp_syncookies", "value": "1" }] },
        "initContainers": [{ "name": "first", "image": "a", "securityContext": context }],
        "containers": [
            { "name": "mcp-server", "resources": { "limits": { "memory": "1Gi" } },
              "livenessProbe": { "periodSeconds": 5 },
              "lifecycle": { "preStop": { "exec": { "command": ["true"] } } } },
            { "name": "sidecar", "image": "a", "securityContext": context,
              "ports": [{ "containerPort": 80, "hostPort": 0 }],
              "readinessProbe": { "httpGet": { "host": "", "port": 80 } } },
        ],
        "volumes": [
            { "name": "a", "configMap": { "name": "a" } },
            { "name": "b", "csi": { "driver": "a" } },
            { "name": "c", "downwardAPI": {} },
            { "name": "d", "emptyDir": {} },
            { "name": "e", "ephemeral": {} },
            { "name": "f", "persistentVolumeClaim": { "claimName": "a" } },
            { "name": "g", "projected": { "sources": [{ "secret": { "name": "a" } }] } },
            { "name": "h", "secret": { "secretName": "a" } },
            { "name": "i" },
        ],
    }));
    assert_eq!(pod.unwrap()["containers"].as_array().map(Vec::len), Some(2));
    // Where the pod says it, its containers need not; where it does not, they have to.
    let context = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    let own = json!([{ "name": "mcp-server", "securityContext": context }]);
    let moved = json!({ "securityContext": { "$patch": "delete" }, "containers": own });
    confined(moved).unwrap();
}

#[test]
fn pod_specs_are_confined_only_where_somebody_says_so() {
    let spec = json!({
        "type": "wasm-runtime",
        "config": { "tools": { "fromOCI": "oci://r.example/a:1" } },
        "podSpec": { "hostNetwork": true },
    });
    let plan = Plan::parse(&server(spec), &settings()).unwrap();
    let owner = Owner {
        name: plan.name.clone(),
        uid: "0-1".to_owned(),
    };
    let pod = pod_of(&of_server(&plan, &owner, &settings()).unwrap());
    assert_eq!(pod["hostNetwork"], true);
}

#[test]
fn the_operators_own_pods_are_restricted() {
    let own = confined(json!({})).unwrap();
    check(own.as_object().unwrap(), "mcpserver-my-mcp").unwrap();
    let spec = json!({ "type": "wasm-runtime", "shared": true, "config": { "tools": { "fromSecretKeyRef": { "name": "a", "key": "b" } } } });
    let plan = Plan::parse(&server(spec), &settings()).unwrap();
    let tenants = [shared::Tenant::new(&plan, "0-1", 20_000)];
    let objects = shared::of_host("my-namespace", &tenants, &settings());
    check(pod_of(&objects).as_object().unwrap(), shared::NAME).unwrap();
}
