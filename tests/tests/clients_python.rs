//! The official Python clients, old and new, work unchanged, also through `mcp-remote`, which bridges pipes to HTTP.

use sandglass_tests::{Client, Host, Launch, client_program, guest, tool};
use serde_json::{Value, json};

fn manifest() -> String {
    let (time, plain) = (tool("time"), guest("plain"));
    format!(
        "version: 1\ntools:\n  - file:{time}\n  - source: file:{plain}\n    include: [echo, fail, progress, typed]\n"
    )
}

/// What every client must have seen.
fn check(seen: &Value) {
    let tools: Vec<&str> = seen["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for name in [
        "convert_time",
        "echo",
        "fail",
        "get_current_time",
        "progress",
        "typed",
    ] {
        assert!(tools.contains(&name), "{name} is not in {tools:?}");
    }
    let current = &seen["current"];
    assert_eq!(current["is_error"], false, "{seen}");
    assert_eq!(current["structured"]["timezone"], "Europe/Warsaw", "{seen}");
    let parsed: Value =
        serde_json::from_str(current["text"].as_str().expect("text")).expect("the text is JSON");
    assert_eq!(
        parsed, current["structured"],
        "text and structured content are the same"
    );
    let conversion = &seen["conversion"]["structured"];
    assert_eq!(conversion["time_difference"], "+5.75h", "{seen}");
    assert_eq!(conversion["target"]["timezone"], "Asia/Kathmandu", "{seen}");
    for (failure, told) in [
        ("bad_zone", "Invalid timezone"),
        ("tool_failure", "the kettle is empty"),
        ("bad_arguments", "count"),
        ("unknown_tool", "nope"),
    ] {
        assert_eq!(seen[failure]["is_error"], true, "{failure}: {seen}");
        let text = seen[failure]["text"].as_str().expect("text");
        assert!(text.contains(told), "{failure}: {text}");
    }
    assert_eq!(seen["progress"], json!([1.0, 2.0, 3.0]), "{seen}");
}

/// Runs a script against a host over HTTP.
async fn over_http(variable: &str, script: &str, mode: &str) {
    let host = Host::start(&manifest()).await;
    let client = Client::python(variable, script)
        .arg(mode)
        .arg(format!("{}/mcp", host.url()));
    check(&client.succeed().await.json());
}

/// Runs a script that starts the host itself, on pipes.
async fn over_stdio(variable: &str, script: &str, mode: &str) {
    let launch = Launch::command(&["serve", "--stdio"]);
    let file = launch.write("manifest.yaml", manifest());
    let launch = launch.arg("--config").arg(file);
    let command = launch.as_command();
    let command = command.as_std();
    let mut client = Client::python(variable, script)
        .arg(mode)
        .arg(command.get_program());
    for argument in command.get_args() {
        client = client.arg(argument);
    }
    check(&client.succeed().await.json());
}

const LATEST: &str = "SANDGLASS_PYTHON_LATEST";
const LEGACY: &str = "SANDGLASS_PYTHON_LEGACY";

#[tokio::test]
async fn the_latest_client_finds_out_which_revision_to_speak() {
    over_http(LATEST, "latest.py", "auto").await;
}

#[tokio::test]
async fn the_latest_client_speaks_the_handshake() {
    over_http(LATEST, "latest.py", "legacy").await;
}

#[tokio::test]
async fn the_latest_client_speaks_the_stateless_revision() {
    over_http(LATEST, "latest.py", "2026-07-28").await;
}

#[tokio::test]
async fn the_latest_client_speaks_over_pipes() {
    for mode in ["auto", "legacy", "2026-07-28"] {
        over_stdio(LATEST, "latest.py", mode).await;
    }
}

#[tokio::test]
async fn the_legacy_client_speaks_over_http() {
    over_http(LEGACY, "legacy.py", "http").await;
}

#[tokio::test]
async fn the_legacy_client_speaks_over_pipes() {
    over_stdio(LEGACY, "legacy.py", "stdio").await;
}

#[tokio::test]
async fn the_latest_client_speaks_through_mcp_remote() {
    let host = Host::start(&manifest()).await;
    let client = Client::python(LATEST, "latest.py")
        .arg("auto")
        .arg(client_program("SANDGLASS_NODE"))
        .arg(client_program("SANDGLASS_MCP_REMOTE"))
        .arg(format!("{}/mcp", host.url()))
        // It keeps credentials there.
        .env("HOME", host.folder());
    check(&client.succeed().await.json());
}
