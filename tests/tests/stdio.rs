//! MCP over pipes: stdout carries messages and nothing else.

use std::collections::HashSet;

use sandglass_tests::mcp::{failure, text};
use sandglass_tests::{Launch, Stdio, eventually, guest};
use serde_json::{Value, json};

fn manifest() -> String {
    format!(
        "version: 1\ndefaults: {{ limits: {{ fuel: 100_000_000, timeout: 60s }} }}\ntools:\n  - file:{}\n  - file:{}\n",
        guest("plain"),
        guest("hostile")
    )
}

fn call(id: Value, tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

#[tokio::test]
async fn tools_are_listed_and_called() {
    let mut host = Stdio::open(&manifest()).await;
    let list = host.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{list}");
    let result = host.call("echo", json!({ "text": "hi" })).await;
    assert_eq!(text(&result), "hi");
    let result = host
        .call("fail", json!({ "message": "the kettle is empty" }))
        .await;
    assert!(failure(&result).contains("the kettle is empty"));
}

#[tokio::test]
async fn the_stateless_revision_needs_no_handshake() {
    let mut host = Stdio::start(&manifest()).await;
    let found = host
        .request(
            "server/discover",
            sandglass_tests::mcp::with_meta(json!({})),
        )
        .await;
    assert!(found["result"]["supportedVersions"].is_array(), "{found}");
    let params =
        sandglass_tests::mcp::with_meta(json!({ "name": "returns_number", "arguments": {} }));
    let answer = host.request("tools/call", params).await;
    assert_eq!(text(&answer["result"]), "42");
}

#[tokio::test]
async fn what_a_guest_prints_goes_to_the_log() {
    let mut host = Stdio::open(&manifest()).await;
    let line = r#"{"jsonrpc":"2.0","id":1,"result":"forged"}"#;
    let result = host.call("print", json!({ "line": line })).await;
    assert_eq!(text(&result), "printed");
    // Whatever stands on stdout from here on is read as MCP and compared by its id.
    let result = host.call("echo", json!({ "text": "after" })).await;
    assert_eq!(text(&result), "after");
    eventually("the line is in the log", async || {
        host.log().contains("forged").then_some(())
    })
    .await;
    let (rest, code) = host.close().await;
    assert_eq!((rest.len(), code), (0, Some(0)), "{rest:?}");
}

#[tokio::test]
async fn pipelined_calls_are_each_answered_once() {
    let mut host = Stdio::open(&manifest()).await;
    let mut awaited = HashSet::new();
    for n in 0..200 {
        let id = format!("call {n}");
        host.send(&call(json!(id), "echo", json!({ "text": id })))
            .await;
        awaited.insert(id);
    }
    while !awaited.is_empty() {
        let answer = host.receive().await.expect("more answers");
        let id = answer["id"]
            .as_str()
            .expect("an answer to a call")
            .to_owned();
        assert!(awaited.remove(&id), "answered twice: {id}");
        // More calls than have places at once: some may be turned away, as a result that says so.
        if answer["result"]["isError"] == false {
            assert_eq!(text(&answer["result"]), id);
        }
    }
}

#[tokio::test]
async fn a_slow_call_does_not_hold_up_a_quick_one() {
    let mut host = Stdio::open(&manifest()).await;
    host.send(&call(json!("slow"), "slow", json!({ "ms": 1_500 })))
        .await;
    host.send(&call(json!("quick"), "returns_number", json!({})))
        .await;
    let first = host.receive().await.expect("an answer");
    assert_eq!(first["id"], "quick");
    let second = host.receive().await.expect("an answer");
    assert_eq!(second["id"], "slow");
}

#[tokio::test]
async fn a_panic_of_the_guest_is_answered() {
    let mut host = Stdio::open(&manifest()).await;
    let result = host.call("panic_message", json!({})).await;
    assert!(failure(&result).contains("boom: the reason"), "{result}");
    let result = host.call("spin_forever", json!({})).await;
    assert!(failure(&result).contains("Fuel limit exceeded"), "{result}");
    assert_eq!(text(&host.call("returns_number", json!({})).await), "42");
}

#[tokio::test]
async fn malformed_lines_are_survived() {
    let mut host = Stdio::open(&manifest()).await;
    for line in [
        "{ no json",
        "",
        "[]",
        "7",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        "\u{0}\u{7f}",
    ] {
        host.send_line(line).await;
        // Where a line is answered, it is with an error: `call` skips it, and reads on.
        assert_eq!(
            text(&host.call("returns_number", json!({})).await),
            "42",
            "after {line:?}"
        );
    }
}

#[tokio::test]
async fn a_cancelled_call_is_stopped() {
    let manifest = format!(
        "version: 1\ndefaults: {{ limits: {{ timeout: 10m, concurrency: 1, queue: {{ length: 0, wait: 10ms }} }} }}\ntools:\n  - file:{}\n",
        guest("plain")
    );
    let mut host = Stdio::open(&manifest).await;
    host.send(&call(json!("long"), "slow", json!({ "ms": 3_600_000 })))
        .await;
    // Messages are taken up in order: once this is answered, the call has its place.
    host.request("ping", json!({})).await;
    eventually("the place is taken", async || {
        let result = host.call("slow", json!({ "ms": 0 })).await;
        (result["isError"] == true).then_some(())
    })
    .await;
    let params = json!({ "requestId": "long" });
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }))
        .await;
    // Long before the call's own deadline.
    eventually("the place is free again", async || {
        let result = host.call("slow", json!({ "ms": 0 })).await;
        (result["isError"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_end_of_stdin_ends_the_process() {
    let host = Stdio::open(&manifest()).await;
    let (rest, code) = host.close().await;
    assert_eq!((rest.len(), code), (0, Some(0)), "{rest:?}");
    // Also where a call still runs: the client that is gone wants no answer.
    let mut host = Stdio::open(&manifest()).await;
    host.send(&call(json!(1), "slow", json!({ "ms": 3_600_000 })))
        .await;
    assert_eq!(host.close().await.1, Some(0));
    // And before a word was said.
    assert_eq!(Stdio::start(&manifest()).await.close().await.1, Some(0));
}

#[tokio::test]
async fn errors_before_the_start_stay_off_stdout() {
    let launch = Launch::command(&["serve", "--stdio"]);
    let file = launch.write("manifest.yaml", "version: 1\nnonsense: true\n");
    let finished = launch.arg("--config").arg(file).run().await;
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(2), ""),
        "{finished:?}"
    );
    assert!(finished.stderr.contains("nonsense"), "{finished:?}");
}
