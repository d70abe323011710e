//! The operator against a real API server, with the built `sandglass` as the pods: the examples of KAOS' guide, what is
//! written wrongly, what changes while it runs.

use sandglass_tests::cluster::{ControlPlane, Ground, PlayedPod, definition};
use sandglass_tests::{Registry, RegistryKind, eventually, tool};
use serde_json::{Value, json};

const CALCULATOR: &str = r#"
def add(a: int, b: int) -> int:
    """Add two numbers together."""
    return a + b

def subtract(a: int, b: int) -> int:
    """Subtract b from a."""
    return a - b

def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b

def divide(a: int, b: int) -> str:
    """Divide a by b."""
    if b == 0:
        return "Error: Division by zero"
    return str(a / b)
"#;

const STRING_UTILS: &str = r#"
def uppercase(text: str) -> str:
    """Convert text to uppercase."""
    return text.upper()

def lowercase(text: str) -> str:
    """Convert text to lowercase."""
    return text.lower()

def reverse(text: str) -> str:
    """Reverse the text."""
    return text[::-1]
"#;

const WEATHER: &str = r#"
import os
import urllib.request
import json

def get_weather(city: str) -> str:
    """Get current weather for a city."""
    api_key = os.environ.get("WEATHER_API_KEY", "")
    url = f"https://api.weather.com/v1/current?city={city}&key={api_key}"
    try:
        with urllib.request.urlopen(url) as response:
            data = json.loads(response.read())
            return f"{city}: {data['temp']}°C, {data['conditions']}"
    except Exception as e:
        return f"Error: {e}"

def key_length() -> int:
    """How long the key is."""
    return len(os.environ.get("WEATHER_API_KEY", ""))
"#;

const SPECIFICATION: &str = r#"
def echo(text: str) -> str:
    """Echo the input text."""
    return f"Echo: {text}"

def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
"#;

fn python(source: &str) -> Value {
    json!({ "type": "python-runtime", "config": { "tools": { "fromString": source } } })
}

/// The guide's lines with `curl`.
async fn assert_answers(pod: &PlayedPod, tools: &[&str], call: (&str, Value), result: Value) {
    let listed = pod.host.get("/mcp/tools").await.json();
    let names: Vec<_> = listed["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, tools);
    let answer = pod.host.call(call.0, call.1).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "result": result }))
    );
}

fn tools(status: &Value) -> Vec<&str> {
    let tools = status["availableTools"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    tools.iter().filter_map(Value::as_str).collect()
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn the_guides_examples_become_ready_and_answer() {
    let Some(ground) = Ground::new("guide").await else {
        return;
    };
    let registry = Registry::start(RegistryKind::Open).await;
    let echo = std::fs::read(tool("echo")).expect("it is built");
    registry
        .push(
            "echo",
            "1",
            "application/vnd.wasm.config.v0+json",
            &[("application/wasm", &echo)],
        )
        .await;
    let package = format!("test-mcp-echo-server=oci://{}/echo:1", registry.authority());
    let operator = ground
        .launch()
        .arg("--adopt")
        .arg("python-runtime")
        .arg("--package")
        .arg(package)
        .start()
        .await;
    ground
        .api
        .secret(
            &ground.namespace,
            "api-keys",
            &json!({ "weather": "0123456789" }),
        )
        .await;
    ground
        .api
        .secret(
            &ground.namespace,
            "my-tools-secret",
            &json!({ "tools.py": SPECIFICATION, "other": "x" }),
        )
        .await;
    let mut string_utils = python(STRING_UTILS);
    string_utils["podSpec"] = json!({ "containers": [{ "name": "mcp-server", "resources": { "requests": { "memory": "128Mi" } } }] });
    let mut weather = python(WEATHER);
    weather["config"]["env"] = json!([{ "name": "WEATHER_API_KEY", "valueFrom": { "secretKeyRef": { "name": "api-keys", "key": "weather" } } }]);
    let of_secret = json!({
        "type": "python-runtime",
        "config": {
            "tools": { "fromSecretKeyRef": { "name": "my-tools-secret", "key": "tools.py" } },
            "env": [{ "name": "LOG_LEVEL", "value": "INFO" }],
        },
        "podSpec": { "containers": [{ "name": "mcp-server", "resources": {
            "requests": { "memory": "128Mi", "cpu": "100m" }, "limits": { "memory": "256Mi", "cpu": "500m" },
        } }] },
    });
    let of_package = json!({ "type": "python-runtime", "config": { "tools": { "fromPackage": "test-mcp-echo-server" } } });
    let mut inline = of_secret.clone();
    inline["type"] = json!("wasm-runtime");
    inline["config"]["tools"] = json!({ "fromString": SPECIFICATION });
    for (name, spec, names, call, result) in [
        (
            "calculator",
            python(CALCULATOR),
            &["add", "divide", "multiply", "subtract"][..],
            ("divide", json!({ "a": 1, "b": 0 })),
            json!("Error: Division by zero"),
        ),
        (
            "string-utils",
            string_utils,
            &["lowercase", "reverse", "uppercase"],
            ("reverse", json!({ "text": "abc" })),
            json!("cba"),
        ),
        (
            "weather-api",
            weather,
            &["get_weather", "key_length"],
            ("key_length", json!({})),
            json!(10),
        ),
        (
            "my-mcp",
            of_secret,
            &["add", "echo"],
            ("echo", json!({ "text": "Hello" })),
            json!("Echo: Hello"),
        ),
        (
            "inline",
            inline,
            &["add", "echo"],
            ("add", json!({ "a": 1, "b": 2 })),
            json!(3),
        ),
        (
            "echo-tools",
            of_package,
            &["echo"],
            ("echo", json!({ "text": "Hello" })),
            json!("Echo: Hello"),
        ),
    ] {
        ground.server(name, &spec).await;
        let pending = ground.phase(name, "Pending").await;
        assert_eq!(
            (&pending["ready"], tools(&pending).len()),
            (&json!(false), 0)
        );
        let pod = ground.kubelet.run(name).await;
        let ready = ground
            .until(name, "its tools are known", |status| {
                status["phase"] == "Ready" && !tools(status).is_empty()
            })
            .await;
        assert_eq!(tools(&ready), names, "{ready}");
        assert_eq!(ready["ready"], true);
        assert_eq!(ready["message"], Value::Null);
        assert_eq!(
            ready["endpoint"],
            format!(
                "http://mcpserver-{name}.{}.svc.cluster.local:8000",
                ground.namespace
            )
        );
        assert_eq!(ready["deployment"]["readyReplicas"], 1);
        assert_eq!(ready["deployment"]["conditions"][0]["type"], "Available");
        for kind in ["Accepted", "ResolvedRefs", "Programmed", "Ready"] {
            assert_eq!(condition(&ready, kind)["status"], "True", "{ready}");
        }
        assert_answers(&pod, names, call, result).await;
        ground.kubelet.stop(pod).await;
    }
    // What belongs to a server is owned by it, and has its names and labels.
    for path in [
        ground.deployment("calculator"),
        ground.core("services/mcpserver-calculator"),
        ground.core("serviceaccounts/mcpserver-calculator"),
        ground.core("secrets/mcpserver-calculator-state"),
        format!(
            "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/mcpserver-calculator",
            ground.namespace
        ),
    ] {
        let object = ground.api.get(&path).await;
        assert_eq!(
            object["metadata"]["ownerReferences"][0]["name"], "calculator",
            "{path}"
        );
        assert_eq!(
            object["metadata"]["labels"]["mcpserver"], "calculator",
            "{path}"
        );
    }
    let events = format!(
        "/apis/events.k8s.io/v1/namespaces/{}/events",
        ground.namespace
    );
    let events = ground.api.get(&events).await.to_string();
    assert!(events.contains(r#""reason":"Ready""#), "{events}");
    assert!(
        operator
            .get("/metrics")
            .await
            .contains("sandglass_operator_api_requests_total{method=\"PATCH\"}")
    );
    assert_eq!(operator.get("/readyz").await, "ok");
    assert!(!operator.log().contains("0123456789"));
}

#[tokio::test]
async fn each_wrong_spec_says_which_field_and_the_old_deployment_stays() {
    let Some(ground) = Ground::new("wrong").await else {
        return;
    };
    let _operator = ground.operator().await;
    ground
        .api
        .secret(
            &ground.namespace,
            "there",
            &json!({ "key": "x", "empty": "" }),
        )
        .await;
    ground.server("tools", &python(CALCULATOR)).await;
    let pod = ground.kubelet.run("tools").await;
    ground.phase("tools", "Ready").await;
    let before =
        ground.api.get(&ground.deployment("tools")).await["metadata"]["generation"].clone();
    let with = |key: &str, value: Value| {
        let mut spec = python(CALCULATOR);
        spec[key] = value;
        spec
    };
    let of = |tools: Value| json!({ "type": "wasm-runtime", "config": { "tools": tools } });
    for (spec, phase, kind, part) in [
        (
            of(json!({ "fromString": CALCULATOR, "fromPackage": "x" })),
            "Failed",
            "Accepted",
            "spec.config.tools: fromPackage and fromString are given",
        ),
        (
            of(json!({})),
            "Failed",
            "Accepted",
            "spec.config.tools: no source is named",
        ),
        (
            with("type", json!("ruby-runtime")),
            "Failed",
            "Accepted",
            "spec.type: there is no runtime `ruby-runtime`",
        ),
        (
            of(json!({ "fromOCI": "oci://registry.example/time" })),
            "Failed",
            "Accepted",
            "spec.config.tools.fromOCI: ",
        ),
        (
            of(json!({ "fromPackage": "unknown-server" })),
            "Failed",
            "Accepted",
            "--package unknown-server=oci://",
        ),
        (
            with("gatewayRoute", json!({ "timeout": "soon" })),
            "Failed",
            "Accepted",
            "spec.gatewayRoute.timeout: ",
        ),
        (
            of(json!({ "fromString": CALCULATOR, "limits": { "timeout": "eternity" } })),
            "Failed",
            "Accepted",
            "spec.config.tools.limits: ",
        ),
        (
            with("podSpec", json!({ "containers": [{ "image": "x" }] })),
            "Failed",
            "Accepted",
            "spec.podSpec.containers[0]: `name` is missing",
        ),
        (
            of(json!({ "fromSecretKeyRef": { "name": "nowhere", "key": "x" } })),
            "Pending",
            "ResolvedRefs",
            "there is no Secret `nowhere`",
        ),
        (
            of(json!({ "fromSecretKeyRef": { "name": "there", "key": "tools.py" } })),
            "Pending",
            "ResolvedRefs",
            "has no key `tools.py`, it has `empty`, `key`",
        ),
        (
            of(json!({ "fromSecretKeyRef": { "name": "there", "key": "empty" } })),
            "Pending",
            "ResolvedRefs",
            "has nothing under `empty`",
        ),
        (
            with(
                "podSpec",
                json!({ "containers": [{ "name": "mcp-server", "resources": { "limits": { "memory": "much" } } }] }),
            ),
            "Failed",
            "Programmed",
            "the API server refuses the Deployment",
        ),
        (
            with(
                "podSpec",
                json!({ "containers": [{ "name": "mcp-server", "resources": { "requests": { "memory": "2Gi" }, "limits": { "memory": "1Gi" } } }] }),
            ),
            "Failed",
            "Programmed",
            "must be less than or equal to memory limit",
        ),
    ] {
        ground.api.change(&ground.namespace, "tools", &spec).await;
        let status = ground.until("tools", part, |status| {
            status["phase"] == phase
                && status["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(part))
        });
        let status = status.await;
        assert_eq!(condition(&status, kind)["status"], "False", "{status}");
        assert!(
            condition(&status, kind)["message"]
                .as_str()
                .is_some_and(|message| message.contains(part)),
            "{status}"
        );
        assert_eq!(status["ready"], true, "what serves still does: {status}");
        let deployment = ground.api.get(&ground.deployment("tools")).await;
        assert_eq!(deployment["metadata"]["generation"], before, "{spec}");
        pod.host.assert_well().await;
    }
    // What cannot be mended by asking again is not asked again: a look at another server shows that time went by.
    ground
        .api
        .change(&ground.namespace, "tools", &of(json!({})))
        .await;
    ground.phase("tools", "Failed").await;
    let asked = ground.proxy.asked().len();
    for name in ["one-more", "two-more"] {
        ground.server(name, &of(json!({}))).await;
        ground.phase(name, "Failed").await;
    }
    let since = ground.proxy.asked().split_off(asked);
    let of_tools = since.iter().filter(|asked| {
        asked.path.contains("/mcpservers/tools") || asked.path.contains("/mcpserver-tools")
    });
    assert_eq!(of_tools.count(), 0, "{since:?}");
}

#[tokio::test]
async fn what_was_missing_is_noticed_when_it_comes() {
    let Some(ground) = Ground::new("comes").await else {
        return;
    };
    let _operator = ground.operator().await;
    let spec = json!({
        "type": "wasm-runtime",
        "config": {
            "tools": { "fromSecretKeyRef": { "name": "later", "key": "tools" } },
            "env": [{ "name": "KEY", "valueFrom": { "configMapKeyRef": { "name": "later", "key": "key" } } }],
        },
    });
    ground.server("waits", &spec).await;
    let status = ground.phase("waits", "Pending").await;
    let message = status["message"].as_str().expect("a text");
    assert!(
        message.contains("spec.config.tools.fromSecretKeyRef: "),
        "{message}"
    );
    assert!(
        message.contains("spec.config.env[0].valueFrom.configMapKeyRef: "),
        "{message}"
    );
    ground
        .api
        .secret(
            &ground.namespace,
            "later",
            &json!({ "tools": "def one() -> int:\n    return 1\n" }),
        )
        .await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "later" }, "data": { "key": "x" } });
    ground.api.create(&ground.core("configmaps"), &map).await;
    let mut pod = ground.kubelet.run("waits").await;
    ground
        .until("waits", "its tool is known", |status| {
            tools(status) == ["one"]
        })
        .await;
    // A change reaches the running host, and what it then serves the status.
    let path = ground.core("secrets/later");
    let changed = json!({ "stringData": { "tools": "def two() -> int:\n    return 2\n" } });
    ground.api.patch(&path, &changed).await;
    let generation =
        ground.api.get(&ground.deployment("waits")).await["metadata"]["generation"].clone();
    ground.kubelet.sync(&mut pod).await;
    ground
        .until("waits", "its new tool is known", |status| {
            tools(status) == ["two"]
        })
        .await;
    let now = ground.api.get(&ground.deployment("waits")).await["metadata"]["generation"].clone();
    assert_eq!(generation, now, "no pod is replaced for it");
}

#[tokio::test]
async fn a_pod_that_cannot_run_says_why() {
    let Some(ground) = Ground::new("pod").await else {
        return;
    };
    let _operator = ground.operator().await;
    ground.server("huge", &python(CALCULATOR)).await;
    let deployment = ground.kubelet.deployment("mcpserver-huge").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "huge-1", "labels": deployment["spec"]["template"]["metadata"]["labels"] },
        "spec": { "containers": [{ "name": "mcp-server", "image": "x" }] },
    });
    ground.api.create(&ground.core("pods"), &pod).await;
    let status = json!({ "status": { "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient memory.",
    }] } });
    ground
        .api
        .patch(&ground.core("pods/huge-1/status"), &status)
        .await;
    let told = ground
        .until("huge", "why", |status| {
            status["message"]
                .as_str()
                .is_some_and(|message| message.contains("Insufficient memory"))
        })
        .await;
    assert_eq!(
        (&told["phase"], &condition(&told, "Ready")["reason"]),
        (&json!("Pending"), &json!("Unschedulable"))
    );
    let status = json!({ "status": {
        "conditions": [{ "type": "PodScheduled", "status": "True" }],
        "containerStatuses": [{
            "name": "mcp-server", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
            "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } },
            "lastState": { "terminated": { "exitCode": 3, "message": "sandglass: tools.py:3:5: expected ':'" } },
        }],
    } });
    ground
        .api
        .patch(&ground.core("pods/huge-1/status"), &status)
        .await;
    let told = ground
        .until("huge", "its last words", |status| {
            status["message"]
                .as_str()
                .is_some_and(|message| message.contains("tools.py:3:5"))
        })
        .await;
    assert_eq!(condition(&told, "Ready")["reason"], "CrashLoopBackOff");
}

#[tokio::test]
async fn what_others_change_is_put_right_and_what_is_theirs_is_left() {
    let Some(ground) = Ground::new("others").await else {
        return;
    };
    let _operator = ground.operator().await;
    ground.server("tools", &python(CALCULATOR)).await;
    ground.phase("tools", "Pending").await;
    let path = ground.deployment("tools");
    // A field of ours goes back, one that we have no word on stays.
    let theirs = json!({
        "metadata": { "annotations": { "team": "a" } },
        "spec": { "replicas": 3, "template": { "spec": { "serviceAccountName": "other", "nodeSelector": { "disk": "ssd" } } } },
    });
    ground.api.patch(&path, &theirs).await;
    eventually("the account is ours again", async || {
        let spec = ground.api.get(&path).await;
        (spec["spec"]["template"]["spec"]["serviceAccountName"] == "mcpserver-tools").then_some(())
    })
    .await;
    let now = ground.api.get(&path).await;
    assert_eq!(now["spec"]["replicas"], 3);
    assert_eq!(
        now["spec"]["template"]["spec"]["nodeSelector"]["disk"],
        "ssd"
    );
    assert_eq!(now["metadata"]["annotations"]["team"], "a");
    // What is deleted comes back.
    for path in [path.clone(), ground.core("services/mcpserver-tools")] {
        let uid = ground.api.get(&path).await["metadata"]["uid"].clone();
        ground.api.delete(&path).await;
        eventually("it is made anew", async || {
            let object = ground.api.find(&path).await?;
            (object["metadata"]["uid"] != uid).then_some(())
        })
        .await;
    }
    // A status that somebody else writes does not stay.
    let lie = json!({ "status": { "phase": "Ready", "ready": true } });
    let status = format!(
        "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers/tools/status",
        ground.namespace
    );
    ground.api.patch(&status, &lie).await;
    ground.phase("tools", "Pending").await;
    // An object of that name that somebody else made is not taken over.
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "mcpserver-taken" },
        "spec": { "selector": { "app": "mine" }, "ports": [{ "name": "http", "port": 8000, "targetPort": 1 }] },
    });
    ground.api.create(&ground.core("services"), &service).await;
    ground.server("taken", &python(CALCULATOR)).await;
    let failed = ground.phase("taken", "Failed").await;
    assert_eq!(
        condition(&failed, "Programmed")["reason"],
        "NameTaken",
        "{failed}"
    );
    let service = ground
        .api
        .get(&ground.core("services/mcpserver-taken"))
        .await;
    assert_eq!(service["spec"]["selector"], json!({ "app": "mine" }));
}

#[tokio::test]
async fn beside_kaos_and_beside_its_definition_it_does_not_start() {
    let Some(plane) = ControlPlane::start().await else {
        return;
    };
    let ground = Ground::on(plane.into(), "kaos").await;
    let runtimes = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kaos-mcp-runtimes" }, "data": { "runtimes.yaml": "" } });
    ground
        .api
        .create("/api/v1/namespaces/default/configmaps", &runtimes)
        .await;
    let (code, log) = ground.launch().spawn().ended().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("KAOS' operator is in this cluster (ConfigMap default/kaos-mcp-runtimes)"),
        "{log}"
    );
    assert!(ground.api.find(definition()).await.is_none());
    ground
        .api
        .delete("/api/v1/namespaces/default/configmaps/kaos-mcp-runtimes")
        .await;
    let theirs = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "mcpservers.kaos.tools" },
        "spec": {
            "group": "kaos.tools", "scope": "Namespaced",
            "names": { "kind": "MCPServer", "plural": "mcpservers", "singular": "mcpserver" },
            "versions": [{ "name": "v1alpha1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    });
    ground
        .api
        .create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &theirs,
        )
        .await;
    let version = |object: &Value| object["metadata"]["generation"].clone();
    let before = version(&ground.api.get(definition()).await);
    let (code, log) = ground.launch().spawn().ended().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("was not made by this operator"), "{log}");
    assert_eq!(version(&ground.api.get(definition()).await), before);
    ground.api.delete(definition()).await;
    eventually("the definition is gone", async || {
        ground.api.find(definition()).await.is_none().then_some(())
    })
    .await;
    let _operator = ground.operator().await;
    let columns =
        ground.api.get(definition()).await["spec"]["versions"][0]["additionalPrinterColumns"]
            .clone();
    assert_eq!(columns[1]["name"], "Phase");
    // What is no server at all is refused by the API server itself.
    let servers = format!(
        "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers",
        ground.namespace
    );
    let wrong = json!({ "apiVersion": "kaos.tools/v1alpha1", "kind": "MCPServer", "metadata": { "name": "a" }, "spec": { "type": 1 } });
    let (status, answer) = ground
        .api
        .raw("POST", &servers, Some(&wrong))
        .await
        .expect("it answers");
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .is_some_and(|message| message.contains("spec.config")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_gateway_leads_to_each_server() {
    let Some(plane) = ControlPlane::start().await else {
        return;
    };
    let ground = Ground::on(plane.into(), "gateway").await;
    let group = "gateway.networking.k8s.io";
    let routes = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("httproutes.{group}"), "annotations": { "api-approved.kubernetes.io": "unapproved" } },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    });
    ground
        .api
        .create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &routes,
        )
        .await;
    let path = format!(
        "/apis/{group}/v1/namespaces/{}/httproutes",
        ground.namespace
    );
    eventually("routes are served", async || ground.api.find(&path).await).await;
    let operator = ground
        .launch()
        .arg("--gateway")
        .arg("infra/web")
        .start()
        .await;
    let mut spec = python(CALCULATOR);
    spec["type"] = json!("wasm-runtime");
    spec["gatewayRoute"] = json!({ "timeout": "45s" });
    // What this API server does not have is left out, and said.
    spec["autoscaling"] = json!({ "maxReplicas": 3 });
    ground.server("calculator", &spec).await;
    let one = format!("{path}/mcp-calculator");
    let route = eventually("there is a route", async || ground.api.find(&one).await).await;
    let rule = &route["spec"]["rules"][0];
    assert_eq!(
        rule["matches"][0]["path"]["value"],
        format!("/{}/mcp/calculator", ground.namespace)
    );
    assert_eq!(rule["timeouts"]["request"], "45s");
    assert_eq!(rule["backendRefs"][0]["name"], "mcpserver-calculator");
    let _pod = ground.kubelet.run("calculator").await;
    let ready = ground.phase("calculator", "Ready").await;
    assert_eq!(
        ready["message"],
        "this cluster has no HorizontalPodAutoscaler"
    );
    drop(operator);
    // An operator without a gateway takes the route away again.
    let _operator = ground.launch().start().await;
    eventually("the route is gone", async || {
        ground.api.find(&one).await.is_none().then_some(())
    })
    .await;
}
