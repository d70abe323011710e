//! The transport of revision 2024-11-05, for old clients.

use reqwest::{Method, RequestBuilder, Response};
use sandglass_tests::mcp::{self, send};
use sandglass_tests::{Answer, Client, Host, Launch, PATIENCE, guest, manifest, sha256, tool};
use serde_json::{Value, json};

const WIDE: &str = "a-token-for-everything";
const NARROW: &str = "a-token-for-one-tool";

fn launch() -> Launch {
    let tools = json!([
        format!("file:{}", tool("time")),
        format!("file:{}", guest("plain"))
    ]);
    Launch::manifest(&manifest(&tools))
}

/// The next event: its name and its data.
async fn event(stream: &mut Response) -> (String, String) {
    let mut text = String::new();
    let read = async {
        while !text.contains("\n\n") {
            let chunk = stream.chunk().await.expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&chunk.expect("it has no end")));
        }
    };
    let read = tokio::time::timeout(PATIENCE, read).await;
    assert!(read.is_ok(), "an event: {text}");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    (field("event:"), field("data:"))
}

fn request(host: &Host, address: &str, message: &Value) -> RequestBuilder {
    let request = host.request(Method::POST, address);
    request
        .header("content-type", "application/json")
        .body(message.to_string())
}

async fn post(host: &Host, address: &str, message: &Value) -> Answer {
    send(request(host, address, message)).await
}

/// A stream, and the address of its messages.
async fn open(request: RequestBuilder) -> (Response, String) {
    let mut stream = request.send().await.expect("a stream");
    assert_eq!(stream.status(), 200);
    let (name, address) = event(&mut stream).await;
    assert_eq!(name, "endpoint");
    (stream, address)
}

async fn initialized(host: &Host) -> (Response, String) {
    let (mut stream, address) = open(host.request(Method::GET, "/sse")).await;
    assert_eq!(post(host, &address, &initialize()).await.status, 202);
    answer(&mut stream).await;
    (stream, address)
}

async fn answer(stream: &mut Response) -> Value {
    let (name, answer) = event(stream).await;
    assert_eq!(name, "message");
    serde_json::from_str(&answer).expect("JSON")
}

fn initialize() -> Value {
    mcp::message("initialize", mcp::initialize("2024-11-05"))
}

fn call(tool: &str, arguments: Value) -> Value {
    mcp::message("tools/call", json!({"name": tool, "arguments": arguments}))
}

#[tokio::test]
async fn it_is_off_unless_it_is_asked_for() {
    let host = launch().start().await;
    assert_eq!(host.get("/sse").await.status, 404);
    assert_eq!(host.post("/messages?sessionId=1", "{}").await.status, 404);
}

#[tokio::test]
async fn messages_go_one_way_and_answers_the_other() {
    let host = launch().arg("--legacy-sse").start().await;
    let (mut stream, address) = open(host.request(Method::GET, "/sse")).await;
    assert!(address.starts_with("/messages?"), "{address}");
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
    assert_eq!(post(&host, &address, &initialize()).await.status, 202);
    let first = answer(&mut stream).await;
    assert_eq!(first["result"]["protocolVersion"], "2024-11-05", "{first}");
    let null = json!({"jsonrpc": "2.0", "id": null, "method": "ping"});
    assert_eq!(post(&host, &address, &null).await.status, 400);
    drop(stream);
    sandglass_tests::eventually("the session is gone with its stream", async || {
        (post(&host, &address, &initialize()).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_refused_until_it_does() {
    let host = launch().arg("--legacy-sse").start().await;
    let (mut stream, address) = initialized(&host).await;
    let echo = call("echo", json!({"text": "x".repeat(450_000)}));
    let mut taken = 0;
    let refused = loop {
        let answer = post(&host, &address, &echo).await;
        if answer.status != 202 {
            break answer;
        }
        taken += 1;
        assert!(taken < 200, "all of them are kept");
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.json()["error"].is_string(), "{refused:?}");
    for _ in 0..taken {
        answer(&mut stream).await;
    }
    assert_eq!(post(&host, &address, &echo).await.status, 202);
}

#[tokio::test]
async fn a_stream_has_only_so_many_calls_at_once() {
    let host = launch().arg("--legacy-sse").start().await;
    let (_stream, address) = initialized(&host).await;
    let slow = call("slow", json!({"ms": 3_600_000}));
    for _ in 0..64 {
        assert_eq!(post(&host, &address, &slow).await.status, 202);
    }
    assert_eq!(post(&host, &address, &slow).await.status, 429);
    let cancelled = json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": slow["id"]},
    });
    assert_eq!(post(&host, &address, &cancelled).await.status, 202);
    sandglass_tests::eventually("a place is free", async || {
        (post(&host, &address, &slow).await.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_handshake_is_guarded() {
    let host = launch().arg("--legacy-sse").start().await;
    let (mut stream, address) = open(host.request(Method::GET, "/sse")).await;
    // What comes before it, and is no request, is nothing.
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        assert_eq!(post(&host, &address, &message).await.status, 202);
    }
    let mut large = initialize();
    large["params"]["clientInfo"]["name"] = json!("x".repeat(64 << 10));
    let modern = mcp::message("tools/list", mcp::with_meta(json!({})));
    for (message, status, code) in [
        (mcp::message("tools/list", json!({})), 400, -32600),
        (mcp::message("initialize", json!({})), 400, -32602),
        (modern, 400, -32600),
        (large, 413, -32600),
    ] {
        let refused = post(&host, &address, &message).await;
        assert_eq!(
            (refused.status, refused.code()),
            (status, code),
            "{refused:?}"
        );
    }
    let ping = mcp::message("ping", json!({}));
    let initialize = initialize();
    for message in [&ping, &initialize] {
        assert_eq!(post(&host, &address, message).await.status, 202);
        let answer = answer(&mut stream).await;
        assert_eq!(answer["id"], message["id"], "{answer}");
        assert!(answer["result"].is_object(), "{answer}");
    }
    let again = post(&host, &address, &initialize).await;
    assert_eq!((again.status, again.code()), (400, -32600), "{again:?}");
}

#[tokio::test]
async fn changes_are_told_in_the_stream() {
    let launch = launch().arg("--legacy-sse");
    let host = launch.start().await;
    let (mut stream, address) = initialized(&host).await;
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for _ in 0..2 {
        assert_eq!(post(&host, &address, &initialized).await.status, 202);
    }
    let yaml = manifest(&json!([format!("file:{}", tool("time"))]));
    std::fs::write(host.folder().join("manifest.yaml"), yaml).expect("the manifest");
    let told = answer(&mut stream).await;
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
}

#[tokio::test]
async fn a_message_may_do_what_its_own_token_may() {
    let yaml = format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity:\n  tokens:\n    - {{ sha256: {}, name: ada, scopes: [\"tools:*\"] }}\n    - {{ sha256: {}, name: ada, scopes: [\"tools:add\"] }}\n",
        tool("calculator"),
        sha256(WIDE),
        sha256(NARROW),
    );
    let host = Launch::manifest(&yaml).arg("--legacy-sse").start().await;
    let subtract = call("subtract", json!({"a": 3, "b": 1}));
    for opener in [WIDE, NARROW] {
        let request_stream = host.request(Method::GET, "/sse").bearer_auth(opener);
        let (mut stream, address) = open(request_stream).await;
        let by = |token: &str, message: &Value| {
            send(request(&host, &address, message).bearer_auth(token))
        };
        assert_eq!(by(opener, &initialize()).await.status, 202);
        answer(&mut stream).await;
        let refused = by(NARROW, &subtract).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert_eq!(by(WIDE, &subtract).await.status, 202);
        let answer = answer(&mut stream).await;
        assert_eq!(
            answer["result"]["structuredContent"],
            json!({"result": 2}),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_is_said_in_the_contract_s_form() {
    let host = launch().arg("--legacy-sse").start().await;
    for address in ["/messages", "/messages?sessionId=a&sessionId=b"] {
        let refused = post(&host, address, &initialize()).await;
        assert_eq!(refused.status, 400, "{address}");
        assert!(refused.json()["error"].is_string(), "{refused:?}");
    }
    let unknown = post(&host, "/messages?sessionId=a", &initialize()).await;
    assert_eq!(
        (unknown.status, unknown.json()),
        (404, json!({"error": "Session not found"}))
    );
    for (method, path, allow) in [
        (Method::POST, "/sse", "GET"),
        (Method::HEAD, "/sse", "GET"),
        (Method::GET, "/messages", "POST"),
    ] {
        let refused = host.ask(method.clone(), path).await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, allow),
            "{path}"
        );
        if method != Method::HEAD {
            assert!(refused.json()["error"].is_string(), "{refused:?}");
        }
    }
    let json = host
        .request(Method::GET, "/sse")
        .header("accept", "application/json");
    assert_eq!(send(json).await.status, 406);
}

#[tokio::test]
async fn the_python_client_lists_and_calls() {
    let host = launch().arg("--legacy-sse").start().await;
    let client = Client::python("SANDGLASS_PYTHON_LEGACY", "legacy_sse.py");
    let seen = client
        .arg(format!("{}/sse", host.url()))
        .succeed()
        .await
        .json();
    let tools = seen["tools"].as_array().expect("a list");
    assert!(tools.contains(&json!("get_current_time")), "{seen}");
    assert_eq!(seen["zone"], "Europe/Warsaw");
}
