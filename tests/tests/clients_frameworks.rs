//! Clients and agent frameworks that are built on the official SDKs work unchanged, and so does KAOS' command line.

use sandglass_tests::{Client, Host, Launch, manifest, tool};
use serde_json::{Value, json};

const LATEST: &str = "SANDGLASS_PYTHON_LATEST";
const LEGACY: &str = "SANDGLASS_PYTHON_LEGACY";
const AGENTS: &str = "SANDGLASS_PYTHON_AGENTS";

/// A host with the time tool that logs each request.
async fn host() -> Host {
    let tools = json!([format!("file:{}", tool("time"))]);
    let launch = Launch::manifest(&manifest(&tools));
    launch.env("MCP_ACCESS_LOG", "true").start().await
}

/// Runs a script, which lists the tools, asks for the time, and asks for the time in a place that there is not.
async fn run(variable: &str, script: &str, host: &Host) {
    let client = Client::python(variable, script)
        .arg(format!("{}/mcp", host.url()))
        // What it would tell its makers.
        .env("MCP_USE_ANONYMIZED_TELEMETRY", "false");
    check(&client.succeed().await.json());
}

/// What every client must have seen.
fn check(seen: &Value) {
    let tools = &seen["tools"];
    assert_eq!(*tools, json!(["convert_time", "get_current_time"]));
    let text = seen["text"].as_str().expect("text");
    let current: Value = serde_json::from_str(text).expect("the text is JSON");
    assert_eq!(current["timezone"], "Europe/Warsaw", "{seen}");
    let failure = seen["failure"].as_str();
    assert!(
        failure.is_some_and(|text| text.contains("Invalid timezone")),
        "a failure is one to the client: {seen}"
    );
}

#[tokio::test]
async fn fastmcp_4() {
    run(LATEST, "fastmcp_client.py", &host().await).await;
}

#[tokio::test]
async fn fastmcp_2() {
    run(LEGACY, "fastmcp_client.py", &host().await).await;
}

#[tokio::test]
async fn openai_agents() {
    run(LATEST, "openai_agents.py", &host().await).await;
}

#[tokio::test]
async fn langchain() {
    run(AGENTS, "langchain_adapters.py", &host().await).await;
}

#[tokio::test]
async fn mcp_use() {
    run(AGENTS, "mcp_use_client.py", &host().await).await;
}

#[tokio::test]
async fn autogen() {
    run(AGENTS, "autogen_adapter.py", &host().await).await;
}

#[tokio::test]
async fn kaos_mcp_invoke_needs_one_post() {
    run(LEGACY, "kaos_invoke.py", &host().await).await;
}
