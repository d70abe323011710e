use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::plan::tests::{server, settings};
use crate::settings::PullPolicy;

fn objects(spec: Value) -> Vec<Desired> {
    try_objects(spec).unwrap()
}

fn try_objects(spec: Value) -> Result<Vec<Desired>, Problem> {
    let mut settings = settings();
    settings.gateway = Some("gateways/public".parse().unwrap());
    let plan = Plan::parse(&server(spec), &settings)?;
    let owner = Owner {
        name: plan.name.clone(),
        uid: "0-1".to_owned(),
    };
    of_server(&plan, &owner, &settings)
}

/// Compares with the file of that name; with `SANDGLASS_GOLDEN=write` it is written.
fn golden(name: &str, objects: &[Desired]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/objects/golden")
        .join(name);
    let documents: Vec<String> = objects
        .iter()
        .map(|desired| serde_saphyr::to_string(&desired.object).unwrap())
        .collect();
    let text = documents.join("---\n");
    if std::env::var_os("SANDGLASS_GOLDEN").is_some_and(|word| word == "write") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name}; SANDGLASS_GOLDEN=write writes it anew"
    );
}

#[test]
fn the_guides_specification_has_these_objects() {
    golden(
        "guide.yaml",
        &objects(json!({
            "type": "python-runtime",
            "config": {
                "tools": { "fromString": "def echo(text: str) -> str:\n    \"\"\"Echo: $(HOME) costs $$.\"\"\"\n    return text\n" },
                "env": [{ "name": "LOG_LEVEL", "value": "DEBUG" }],
            },
            "podSpec": { "containers": [{
                "name": "mcp-server",
                "resources": { "requests": { "memory": "128Mi", "cpu": "100m" }, "limits": { "memory": "0.25Gi", "cpu": 0.5 } },
            }] },
        })),
    );
}

#[test]
fn everything_that_can_be_asked_for_has_these_objects() {
    golden(
        "all.yaml",
        &objects(json!({
            "type": "wasm-runtime",
            "config": {
                "tools": {
                    "fromSecretKeyRef": { "name": "my-tools", "key": "tools" },
                    "limits": { "timeout": "5s" },
                    "allow": { "http": ["api.weather.com", "10.0.0.7:8080"] },
                },
                "env": [
                    { "name": "WEATHER_API_KEY", "valueFrom": { "secretKeyRef": { "name": "api-keys", "key": "weather" } } },
                    { "name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.tracing:4318/" },
                ],
            },
            "gatewayRoute": { "timeout": "1m" },
            "autoscaling": { "minReplicas": 2, "maxReplicas": 5 },
            "disruptionBudget": { "minAvailable": "50%" },
        })),
    );
}

#[test]
fn an_artifact_with_its_signature_has_these_objects() {
    golden(
        "artifact.yaml",
        &objects(json!({
            "type": "wasm-runtime",
            "replicas": 2,
            "config": { "tools": {
                "fromOCI": "oci://registry.example/acme/time:1.2",
                "verify": { "cosign": { "configMapKeyRef": { "name": "acme-keys", "key": "acme.pub" } } },
            } },
            "gatewayRoute": { "timeout": "0s" },
        })),
    );
}

#[test]
fn a_shared_host_has_these_objects() {
    let settings = settings();
    let tenant = |name: &str, port, tools: Value, env: Value| {
        let spec = json!({ "type": "wasm-runtime", "shared": true, "config": { "tools": tools, "env": env } });
        let mut server = server(spec);
        server.metadata.name = Some(name.to_owned());
        let plan = Plan::parse(&server, &settings).unwrap();
        shared::Tenant::new(&plan, "0-1", port)
    };
    let key =
        json!([{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "a" } } }]);
    let tenants = [
        tenant(
            "alpha",
            20_000,
            json!({ "fromOCI": "oci://registry.example:5000/a:1" }),
            key,
        ),
        tenant(
            "beta",
            20_001,
            json!({ "fromConfigMapKeyRef": { "name": "tools", "key": "b.wasm" } }),
            json!([]),
        ),
    ];
    let objects = shared::of_host("my-namespace", &tenants, &settings);
    golden("shared.yaml", &objects);
    // What stands in the ConfigMap is found again.
    let config_map = &objects[1].object;
    assert_eq!(
        shared::recorded(config_map)
            .into_values()
            .collect::<Vec<_>>(),
        tenants
    );
}

#[test]
fn each_host_is_pulled_as_the_operator_was_told() {
    let mut settings = settings();
    settings.image_pull_policy = Some(PullPolicy::Always);
    settings.image_pull_secrets = ["registry", "mirror"].map(|it| it.parse().unwrap()).into();
    let plan = |shared: bool, pod: Option<Value>| {
        let mut spec = json!({ "type": "wasm-runtime", "shared": shared, "config": { "tools": { "fromOCI": "oci://r.example/a:1" } } });
        spec["podSpec"] = json!(pod);
        Plan::parse(&server(spec), &settings).unwrap()
    };
    let owner = Owner {
        name: "my-mcp".to_owned(),
        uid: "0-1".to_owned(),
    };
    let own = |pod| of_server(&plan(false, pod), &owner, &settings).unwrap();
    let tenants = [shared::Tenant::new(&plan(true, None), "0-1", 20_000)];
    for objects in [
        own(None),
        shared::of_host("my-namespace", &tenants, &settings),
    ] {
        let pod = &objects[3].object["spec"]["template"]["spec"];
        assert_eq!(
            pod["imagePullSecrets"],
            json!([{ "name": "registry" }, { "name": "mirror" }])
        );
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "Always");
    }
    // A server may have more, and another policy.
    let patch = json!({ "imagePullSecrets": [{ "name": "mine" }], "containers": [{ "name": "mcp-server", "imagePullPolicy": "Never" }] });
    let pod = &own(Some(patch))[3].object["spec"]["template"]["spec"];
    assert_eq!(
        pod["imagePullSecrets"],
        json!([{ "name": "mine" }, { "name": "registry" }, { "name": "mirror" }])
    );
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "Never");
}

#[test]
fn a_patch_that_takes_away_what_serves_is_refused() {
    let spec = |pod: Value| json!({ "type": "wasm-runtime", "config": { "tools": { "fromOCI": "oci://r.example/a:1" } }, "podSpec": pod });
    for (pod, field) in [
        (
            json!({ "containers": [{ "name": "mcp-server", "$patch": "delete" }] }),
            "spec.podSpec.containers",
        ),
        (json!({ "containers": "x" }), "spec.podSpec.containers"),
        (
            json!({ "containers": [{ "name": "mcp-server", "env": [{ "name": "MCP_PARAMS", "$patch": "delete" }] }] }),
            "spec.podSpec.containers[mcp-server].env",
        ),
        (
            json!({ "containers": [{ "name": "mcp-server", "ports": [{ "containerPort": 8000, "$patch": "delete" }] }] }),
            "spec.podSpec.containers[mcp-server].ports",
        ),
        (
            json!({ "containers": [{ "name": "mcp-server", "ports": [{ "containerPort": 8000, "name": "web" }] }] }),
            "spec.podSpec.containers[mcp-server].ports",
        ),
        (
            json!({ "containers": [{ "name": "mcp-server", "securityContext": { "privileged": true } }] }),
            "spec.podSpec.containers[mcp-server].securityContext.privileged",
        ),
        (
            json!({ "containers": [{ "image": "a" }] }),
            "spec.podSpec.containers[0]",
        ),
    ] {
        let problem = try_objects(spec(pod)).unwrap_err();
        assert_eq!(
            (problem.reason, &*problem.field),
            (crate::plan::Reason::InvalidPodSpec, field)
        );
    }
}

#[test]
fn whoever_may_read_metrics_is_a_namespace_by_its_name() {
    let mut settings = settings();
    settings.scrape_namespaces = ["monitoring", "observability"]
        .map(|it| it.parse().unwrap())
        .into();
    let spec = |shared: bool| json!({ "type": "wasm-runtime", "shared": shared, "config": { "tools": { "fromOCI": "oci://r.example/a:1" } } });
    let plan = |shared: bool| Plan::parse(&server(spec(shared)), &settings).unwrap();
    let owner = Owner {
        name: "my-mcp".to_owned(),
        uid: "0-1".to_owned(),
    };
    let tenants = [shared::Tenant::new(&plan(true), "0-1", 20_000)];
    for objects in [
        of_server(&plan(false), &owner, &settings).unwrap(),
        shared::of_host("my-namespace", &tenants, &settings),
    ] {
        let mut policies = objects.iter();
        let policy = policies.find(|object| object.kind == Kind::NetworkPolicy);
        let rule = &policy.unwrap().object["spec"]["ingress"][1];
        assert_eq!(rule["ports"][0]["port"], MANAGEMENT_PORT_NAME);
        let from = ["sandglass-system", "monitoring", "observability"].map(|name| {
            json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } })
        });
        assert_eq!(rule["from"], json!(from));
    }
}

#[test]
fn what_is_asked_for_is_in_the_hash() {
    let hash = |spec: Value| objects(spec)[3].object["metadata"]["annotations"][HASH].clone();
    let spec = |limits: Value| json!({ "type": "wasm-runtime", "config": { "tools": { "fromOCI": "oci://r.example/a:1", "limits": limits } } });
    assert_eq!(hash(spec(json!({}))), hash(spec(json!({}))));
    assert_ne!(hash(spec(json!({}))), hash(spec(json!({ "fuel": 1 }))));
}
