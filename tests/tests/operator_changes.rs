//! What is written wrongly, what is missing, what changes and what others change, while the operator runs.

use sandglass_tests::cluster::Ground;
use sandglass_tests::cluster::guide::{CALCULATOR, condition, python, tools};
use sandglass_tests::eventually;
use serde_json::{Value, json};

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
            "Accepted",
            "spec.podSpec.containers[0].resources.limits.memory: `much` is no quantity",
        ),
        (
            with("podSpec", json!({ "containers": "x" })),
            "Failed",
            "Accepted",
            "spec.podSpec.containers: a list is expected",
        ),
        (
            with(
                "podSpec",
                json!({ "containers": [{ "name": "mcp-server", "env": [{ "name": "MCP_PARAMS", "$patch": "delete" }] }] }),
            ),
            "Failed",
            "Accepted",
            "removes the variable `MCP_PARAMS`",
        ),
        (
            with("disruptionBudget", json!({ "minAvailable": "half" })),
            "Failed",
            "Accepted",
            "spec.disruptionBudget.minAvailable: ",
        ),
        (
            of(json!({ "fromSecretKeyRef": { "name": "Bad Name", "key": "x" } })),
            "Failed",
            "Accepted",
            "spec.config.tools.fromSecretKeyRef.name: ",
        ),
        (
            with("podSpec", json!({ "restartPolicy": "Never" })),
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
    // What nobody could read is not taken.
    let servers = format!(
        "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers",
        ground.namespace
    );
    for (key, value, field) in [
        ("replicas", json!(3_000_000_000_u64), "spec.replicas"),
        (
            "autoscaling",
            json!({ "maxReplicas": 5_000_000_000_u64 }),
            "spec.autoscaling.maxReplicas",
        ),
    ] {
        let server = json!({
            "apiVersion": "kaos.tools/v1alpha1", "kind": "MCPServer",
            "metadata": { "name": "many" }, "spec": with(key, value),
        });
        let answer = ground.api.raw("POST", &servers, Some(&server)).await;
        let (status, told) = answer.expect("an answer");
        assert_eq!(status, 422, "{told}");
        assert!(
            told["message"]
                .as_str()
                .is_some_and(|message| message.contains(field)),
            "{told}"
        );
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
    let source = "import os\n\ndef two() -> str:\n    return os.environ['KEY']\n";
    let changed = json!({ "stringData": { "tools": source } });
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
    for key in ["x", "y"] {
        let changed = json!({ "data": { "key": key } });
        ground
            .api
            .patch(&ground.core("configmaps/later"), &changed)
            .await;
        ground.kubelet.sync(&mut pod).await;
        eventually("its variable has the value", async || {
            let answer = pod.host.call("two", json!({})).await;
            (answer.json()["result"] == key).then_some(())
        })
        .await;
    }
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
    for path in [
        path.clone(),
        ground.core("services/mcpserver-tools"),
        ground.core("secrets/mcpserver-tools-state"),
    ] {
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
async fn quantities_are_sent_as_the_api_server_keeps_them() {
    let Some(ground) = Ground::new("quantities").await else {
        return;
    };
    let _operator = ground.operator().await;
    let mut spec = python(CALCULATOR);
    spec["config"]["env"] = json!([
        { "name": "MEMORY", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1024Ki" } } },
    ]);
    spec["podSpec"] = json!({
        "containers": [{ "name": "mcp-server", "resources": {
            "requests": { "cpu": "0.1", "memory": "1.5Gi", "ephemeral-storage": "1e3" },
            "limits": { "cpu": 1, "memory": 2_147_483_648_u64, "ephemeral-storage": "1024Mi" },
        } }],
        "volumes": [{ "name": "scratch", "emptyDir": { "sizeLimit": "0.5Gi" } }],
    });
    ground.server("tools", &spec).await;
    ground.phase("tools", "Pending").await;
    let path = ground.deployment("tools");
    let pod = &ground.api.get(&path).await["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["resources"],
        json!({
            "requests": { "cpu": "100m", "memory": "1536Mi", "ephemeral-storage": "1e3" },
            "limits": { "cpu": "1", "memory": "2147483648", "ephemeral-storage": "1Gi" },
        })
    );
    // What is as it should be is not written again: looks at other servers show that time went by.
    let asked = ground.proxy.asked().len();
    let theirs = json!({ "metadata": { "annotations": { "team": "a" } } });
    ground.api.patch(&path, &theirs).await;
    for name in ["one-more", "two-more"] {
        ground.server(name, &python(CALCULATOR)).await;
        ground.phase(name, "Pending").await;
    }
    let since = ground.proxy.asked().split_off(asked);
    let written = since
        .iter()
        .filter(|asked| asked.writes() && asked.path.contains("/mcpserver-tools"));
    assert_eq!(written.count(), 0, "{since:?}");
}
