//! The management port: metrics, usage, readiness in full.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener, UdpSocket};

use reqwest::{Method, RequestBuilder};
use sandglass_tests::{Answer, Host, Launch, core_module, guest, tool};
use serde_json::{Value, json};

/// Tokens of somebody who calls tools, and of somebody who looks after the host.
const CALLER: &str = "only-a-test-caller";
const MANAGER: &str = "only-a-test-manager";

async fn start() -> Host {
    let yaml = format!(
        "version: 1\ndefaults: {{ limits: {{ fuel: 50_000_000 }} }}\ntools: [ \"file:{}\", \"file:{}\" ]\n",
        tool("echo"),
        guest("hostile")
    );
    let launch = Launch::manifest(&yaml);
    launch.arg("--management-port").arg("0").start().await
}

/// The samples by name and labels, of a text that must be in Prometheus' format.
async fn metrics(host: &Host) -> BTreeMap<String, f64> {
    let answer = host.manage("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let lines = answer.body.lines().filter(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE "))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let value = value
                .parse()
                .unwrap_or_else(|_| panic!("no number: {line}"));
            (name.to_owned(), value)
        })
        .collect()
}

async fn calls(host: &Host) {
    for _ in 0..3 {
        host.call("echo", json!({ "text": "hi" })).await;
    }
    host.call("echo", json!({})).await;
    host.call("spin_forever", json!({})).await;
    for number in 0..20 {
        host.call(&format!("no_such_tool_{number}"), json!({}))
            .await;
    }
}

#[tokio::test]
async fn metrics_count_calls_by_tool_and_outcome() {
    let host = start().await;
    calls(&host).await;
    let metrics = metrics(&host).await;
    let of = |name: &str, labels: &str| metrics[&format!("{name}{{tenant=\"default\",{labels}}}")];
    let count = |tool: &str, outcome: &str| {
        of(
            "sandglass_calls_total",
            &format!("tool=\"{tool}\",outcome=\"{outcome}\""),
        )
    };
    assert_eq!(count("echo", "ok"), 3.0);
    assert_eq!(count("echo", "invalid_arguments"), 1.0);
    assert_eq!(count("spin_forever", "fuel"), 1.0);
    // However many names are tried, they are one.
    assert_eq!(count("", "unknown_tool"), 20.0);
    assert!(!metrics.keys().any(|name| name.contains("no_such_tool")));
    assert_eq!(
        of("sandglass_fuel_total", "tool=\"spin_forever\""),
        50_000_000.0
    );
    let durations = of("sandglass_call_duration_seconds_count", "tool=\"echo\"");
    assert_eq!(durations, 4.0);
    assert_eq!(metrics["sandglass_sources{state=\"loaded\"}"], 2.0);
    assert_eq!(metrics["sandglass_instances_in_use"], 0.0);
    assert!(metrics["process_start_time_seconds"] > 1.7e9);
    assert!(
        metrics
            .keys()
            .any(|name| name.starts_with("sandglass_build_info{version="))
    );
}

#[tokio::test]
async fn usage_is_summed_by_tool_and_tenant() {
    let host = start().await;
    calls(&host).await;
    let usage = host.manage("/usage").await.json()["tenants"]["default"].take();
    let (echo, spin) = (&usage["tools"]["echo"], &usage["tools"]["spin_forever"]);
    assert_eq!(echo["calls"], 4);
    assert_eq!(echo["errors"], json!({ "invalid_arguments": 1 }));
    assert_eq!(spin["errors"], json!({ "fuel": 1 }));
    assert_eq!(
        usage["tools"].as_object().map(serde_json::Map::len),
        Some(2)
    );
    assert_eq!(usage["calls"], 25);
    assert_eq!(usage["errors"]["unknown_tool"], 20);
    let sum = |name: &str| {
        let of = |value: &Value| value[name].as_f64().expect("a number");
        (of(&usage), of(echo) + of(spin))
    };
    for name in ["fuel", "seconds", "memory_mib_seconds"] {
        let (total, parts) = sum(name);
        assert!(
            total > 0.0 && (total - parts).abs() < 1e-9,
            "{name}: {usage}"
        );
    }
}

#[tokio::test]
async fn readiness_in_full_names_the_sources_that_are_left_out() {
    let launch = Launch::command(&[]);
    let broken = launch.write("broken.wasm", core_module());
    let yaml = format!(
        "version: 1\ntools: [ \"file:{}\", \"file:{}\" ]\n",
        tool("echo"),
        broken.display()
    );
    let host = Launch::manifest(&yaml)
        .arg("--management-port")
        .arg("0")
        .start()
        .await;
    let ready = host.manage("/ready").await.json();
    assert_eq!(ready["status"], "degraded");
    assert_eq!(ready["tenants"]["default"]["tools"], json!(["echo"]));
    assert_eq!(ready["sources"][1]["state"], "failed");
    assert!(
        ready["sources"][1]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("core"))
    );
    assert_eq!(host.manage("/health").await.status, 200);
}

#[tokio::test]
async fn the_management_port_has_a_guard_and_no_tools() {
    let host = start().await;
    for path in ["/mcp", "/mcp/tools", "/"] {
        assert_eq!(host.manage(path).await.status, 404, "{path}");
    }
    for path in ["/metrics", "/usage"] {
        assert_eq!(
            host.get(path).await.status,
            404,
            "not on the calls' port: {path}"
        );
    }
    assert_eq!(host.manage_as("evil.example", "/metrics").await.status, 403);
}

#[tokio::test]
async fn a_management_port_that_is_asked_for_and_taken_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let finished = Launch::serve()
        .arg("--management-port")
        .arg(&port)
        .run()
        .await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains(&port), "{finished:?}");
    let open = Launch::serve()
        .arg("--management-host")
        .arg("0.0.0.0")
        .run()
        .await;
    assert_eq!(open.code, Some(2), "{open:?}");
    assert!(open.stderr.contains("--allow-anonymous"), "{open:?}");
}

#[tokio::test]
async fn with_identity_usage_is_the_own_tenants_and_management_takes_its_scope() {
    let echo = tool("echo");
    let yaml = format!(
        "version: 1
tools: [ \"file:{echo}\" ]
tenants: {{ acme: {{ tools: [ \"file:{echo}\" ] }} }}
identity:
  tokens:
    - {{ secret: {{ env: CALLER }}, tenant: acme, scopes: [\"tools:*\"] }}
    - {{ secret: {{ env: MANAGER }}, scopes: [management] }}
"
    );
    let launch = Launch::manifest(&yaml)
        .env("CALLER", CALLER)
        .env("MANAGER", MANAGER);
    let host = launch
        .arg("--management-host")
        .arg("0.0.0.0")
        .arg("--management-port")
        .arg("0")
        .start()
        .await;
    let as_caller = |method, path: &str| host.request(method, path).bearer_auth(CALLER);
    let call =
        as_caller(Method::POST, "/mcp/tools").body(r#"{"tool":"echo","arguments":{"text":"hi"}}"#);
    assert_eq!(send(call).await.status, 200);
    for path in ["/usage", "/t/acme/usage"] {
        let usage = send(as_caller(Method::GET, path)).await.json();
        assert_eq!(usage["tools"]["echo"]["calls"], 1, "{path}");
    }
    let other = send(as_caller(Method::GET, "/t/default/usage")).await;
    assert_eq!(other.status, 404);
    for path in ["/metrics", "/usage", "/ready", "/nothing"] {
        let stranger = host.manage(path).await.status;
        assert_eq!(stranger, 401, "{path}");
        assert_eq!(host.manage_by(CALLER, path).await.status, 403, "{path}");
    }
    assert_eq!(host.manage("/health").await.status, 200);
    let usage = host.manage_by(MANAGER, "/usage").await.json();
    assert_eq!(usage["tenants"]["acme"]["calls"], 1);
    assert_eq!(usage["tenants"]["default"]["calls"], 0);
}

/// An address of this machine that is not loopback; nothing is sent to find it.
fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // One that is nobody's (RFC 5737).
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn without_identity_nobody_from_elsewhere_has_the_host_look_again() {
    let Some(address) = address() else {
        println!("SKIPPED: this machine has loopback alone");
        return;
    };
    let host = Launch::manifest(&format!(
        "version: 1\ntools: [ \"file:{}\" ]\n",
        tool("echo")
    ))
    .arg("--management-host")
    .arg("0.0.0.0")
    .arg("--allow-anonymous")
    .start()
    .await;
    let client = reqwest::Client::new();
    let here = host.management("/reload");
    let there = here.replace("127.0.0.1", &address.to_string());
    let refused = send(client.post(&there)).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.error().contains("SIGHUP"), "{refused:?}");
    // What is read there stays open.
    let metrics = there.replace("/reload", "/metrics");
    assert_eq!(send(client.get(metrics)).await.status, 200);
    assert_eq!(send(client.post(&here)).await.status, 200);
    let url = here.replace("/reload", "");
    let url = url.replace("127.0.0.1", &address.to_string());
    let command = Launch::command(&["reload", "--url", &url]).run().await;
    assert_eq!(command.code, Some(1), "{command:?}");
    assert!(command.stderr.contains("SIGHUP"), "{command:?}");
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.expect("the host answers")).await
}
