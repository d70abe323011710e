//! With identity on, nobody calls without a credential, and nobody calls more than theirs allows.

use reqwest::{Method, RequestBuilder};
use sandglass_tests::mcp::{ACCEPT, message, send};
use sandglass_tests::{Answer, Client, Host, Launch, eventually, raw, sha256, tool};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-for-everything";
const NARROW: &str = "a-token-for-one-tool";

/// The calculator, with a token for all of it, and one for `add` alone.
fn manifest() -> String {
    format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity:\n  tokens:\n    - {{ sha256: {}, name: ann, scopes: [\"tools:*\"] }}\n    - {{ sha256: {}, name: bob, scopes: [\"tools:add\"] }}\n",
        tool("calculator"),
        sha256(TOKEN),
        sha256(NARROW),
    )
}

fn call(host: &Host, tool: &str) -> RequestBuilder {
    host.prepare(tool, &json!({ "a": 1, "b": 2 }))
}

fn mcp(host: &Host, method: &str, params: Value) -> RequestBuilder {
    host.request(Method::POST, "/mcp")
        .header("accept", ACCEPT)
        .header("content-type", "application/json")
        .body(message(method, params).to_string())
}

fn with(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("authorization", format!("Bearer {token}"))
}

fn assert_challenge(answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
    assert!(!answer.error().is_empty());
}

#[tokio::test]
async fn without_a_credential_there_is_a_challenge_and_nothing_else() {
    let host = Host::start(&manifest()).await;
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", host.url());
    let missing = format!("Bearer resource_metadata=\"{metadata}\"");
    for request in [
        call(&host, "add"),
        mcp(&host, "tools/list", json!({})),
        mcp(&host, "initialize", json!({})),
        host.request(Method::GET, "/mcp/tools"),
        host.request(Method::GET, "/mcp"),
        host.request(Method::DELETE, "/mcp"),
        host.request(Method::GET, "/nowhere"),
        host.request(Method::GET, "/mcp/tools")
            .header("authorization", "Basic YTpi"),
    ] {
        assert_challenge(&send(request).await, 401, &missing);
    }
    let refused = send(with(call(&host, "add"), "wrong")).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer error=\"invalid_token\", "),
        "{challenge}"
    );
    assert!(challenge.contains(&metadata), "{challenge}");
}

#[tokio::test]
async fn a_credential_in_the_wrong_place_is_refused_and_not_logged() {
    let launch = Launch::manifest(&manifest())
        .env("LOG_LEVEL", "TRACE")
        .arg("--access-log");
    let host = launch.start().await;
    let path = format!("/mcp/tools?access_token={TOKEN}");
    assert_eq!(host.get(&path).await.status, 400);
    let request = format!(
        "GET /mcp/tools HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        host.authority()
    );
    assert_eq!(raw(&host, &request).await.status, 400);
    assert_eq!(send(with(call(&host, "add"), TOKEN)).await.status, 200);
    let answer = send(with(
        mcp(
            &host,
            "tools/call",
            json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }),
        ),
        TOKEN,
    ));
    assert_eq!(
        answer.await.result()["structuredContent"],
        json!({ "result": 3 })
    );
    assert!(!host.log().contains(TOKEN), "{}", host.log());
    assert!(!host.log().contains(&TOKEN[..8]), "not even a part of it");
}

#[tokio::test]
async fn a_caller_sees_and_calls_what_their_scopes_cover() {
    let host = Host::start(&manifest()).await;
    let names = |tools: &Value| -> Vec<String> {
        let tools = tools["tools"].as_array().expect("a list");
        let name = |tool: &Value| tool["name"].as_str().or(tool.as_str()).map(str::to_owned);
        tools.iter().filter_map(name).collect()
    };
    for path in ["/mcp/tools", "/mcp/list_tools", "/ready"] {
        let answer = send(with(host.request(Method::GET, path), NARROW)).await;
        assert_eq!(names(&answer.json()), ["add"], "{path}");
    }
    let listed = send(with(mcp(&host, "tools/list", json!({})), NARROW)).await;
    assert_eq!(names(&listed.result()), ["add"]);
    let all = send(with(mcp(&host, "tools/list", json!({})), TOKEN)).await;
    assert!(names(&all.result()).len() > 1);

    assert_eq!(
        send(with(call(&host, "add"), NARROW)).await.json(),
        json!({ "result": 3 })
    );
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"tools:subtract\", resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"",
        host.url()
    );
    assert_challenge(
        &send(with(call(&host, "subtract"), NARROW)).await,
        403,
        &challenge,
    );
    let params = json!({ "name": "subtract", "arguments": { "a": 1, "b": 2 } });
    let refused = send(with(mcp(&host, "tools/call", params), NARROW)).await;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (403, challenge.as_str())
    );
    assert!(
        refused.message()["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("tools:subtract"))
    );
    let unknown = send(with(call(&host, "nope"), NARROW)).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_probe_is_told_the_status_alone() {
    let host = Host::start(&manifest()).await;
    for (path, status) in [("/health", "healthy"), ("/ready", "ready")] {
        let answer = host.get(path).await;
        let body = answer.json();
        assert_eq!(answer.status, 200);
        let keys: Vec<_> = body
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert_eq!(
            (&body["status"], keys),
            (
                &json!(status),
                vec!["status".to_owned(), "timestamp".to_owned()]
            )
        );
        assert_eq!(
            send(with(host.request(Method::GET, path), "wrong"))
                .await
                .status,
            401
        );
    }
    let known = send(with(host.request(Method::GET, "/health"), NARROW)).await;
    assert_eq!(known.json()["tools"], 1);
}

#[tokio::test]
async fn the_metadata_is_there_for_everybody_and_tells_of_no_tenant() {
    let yaml = format!("{}  resource: https://mcp.example.com/\n", manifest());
    let host = Host::start(&yaml).await;
    let document = |path: &str| {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let host = &host;
        async move { host.get(&path).await }
    };
    for path in ["", "/mcp", "/t/default/mcp", "/t/nobody/mcp"] {
        let answer = document(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(
            answer.json(),
            json!({
                "resource": format!("https://mcp.example.com{path}"),
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["tools:*"],
            })
        );
    }
    for path in ["/t/nobody", "/elsewhere"] {
        assert_eq!(document(path).await.status, 404, "{path}");
    }
    let open = Host::start(&format!("tools: [\"file:{}\"]", tool("calculator"))).await;
    assert_eq!(
        open.get("/.well-known/oauth-protected-resource")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn tokens_in_a_file_change_without_a_restart() {
    let entry = |token: &str| format!("- {{ sha256: {}, scopes: [\"tools:*\"] }}\n", sha256(token));
    let yaml = format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity: {{ tokens: [{{ file: tokens.yaml }}] }}\n",
        tool("calculator")
    );
    let launch = Launch::manifest(&yaml);
    let file = launch.write("tokens.yaml", entry("first"));
    let host = launch.start().await;
    let status = async |token: &str| send(with(call(&host, "add"), token)).await.status;
    assert_eq!((status("first").await, status("second").await), (200, 401));
    std::fs::write(&file, "- nonsense").expect("it is ours");
    eventually("the broken file is in the log", async || {
        host.log().contains("the old ones still do").then_some(())
    })
    .await;
    assert_eq!(status("first").await, 200);
    std::fs::write(&file, entry("second")).expect("it is ours");
    eventually("the new token counts", async || {
        (status("second").await == 200).then_some(())
    })
    .await;
    assert_eq!(status("first").await, 401);
}

#[tokio::test]
async fn off_loopback_identity_is_enough_and_wins_over_anonymous() {
    for anonymous in [&[][..], &["--allow-anonymous"]] {
        let mut launch = Launch::manifest(&manifest()).arg("--host").arg("0.0.0.0");
        for argument in anonymous {
            launch = launch.arg(argument);
        }
        let host = launch.start().await;
        assert_eq!(host.get("/mcp/tools").await.status, 401, "{anonymous:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_stops_the_start() {
    let yaml = format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity: {{ jwt: [{{ issuer: \"http://127.0.0.1:1\", audience: a }}] }}\n",
        tool("calculator")
    );
    let finished = Launch::manifest(&yaml).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for part in ["http://127.0.0.1:1", "cannot be had", "`jwks`"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
}

#[tokio::test]
async fn the_python_client_lists_and_calls_with_a_token() {
    let host = Host::start(&manifest()).await;
    for mode in ["auto", "legacy", "2026-07-28"] {
        let client = Client::python("SANDGLASS_PYTHON_LATEST", "bearer.py")
            .arg(mode)
            .arg(format!("{}/mcp", host.url()));
        let seen = client.env("TOKEN", NARROW).succeed().await.json();
        assert_eq!(
            seen,
            json!({ "tools": ["add"], "sum": { "result": 3 } }),
            "{mode}"
        );
    }
}
