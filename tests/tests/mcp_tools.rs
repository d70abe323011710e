//! tools/list and tools/call answer the same in each way that clients speak MCP.

use sandglass_tests::mcp::{self, Session, Way, failure, send, text};
use sandglass_tests::{Host, guest};
use serde_json::{Value, json};

async fn host() -> Host {
    Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("plain")
    ))
    .await
}

/// The tools of every page.
async fn list(host: &Host, way: Way) -> Vec<Value> {
    let mut tools = Vec::new();
    let mut params = json!({});
    loop {
        let mut page = way
            .request(host, "tools/list", params.take())
            .await
            .result();
        tools.append(page["tools"].as_array_mut().expect("a list"));
        match page.get("nextCursor") {
            Some(Value::String(cursor)) => params = json!({ "cursor": cursor }),
            _ => return tools,
        }
    }
}

#[tokio::test]
async fn the_list_holds_what_the_guest_described() {
    let host = host().await;
    for way in Way::ALL {
        let tools = list(&host, way).await;
        assert_eq!(tools.len(), 25, "{way:?}");
        let named = |name: &str| {
            tools
                .iter()
                .find(|tool| tool["name"] == name)
                .unwrap_or_else(|| panic!("no {name}"))
        };
        let echo = named("echo");
        assert_eq!(echo["description"], "Test tool echo");
        assert_eq!(echo["inputSchema"]["properties"]["text"]["type"], "string");
        assert_eq!(echo["inputSchema"]["required"], json!(["text"]));
        let annotated = named("annotated");
        assert_eq!(annotated["title"], "A titled tool");
        for (hint, expected) in [
            ("readOnlyHint", true),
            ("destructiveHint", false),
            ("idempotentHint", true),
            ("openWorldHint", false),
        ] {
            assert_eq!(
                annotated["annotations"][hint], expected,
                "{way:?} {annotated}"
            );
        }
        assert_eq!(
            named("declared_point")["outputSchema"]["properties"]["x"]["type"],
            "integer",
            "{way:?}"
        );
        // An MCP output schema is an object schema: a scalar's is wrapped as its value is.
        let wrapped = &named("declared_number")["outputSchema"];
        assert_eq!(wrapped["type"], "object", "{way:?} {wrapped}");
        assert_eq!(
            wrapped["properties"]["result"]["type"], "integer",
            "{way:?} {wrapped}"
        );
        assert_eq!(wrapped["required"], json!(["result"]), "{way:?} {wrapped}");
    }
}

#[tokio::test]
async fn the_list_is_the_same_each_time_and_pages_past_a_thousand() {
    let host = Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("many_tools")
    ))
    .await;
    for way in Way::ALL {
        let first = list(&host, way).await;
        assert_eq!(first.len(), 1_200, "{way:?}");
        assert_eq!(first, list(&host, way).await, "{way:?}");
        let mut names: Vec<&str> = first
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        names.dedup();
        assert_eq!(names.len(), 1_200, "no tool is on two pages ({way:?})");
        let page = way.request(&host, "tools/list", json!({})).await.result();
        assert_eq!(
            page["tools"].as_array().map(Vec::len),
            Some(1_000),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn a_foreign_cursor_is_invalid() {
    let host = host().await;
    for way in Way::ALL {
        let answer = way
            .request(
                &host,
                "tools/list",
                json!({ "cursor": "no cursor of ours" }),
            )
            .await;
        assert_eq!(answer.code(), -32602, "{way:?}: {answer:?}");
    }
}

#[tokio::test]
async fn results_are_encoded_as_promised() {
    let host = host().await;
    for way in Way::ALL {
        for (tool, expected_text, structured) in [
            ("returns_number", "42", json!({ "result": 42 })),
            ("returns_float", "1.5", json!({ "result": 1.5 })),
            ("returns_boolean", "true", json!({ "result": true })),
            (
                "returns_string",
                "plain text",
                json!({ "result": "plain text" }),
            ),
            (
                "returns_large_integer",
                "18446744073709551615",
                json!({ "result": u64::MAX }),
            ),
            (
                "returns_list",
                r#"[1,"two",null]"#,
                json!({ "result": [1, "two", null] }),
            ),
            (
                "returns_object",
                r#"{"b":1,"a":[2]}"#,
                json!({ "b": 1, "a": [2] }),
            ),
            ("declared_number", "42", json!({ "result": 42 })),
            (
                "declared_point",
                r#"{"x":1,"y":2}"#,
                json!({ "x": 1, "y": 2 }),
            ),
        ] {
            let result = way.call(&host, tool, json!({})).await;
            assert_eq!(text(&result), expected_text, "{way:?} {tool}");
            assert_eq!(
                result["structuredContent"], structured,
                "{way:?} {tool}: {result}"
            );
            assert_eq!(result["isError"], false, "{way:?} {tool}: {result}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_returns_nothing_has_no_content() {
    let host = host().await;
    for way in Way::ALL {
        let result = way.call(&host, "returns_nothing", json!({})).await;
        assert_eq!(result["content"], json!([]), "{way:?}: {result}");
        assert_eq!(result["isError"], false, "{way:?}: {result}");
    }
}

#[tokio::test]
async fn every_kind_of_content_arrives() {
    let host = host().await;
    for way in Way::ALL {
        let result = way.call(&host, "all_content", json!({})).await;
        let content = result["content"].as_array().expect("a list");
        let kinds: Vec<&str> = content
            .iter()
            .filter_map(|block| block["type"].as_str())
            .collect();
        assert_eq!(
            kinds,
            [
                "text",
                "image",
                "audio",
                "resource",
                "resource",
                "resource_link"
            ],
            "{way:?}"
        );
        assert_eq!(content[0]["text"], "some text");
        assert_eq!(content[0]["annotations"]["audience"], json!(["user"]));
        assert_eq!(content[0]["annotations"]["priority"], 0.5);
        assert_eq!(
            content[0]["annotations"]["lastModified"],
            "2026-01-02T03:04:05Z"
        );
        assert_eq!(
            (&content[1]["data"], &content[1]["mimeType"]),
            (&json!("AQID/w=="), &json!("image/png"))
        );
        assert_eq!(
            (&content[2]["data"], &content[2]["mimeType"]),
            (&json!("AQID/w=="), &json!("audio/wav"))
        );
        assert_eq!(content[3]["resource"]["uri"], "test://text");
        assert_eq!(content[3]["resource"]["text"], "inside");
        assert_eq!(content[4]["resource"]["blob"], "AJ8=");
        assert_eq!(
            (&content[5]["uri"], &content[5]["size"]),
            (&json!("test://link"), &json!(12))
        );
    }
}

#[tokio::test]
async fn a_tool_that_fails_says_so_in_the_text() {
    let host = host().await;
    for way in Way::ALL {
        let result = way
            .call(&host, "fail", json!({ "message": "the kettle is empty" }))
            .await;
        assert!(
            failure(&result).contains("the kettle is empty"),
            "{way:?}: {result}"
        );
        let result = way.call(&host, "is_error", json!({})).await;
        assert!(
            failure(&result).contains("the water is too cold"),
            "{way:?}: {result}"
        );
    }
}

#[tokio::test]
async fn wrong_arguments_are_named_in_the_text() {
    let host = host().await;
    for way in Way::ALL {
        for (arguments, named) in [
            (json!({}), "count"),
            (json!({ "count": 1, "surplus": 2 }), "surplus"),
            (json!({ "count": null }), "count"),
            (json!({ "count": "one" }), "count"),
        ] {
            let result = way.call(&host, "typed", arguments.clone()).await;
            assert!(
                failure(&result).contains(named),
                "{way:?} {arguments}: {result}"
            );
        }
        let result = way
            .call(
                &host,
                "refuse",
                json!({ "message": "timezone: no such place" }),
            )
            .await;
        assert!(
            failure(&result).contains("timezone: no such place"),
            "{way:?}: {result}"
        );
    }
}

#[tokio::test]
async fn an_unknown_tool_is_named() {
    let host = host().await;
    for way in Way::ALL {
        let answer = way
            .request(
                &host,
                "tools/call",
                json!({ "name": "nope", "arguments": {} }),
            )
            .await;
        // isError in the revisions of the replaced runtime; the newest prefer a protocol error.
        let message = answer.message();
        let told = match message.get("result") {
            Some(result) => {
                assert_eq!(answer.status, 200, "{way:?}: {answer:?}");
                failure(result).to_owned()
            }
            None => {
                assert_eq!(answer.code(), -32602, "{way:?}: {answer:?}");
                message["error"]["message"]
                    .as_str()
                    .expect("a message")
                    .to_owned()
            }
        };
        assert!(told.contains("Unknown tool: nope"), "{way:?}: {told}");
    }
}

#[tokio::test]
async fn arguments_may_be_left_out() {
    let host = host().await;
    for way in Way::ALL {
        let answer = way
            .request(&host, "tools/call", json!({ "name": "returns_number" }))
            .await;
        assert_eq!(text(&answer.result()), "42", "{way:?}");
    }
}

#[tokio::test]
async fn modern_results_say_that_they_are_complete() {
    let host = host().await;
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "clock", "arguments": {} })),
    ] {
        let answer = send(mcp::modern(&host, method, params)).await;
        assert_eq!(
            answer.result()["resultType"],
            "complete",
            "{method}: {answer:?}"
        );
    }
    let list = send(mcp::modern(&host, "tools/list", json!({})))
        .await
        .result();
    assert!(list["ttlMs"].is_u64(), "{list}");
    assert!(
        ["public", "private"].contains(&list["cacheScope"].as_str().unwrap_or_default()),
        "{list}"
    );
}

#[tokio::test]
async fn progress_and_log_reach_the_client_that_asked() {
    let host = host().await;
    let params =
        json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": "mine" } });
    let session = Session::open(&host).await;
    let answer = session.request("tools/call", params.clone()).await;
    let steps = |messages: &[Value]| -> Vec<Value> {
        let of_progress = messages
            .iter()
            .filter(|message| message["method"] == "notifications/progress");
        of_progress
            .map(|message| message["params"].clone())
            .collect()
    };
    let told = steps(&answer.messages());
    assert_eq!(told.len(), 3, "legacy: {answer:?}");
    assert_eq!(told[0]["progressToken"], "mine");
    assert_eq!(
        (&told[2]["progress"], &told[2]["total"]),
        (&json!(3.0), &json!(3.0))
    );
    assert_eq!(told[2]["message"], "step 3");
    let answer = send(mcp::modern(&host, "tools/call", params)).await;
    assert_eq!(steps(&answer.messages()).len(), 3, "modern: {answer:?}");
    // Nobody asked here.
    let answer = session
        .request("tools/call", json!({ "name": "progress", "arguments": {} }))
        .await;
    assert_eq!(
        steps(&answer.messages()).len(),
        0,
        "no token, no progress: {answer:?}"
    );
}
