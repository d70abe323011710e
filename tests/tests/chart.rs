//! deploy/kubernetes: what the chart installs is what the API knows, hardened, and what the host understands.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use sandglass_tests::{Chart, Host, Launch, NAMESPACE, RELEASE, eventually, root, strict, tool};
use serde_json::{Value, json};

/// Everything that there is to switch on, and something in each list.
const EVERYTHING: &str = "
imagePullSecrets: [{ name: registry }]
operator:
  adopt: [python-runtime]
  packages: { test-mcp-echo-server: 'oci://ghcr.io/acme/echo:1' }
  defaultAllowHttp: [api.weather.com]
  gateway: infra/web
  scrapeNamespaces: [monitoring]
  nodeSelector: { pool: system }
  tolerations: [{ key: a, operator: Exists }]
host:
  enabled: true
  allowAnonymous: true
  replicas: 3
  accessLog: true
  arguments: [--legacy-sse]
  env: [{ name: OTEL_SERVICE_NAME, value: tools }]
  volumes: [{ name: extra, configMap: { name: extra } }]
  volumeMounts: [{ name: extra, mountPath: /extra }]
  stateKeySecret: state
  tlsSecret: tls
  podLabels: { team: a }
  podAnnotations: { note: b }
  nodeSelector: { pool: tools }
  tolerations: [{ key: a, operator: Exists }]
  topologySpreadConstraints:
    - { maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway }
  serviceAccount: { annotations: { c: d } }
  service:
    type: LoadBalancer
    annotations: { e: f }
    loadBalancerIP: 192.0.2.1
    loadBalancerSourceRanges: [198.51.100.0/24]
  route:
    enabled: true
    gateway: { name: web, namespace: infra }
    hostnames: [tools.example.com]
    path: /tools
  networkPolicy:
    ingress: [{ podSelector: { matchLabels: { app: agent } } }]
    metricsFrom: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } } }]
    egress: [{ to: [{ ipBlock: { cidr: 203.0.113.0/24 } }], ports: [{ port: 443 }] }]
  autoscaling: { enabled: true }
metrics: { dashboard: { enabled: true } }
";

/// Panics unless the API has such an object.
fn check(object: &Value) {
    let kind = object["kind"].as_str().expect("a kind");
    match kind {
        "ClusterRole" => drop(strict::<ClusterRole>(object)),
        "ClusterRoleBinding" => drop(strict::<ClusterRoleBinding>(object)),
        "ConfigMap" => drop(strict::<ConfigMap>(object)),
        "Deployment" => drop(strict::<Deployment>(object)),
        "HorizontalPodAutoscaler" => drop(strict::<HorizontalPodAutoscaler>(object)),
        "HTTPRoute" => check_route(object),
        "NetworkPolicy" => drop(strict::<NetworkPolicy>(object)),
        "PodDisruptionBudget" => drop(strict::<PodDisruptionBudget>(object)),
        "Role" => drop(strict::<Role>(object)),
        "RoleBinding" => drop(strict::<RoleBinding>(object)),
        "Service" => drop(strict::<Service>(object)),
        "ServiceAccount" => drop(strict::<ServiceAccount>(object)),
        other => panic!("{other} is not known here"),
    }
    let metadata = &object["metadata"];
    let labels = &metadata["labels"];
    assert_eq!(labels["app.kubernetes.io/instance"], RELEASE, "{object:#}");
    assert!(
        metadata["name"]
            .as_str()
            .is_some_and(|name| name.starts_with(RELEASE))
    );
}

/// The fields of a route (Gateway API v1, `HTTPRouteSpec`) that are used, each where it belongs.
fn check_route(route: &Value) {
    let keys = |value: &Value| -> Vec<String> {
        let object = value.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
    let spec = &route["spec"];
    for key in keys(spec) {
        assert!(["parentRefs", "hostnames", "rules"].contains(&key.as_str()));
    }
    let rule = &spec["rules"][0];
    for key in keys(rule) {
        assert!(["matches", "filters", "timeouts", "backendRefs"].contains(&key.as_str()));
    }
    assert_eq!(rule["matches"][0]["path"]["type"], "PathPrefix");
    assert_eq!(keys(&rule["timeouts"]), ["request"]);
    assert_eq!(rule["backendRefs"][0]["port"], 8000);
}

/// The one container of a Deployment.
fn container(deployment: &Value) -> Container {
    let deployment: Deployment = strict(deployment);
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let mut containers = pod.expect("a pod").containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

#[tokio::test]
async fn every_object_is_one_that_the_api_knows() {
    for values in ["", EVERYTHING, "operator: { namespace: agents }"] {
        let chart = Chart::render(values).await;
        assert_eq!(chart.lint, [""; 0], "helm lint");
        assert!(!chart.all().is_empty());
        chart.all().iter().for_each(check);
    }
}

#[tokio::test]
async fn every_pod_is_hardened() {
    let chart = Chart::render(EVERYTHING).await;
    let deployments = chart.all().iter().filter(|it| it["kind"] == "Deployment");
    let deployments: Vec<_> = deployments.collect();
    assert_eq!(deployments.len(), 2);
    for deployment in deployments {
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = &pod["containers"][0];
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert!(container["livenessProbe"].is_object() && container["readinessProbe"].is_object());
        let tag = container["image"]
            .as_str()
            .and_then(|it| it.rsplit_once(':'));
        assert_eq!(tag.map(|(_, tag)| tag), Some(env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test]
async fn rights_are_few_and_named() {
    for (values, kind) in [
        ("", "ClusterRole"),
        ("operator: { namespace: agents }", "Role"),
    ] {
        let chart = Chart::render(values).await;
        let roles = chart.all().iter().filter(|it| {
            it["kind"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("Role"))
        });
        for role in roles {
            let rules: Vec<PolicyRule> =
                serde_json::from_value(role["rules"].clone()).expect("rules");
            for rule in rules {
                let named = |list: &[String]| !list.is_empty() && !list.iter().any(|it| it == "*");
                assert!(named(&rule.verbs), "{rule:?}");
                assert!(
                    named(&rule.resources.clone().unwrap_or_default()),
                    "{rule:?}"
                );
                assert!(
                    named(&rule.api_groups.clone().unwrap_or_default()),
                    "{rule:?}"
                );
            }
        }
        let name = format!("{RELEASE}-operator");
        let role = chart.object(kind, &name);
        let binding = chart.object(&format!("{kind}Binding"), &name);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"][0]["namespace"], NAMESPACE);
        let leader = format!("{name}-leader");
        assert_eq!(
            chart.object("RoleBinding", &leader)["roleRef"]["name"],
            leader
        );
        let cluster_wide = chart.all().iter().filter(|it| it["kind"] == "ClusterRole");
        let expected = if kind == "Role" { 1 } else { 2 };
        assert_eq!(
            cluster_wide.count(),
            expected,
            "only the definitions are everybody's"
        );
    }
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused() {
    for (values, part) in [
        (
            "host: { enabled: true }",
            "host.manifest.identity, or set host.allowAnonymous",
        ),
        ("host: { enbled: true }", "'enbled' not allowed"),
        (
            "host: { service: { type: NodePort } }",
            "/host/service/type",
        ),
        ("host: { replicas: -1 }", "/host/replicas"),
        ("operator: { adopt: [node-runtime] }", "/operator/adopt"),
        (
            "operator: { packages: { a: ghcr.io/b } }",
            "/operator/packages/a",
        ),
        ("operator: { gateway: web }", "/operator/gateway"),
        (
            "operator: { confinePodSpec: 'no' }",
            "/operator/confinePodSpec",
        ),
        (
            "{ host: { enabled: true, allowAnonymous: true, route: { enabled: true } } }",
            "name the Gateway",
        ),
    ] {
        let error = Chart::render(values).await.objects.expect_err(values);
        assert!(error.contains(part), "{values}: {error}");
    }
    let identity = "host: { enabled: true, manifest: '{ version: 1, tools: [/a], identity: { tokens: [{ secret: { file: /b } }] } }' }";
    assert!(Chart::render(identity).await.objects.is_ok());
}

/// Starts what the container of the chart's host would run, with its manifest in a file and on ports of its own.
async fn start(values: &str, tools: &str) -> Host {
    let chart = Chart::render(values).await;
    let container = container(chart.object("Deployment", RELEASE));
    let config = chart.object("ConfigMap", &format!("{RELEASE}-manifest"));
    let text = config["data"]["manifest.yaml"].as_str().expect("a text");
    let mut launch = Launch::serve();
    let file = launch.write(
        "manifest.yaml",
        text.replace("/usr/local/share/sandglass/tools", tools),
    );
    for argument in container.args.into_iter().flatten().skip(1) {
        launch = match argument.split_once('=') {
            Some(("--config", _)) => launch.arg("--config").arg(&file),
            Some(("--management-host", _)) => launch,
            _ => launch.arg(argument),
        };
    }
    for variable in container.env.into_iter().flatten() {
        let value = variable.value.unwrap_or_default();
        let value = value.replace("/var/cache", launch.folder().to_str().expect("UTF-8"));
        launch = launch.env(&variable.name, value);
    }
    launch.start().await
}

#[tokio::test]
async fn the_host_understands_what_it_is_given() {
    let values =
        "host: { enabled: true, allowAnonymous: true, accessLog: true, arguments: [--legacy-sse] }";
    let host = start(values, &tool("calculator")).await;
    let answer = host.call("add", json!({"a": 2, "b": 3})).await;
    assert_eq!(answer.json(), json!({ "result": 5 }));
    assert_eq!(host.get("/ready").await.status, 200, "its readiness probe");
    assert_eq!(
        host.manage("/health").await.status,
        200,
        "its liveness probe"
    );
    eventually("the access log has it", async || {
        host.log().contains("path=\"/ready\"").then_some(())
    })
    .await;
    let kept = host.folder().join("sandglass");
    assert!(kept.is_dir(), "what was compiled lies in the cache");
}

/// The names of metrics in a PromQL expression.
fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("sandglass_") || word.starts_with("process_"))
}

/// All strings under a key, at any depth.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key).and_then(Value::as_str));
            object.values().for_each(|value| texts(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_shows_metrics_and_labels_that_there_are() {
    let host = Host::start(&format!(
        "version: 1\ntools: [\"file:{}\"]\naudit: {{ to: stdout }}\n",
        tool("calculator")
    ))
    .await;
    host.call("add", json!({"a": 2, "b": 3})).await;
    let served = host.manage("/metrics").await.body;

    let chart = Chart::render(EVERYTHING).await;
    let config = chart.object("ConfigMap", &format!("{RELEASE}-dashboard"));
    assert_eq!(config["metadata"]["labels"]["grafana_dashboard"], "1");
    let of_operator = config["data"]["sandglass-operator.json"].as_str();
    let of_operator: Value = serde_json::from_str(of_operator.expect("a text")).expect("JSON");
    assert_eq!(of_operator["uid"], "sandglass-operator");
    let text = config["data"]["sandglass.json"].as_str().expect("a text");
    let dashboard: Value = serde_json::from_str(text).expect("JSON");
    let mut expressions = Vec::new();
    texts(&dashboard, "expr", &mut expressions);
    texts(&dashboard["templating"], "query", &mut expressions);
    let used: BTreeSet<&str> = expressions.iter().flat_map(|it| metrics_in(it)).collect();
    assert!(used.len() > 5, "{used:?}");
    for name in &used {
        let is_there = served.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        assert!(is_there, "{name} is not among\n{served}");
    }
    // Each label that something is grouped or filtered by is one of a metric.
    for label in ["tenant", "tool", "outcome", "state", "version", "le"] {
        assert!(served.contains(&format!("{label}=\"")), "{label}");
        let is_used = expressions.iter().any(|it| it.contains(label));
        assert!(is_used, "{label} is nowhere");
    }
    // And the other way: whatever operators are told of is shown.
    let operations = root().join("docs/operations.md");
    let operations = std::fs::read_to_string(operations).expect("the docs are there");
    let table = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    for (name, _) in table.filter(|(name, _)| name.starts_with("sandglass_")) {
        let name = name.strip_suffix("_seconds").unwrap_or(name);
        assert!(
            used.iter().any(|it| it.starts_with(name)),
            "{name} is nowhere"
        );
    }
}
