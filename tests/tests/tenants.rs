//! Tenants share a process and nothing else: no request of one tells it that another is there.

use reqwest::{Method, RequestBuilder};
use sandglass_tests::mcp::{ACCEPT, initialize, message, send};
use sandglass_tests::{Answer, Host, Launch, free_ports, guest, sha256, tool};
use serde_json::{Value, json};

const ROOT: &str = "root-token";
const ACME: &str = "acme-token";
const ZOO: &str = "zoo-token";

/// The default tenant has echo; acme has the calculator, and a component that cannot be loaded; zoo has nothing else
/// than `fail` of the guest `plain`.
fn tenants() -> String {
    format!(
        "version: 1\ntools: [\"file:{echo}\"]\ntenants:\n  acme:\n    tools: [\"file:{calculator}\", \"file:{broken}\"]\n  zoo:\n    tools: [{{ source: \"file:{plain}\", include: [fail] }}]\n",
        echo = tool("echo"),
        calculator = tool("calculator"),
        broken = guest("bad_list"),
        plain = guest("plain"),
    )
}

fn with_identity() -> String {
    let token = |token: &str, tenant: &str| {
        let hash = sha256(token);
        format!(
            "    - {{ sha256: {hash}, name: {tenant}, tenant: {tenant}, scopes: [\"tools:*\"] }}\n"
        )
    };
    format!(
        "{}identity:\n  tokens:\n{}{}{}",
        tenants(),
        token(ROOT, "default"),
        token(ACME, "acme"),
        token(ZOO, "zoo"),
    )
}

/// The names under `tools`.
fn names(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let tools = body["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("no tools: {answer:?}"));
    let name = |tool: &Value| tool["name"].as_str().or(tool.as_str()).map(str::to_owned);
    tools.iter().filter_map(name).collect()
}

fn with(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("authorization", format!("Bearer {token}"))
}

async fn get(host: &Host, path: &str, token: &str) -> Answer {
    send(with(host.request(Method::GET, path), token)).await
}

async fn call(host: &Host, root: &str, token: &str, tool: &str, arguments: Value) -> Answer {
    let body = json!({ "tool": tool, "arguments": arguments }).to_string();
    let request = host.request(Method::POST, &format!("{root}/mcp/tools"));
    send(with(request, token).body(body)).await
}

fn mcp(host: &Host, root: &str, token: &str, method: &str, params: Value) -> RequestBuilder {
    let request = host.request(Method::POST, &format!("{root}/mcp"));
    with(request, token)
        .header("accept", ACCEPT)
        .header("content-type", "application/json")
        .body(message(method, params).to_string())
}

/// Everything of an answer but its date.
fn shape(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter();
    let mut headers: Vec<_> = headers
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.sort();
    (answer.status, headers, answer.body.clone())
}

#[tokio::test]
async fn without_identity_the_path_names_the_tenant() {
    let host = Host::start(&tenants()).await;
    assert_eq!(names(&host.get("/mcp/tools").await), ["echo"]);
    assert_eq!(names(&host.get("/t/default/mcp/tools").await), ["echo"]);
    assert_eq!(names(&host.get("/t/zoo/mcp/tools").await), ["fail"]);
    assert!(names(&host.get("/t/acme/mcp/list_tools").await).contains(&"add".to_owned()));
    assert_eq!(host.get("/t/zoo/health").await.json()["tools"], 1);
    let listed = host
        .post("/t/zoo/mcp/", message("tools/list", json!({})).to_string())
        .await;
    assert_eq!(listed.result()["tools"][0]["name"], "fail", "{listed:?}");
    let unknown = host.get("/nowhere").await;
    for path in [
        "/t/nobody/mcp",
        "/t/nobody/ready",
        "/t/zoo",
        "/t/zoo/nowhere",
        "/t/ZOO/health",
        "/t//health",
    ] {
        assert_eq!(shape(&host.get(path).await), shape(&unknown), "{path}");
    }
}

#[tokio::test]
async fn a_source_that_fails_is_its_tenants_affair() {
    let host = Host::start(&tenants()).await;
    let acme = host.get("/t/acme/ready").await.json();
    assert_eq!(acme["status"], "degraded", "{acme}");
    for path in ["/ready", "/t/zoo/ready"] {
        let ready = host.get(path).await.json();
        assert_eq!(
            (&ready["status"], ready.get("failures")),
            (&json!("ready"), None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn on_root_paths_the_credential_names_the_tenant() {
    let host = Host::start(&with_identity()).await;
    for (token, root, tool) in [
        (ROOT, "", "echo"),
        (ROOT, "/t/default", "echo"),
        (ZOO, "", "fail"),
        (ZOO, "/t/zoo", "fail"),
    ] {
        let listed = get(&host, &format!("{root}/mcp/tools"), token).await;
        assert_eq!(names(&listed), [tool], "{token} {root}");
        let ready = get(&host, &format!("{root}/ready"), token).await;
        assert_eq!(names(&ready), [tool], "{token} {root}");
        let listed = send(mcp(&host, root, token, "tools/list", json!({}))).await;
        assert_eq!(listed.result()["tools"][0]["name"], tool, "{token} {root}");
    }
}

#[tokio::test]
async fn another_tenants_paths_are_answered_as_paths_that_there_are_not() {
    let host = Host::start(&with_identity()).await;
    let unknown = shape(&get(&host, "/nowhere", ZOO).await);
    assert_eq!(unknown.0, 404);
    for tenant in ["acme", "default", "nobody"] {
        for path in [
            "mcp",
            "mcp/",
            "mcp/tools",
            "mcp/list_tools",
            "health",
            "ready",
            "nowhere",
        ] {
            let path = format!("/t/{tenant}/{path}");
            assert_eq!(shape(&get(&host, &path, ZOO).await), unknown, "{path}");
            let posted = send(with(host.request(Method::POST, &path), ZOO).body("{}")).await;
            assert_eq!(shape(&posted), unknown, "{path}");
        }
    }
    // Whoever has no credential is not even told which paths there are.
    let stranger = host.get("/t/zoo/ready").await;
    assert_eq!(stranger.status, 401);
    for path in ["/t/nobody/ready", "/t/acme/mcp", "/nowhere"] {
        let answer = host.get(path).await;
        assert_eq!(
            (answer.status, &answer.body),
            (401, &stranger.body),
            "{path}"
        );
    }
}

#[tokio::test]
async fn another_tenants_tool_is_an_unknown_tool() {
    let host = Host::start(&with_identity()).await;
    let sum = json!({ "a": 1, "b": 2 });
    assert_eq!(
        call(&host, "", ACME, "add", sum.clone()).await.json(),
        json!({ "result": 3 })
    );
    let theirs = call(&host, "", ZOO, "add", sum.clone()).await;
    assert_eq!(
        (theirs.status, theirs.error().as_str()),
        (404, "Tool 'add' not found")
    );
    let text = |answer: &Answer| answer.result()["content"][0]["text"].clone();
    let params = |name: &str| json!({ "name": name, "arguments": sum });
    let theirs = send(mcp(&host, "", ZOO, "tools/call", params("add"))).await;
    let nobodys = send(mcp(&host, "", ZOO, "tools/call", params("nope"))).await;
    assert_eq!(
        (text(&theirs), text(&nobodys)),
        (json!("Unknown tool: add"), json!("Unknown tool: nope"))
    );
    // The check of `Mcp-Param-*` headers knows the tools of the requester alone.
    let modern = |name: &str| {
        let params = sandglass_tests::mcp::with_meta(params(name));
        mcp(&host, "", ZOO, "tools/call", params)
            .header(
                "mcp-protocol-version",
                sandglass_tests::mcp::MODERN_REVISION,
            )
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
    };
    let (theirs, nobodys) = (send(modern("add")).await, send(modern("nope")).await);
    assert_eq!(theirs.status, nobodys.status);
    assert_eq!(theirs.body.replace("add", "nope").len(), nobodys.body.len());
}

#[tokio::test]
async fn a_session_is_of_one_caller_and_one_tenant() {
    let host = Host::start(&with_identity()).await;
    let opened = send(mcp(
        &host,
        "/t/acme",
        ACME,
        "initialize",
        initialize("2025-11-25"),
    ))
    .await;
    let session = opened.header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{opened:?}");
    let ask = async |root: &str, token: &str, session: &str| {
        let request = mcp(&host, root, token, "tools/list", json!({}));
        send(request.header("mcp-session-id", session)).await
    };
    let unknown = ask("", ZOO, "6d1f1a4e-0000-4000-8000-000000000000").await;
    assert_eq!(unknown.status, 404);
    let without_id = |answer: &Answer| (answer.status, answer.json()["error"].clone());
    for token in [ZOO, ROOT] {
        let theirs = ask("", token, &session).await;
        assert_eq!(without_id(&theirs), without_id(&unknown), "{token}");
        let request = with(host.request(Method::DELETE, "/mcp"), token);
        let ended = send(request.header("mcp-session-id", &session)).await;
        assert_eq!(ended.status, 404, "{token}");
    }
    for root in ["", "/t/acme"] {
        let answer = ask(root, ACME, &session).await;
        assert_eq!(answer.status, 200, "it is still open: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_of_one_path_is_not_one_of_another() {
    let host = Host::start(&tenants()).await;
    let anonymous = |root: &str, method: &str, params| {
        host.request(Method::POST, &format!("{root}/mcp"))
            .header("accept", ACCEPT)
            .header("content-type", "application/json")
            .body(message(method, params).to_string())
    };
    let opened = send(anonymous("/t/acme", "initialize", initialize("2025-11-25"))).await;
    let session = opened.header("mcp-session-id").to_owned();
    for (root, status) in [("", 404), ("/t/zoo", 404), ("/t/acme", 200)] {
        let request = anonymous(root, "tools/list", json!({}));
        let answer = send(request.header("mcp-session-id", &session)).await;
        assert_eq!(answer.status, status, "{root}: {answer:?}");
    }
}

#[tokio::test]
async fn a_port_of_its_own_is_one_tenants_alone() {
    for manifest in [tenants(), with_identity()] {
        let [port] = free_ports();
        let manifest = manifest.replace("  zoo:\n", &format!("  zoo:\n    port: {port}\n"));
        let host = Host::start(&manifest).await;
        let ask = async |path: &str, token: &str| {
            let url = format!("http://127.0.0.1:{port}{path}");
            send(reqwest::Client::new().get(url).bearer_auth(token)).await
        };
        for path in ["/mcp/tools", "/t/zoo/mcp/tools"] {
            assert_eq!(names(&ask(path, ZOO).await), ["fail"], "{path}");
        }
        assert_eq!(names(&ask("/ready", ZOO).await), ["fail"]);
        let unknown = shape(&ask("/nowhere", ZOO).await);
        for path in ["/t/default/mcp/tools", "/t/acme/ready", "/t/nobody/ready"] {
            assert_eq!(shape(&ask(path, ZOO).await), unknown, "{path}");
        }
        // The host's own port is as it was.
        assert_eq!(names(&get(&host, "/t/zoo/mcp/tools", ZOO).await), ["fail"]);
    }
}

#[tokio::test]
async fn a_tenants_port_takes_its_own_credentials_alone() {
    let [port] = free_ports();
    let manifest = with_identity().replace("  zoo:\n", &format!("  zoo:\n    port: {port}\n"));
    let _host = Host::start(&manifest).await;
    let ask = async |token: &str| {
        let url = format!("http://127.0.0.1:{port}/mcp/tools");
        send(reqwest::Client::new().get(url).bearer_auth(token)).await
    };
    assert_eq!(ask(ZOO).await.status, 200);
    assert_eq!(ask(ACME).await.status, 404);
    assert_eq!(ask("nobody").await.status, 401);
}

#[tokio::test]
async fn a_tenants_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let port = taken.local_addr().expect("it is bound").port();
    let manifest = tenants().replace("  zoo:\n", &format!("  zoo:\n    port: {port}\n"));
    let finished = Launch::manifest(&manifest).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("choose another with `port` of the tenant `zoo`"),
        "{finished:?}"
    );
}
