//! The way of the KAITO guide: the list that it curls, and its autogen agent, whose model is a scripted one.

use sandglass_tests::{Client, Folder, Host, Model, manifest, root, sha256, tool};
use serde_json::json;

const PYTHON: &str = "SANDGLASS_PYTHON_AGENTS";

async fn host() -> Host {
    let tools = json!([format!("file:{}", tool("time"))]);
    Host::start(&manifest(&tools)).await
}

/// A model that wants to know what time it is in Paris.
async fn model() -> Model {
    Model::asking_for("get_current_time", json!({"timezone": "Europe/Paris"})).await
}

/// Runs the agent, and checks that it prints the guide's events in their order.
async fn check(agent: Client) {
    let printed = agent.succeed().await.stdout;
    let mut rest = printed.as_str();
    for expected in [
        "---------- TextMessage (user) ----------",
        "What time is it in Europe/Paris?",
        "---------- ToolCallRequestEvent (time_assistant) ----------",
        r#"arguments='{"timezone":"Europe/Paris"}', name='get_current_time'"#,
        "---------- ToolCallExecutionEvent (time_assistant) ----------",
        "Europe/Paris",
        "name='get_current_time', call_id='call-1', is_error=False",
        "---------- ToolCallSummaryMessage (time_assistant) ----------",
        "Europe/Paris",
    ] {
        rest = rest
            .split_once(expected)
            .unwrap_or_else(|| panic!("{expected:?} does not follow in\n{printed}"))
            .1;
    }
}

#[tokio::test]
async fn the_list_that_the_guide_curls() {
    let list = host().await.get("/mcp/list_tools").await.json();
    let named = |name: &str| {
        let tools = list["tools"].as_array().expect("a list");
        let tool = tools.iter().find(|tool| tool["name"] == name);
        tool.expect("it is listed")["arguments"].clone()
    };
    assert_eq!(named("get_current_time"), json!({"timezone": "string"}));
    assert_eq!(
        named("convert_time"),
        json!({"source_timezone": "string", "time": "string", "target_timezone": "string"})
    );
}

#[tokio::test]
async fn an_agent_of_the_guides_shape_calls_the_tool() {
    let (host, model) = (host().await, model().await);
    let agent = Client::python(PYTHON, "autogen_agent.py")
        .arg(format!("{}/mcp", host.url()))
        .arg(format!("{}/v1", model.url()));
    check(agent).await;
}

#[tokio::test]
async fn an_agent_with_a_token_calls_the_tool_of_a_host_that_asks_for_one() {
    let host = Host::start(&format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity: {{ tokens: [{{ sha256: {}, scopes: [\"tools:*\"] }}] }}\n",
        tool("time"),
        sha256("a-token"),
    ))
    .await;
    let model = model().await;
    let agent = || {
        Client::python(PYTHON, "autogen_agent.py")
            .arg(format!("{}/mcp", host.url()))
            .arg(format!("{}/v1", model.url()))
    };
    check(agent().env("TOKEN", "a-token")).await;
    let refused = agent().run().await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("401"), "{refused:?}");
}

#[tokio::test]
async fn the_guides_own_script_calls_the_tool() {
    let Ok(guide) = std::fs::read_to_string(root().join("../shared/guides/kaito-mcp.md")) else {
        println!("there is no guide beside this checkout");
        return;
    };
    let (host, model) = (host().await, model().await);
    let script = python(&guide)
        .replace("https://mcp.example.com", host.url())
        .replace("http://localhost:8000", model.url())
        // autogen takes only Python's identifiers as names.
        .replace("time-assistant", "time_assistant");
    let folder = Folder::default();
    let file = folder.write("test.py", script);
    check(Client::program(PYTHON).arg(file)).await;
}

/// The first Python script of a guide, which is indented as part of a list.
fn python(guide: &str) -> String {
    guide
        .lines()
        .skip_while(|line| line.trim() != "```python")
        .skip(1)
        .take_while(|line| line.trim() != "```")
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect()
}
