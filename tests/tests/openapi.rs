//! `GET /openapi.json` describes what the REST endpoints do, for whoever asks.

use reqwest::Method;
use sandglass_tests::mcp::send;
use sandglass_tests::{Answer, Client, Folder, Host, guest, root, sha256, tool};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-for-everything";
const NARROW: &str = "a-token-for-one-tool";

fn calculator() -> String {
    format!("version: 1\ntools: [\"file:{}\"]\n", tool("calculator"))
}

fn identity() -> String {
    format!(
        "identity:\n  tokens:\n    - {{ sha256: {}, name: ann, scopes: [\"tools:*\"] }}\n    - {{ sha256: {}, name: bob, scopes: [\"tools:add\"] }}\n",
        sha256(TOKEN),
        sha256(NARROW),
    )
}

/// The tools that the document has an operation for.
fn operations(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .values()
        .filter_map(|path| path["post"]["operationId"].as_str())
        .collect()
}

async fn get_by(host: &Host, token: &str, path: &str) -> Answer {
    send(host.request(Method::GET, path).bearer_auth(token)).await
}

#[tokio::test]
async fn each_tool_is_an_operation_with_its_schemas() {
    let host = Host::start(&calculator()).await;
    let document = host.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        operations(&document),
        ["add", "divide", "multiply", "subtract"]
    );
    let list = host.get("/mcp/tools").await.json();
    assert_eq!(list["tools"][0]["name"], "add");
    let schemas = &document["components"]["schemas"];
    // With the bounds of integers, which have 64 bits here.
    let mut input = list["tools"][0]["inputSchema"].clone();
    for name in ["a", "b"] {
        input["properties"][name]["minimum"] = json!(i64::MIN);
        input["properties"][name]["maximum"] = json!(u64::MAX);
    }
    assert_eq!(schemas["add.input"], input);
    let mut output = list["tools"][0]["outputSchema"].clone();
    output["minimum"] = json!(i64::MIN);
    output["maximum"] = json!(u64::MAX);
    assert_eq!(schemas["add.output"], output);
    let add = &document["paths"]["/mcp/tools/add"]["post"];
    assert_eq!(
        add["requestBody"]["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/add.input"})
    );
    let success = &add["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        success["properties"]["result"],
        json!({"$ref": "#/components/schemas/add.output"})
    );
}

#[tokio::test]
async fn the_parts_of_a_schema_are_schemas_of_the_document() {
    let host = Host::start(&format!("tools: [\"file:{}\"]", tool("time"))).await;
    let document = host.get("/openapi.json").await.json();
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    assert!(
        schemas["convert_time.output.TimeResult"].is_object(),
        "{document}"
    );
    let output = &schemas["convert_time.output"];
    assert!(output.get("$defs").is_none(), "{output}");
    let reference = "#/components/schemas/convert_time.output.TimeResult";
    assert!(output.to_string().contains(reference), "{output}");
}

#[tokio::test]
async fn every_tool_has_a_summary_and_says_who_may_call() {
    let host = Host::start(&calculator()).await;
    let document = host.get("/openapi.json").await.json();
    assert_eq!(document["security"], json!([]));
    let summary = &document["paths"]["/mcp/tools/add"]["post"]["summary"];
    assert!(summary.is_string(), "{summary}");
}

#[tokio::test]
async fn an_operation_takes_the_arguments_as_its_body() {
    let host = Host::start(&calculator()).await;
    for (path, body, status, answer) in [
        ("add", r#"{"a": 1, "b": 2}"#, 200, json!({"result": 3})),
        (
            "add",
            "",
            400,
            json!({"error": "Invalid arguments: `a` is required; `b` is required"}),
        ),
        (
            "add",
            "[]",
            400,
            json!({"error": "Invalid arguments: the body must be a JSON object"}),
        ),
        ("add", "{", 400, json!({"error": "Invalid JSON"})),
        ("nope", "{}", 404, json!({"error": "Tool 'nope' not found"})),
        (
            "%ff",
            "{}",
            400,
            json!({"error": "The tool's name in the path is not UTF-8"}),
        ),
    ] {
        let answered = host.post(&format!("/mcp/tools/{path}"), body).await;
        assert_eq!(
            (answered.status, answered.json()),
            (status, answer),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_tool_without_arguments_needs_no_body() {
    let host = Host::start(&format!(
        "version: 1\ntools: [\"file:{}\"]\n",
        guest("plain")
    ))
    .await;
    let document = host.get("/openapi.json").await.json();
    let required = |tool: &str| {
        &document["paths"][format!("/mcp/tools/{tool}")]["post"]["requestBody"]["required"]
    };
    assert_eq!(*required("returns_number"), false);
    assert_eq!(*required("echo"), true);
    let answer = host.ask(Method::POST, "/mcp/tools/returns_number").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"result": 42})));
}

#[tokio::test]
async fn callers_and_tenants_are_told_of_their_own_tools() {
    let manifest = format!(
        "{}{}tenants:\n  acme:\n    tools: [\"file:{}\"]\n",
        calculator(),
        identity(),
        tool("echo")
    );
    let host = Host::start(&manifest).await;
    assert_eq!(host.get("/openapi.json").await.status, 401);
    let all = get_by(&host, TOKEN, "/openapi.json").await.json();
    assert_eq!(operations(&all).len(), 4);
    assert_eq!(all["security"], json!([{"bearer": []}]));
    let one = get_by(&host, NARROW, "/openapi.json").await.json();
    assert_eq!(operations(&one), ["add"]);
    assert!(one["components"]["schemas"]["divide.input"].is_null());
    let divide = host.request(Method::POST, "/mcp/tools/divide");
    let forbidden = send(divide.bearer_auth(NARROW).body(r#"{"a": 1, "b": 2}"#)).await;
    assert_eq!(forbidden.status, 403, "{forbidden:?}");
    // Its tokens are of the default tenant.
    let foreign = get_by(&host, TOKEN, "/t/acme/openapi.json").await;
    assert_eq!(foreign.status, 404);
}

#[tokio::test]
async fn every_endpoint_tells_its_methods() {
    let host = Host::start(&calculator()).await;
    for (path, allowed) in [
        ("/health", "HEAD, GET, OPTIONS"),
        ("/ready", "HEAD, GET, OPTIONS"),
        ("/openapi.json", "HEAD, GET, OPTIONS"),
        ("/mcp/list_tools", "HEAD, GET, OPTIONS"),
        ("/mcp/tools", "POST, HEAD, GET, OPTIONS"),
        ("/mcp/tools/add", "POST, OPTIONS"),
        ("/mcp", "GET, POST, DELETE, OPTIONS"),
        ("/mcp/", "GET, POST, DELETE, OPTIONS"),
    ] {
        let answer = host.ask(Method::OPTIONS, path).await;
        assert_eq!(
            (answer.status, answer.header("allow"), answer.body.as_str()),
            (204, allowed, ""),
            "{path}"
        );
        if allowed.contains("HEAD") {
            let answer = host.ask(Method::HEAD, path).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        }
    }
    assert_eq!(host.ask(Method::OPTIONS, "/nothing").await.status, 404);
}

/// Tools that fail only where their arguments are wrong: all that a tool itself fails with is a 500.
fn robust() -> String {
    let failing = ["bytes", "divide", "fail", "marks", "refuse", "spin", "trap"];
    let tools = json!([
        {"source": format!("file:{}", guest("plain")), "exclude": ["fail", "is_error", "refuse", "slow"]},
        {
            "source": format!("file:{}", guest("shapes")),
            "exclude": failing.map(|function| format!("test_shapes_values_0_1_0_{function}")),
        },
    ]);
    format!("version: 1\ntools: {tools}\n{}", identity())
}

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_as_described() {
    let host = Host::start(&robust()).await;
    let folder = Folder::default();
    let client = Client::program("SANDGLASS_SCHEMATHESIS")
        .arg("--config-file")
        .arg(root().join("tests/clients/schemathesis.toml"))
        .args(&["run", "--header"])
        .arg(format!("Authorization: Bearer {TOKEN}"))
        .arg(format!("{}/openapi.json", host.url()))
        .in_folder(folder.path());
    let finished = client.succeed().await;
    // The 38 tools and the seven operations beside them.
    assert!(
        finished.stdout.contains("Tested: 45"),
        "{}",
        finished.stdout
    );
    host.assert_well().await;
}
