//! Tools that are written with the JavaScript SDK: `guest-sdk/javascript/example`.

use std::time::Duration;

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Host, Launch, Server, foreign};
use serde_json::{Value, json};

/// One host for all: its tools are there with grants, and as `bare_..` without any.
#[tokio::test]
async fn tools_in_javascript() {
    let server = Server::start().await;
    let source = foreign("javascript_sdk");
    it_is_called_without_a_server(&source).await;
    let allow = server
        .grant()
        .replace("] }", "], env: { UNIT: metric }, keyvalue: [counters] }");
    let manifest = format!(
        "version: 1\nstores: {{ counters: {{ kind: embedded, path: counters.redb }} }}\ntools:\n  - {{ source: 'file:{source}', allow: {allow} }}\n  - {{ source: 'file:{source}', prefix: bare }}\n"
    );
    let host = Launch::manifest(&manifest).start().await;
    a_tool_is_described_and_called_over_rest_and_mcp(&host).await;
    fetch_reaches_a_granted_host_and_no_other(&host, &server).await;
    a_store_keeps_what_memory_does_not(&host).await;
    a_store_that_is_not_granted_says_what_to_write(&host).await;
}

/// First of all, since it compiles the component: with an engine of JavaScript in it that may take a while.
async fn it_is_called_without_a_server(source: &str) {
    let call = Launch::command(&["call", source, "greet", r#"{"name": "Ada"}"#]);
    let called = call.run_within(Duration::from_secs(180)).await;
    assert_eq!(called.code, Some(0), "{called:?}");
    assert!(called.stdout.starts_with("Hello, Ada!\n"), "{called:?}");
}

async fn a_tool_is_described_and_called_over_rest_and_mcp(host: &Host) {
    let listed = Way::Bare
        .request(host, "tools/list", json!({}))
        .await
        .result();
    let greet = tool(&listed, "greet");
    assert_eq!(greet["title"], "Greet");
    assert_eq!(greet["annotations"]["readOnlyHint"], true);
    assert_eq!(greet["inputSchema"]["required"], json!(["name"]));
    assert_eq!(
        greet["inputSchema"]["properties"]["times"],
        json!({ "default": 1, "description": "How often.", "type": "integer", "minimum": 1, "maximum": 3 })
    );
    let arguments = json!({ "name": "Ada", "times": 2 });
    let answer = host.call("greet", arguments.clone()).await;
    assert_eq!(
        answer.json(),
        json!({ "result": "Hello, Ada! Hello, Ada!" })
    );
    for way in Way::ALL {
        let result = way.call(host, "greet", arguments.clone()).await;
        assert_eq!(text(&result), "Hello, Ada! Hello, Ada!", "{way:?} {result}");
        let refused = way
            .call(host, "greet", json!({ "name": "Ada", "times": 4 }))
            .await;
        assert!(failure(&refused).contains("times"), "{way:?} {refused}");
    }
}

async fn fetch_reaches_a_granted_host_and_no_other(host: &Host, server: &Server) {
    let other = Server::start().await;
    let answer = host
        .call("fetch_text", json!({ "url": server.url("/a?b=c") }))
        .await
        .json();
    assert_eq!(
        answer,
        json!({ "result": { "status": 200, "text": "hello" } })
    );
    let [seen] = &server.seen()[..] else {
        panic!("{:?}", server.seen());
    };
    assert_eq!(
        (seen.path.as_str(), seen.headers["x-unit"].as_bytes()),
        ("/a?b=c", &b"metric"[..])
    );
    let url = other.url("/");
    let refused = host.call("fetch_text", json!({ "url": url })).await.error();
    assert_eq!(
        refused,
        format!(
            "cannot fetch {}: it is not granted, out of reach, or over this call's limit of requests; an operator changes that at this tool's source: `allow: {{ http: [ {{ host: 127.0.0.1, port: {} }} ] }}`, `limits: {{ http: {{ requests: .. }} }}`",
            url.trim_end_matches('/'),
            other.port()
        )
    );
    assert_eq!(other.connections(), 0);
}

async fn a_store_keeps_what_memory_does_not(host: &Host) {
    for call in 1..=2 {
        let result = Way::Modern.call(host, "count", json!({})).await;
        assert_eq!(
            result["structuredContent"],
            json!({ "count": call }),
            "{result}"
        );
        assert_eq!(text(&result), format!("call {call}"));
    }
    let (one, two) = (fresh(host).await, fresh(host).await);
    for seen in [&one, &two] {
        assert_eq!(seen["calls"], 1, "memory of an earlier call: {seen}");
    }
    for key in ["random", "uuid"] {
        assert_ne!(one[key], two[key], "{key}");
    }
    assert!(one["now"].as_i64() <= two["now"].as_i64(), "{one} {two}");
    assert!(host.log().contains("fresh is called"), "{}", host.log());
}

async fn a_store_that_is_not_granted_says_what_to_write(host: &Host) {
    let refused = host.call("bare_count", json!({})).await.error();
    assert!(
        refused.contains("`allow: { keyvalue: [counters] }`"),
        "{refused}"
    );
}

async fn fresh(host: &Host) -> Value {
    host.call("fresh", json!({})).await.json()["result"].take()
}

fn tool<'a>(listed: &'a Value, name: &str) -> &'a Value {
    let tools = listed["tools"].as_array().expect("a list of tools");
    tools
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not in {listed}"))
}
