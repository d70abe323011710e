//! The chart and the operator agree: on its flags, its rights, and the definition of MCPServer.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use sandglass_tests::{Chart, RELEASE, objects, objects_of, root};
use serde_json::Value;

/// The operator with these arguments; `None` in a checkout that has none.
fn operator(arguments: &[&str]) -> Option<Output> {
    if !root().join("operator/Cargo.toml").is_file() {
        println!("SKIPPED: there is no operator/ in this checkout");
        return None;
    }
    let program = std::env::var_os("SANDGLASS_OPERATOR_BIN").map_or_else(
        || root().join("target/debug/sandglass-operator"),
        Into::into,
    );
    let mut command = Command::new(&program);
    // A cluster that is not there: it must come as far as looking for it.
    command
        .args(arguments)
        .env("KUBECONFIG", "/missing/kubeconfig");
    let output = command.output();
    Some(output.unwrap_or_else(|error| panic!("{}: {error}", program.display())))
}

fn printed(arguments: &[&str]) -> Option<Vec<Value>> {
    let output = operator(arguments)?;
    assert!(output.status.success(), "{output:?}");
    Some(objects(&String::from_utf8_lossy(&output.stdout)))
}

/// Each right that rules give: group, resource, verb, and names where it is for some alone.
fn rights(roles: &[&Value]) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for role in roles {
        for rule in list(&role["rules"]) {
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for verb in list(&rule["verbs"]) {
                        let names = &rule["resourceNames"];
                        rights.insert(format!("{group} {resource} {verb} {names}"));
                    }
                }
            }
        }
    }
    rights
}

#[tokio::test]
async fn it_has_the_rights_that_it_needs_and_no_others() {
    let Some(needed) = printed(&["rbac"]) else {
        return;
    };
    let needed: Vec<&Value> = needed.iter().collect();
    for values in ["", "operator: { namespace: agents }"] {
        let chart = Chart::render(values).await;
        let is_role = |it: &&Value| it["kind"].as_str().is_some_and(|it| it.ends_with("Role"));
        let given: Vec<&Value> = chart.all().iter().filter(is_role).collect();
        assert_eq!(rights(&given), rights(&needed));
    }
}

/// What the operator's container is started with.
async fn arguments(values: &str) -> Vec<String> {
    let chart = Chart::render(values).await;
    let deployment = chart.object("Deployment", &format!("{RELEASE}-operator"));
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    serde_json::from_value(arguments.clone()).expect("arguments")
}

#[tokio::test]
async fn pod_specs_are_confined_unless_somebody_says_otherwise() {
    for (values, is_confined) in [("", true), ("operator: { confinePodSpec: false }", false)] {
        let arguments = arguments(values).await;
        let is_there = arguments.iter().any(|it| it == "--confine-pod-spec");
        assert_eq!(is_there, is_confined, "{values}: {arguments:?}");
    }
}

#[tokio::test]
async fn it_understands_its_arguments() {
    let values = "
image: { pullPolicy: Always }
imagePullSecrets: [{ name: registry }, { name: mirror }]
operator:
  namespace: agents
  adopt: [python-runtime]
  packages: { test-mcp-echo-server: 'oci://ghcr.io/acme/echo:1' }
  defaultAllowHttp: [api.weather.com]
  gateway: infra/web
  scrapeNamespaces: [monitoring, observability]
";
    let arguments = arguments(values).await;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for argument in [
        "--image-pull-policy=Always",
        "--image-pull-secret=registry",
        "--image-pull-secret=mirror",
        "--confine-pod-spec",
        "--scrape-namespace=monitoring",
        "--scrape-namespace=observability",
    ] {
        assert!(arguments.contains(&argument), "{arguments:?}");
    }
    let Some(output) = operator(&arguments) else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "no usage error: {told}");
    assert!(told.contains("cluster"), "{told}");
}

#[test]
fn the_definition_is_its_own() {
    let Some(printed) = printed(&["crds"]) else {
        return;
    };
    let chart = root().join("deploy/kubernetes/chart/crds/mcpservers.yaml");
    assert_eq!(
        objects_of(&chart),
        printed,
        "run `cargo run --package sandglass-operator -- crds > deploy/kubernetes/chart/crds/mcpservers.yaml`"
    );
}
