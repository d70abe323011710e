//! The operator against a real API server, with the built `sandglass` as the pods: the examples of KAOS' guide, its gateway,
//! and KAOS itself.

use std::collections::BTreeSet;

use sandglass_tests::cluster::guide::{
    CALCULATOR, KEY_LENGTH, SPECIFICATION, STRING_UTILS, WEATHER, condition, python, tools,
};
use sandglass_tests::cluster::{ControlPlane, Ground, PlayedPod, definition};
use sandglass_tests::{Registry, RegistryKind, eventually, root, tool};
use serde_json::{Value, json};

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
    let mut weather = python(&[WEATHER, KEY_LENGTH].concat());
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
    eventually("it is told as an event", async || {
        let events = ground.api.get(&events).await.to_string();
        events.contains(r#""reason":"Ready""#).then_some(())
    })
    .await;
    let metrics = operator.get("/metrics").await;
    for line in [
        "sandglass_operator_api_requests_total{method=\"PATCH\"} ",
        "sandglass_operator_servers{phase=\"Failed\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // The dashboard shows all of them, and nothing else.
    let shown = root().join("deploy/kubernetes/chart/dashboards/sandglass-operator.json");
    let shown = std::fs::read_to_string(shown).expect("the dashboard is there");
    let of_operator = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names = words.filter(|word| word.starts_with("sandglass_operator_"));
        names.map(str::to_owned).collect()
    };
    assert_eq!(of_operator(&metrics), of_operator(&shown));
    assert_eq!(operator.get("/readyz").await, "ok");
    assert!(!operator.log().contains("0123456789"));
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
    let operator = ground
        .launch()
        .arg("--gateway")
        .arg("infra/web")
        .arg("--image-pull-policy=IfNotPresent")
        .arg("--image-pull-secret=registry,mirror")
        .start()
        .await;
    let mut spec = python(CALCULATOR);
    spec["type"] = json!("wasm-runtime");
    spec["gatewayRoute"] = json!({ "timeout": "45s" });
    // What this API server does not have is left out, and said.
    spec["autoscaling"] = json!({ "maxReplicas": 3 });
    ground.server("calculator", &spec).await;
    let _pod = ground.kubelet.run("calculator").await;
    let ready = ground.phase("calculator", "Ready").await;
    assert_eq!(
        ready["message"],
        "this cluster has no HTTPRoute; this cluster has no HorizontalPodAutoscaler"
    );
    let deployment = ground.api.get(&ground.deployment("calculator")).await;
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        (
            &pod["imagePullSecrets"],
            &pod["containers"][0]["imagePullPolicy"]
        ),
        (
            &json!([{ "name": "registry" }, { "name": "mirror" }]),
            &json!("IfNotPresent")
        )
    );
    // The Gateway API is installed later.
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
    let one = format!("{path}/mcp-calculator");
    let route = eventually("there is a route", async || ground.api.find(&one).await).await;
    let rule = &route["spec"]["rules"][0];
    assert_eq!(
        rule["matches"][0]["path"]["value"],
        format!("/{}/mcp/calculator", ground.namespace)
    );
    assert_eq!(rule["timeouts"]["request"], "45s");
    assert_eq!(rule["backendRefs"][0]["name"], "mcpserver-calculator");
    ground
        .until("calculator", "it has a route", |status| {
            status["message"] == "this cluster has no HorizontalPodAutoscaler"
        })
        .await;
    drop(operator);
    // An operator without a gateway takes the route away again.
    let _operator = ground.launch().start().await;
    eventually("the route is gone", async || {
        ground.api.find(&one).await.is_none().then_some(())
    })
    .await;
}
