//! MCP answers as http-contract promises, to clients of every revision.

use reqwest::Method;
use sandglass_tests::mcp::{
    self, LEGACY_REVISIONS, MODERN_REVISION, Session, Way, message, send, text,
};
use sandglass_tests::{Host, guest, raw_post};
use serde_json::json;

async fn host() -> Host {
    Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("plain")
    ))
    .await
}

#[tokio::test]
async fn initialize_echoes_every_published_revision() {
    let host = host().await;
    for revision in LEGACY_REVISIONS {
        let session = Session::of_revision(&host, revision).await;
        assert_eq!(session.initialized["protocolVersion"], revision);
        assert_eq!(
            session.initialized["serverInfo"]["name"], "sandglass",
            "{}",
            session.initialized
        );
        assert!(
            session.initialized["capabilities"]["tools"].is_object(),
            "{}",
            session.initialized
        );
        let answer = session
            .request(
                "tools/call",
                json!({ "name": "returns_number", "arguments": {} }),
            )
            .await;
        assert_eq!(text(&answer.result()), "42", "{revision}");
    }
}

#[tokio::test]
async fn initialize_offers_a_revision_of_ours_where_the_client_s_is_unknown() {
    let host = host().await;
    let answer = send(
        mcp::bare(&host, "initialize", mcp::initialize("1999-01-01")).header("accept", mcp::ACCEPT),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let offered = answer.result()["protocolVersion"]
        .as_str()
        .expect("a revision")
        .to_owned();
    assert!(LEGACY_REVISIONS.contains(&offered.as_str()), "{offered}");
}

#[tokio::test]
async fn initialize_answers_a_client_that_accepts_anything() {
    let host = host().await;
    for accept in ["*/*", "application/json", mcp::ACCEPT] {
        let answer = send(
            mcp::bare(&host, "initialize", mcp::initialize("2025-06-18")).header("accept", accept),
        )
        .await;
        let expected = if accept == mcp::ACCEPT {
            answer.status == 200
        } else {
            [200, 406].contains(&answer.status)
        };
        assert!(expected, "{accept}: {answer:?}");
    }
}

#[tokio::test]
async fn both_paths_answer_without_a_redirect() {
    let host = host().await;
    for path in ["/mcp", "/mcp/"] {
        let request = host
            .request(Method::POST, path)
            .header("content-type", "application/json");
        let answer = send(request.body(message("tools/list", json!({})).to_string())).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let request = host
            .request(Method::POST, path)
            .header("content-type", "application/json");
        let request = request.header("accept", mcp::ACCEPT);
        let answer =
            send(request.body(message("initialize", mcp::initialize("2025-11-25")).to_string()))
                .await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn get_without_a_session_is_no_page() {
    let host = host().await;
    for path in ["/mcp", "/mcp/"] {
        let answer = send(host.request(Method::GET, path).header("accept", "*/*")).await;
        assert!([400, 406].contains(&answer.status), "{path}: {answer:?}");
        let answer = send(
            host.request(Method::GET, path)
                .header("accept", "text/event-stream"),
        )
        .await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn get_with_a_session_is_a_stream() {
    let host = host().await;
    let session = Session::open(&host).await;
    let request = session
        .with_headers(host.request(Method::GET, "/mcp"))
        .header("accept", "text/event-stream");
    let response = request.send().await.expect("the head of the answer");
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_why() {
    let host = host().await;
    let session = Session::open(&host).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (rest, code, reason) in [
        (
            format!(r#""method":"tools/list","params":{{"a":{deep}}}"#),
            -32700,
            "nested too deeply",
        ),
        (
            r#""method":"tools/list","params":{"a":1e400}"#.to_owned(),
            -32700,
            "a number out of range",
        ),
        (
            r#""method":"tools/list","params":{"_meta":5}"#.to_owned(),
            -32602,
            "`_meta` must be an object",
        ),
        (
            r#""method":"ping","result":{}"#.to_owned(),
            -32600,
            "not a message of this protocol",
        ),
        (
            r#""method":"tools/call","params":{"name":"echo","name":"echo"}"#.to_owned(),
            -32602,
            "a key is there twice",
        ),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":3,{rest}}}"#);
        let request = session
            .with_headers(host.request(Method::POST, "/mcp"))
            .header("content-type", "application/json")
            .header("accept", mcp::ACCEPT);
        let answer = send(request.body(body)).await;
        assert_eq!(answer.code(), code, "{rest}: {answer:?}");
        let message = answer.message();
        let text = message["error"]["message"].as_str().expect("a text");
        assert!(text.contains(reason), "{rest}: {text}");
    }
}

#[tokio::test]
async fn a_bare_post_gets_json_whatever_it_accepts() {
    let host = host().await;
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("text/html"),
        Some(mcp::ACCEPT),
    ] {
        for (method, params) in [
            ("tools/list", json!({})),
            (
                "tools/call",
                json!({ "name": "echo", "arguments": { "text": "hi" } }),
            ),
        ] {
            let mut request = mcp::bare(&host, method, params);
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            let answer = send(request).await;
            assert_eq!(answer.status, 200, "{accept:?} {method}: {answer:?}");
            assert!(
                answer
                    .header("content-type")
                    .starts_with("application/json"),
                "{accept:?} {method}: {answer:?}"
            );
            assert!(answer.result().is_object());
        }
    }
}

#[tokio::test]
async fn a_wrong_content_type_is_refused() {
    let host = host().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = host
            .request(Method::POST, "/mcp")
            .header("content-type", kind)
            .header("accept", mcp::ACCEPT);
        let answer = send(request.body(message("tools/list", json!({})).to_string())).await;
        assert!([400, 415].contains(&answer.status), "{kind}: {answer:?}");
    }
}

#[tokio::test]
async fn malformed_json_is_a_parse_error() {
    let host = host().await;
    for body in [
        "",
        "{",
        "nonsense",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"} more"#,
    ] {
        for accept in ["*/*", mcp::ACCEPT] {
            let request = host
                .request(Method::POST, "/mcp")
                .header("content-type", "application/json");
            let answer = send(request.header("accept", accept).body(body)).await;
            assert_eq!(
                (answer.status, answer.code()),
                (400, -32700),
                "{body:?}: {answer:?}"
            );
        }
    }
    let session = Session::open(&host).await;
    let request = session
        .with_headers(host.request(Method::POST, "/mcp"))
        .header("content-type", "application/json");
    let answer = send(request.body("{")).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32700),
        "in a session: {answer:?}"
    );
}

#[tokio::test]
async fn batches_and_null_ids_are_invalid_requests() {
    let host = host().await;
    let ping = message("ping", json!({}));
    for body in [
        json!([ping]),
        json!([]),
        json!({ "jsonrpc": "2.0", "id": null, "method": "ping" }),
        json!({ "jsonrpc": "2.0", "id": null, "method": "tools/call", "params": { "name": "clock", "arguments": {} } }),
        json!("text"),
        json!(7),
        json!({ "jsonrpc": "1.0", "id": 1, "method": "ping" }),
        json!({ "jsonrpc": "2.0", "id": { "no": "id" }, "method": "ping" }),
    ] {
        let answer = send(mcp::post(&host, &body).header("accept", mcp::ACCEPT)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32600),
            "{body}: {answer:?}"
        );
    }
    let session = Session::open(&host).await;
    let answer = send(session.prepare(&json!([ping]))).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32600),
        "in a session: {answer:?}"
    );
}

#[tokio::test]
async fn ping_is_answered() {
    let host = host().await;
    let session = Session::open(&host).await;
    let answer = session.request("ping", json!({})).await;
    assert_eq!((answer.status, answer.result()), (200, json!({})));
}

#[tokio::test]
async fn an_unknown_method_is_said_to_be_unknown() {
    let host = host().await;
    let session = Session::open(&host).await;
    let answer = session.request("no/such/method", json!({})).await;
    assert_eq!(
        (answer.status, answer.code()),
        (200, -32601),
        "legacy: {answer:?}"
    );
    let answer = send(mcp::modern(&host, "no/such/method", json!({}))).await;
    assert_eq!(
        (answer.status, answer.code()),
        (404, -32601),
        "modern: {answer:?}"
    );
}

#[tokio::test]
async fn the_id_of_a_request_comes_back_as_it_was() {
    let host = host().await;
    for id in [
        json!(0),
        json!(-5),
        json!("text"),
        json!("7"),
        json!(9_007_199_254_740_991_i64),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list" });
        assert_eq!(send(mcp::post(&host, &body)).await.message()["id"], id);
    }
}

#[tokio::test]
async fn an_unknown_session_is_not_found() {
    let host = host().await;
    let request = mcp::bare(&host, "tools/list", json!({})).header("accept", mcp::ACCEPT);
    let answer =
        send(request.header("mcp-session-id", "6f9d1b1e-0000-4000-8000-000000000000")).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let request = host
        .request(Method::GET, "/mcp")
        .header("accept", "text/event-stream");
    assert_eq!(
        send(request.header("mcp-session-id", "unknown"))
            .await
            .status,
        404
    );
    let request = host
        .request(Method::DELETE, "/mcp")
        .header("accept", mcp::ACCEPT);
    assert_eq!(
        send(request.header("mcp-session-id", "unknown"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_session_ends_once() {
    let host = host().await;
    let session = Session::open(&host).await;
    let answer = session.end().await;
    assert!([200, 204].contains(&answer.status), "{answer:?}");
    assert_eq!(session.end().await.status, 404);
    assert_eq!(session.request("tools/list", json!({})).await.status, 404);
}

#[tokio::test]
async fn session_ids_are_unguessable() {
    let host = host().await;
    let first = Session::open(&host).await;
    let second = Session::open(&host).await;
    assert_ne!(first.id(), second.id());
    assert!(first.id().len() >= 22, "128 bits at least: {}", first.id());
    assert!(
        first.id().bytes().all(|byte| byte.is_ascii_graphic()),
        "{}",
        first.id()
    );
}

#[tokio::test]
async fn discover_names_what_the_server_can() {
    let host = host().await;
    let answer = send(mcp::modern(&host, "server/discover", json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let found = answer.result();
    let revisions = found["supportedVersions"]
        .as_array()
        .expect("a list of revisions");
    assert!(revisions.contains(&json!(MODERN_REVISION)), "{found}");
    assert!(found["capabilities"]["tools"].is_object(), "{found}");
    assert_eq!(found["resultType"], "complete", "{found}");
}

#[tokio::test]
async fn headers_that_differ_from_the_body_are_a_mismatch() {
    let host = host().await;
    let params = || mcp::with_meta(json!({ "name": "clock", "arguments": {} }));
    let request = |version: &str, method: &str, name: &str| {
        mcp::post(&host, &message("tools/call", params()))
            .header("accept", mcp::ACCEPT)
            .header("mcp-protocol-version", version)
            .header("mcp-method", method)
            .header("mcp-name", name)
    };
    let answer = send(request(MODERN_REVISION, "tools/call", "clock")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (version, method, name) in [
        ("2025-11-25", "tools/call", "clock"),
        (MODERN_REVISION, "tools/list", "clock"),
        (MODERN_REVISION, "tools/call", "echo"),
        (MODERN_REVISION, "tools/call", "=?base64?!!!?="),
    ] {
        let answer = send(request(version, method, name)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{version} {method} {name}: {answer:?}"
        );
    }
    let answer =
        send(request(MODERN_REVISION, "tools/call", "clock").header("mcp-name", "echo")).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32020),
        "two names: {answer:?}"
    );
    let without = mcp::post(&host, &message("tools/call", params())).header("accept", mcp::ACCEPT);
    let answer = send(without.header("mcp-protocol-version", MODERN_REVISION)).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32020),
        "no method header: {answer:?}"
    );
}

#[tokio::test]
async fn a_modern_name_may_be_base64() {
    let host = host().await;
    let request = mcp::post(
        &host,
        &message(
            "tools/call",
            mcp::with_meta(json!({ "name": "clock", "arguments": {} })),
        ),
    );
    let request = request
        .header("accept", mcp::ACCEPT)
        .header("mcp-protocol-version", MODERN_REVISION);
    let answer = send(
        request
            .header("mcp-method", "tools/call")
            .header("mcp-name", "=?base64?Y2xvY2s=?="),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_unknown_revision_in_the_header_is_refused() {
    let host = host().await;
    let request = mcp::bare(&host, "tools/list", json!({})).header("accept", mcp::ACCEPT);
    let answer = send(request.header("mcp-protocol-version", "1999-01-01")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_body_over_the_cap_is_too_large() {
    let host = host().await;
    let params = json!({ "name": "echo", "arguments": { "text": "x".repeat(8 << 20) } });
    let body = message("tools/call", params.clone()).to_string();
    let answer = raw_post(&host, "/mcp", &[], &body).await;
    assert_eq!(answer.status, 413, "bare: {}", answer.status);
    let session = Session::open(&host).await;
    let headers = [("Accept", mcp::ACCEPT), ("Mcp-Session-Id", session.id())];
    let answer = raw_post(&host, "/mcp", &headers, &body).await;
    assert_eq!(answer.status, 413, "session: {}", answer.status);
    let headers = [
        ("Accept", mcp::ACCEPT),
        ("MCP-Protocol-Version", MODERN_REVISION),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "echo"),
    ];
    let body = message("tools/call", mcp::with_meta(params)).to_string();
    let answer = raw_post(&host, "/mcp", &headers, &body).await;
    assert_eq!(answer.status, 413, "modern: {}", answer.status);
    host.assert_well().await;
}

#[tokio::test]
async fn deep_json_is_refused_and_harmless() {
    let host = host().await;
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"open_arguments","arguments":{{"deep":{nested}}}}}}}"#
    );
    let request = host
        .request(Method::POST, "/mcp")
        .header("content-type", "application/json");
    let answer = send(request.header("accept", mcp::ACCEPT).body(body)).await;
    assert_eq!(answer.status, 400, "{}", answer.status);
    host.assert_well().await;
}

#[tokio::test]
async fn a_foreign_origin_or_host_is_forbidden() {
    let host = host().await;
    for origin in ["https://attacker.example", "null"] {
        let list = json!({});
        let answer =
            send(mcp::bare(&host, "tools/list", list.clone()).header("origin", origin)).await;
        assert_eq!(answer.status, 403, "{origin} bare");
        let answer = send(mcp::modern(&host, "tools/list", list).header("origin", origin)).await;
        assert_eq!(answer.status, 403, "{origin} modern");
        let request = mcp::bare(&host, "initialize", mcp::initialize("2025-11-25"))
            .header("accept", mcp::ACCEPT);
        assert_eq!(
            send(request.header("origin", origin)).await.status,
            403,
            "{origin} initialize"
        );
        let request = host.request(Method::GET, "/mcp").header("origin", origin);
        assert_eq!(send(request).await.status, 403, "{origin} GET");
    }
    let answer =
        send(mcp::bare(&host, "tools/list", json!({})).header("host", "attacker.example")).await;
    assert!([403, 421].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn a_message_without_an_answer_is_accepted_without_a_session() {
    let host = host().await;
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = send(mcp::post(&host, &body).header("accept", mcp::ACCEPT)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (202, ""),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_hundred_sessions_in_a_row_are_made_and_ended() {
    let host = host().await;
    for _ in 0..100 {
        assert_eq!(
            text(&Way::Session.call(&host, "returns_number", json!({})).await),
            "42"
        );
    }
    host.assert_well().await;
}
