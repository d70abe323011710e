use serde_json::{Value, json};

use super::*;
use crate::settings::Packages;

pub fn settings() -> Settings {
    Settings {
        image: "registry.example/sandglass:1".to_owned(),
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        namespace: None,
        own_namespace: "sandglass-system".to_owned(),
        adopt: [Adopted::PythonRuntime].into(),
        packages: Packages::from_iter(["test-mcp-echo-server=oci://registry.example/echo:1"
            .parse()
            .unwrap()]),
        default_allow_http: Vec::new(),
        gateway: None,
        confine_pod_spec: false,
        scrape_namespaces: Vec::new(),
        tools_interval: std::time::Duration::from_secs(60),
    }
}

pub fn server(spec: Value) -> MCPServer {
    serde_json::from_value(json!({
        "apiVersion": "kaos.tools/v1alpha1",
        "kind": "MCPServer",
        "metadata": { "name": "my-mcp", "namespace": "my-namespace", "uid": "0-1", "generation": 1 },
        "spec": spec,
    }))
    .unwrap()
}

fn parse(spec: Value) -> Result<Plan, Problem> {
    Plan::parse(&server(spec), &settings())
}

const ECHO: &str = "def echo(text: str) -> str:\n    \"\"\"Echo.\"\"\"\n    return text\n";

#[test]
fn the_name_of_a_hosts_own_tenant_cannot_be_shared() {
    let mut server = server(
        json!({ "type": "wasm-runtime", "shared": true, "config": { "tools": { "fromString": ECHO } } }),
    );
    server.metadata.name = Some("default".to_owned());
    let problem = Plan::parse(&server, &settings()).unwrap_err();
    assert_eq!(problem.field, "metadata.name");
    server.spec.shared = false;
    Plan::parse(&server, &settings()).unwrap();
}

#[test]
fn each_invalid_spec_names_its_field_and_the_mend() {
    let tools = |tools: Value| json!({ "type": "wasm-runtime", "config": { "tools": tools } });
    let with = |key: &str, value: Value| {
        let mut spec = tools(json!({ "fromString": ECHO }));
        spec[key] = value;
        spec
    };
    let env = |variable: Value| json!({ "type": "wasm-runtime", "config": { "tools": { "fromString": ECHO }, "env": [variable] } });
    for (spec, field, part) in [
        (
            json!({ "type": "rust", "config": {} }),
            "spec.type",
            "write `wasm-runtime`",
        ),
        (
            json!({ "type": "node-runtime", "config": {} }),
            "spec.type",
            "write `wasm-runtime`",
        ),
        (tools(json!({})), "spec.config.tools", "no source is named"),
        (
            tools(json!({ "fromString": ECHO, "fromOCI": "oci://r.example/a:1" })),
            "spec.config.tools",
            "fromString and fromOCI are given",
        ),
        (
            tools(json!({ "fromString": " " })),
            "spec.config.tools.fromString",
            "it is empty",
        ),
        (
            tools(json!({ "fromOCI": "oci://r.example/a" })),
            "spec.config.tools.fromOCI",
            "neither tag nor digest",
        ),
        (
            tools(json!({ "fromPackage": "left-pad" })),
            "spec.config.tools.fromPackage",
            "--package left-pad=oci://",
        ),
        (
            tools(json!({ "fromPackage": "oci://r.example/a" })),
            "spec.config.tools.fromPackage",
            "neither tag nor digest",
        ),
        (
            tools(json!({ "fromSecretKeyRef": { "name": "a", "key": "../b" } })),
            "spec.config.tools.fromSecretKeyRef.key",
            "letters, digits",
        ),
        (
            tools(json!({ "fromConfigMapKeyRef": { "name": "", "key": "b" } })),
            "spec.config.tools.fromConfigMapKeyRef.name",
            "it is empty",
        ),
        (
            tools(json!({ "fromString": ECHO, "limits": { "timout": "5s" } })),
            "spec.config.tools.limits",
            "did you mean `timeout`",
        ),
        (
            tools(json!({ "fromString": ECHO, "limits": { "timeout": "5 parsecs" } })),
            "spec.config.tools.limits",
            "unknown unit",
        ),
        (
            tools(json!({ "fromString": ECHO, "limits": { "memory": "4GiB" } })),
            "spec.config.tools.limits",
            "max_memory",
        ),
        (
            tools(json!({ "fromString": ECHO, "limits": { "timeout": "40s" } })),
            "spec.config.tools.limits.timeout",
            "at most 27000ms",
        ),
        (
            tools(json!({ "fromString": ECHO, "allow": { "http": ["https://a.example"] } })),
            "spec.config.tools.allow",
            "it has a scheme",
        ),
        (
            tools(json!({ "fromString": ECHO, "verify": { "cosign": { "key": "/k" } } })),
            "spec.config.tools.verify",
            "only artifacts of registries",
        ),
        (
            with("gatewayRoute", json!({ "timeout": "soon" })),
            "spec.gatewayRoute.timeout",
            "is no duration",
        ),
        (
            with("disruptionBudget", json!({})),
            "spec.disruptionBudget",
            "exactly one of",
        ),
        (
            with("autoscaling", json!({ "minReplicas": 3, "maxReplicas": 2 })),
            "spec.autoscaling.maxReplicas",
            "less than",
        ),
        (
            env(json!({ "name": "1A", "value": "x" })),
            "spec.config.env[0].name",
            "no digit first",
        ),
        (
            env(json!({ "name": "MCP_PARAMS", "value": "x" })),
            "spec.config.env[0].name",
            "choose another name",
        ),
        (
            env(
                json!({ "name": "A", "value": "x", "valueFrom": { "secretKeyRef": { "name": "a", "key": "b" } } }),
            ),
            "spec.config.env[0].valueFrom",
            "remove one of them",
        ),
        (
            env(json!({ "name": "A", "valueFrom": {} })),
            "spec.config.env[0].valueFrom",
            "exactly one of",
        ),
        (
            with("shared", json!(true)).tap("podSpec", json!({ "nodeName": "a" })),
            "spec.podSpec",
            "`shared: false`",
        ),
        (
            tools(json!({ "fromSecretKeyRef": { "name": "../x", "key": "b" } })),
            "spec.config.tools.fromSecretKeyRef.name",
            "lower-case letters",
        ),
        (
            tools(json!({ "fromOCI": "oci://r.example/a:1",
                "verify": { "cosign": { "configMapKeyRef": { "name": "Bad Name", "key": "b" } } } })),
            "spec.config.tools.verify.cosign.configMapKeyRef.name",
            "lower-case letters",
        ),
        (
            env(
                json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "Bad Name", "key": "b", "optional": true } } }),
            ),
            "spec.config.env[0].valueFrom.secretKeyRef.name",
            "lower-case letters",
        ),
        (
            env(
                json!({ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "a", "key": "b/c" } } }),
            ),
            "spec.config.env[0].valueFrom.configMapKeyRef.key",
            "letters, digits",
        ),
        (
            env(
                json!({ "name": "A", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu", "divisor": "x" } } }),
            ),
            "spec.config.env[0].valueFrom.resourceFieldRef.divisor",
            "is no quantity",
        ),
        (
            env(json!({ "name": "OTEL_SERVICE_NAME", "value": "a" })).tap("shared", json!(true)),
            "spec.config.env[0].name",
            "`shared: false`",
        ),
        (
            with("gatewayRoute", json!({ "timeout": "1ms" })),
            "spec.gatewayRoute.timeout",
            "at least 2ms",
        ),
        (
            with(
                "podSpec",
                json!({ "containers": [{ "name": "mcp-server", "resources": { "limits": { "memory": "1GB" } } }] }),
            ),
            "spec.podSpec.containers[0].resources.limits.memory",
            "is no quantity",
        ),
    ] {
        let problem = parse(spec.clone()).expect_err(&spec.to_string());
        assert_eq!(problem.field, field, "{spec}: {problem}");
        assert!(problem.message.contains(part), "{spec}: {problem}");
    }
}

trait Tap {
    fn tap(self, key: &str, value: Value) -> Self;
}

impl Tap for Value {
    fn tap(mut self, key: &str, value: Value) -> Self {
        self[key] = value;
        self
    }
}

#[test]
fn a_runtime_of_kaos_is_served_only_where_it_is_adopted() {
    let spec = json!({ "type": "python-runtime", "config": { "tools": { "fromString": ECHO } } });
    assert!(parse(spec.clone()).is_ok());
    let strict = Settings {
        adopt: [].into(),
        ..settings()
    };
    let problem = Plan::parse(&server(spec), &strict).unwrap_err();
    assert_eq!(problem.reason, Reason::NotAdopted);
    assert!(problem.message.contains("--adopt python-runtime"));
}

#[test]
fn a_name_that_is_no_service_is_refused() {
    let spec = json!({ "type": "wasm-runtime", "config": { "tools": { "fromString": ECHO } } });
    for name in ["a.b", &"a".repeat(54)] {
        let mut server = server(spec.clone());
        server.metadata.name = Some(name.to_owned());
        let problem = Plan::parse(&server, &settings()).unwrap_err();
        assert_eq!(problem.field, "metadata.name");
    }
}

#[test]
fn tools_see_the_variables_of_their_server_and_no_others() {
    let plan = parse(json!({ "type": "wasm-runtime", "config": {
        "tools": { "fromString": ECHO, "allow": { "env": { "UNITS": "metric" } } },
        "env": [
            { "name": "LOG_LEVEL", "value": "INFO" },
            { "name": "EMPTY", "value": "" },
            { "name": "API_KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "api" } } },
            { "name": "MAYBE", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "b", "optional": true } } },
            { "name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4317" },
        ],
    } }))
    .unwrap();
    assert_eq!(
        plan.entry.fields()["allow"]["env"],
        json!({
            "LOG_LEVEL": { "secret": { "env": "LOG_LEVEL" } },
            "EMPTY": "",
            "API_KEY": { "secret": { "file": "/etc/sandglass/secrets/keys/api" } },
            "UNITS": "metric",
        })
    );
    let fields: Vec<_> = plan
        .references()
        .into_iter()
        .map(|reference| reference.field)
        .collect();
    assert_eq!(
        fields,
        [
            "spec.config.env[2].valueFrom.secretKeyRef",
            "spec.config.env[3].valueFrom.secretKeyRef"
        ]
    );
}

#[test]
fn a_call_ends_before_its_gateway_gives_up() {
    let timeout = |route: Value| {
        let spec = json!({ "type": "wasm-runtime", "config": { "tools": { "fromString": ECHO } }, "gatewayRoute": route });
        parse(spec).unwrap().entry.fields().get("limits").cloned()
    };
    assert_eq!(timeout(json!({})), None);
    assert_eq!(
        timeout(json!({ "timeout": "5s" })),
        Some(json!({ "timeout": "4500ms" }))
    );
    assert_eq!(timeout(json!({ "timeout": "0s" })), None);
}

#[test]
fn the_key_of_signatures_is_mounted() {
    let plan = parse(json!({ "type": "wasm-runtime", "config": { "tools": {
        "fromOCI": "oci://registry.example:5000/echo:1",
        "verify": { "cosign": { "configMapKeyRef": { "name": "keys", "key": "acme.pub" } } },
        "allow": { "http": ["10.0.0.1:8080", "api.example"] },
    } } }))
    .unwrap();
    assert_eq!(
        plan.entry.fields()["verify"],
        json!({ "cosign": { "key": "/etc/sandglass/keys/acme.pub" } })
    );
    assert_eq!(
        plan.references()[0].field,
        "spec.config.tools.verify.cosign.configMapKeyRef"
    );
    let egress: Vec<_> = plan
        .entry
        .egress()
        .into_iter()
        .map(|egress| (egress.address.map(|a| a.to_string()), egress.port))
        .collect();
    assert_eq!(
        egress,
        [
            (None, 443),
            (None, 5000),
            (Some("10.0.0.1".to_owned()), 8080)
        ]
    );
}

#[test]
fn a_budget_is_a_number_of_pods_or_a_share() {
    let budget = |key: &str, value: &Value| {
        let spec = json!({ "type": "wasm-runtime", "config": { "tools": { "fromString": ECHO } }, "disruptionBudget": { key: value } });
        parse(spec).map(|plan| plan.budget.unwrap().of_spec())
    };
    for key in ["minAvailable", "maxUnavailable"] {
        for right in [json!(0), json!(1), json!("0%"), json!("50%"), json!("100%")] {
            assert_eq!(budget(key, &right).unwrap(), json!({ key: right }));
        }
        for wrong in [
            json!(-1),
            json!(1.5),
            json!(3_000_000_000_u64),
            json!("half"),
            json!("1"),
            json!("101%"),
            json!("-1%"),
            json!("+1%"),
            json!("%"),
        ] {
            let problem = budget(key, &wrong).unwrap_err();
            assert_eq!(problem.field, format!("spec.disruptionBudget.{key}"));
            assert!(problem.message.contains("whole number"), "{problem}");
        }
    }
}

#[test]
fn the_hosts_own_files_are_not_for_tools() {
    let secret = |file: &str| json!({ "env": { "K": { "secret": { "file": file } } } });
    let header = |file: &str| json!({ "http": [{ "host": "a.example", "headers": { "x-key": { "secret": { "file": file } } } }] });
    let folder = |host: &str| json!({ "files": [{ "host": host, "guest": "/data" }] });
    for shared in [false, true] {
        let with = |allow: Value| {
            parse(
                json!({ "type": "wasm-runtime", "shared": shared, "config": { "tools": { "fromString": ECHO, "allow": allow } } }),
            )
        };
        for (allow, key) in [
            (secret("/etc/sandglass/state/key"), "env"),
            (secret("/tmp/.././etc//sandglass/state/key"), "env"),
            (secret("/proc/self/root/etc/sandglass/state/key"), "env"),
            (header("/etc/sandglass/state/key"), "http"),
            (folder("/etc/sandglass/state"), "files"),
            (folder("/etc"), "files"),
            (folder("/"), "files"),
        ] {
            let problem = with(allow.clone()).expect_err(&allow.to_string());
            assert_eq!(problem.field, format!("spec.config.tools.allow.{key}"));
            assert!(problem.message.contains("the host's own"), "{problem}");
        }
        assert!(with(secret("/var/secrets/key")).is_ok());
        assert!(with(secret("/etc/sandglass-other/key")).is_ok());
    }
}
