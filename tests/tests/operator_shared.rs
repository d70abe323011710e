//! Servers that share a host: each with its own Service, port and tools, and none the wiser of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::{StreamExt, stream};
use sandglass_tests::cluster::guide::condition;
use sandglass_tests::cluster::{Ground, PlayedPod};
use sandglass_tests::eventually;
use serde_json::{Value, json};

const HOST: &str = "sandglass-shared";

/// How many servers are made at once.
const MANY: usize = 100;

/// The most times that the host's pods may be replaced for them, where they come within so many seconds: once a second.
const MOST_ROLLOUTS: u64 = 20;

fn shared(source: &str) -> Value {
    json!({ "type": "wasm-runtime", "shared": true, "config": { "tools": { "fromString": source } } })
}

fn tool(name: &str) -> String {
    format!("def {name}() -> str:\n    return '{name}'\n")
}

/// The tenants of the host's manifest, with their ports.
async fn places(ground: &Ground) -> BTreeMap<String, u64> {
    let path = ground.core(&format!("configmaps/{HOST}"));
    let Some(config_map) = ground.api.find(&path).await else {
        return BTreeMap::new();
    };
    let manifest = config_map["data"]["manifest.json"]
        .as_str()
        .expect("a manifest");
    let manifest: Value = serde_json::from_str(manifest).expect("JSON");
    let tenants = manifest["tenants"].as_object().expect("tenants").iter();
    tenants
        .map(|(name, tenant)| (name.clone(), tenant["port"].as_u64().expect("a port")))
        .collect()
}

/// Their names.
async fn tenants(ground: &Ground) -> Vec<String> {
    places(ground).await.into_keys().collect()
}

/// Waits until these are the tenants, and the Deployment, which is written last, has a port for each.
async fn until_tenants(ground: &Ground, names: &[&str]) {
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/{HOST}",
        ground.namespace
    );
    eventually(&format!("the tenants are {names:?}"), async || {
        let places = places(ground).await;
        let deployment = ground.api.find(&path).await?;
        let ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"].as_array()?;
        let own = ports.iter().filter(|port| port["name"].is_null());
        let own: BTreeSet<_> = own
            .filter_map(|port| port["containerPort"].as_u64())
            .collect();
        (places.keys().eq(names)
            && own
                .into_iter()
                .eq(BTreeSet::from_iter(places.into_values())))
        .then_some(())
    })
    .await;
}

/// Where a server's Service leads.
async fn target(ground: &Ground, server: &str) -> u64 {
    let path = ground.core(&format!("services/mcpserver-{server}"));
    let service = eventually("there is a Service", async || ground.api.find(&path).await).await;
    assert_eq!(service["spec"]["selector"]["sandglass.dev/shared"], "true");
    assert_eq!(service["spec"]["ports"][0]["port"], 8000);
    service["spec"]["ports"][0]["targetPort"]
        .as_u64()
        .expect("a port of its own")
}

/// What is answered where a server's Service leads.
async fn ask(ground: &Ground, pod: &PlayedPod, server: &str, path: &str) -> (u16, Value) {
    let port = pod.ports[&target(ground, server).await];
    let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
        .await
        .expect("it answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a whole answer");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn each_server_has_its_own_endpoint_on_one_host() {
    let Some(ground) = Ground::new("shared").await else {
        return;
    };
    let _operator = ground.operator().await;
    ground
        .api
        .secret(&ground.namespace, "keys", &json!({ "one": "0123456789" }))
        .await;
    ground
        .api
        .secret(
            &ground.namespace,
            "tools",
            &json!({ "source": tool("of_secret") }),
        )
        .await;
    let mut with_env = shared(
        "import os\n\ndef key_length() -> int:\n    return len(os.environ['KEY']) + len(os.environ['UNITS'])\n",
    );
    with_env["config"]["env"] = json!([
        { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "one" } } },
        { "name": "UNITS", "value": "$(KEY) metric" },
    ]);
    let mut of_secret = shared("");
    of_secret["config"]["tools"] =
        json!({ "fromSecretKeyRef": { "name": "tools", "key": "source" } });
    ground.server("alpha", &shared(&tool("of_alpha"))).await;
    ground.server("beta", &with_env).await;
    ground.server("gamma", &of_secret).await;
    let mut own_pod = shared(&tool("of_delta"));
    own_pod["podSpec"] = json!({ "nodeSelector": { "disk": "ssd" } });
    ground.server("delta", &own_pod).await;
    ground.server("broken", &shared("def broken(:\n")).await;
    let failed = ground.phase("delta", "Failed").await;
    assert_eq!(
        failed["conditions"][0]["reason"], "NotShareable",
        "{failed}"
    );
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("spec.podSpec: ")),
        "{failed}"
    );
    until_tenants(&ground, &["alpha", "beta", "broken", "gamma"]).await;
    let pod = ground.kubelet.run_deployment(HOST).await;
    for (server, tool) in [
        ("alpha", "of_alpha"),
        ("beta", "key_length"),
        ("gamma", "of_secret"),
    ] {
        let status = ground.until(server, "its tools are known", |status| {
            status["phase"] == "Ready" && status["availableTools"] == json!([tool])
        });
        let endpoint = status.await["endpoint"].clone();
        assert_eq!(
            endpoint,
            format!(
                "http://mcpserver-{server}.{}.svc.cluster.local:8000",
                ground.namespace
            )
        );
        let (status, listed) = ask(&ground, &pod, server, "/mcp/tools").await;
        assert_eq!(
            (
                status,
                &listed["tools"][0]["name"],
                listed["tools"].as_array().map(Vec::len)
            ),
            (200, &json!(tool), Some(1))
        );
        // The host has a Deployment, and no server one of its own.
        assert!(ground.api.find(&ground.deployment(server)).await.is_none());
    }
    // What one of them has written wrongly is told to that one.
    let broken = ground
        .until("broken", "it is told", |status| {
            condition(status, "Ready")["reason"] == "ToolsLeftOut"
        })
        .await;
    assert_eq!(broken["ready"], false, "{broken}");
    assert!(
        broken["message"]
            .as_str()
            .is_some_and(|message| message.contains("line 1")),
        "{broken}"
    );
    assert_eq!(
        ask(&ground, &pod, "alpha", "/t/beta/mcp/tools").await.0,
        404
    );
    assert_eq!(
        ask(&ground, &pod, "alpha", "/t/default/mcp/tools").await.0,
        404
    );
    let port = pod.ports[&target(&ground, "beta").await];
    let call = json!({ "tool": "key_length" }).to_string();
    let answer = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/mcp/tools"))
        .body(call)
        .send()
        .await;
    let answer = answer
        .expect("it answers")
        .text()
        .await
        .expect("a whole answer");
    assert_eq!(answer, r#"{"result":23}"#);
    let config_map = ground
        .api
        .get(&ground.core(&format!("configmaps/{HOST}")))
        .await
        .to_string();
    assert!(
        !config_map.contains("0123456789"),
        "no secret stands in the manifest"
    );
    // A spec that fails changes nothing for the server that it is of, nor for the others.
    ground
        .api
        .change(&ground.namespace, "alpha", &shared(" "))
        .await;
    let failed = ground.phase("alpha", "Failed").await;
    assert_eq!(failed["ready"], true, "{failed}");
    until_tenants(&ground, &["alpha", "beta", "broken", "gamma"]).await;
    // Those that go are forgotten; a server that takes a host of its own leaves too.
    let servers = format!(
        "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers",
        ground.namespace
    );
    ground.api.delete(&format!("{servers}/gamma")).await;
    until_tenants(&ground, &["alpha", "beta", "broken"]).await;
    let mut alone = shared(&tool("of_alpha"));
    alone["shared"] = json!(false);
    ground.api.change(&ground.namespace, "alpha", &alone).await;
    until_tenants(&ground, &["beta", "broken"]).await;
    ground.kubelet.deployment("mcpserver-alpha").await;
    let service = ground
        .api
        .get(&ground.core("services/mcpserver-alpha"))
        .await;
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
}

/// The source of a tenant, as the host has it.
async fn source(ground: &Ground, server: &str) -> Value {
    let path = ground.core(&format!("configmaps/{HOST}"));
    let config_map = ground.api.get(&path).await;
    let manifest = config_map["data"]["manifest.json"].as_str();
    let manifest: Value = serde_json::from_str(manifest.expect("a text")).expect("JSON");
    manifest["tenants"][server]["tools"][0]["python"].clone()
}

#[tokio::test]
async fn a_server_goes_on_as_it_was_until_what_is_new_can_be_had() {
    let Some(ground) = Ground::new("staying").await else {
        return;
    };
    let _operator = ground.operator().await;
    ground.server("alpha", &shared(&tool("alpha"))).await;
    until_tenants(&ground, &["alpha"]).await;
    let before = source(&ground, "alpha").await;
    assert_eq!(before, tool("alpha"));
    let mut missing = shared("");
    missing["config"]["tools"] = json!({ "fromSecretKeyRef": { "name": "none", "key": "a" } });
    let mut broken = shared(&tool("other"));
    broken["shared"] = json!(false);
    broken["podSpec"] = json!({ "containers": [{ "image": "x" }] });
    let large = shared(&format!("{}# {}", tool("large"), "x".repeat(90_000)));
    for (other, spec, phase) in [("beta", &missing, "Pending"), ("gamma", &broken, "Failed")] {
        ground.api.change(&ground.namespace, "alpha", spec).await;
        let status = ground.phase("alpha", phase).await;
        assert!(status["endpoint"].is_string(), "{status}");
        // The host is changed for another one.
        ground.server(other, &large).await;
        eventually("the other one is there", async || {
            let tenants = tenants(&ground).await;
            tenants.iter().any(|name| name == other).then_some(())
        })
        .await;
        assert_eq!(source(&ground, "alpha").await, before, "{spec}");
    }
    // What is too much is told to who is too much, and to nobody else.
    let many: Vec<String> = (0..12).map(|index| format!("large-{index:02}")).collect();
    for name in &many {
        ground.server(name, &large).await;
    }
    let refused = eventually("one is refused", async || {
        for name in &many {
            let path = format!(
                "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers/{name}",
                ground.namespace
            );
            let status = ground.api.get(&path).await["status"].take();
            if status["phase"] == "Failed" {
                return Some(status);
            }
        }
        None
    })
    .await;
    let why = condition(&refused, "Programmed");
    assert_eq!(why["reason"], "TooLarge", "{refused}");
    ground.server("small", &shared(&tool("small"))).await;
    eventually("the small one is there", async || {
        let tenants = tenants(&ground).await;
        tenants.iter().any(|name| name == "small").then_some(())
    })
    .await;
    // At last it has a host of its own.
    broken["podSpec"] = Value::Null;
    ground.api.change(&ground.namespace, "alpha", &broken).await;
    eventually("it has left", async || {
        let tenants = tenants(&ground).await;
        (!tenants.iter().any(|name| name == "alpha")).then_some(())
    })
    .await;
    ground.kubelet.deployment("mcpserver-alpha").await;
}

#[tokio::test]
async fn a_deleted_server_goes_when_the_host_has_forgotten_it() {
    let Some(ground) = Ground::new("departing").await else {
        return;
    };
    let operator = ground.operator().await;
    for name in ["alpha", "beta", "gamma"] {
        ground.server(name, &shared(&tool(name))).await;
    }
    until_tenants(&ground, &["alpha", "beta", "gamma"]).await;
    let path = |name: &str| {
        format!(
            "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers/{name}",
            ground.namespace
        )
    };
    operator.kill().await;
    ground.api.delete(&path("alpha")).await;
    let waiting = ground.api.get(&path("alpha")).await;
    assert!(
        waiting["metadata"]["deletionTimestamp"].is_string(),
        "{waiting}"
    );
    assert_eq!(tenants(&ground).await, ["alpha", "beta", "gamma"]);
    let _operator = ground.operator().await;
    let gone = async |name: &str| {
        eventually(&format!("{name} is gone"), async || {
            ground.api.find(&path(name)).await.is_none().then_some(())
        })
        .await;
    };
    gone("alpha").await;
    assert_eq!(tenants(&ground).await, ["beta", "gamma"]);
    // A server that left the host is not held.
    let mut alone = shared(&tool("beta"));
    alone["shared"] = json!(false);
    ground.api.change(&ground.namespace, "beta", &alone).await;
    eventually("beta is not held", async || {
        let beta = ground.api.get(&path("beta")).await;
        beta["metadata"]["finalizers"].is_null().then_some(())
    })
    .await;
    assert_eq!(tenants(&ground).await, ["gamma"]);
    // With the last one the host goes.
    ground.api.delete(&path("gamma")).await;
    gone("gamma").await;
    let host = format!(
        "/apis/apps/v1/namespaces/{}/deployments/{HOST}",
        ground.namespace
    );
    eventually("the host is gone", async || {
        ground.api.find(&host).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn many_servers_at_once_are_gathered_into_few_rollouts() {
    let Some(ground) = Ground::new("dense").await else {
        return;
    };
    let operator = ground.operator().await;
    let asked = ground.proxy.asked().len();
    let begin = Instant::now();
    stream::iter(0..MANY)
        .for_each_concurrent(16, |index| {
            let ground = &ground;
            async move {
                let name = format!("server-{index}");
                ground.server(&name, &shared(&tool("one"))).await;
            }
        })
        .await;
    eventually("all are tenants", async || {
        (tenants(&ground).await.len() == MANY).then_some(())
    })
    .await;
    let mut targets = Vec::new();
    for index in 0..MANY {
        targets.push(target(&ground, &format!("server-{index}")).await);
    }
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets.len(), MANY, "each has a port of its own");
    let asked = ground.proxy.asked().split_off(asked);
    let rollouts = asked
        .iter()
        .filter(|asked| asked.writes() && asked.path.ends_with(&format!("/deployments/{HOST}")))
        .count() as u64;
    println!(
        "{MANY} servers share a host after {rollouts} changes of its Deployment, {} requests in all",
        asked.len()
    );
    let most = MOST_ROLLOUTS.max(begin.elapsed().as_secs());
    assert!(rollouts <= most, "{rollouts}\n{}", operator.log());
}
