//! REST answers as the Python runtime does, byte for byte where clients look.

use reqwest::Method;
use sandglass_tests::{Answer, Host, guest, raw, raw_post};
use serde_json::{Value, json};

async fn host() -> Host {
    Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("plain")
    ))
    .await
}

fn allowed(answer: &Answer) -> Vec<String> {
    let mut methods: Vec<String> = answer
        .header("allow")
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    methods.sort();
    methods
}

#[tokio::test]
async fn health_counts_the_tools() {
    let host = host().await;
    let answer = host.get("/health").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json"),
        "{answer:?}"
    );
    let health = answer.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["tools"], 25);
    assert!(
        health["timestamp"]
            .as_u64()
            .is_some_and(|seconds| seconds > 1_700_000_000),
        "{health}"
    );
}

#[tokio::test]
async fn ready_names_the_tools() {
    let host = host().await;
    let answer = host.get("/ready").await;
    assert_eq!(answer.status, 200);
    let ready = answer.json();
    assert_eq!(ready["status"], "ready");
    assert!(ready["timestamp"].is_u64(), "an integer: {ready}");
    let names = host.tools().await;
    assert_eq!(names.len(), 25);
    assert!(names.contains(&"echo".to_owned()), "{names:?}");
}

#[tokio::test]
async fn health_and_ready_answer_head_without_a_body() {
    let host = host().await;
    for path in ["/health", "/ready"] {
        let answer = host.ask(Method::HEAD, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn health_and_ready_refuse_other_methods() {
    let host = host().await;
    for path in ["/health", "/ready"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = host.ask(method.clone(), path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(allowed(&answer), ["GET", "HEAD"], "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_root_is_not_found() {
    let host = host().await;
    assert_eq!(host.get("/").await.status, 404);
    assert_eq!(host.get("/nothing/here").await.status, 404);
}

#[tokio::test]
async fn the_list_holds_name_description_and_schema() {
    let host = host().await;
    let answer = host.get("/mcp/tools").await;
    assert_eq!(answer.status, 200);
    let list = answer.json();
    let tools = list["tools"].as_array().expect("a list");
    assert_eq!(tools.len(), 25);
    let echo = tools
        .iter()
        .find(|tool| tool["name"] == "echo")
        .expect("echo is listed");
    assert_eq!(echo["description"], "Test tool echo");
    assert_eq!(echo["inputSchema"]["type"], "object");
    assert_eq!(echo["inputSchema"]["properties"]["text"]["type"], "string");
    assert_eq!(echo["inputSchema"]["required"], json!(["text"]));
    assert_eq!(host.ask(Method::HEAD, "/mcp/tools").await.status, 200);
}

#[tokio::test]
async fn the_list_is_the_same_each_time_and_never_paged() {
    let host = Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("many_tools")
    ))
    .await;
    let first = host.get("/mcp/tools").await.json();
    assert_eq!(first["tools"].as_array().map(Vec::len), Some(1_200));
    assert_eq!(first, host.get("/mcp/tools").await.json());
}

#[tokio::test]
async fn the_short_list_maps_arguments_to_types() {
    let host = host().await;
    let answer = host.get("/mcp/list_tools").await;
    assert_eq!(answer.status, 200);
    let list = answer.json();
    let tools = list["tools"].as_array().expect("a list");
    let named = |name: &str| {
        tools
            .iter()
            .find(|tool| tool["name"] == name)
            .unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(
        *named("echo"),
        json!({
            "name": "echo", "description": "Test tool echo", "arguments": { "text": "string" }
        })
    );
    let typed = &named("typed")["arguments"];
    for (argument, kind) in [
        ("count", "integer"),
        ("ratio", "number"),
        ("name", "string"),
        ("tags", "array"),
    ] {
        assert_eq!(typed[argument], kind, "{typed}");
    }
    assert_eq!(named("clock")["arguments"], json!({}));
}

#[tokio::test]
async fn a_result_is_the_bare_value() {
    let host = host().await;
    for (tool, expected) in [
        ("returns_nothing", Value::Null),
        ("returns_null", Value::Null),
        ("returns_boolean", json!(true)),
        ("returns_number", json!(42)),
        ("returns_float", json!(1.5)),
        ("returns_large_integer", json!(u64::MAX)),
        ("returns_string", json!("plain text")),
        ("returns_list", json!([1, "two", null])),
        ("returns_object", json!({ "b": 1, "a": [2] })),
        ("declared_number", json!(42)),
        ("declared_point", json!({ "x": 1, "y": 2 })),
        ("one_text_block", json!("just one")),
    ] {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "result": expected })),
            "{tool}"
        );
    }
}

#[tokio::test]
async fn an_object_keeps_the_order_of_its_keys() {
    let host = host().await;
    let answer = host.call("returns_object", json!({})).await;
    assert_eq!(
        answer.body.replace(' ', ""),
        r#"{"result":{"b":1,"a":[2]}}"#
    );
}

#[tokio::test]
async fn several_blocks_are_a_list() {
    let host = host().await;
    let answer = host.call("two_text_blocks", json!({})).await.json();
    assert_eq!(answer["result"][0]["text"], "first");
    assert_eq!(answer["result"][1]["text"], "second");
}

#[tokio::test]
async fn arguments_may_be_left_out() {
    let host = host().await;
    let answer = host
        .post("/mcp/tools", r#"{"tool":"returns_number"}"#)
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "result": 42 }))
    );
}

#[tokio::test]
async fn any_content_type_is_read_as_json() {
    let host = host().await;
    let body = r#"{"tool":"echo","arguments":{"text":"hi"}}"#;
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-8",
    ] {
        let request = host
            .request(Method::POST, "/mcp/tools")
            .header("content-type", kind)
            .body(body);
        let answer = Answer::read(request.send().await.expect("an answer")).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "result": "hi" })),
            "{kind}"
        );
    }
    let request = host.request(Method::POST, "/mcp/tools").body(body);
    assert_eq!(
        Answer::read(request.send().await.expect("an answer"))
            .await
            .status,
        200,
        "no content type"
    );
}

#[tokio::test]
async fn a_missing_tool_field_is_named() {
    let host = host().await;
    for body in ["{}", r#"{"tool":""}"#, r#"{"arguments":{}}"#] {
        let answer = host.post("/mcp/tools", body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({ "error": "Missing 'tool' field" })),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_unknown_tool_is_not_found() {
    let host = host().await;
    let answer = host.call("nope", json!({})).await;
    assert_eq!(
        (answer.status, answer.json()),
        (404, json!({ "error": "Tool 'nope' not found" }))
    );
}

#[tokio::test]
async fn malformed_json_is_refused() {
    let host = host().await;
    for body in ["", "{", "not json", r#"{"tool":"echo"} trailing"#] {
        let answer = host.post("/mcp/tools", body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({ "error": "Invalid JSON" })),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let host = host().await;
    for body in ["[]", "1", "\"tool\"", "null", "true"] {
        let answer = host.post("/mcp/tools", body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(!answer.error().is_empty());
    }
    for arguments in ["[]", "1", "\"text\""] {
        let answer = host
            .post(
                "/mcp/tools",
                format!(r#"{{"tool":"echo","arguments":{arguments}}}"#),
            )
            .await;
        assert_eq!(answer.status, 400, "{arguments}: {answer:?}");
        assert!(!answer.error().is_empty());
    }
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let host = host().await;
    for (arguments, named) in [
        (json!({}), "count"),
        (json!({ "count": 1, "surplus": 2 }), "surplus"),
        (json!({ "count": null }), "count"),
        (json!({ "count": "one" }), "count"),
        (json!({ "count": 1.5 }), "count"),
        (json!({ "count": -1 }), "count"),
        (json!({ "count": 1, "ratio": "x" }), "ratio"),
        (json!({ "count": 1, "tags": [1] }), "tags"),
        (json!({ "count": 1, "unit": "furlong" }), "unit"),
        (json!({ "count": 1, "name": null }), "name"),
    ] {
        let answer = host.call("typed", arguments.clone()).await;
        assert_eq!(answer.status, 400, "{arguments}: {answer:?}");
        let error = answer.error();
        assert!(
            error.starts_with("Invalid arguments: ") && error.contains(named),
            "{arguments}: {error}"
        );
    }
}

#[tokio::test]
async fn a_nullable_argument_takes_null_and_an_open_schema_takes_more() {
    let host = host().await;
    let answer = host
        .call("typed", json!({ "count": 1, "flag": null }))
        .await;
    assert_eq!(
        (answer.status, answer.json()["result"].take()),
        (200, json!({ "count": 1, "flag": null }))
    );
    let answer = host
        .call("open_arguments", json!({ "anything": [1] }))
        .await;
    assert_eq!(
        (answer.status, answer.json()["result"].take()),
        (200, json!({ "anything": [1] }))
    );
}

#[tokio::test]
async fn a_tool_that_fails_says_why_in_its_own_words() {
    let host = host().await;
    let answer = host
        .call("fail", json!({ "message": "the kettle is empty" }))
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (500, json!({ "error": "the kettle is empty" }))
    );
    let answer = host.call("is_error", json!({})).await;
    assert_eq!(
        (answer.status, answer.json()),
        (500, json!({ "error": "the water is too cold" }))
    );
}

#[tokio::test]
async fn a_tool_may_find_its_arguments_invalid() {
    let host = host().await;
    let answer = host
        .call("refuse", json!({ "message": "timezone: no such place" }))
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.error().contains("timezone: no such place"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn other_methods_on_tools_are_refused() {
    let host = host().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = host.ask(method.clone(), "/mcp/tools").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(allowed(&answer), ["GET", "HEAD", "POST"], "{method}");
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_too_large() {
    let host = host().await;
    let body = json!({ "tool": "echo", "arguments": { "text": "x".repeat(8 << 20) } });
    let answer = raw_post(&host, "/mcp/tools", &[], &body.to_string()).await;
    assert_eq!(answer.status, 413, "{}", answer.status);
    assert!(!answer.error().is_empty());
    // A body that only claims to be large is refused before it comes.
    let answer = raw(
        &host,
        "POST /mcp/tools HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(answer.status, 413, "{answer:?}");
    host.assert_well().await;
}

#[tokio::test]
async fn deep_json_is_refused_and_harmless() {
    let host = host().await;
    for depth in [200, 100_000] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let body = format!(r#"{{"tool":"open_arguments","arguments":{{"deep":{nested}}}}}"#);
        let answer = host.post("/mcp/tools", body).await;
        assert_eq!(answer.status, 400, "{depth}: {}", answer.status);
        assert!(!answer.error().is_empty());
    }
    host.assert_well().await;
}

#[tokio::test]
async fn a_name_with_a_quote_or_a_control_character_stays_json() {
    let host = host().await;
    let answer = host.call("no\"pe\u{1b}", json!({})).await;
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("no\"pe"), "{answer:?}");
}

#[tokio::test]
async fn a_host_that_is_not_loopback_is_refused() {
    let host = host().await;
    for (name, accepted) in [
        ("127.0.0.1", true),
        ("localhost", true),
        ("localhost:8000", true),
        ("[::1]:8000", true),
        ("attacker.example", false),
        ("127.0.0.1.attacker.example", false),
        ("localhost.attacker.example:80", false),
    ] {
        for path in ["/mcp/tools", "/mcp/list_tools", "/health"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
            let answer = raw(&host, &request).await;
            let as_expected = if accepted {
                answer.status == 200
            } else {
                answer.status == 403 || answer.status == 421
            };
            assert!(as_expected, "{name} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_foreign_origin_is_forbidden() {
    let host = host().await;
    let body = r#"{"tool":"echo","arguments":{"text":"hi"}}"#;
    for origin in [
        "https://attacker.example",
        "null",
        "http://localhost.attacker.example",
    ] {
        for path in ["/mcp/tools", "/mcp/list_tools", "/health", "/ready"] {
            let request = host.request(Method::GET, path).header("origin", origin);
            assert_eq!(
                request.send().await.expect("an answer").status(),
                403,
                "{origin} {path}"
            );
        }
        let request = host
            .request(Method::POST, "/mcp/tools")
            .header("origin", origin)
            .body(body);
        let answer = Answer::read(request.send().await.expect("an answer")).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(
            !answer.body.contains("hi"),
            "the tool was not called: {answer:?}"
        );
    }
}

#[tokio::test]
async fn the_hosts_and_origins_of_the_flags_are_accepted() {
    let launch = sandglass_tests::Launch::manifest(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("plain")
    ));
    let launch = launch
        .arg("--allowed-hosts")
        .arg("tools.example")
        .arg("--allowed-origins")
        .arg("https://app.example");
    let host = launch.start().await;
    let request = "GET /mcp/tools HTTP/1.1\r\nHost: tools.example\r\nOrigin: https://app.example\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(&host, request).await.status, 200);
    let request = "GET /mcp/tools HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n";
    let answer = raw(&host, request).await;
    assert!(answer.status == 403 || answer.status == 421, "{answer:?}");
}

#[tokio::test]
async fn malformed_http_is_a_bad_request() {
    let host = host().await;
    let answer = raw(
        &host,
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nbad header line\r\n\r\n",
    )
    .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    host.assert_well().await;
}

#[tokio::test]
async fn clocks_and_randomness_are_there_without_a_grant() {
    let host = host().await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let clock = host.call("clock", json!({})).await.json();
    let told = clock["result"]["unix"].as_u64().expect("a number");
    assert!(told.abs_diff(now) < 60, "{told} is not about {now}");
    let first = host.call("random", json!({})).await.json();
    let second = host.call("random", json!({})).await.json();
    assert_ne!(first, second, "two calls draw different numbers");
    assert_ne!(
        first["result"][0], first["result"][1],
        "one call draws different numbers"
    );
}
