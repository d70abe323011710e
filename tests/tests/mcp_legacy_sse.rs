//! The transport of revision 2024-11-05, for old clients.

use reqwest::{Method, Response};
use sandglass_tests::{Client, Host, Launch, PATIENCE, guest, manifest, tool};
use serde_json::{Value, json};

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

async fn post(host: &Host, address: &str, message: &Value) -> u16 {
    let request = host.request(Method::POST, address);
    let sent = request
        .header("content-type", "application/json")
        .body(message.to_string())
        .send();
    sent.await.expect("an answer").status().as_u16()
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
    let open = host.request(Method::GET, "/sse").send();
    let mut stream = open.await.expect("a stream");
    let (name, address) = event(&mut stream).await;
    assert_eq!(name, "endpoint");
    let address = format!("/{address}");
    let initialize =
        sandglass_tests::mcp::message("initialize", sandglass_tests::mcp::initialize("2024-11-05"));
    assert_eq!(post(&host, &address, &initialize).await, 202);
    let (name, answer) = event(&mut stream).await;
    assert_eq!(name, "message");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        answer["result"]["protocolVersion"], "2024-11-05",
        "{answer}"
    );
    assert_eq!(
        post(
            &host,
            &address,
            &json!({"jsonrpc": "2.0", "id": null, "method": "ping"})
        )
        .await,
        400
    );
    drop(stream);
    sandglass_tests::eventually("the session is gone with its stream", async || {
        (post(&host, &address, &initialize).await == 404).then_some(())
    })
    .await;
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
