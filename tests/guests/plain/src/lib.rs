//! A well-behaved provider: every kind of argument, result, content and failure that the contract knows.

use std::time::Duration;

use guest_support::{
    ANY_ARGUMENTS, CallError, CallRequest, NO_ARGUMENTS, Outcome, Success, Tool, ToolAnnotations,
    Value, arguments, blocks, failed, host, json, raw_value, text, tool, tool_with_output, types,
    unknown_tool, value,
};

const TEXT: &str = r#"{
    "type": "object",
    "properties": { "text": { "type": "string", "description": "What to say" } },
    "required": ["text"],
    "additionalProperties": false
}"#;

const TYPED: &str = r#"{
    "type": "object",
    "properties": {
        "count": { "type": "integer", "minimum": 0 },
        "ratio": { "type": "number" },
        "name": { "type": "string" },
        "tags": { "type": "array", "items": { "type": "string" } },
        "flag": { "type": ["boolean", "null"] },
        "unit": { "enum": ["metric", "imperial"] }
    },
    "required": ["count"],
    "additionalProperties": false
}"#;

const MESSAGE: &str = r#"{
    "type": "object",
    "properties": { "message": { "type": "string" } },
    "required": ["message"],
    "additionalProperties": false
}"#;

const MILLISECONDS: &str = r#"{
    "type": "object",
    "properties": { "ms": { "type": "integer", "minimum": 0 } },
    "required": ["ms"],
    "additionalProperties": false
}"#;

const POINT: &str = r#"{
    "type": "object",
    "properties": { "x": { "type": "integer" }, "y": { "type": "integer" } },
    "required": ["x", "y"],
    "additionalProperties": false
}"#;

fn list() -> Vec<Tool> {
    let annotated = Tool {
        title: Some("A titled tool".into()),
        annotations: Some(ToolAnnotations {
            title: None,
            read_only_hint: Some(true),
            destructive_hint: Some(false),
            idempotent_hint: Some(true),
            open_world_hint: Some(false),
        }),
        ..tool("annotated", NO_ARGUMENTS)
    };
    let mut tools = vec![
        annotated,
        tool("echo", TEXT),
        tool("fail", MESSAGE),
        tool("open_arguments", ANY_ARGUMENTS),
        tool("refuse", MESSAGE),
        tool("slow", MILLISECONDS),
        tool("typed", TYPED),
        tool_with_output("declared_number", NO_ARGUMENTS, r#"{"type":"integer"}"#),
        tool_with_output("declared_point", NO_ARGUMENTS, POINT),
    ];
    tools.extend(
        [
            "all_content",
            "clock",
            "is_error",
            "one_text_block",
            "progress",
            "random",
            "returns_boolean",
            "returns_float",
            "returns_large_integer",
            "returns_list",
            "returns_nothing",
            "returns_null",
            "returns_number",
            "returns_object",
            "returns_string",
            "two_text_blocks",
        ]
        .map(|name| tool(name, NO_ARGUMENTS)),
    );
    tools
}

fn call(request: CallRequest) -> Outcome {
    let given = arguments(&request);
    let word = |key: &str| given[key].as_str().unwrap_or_default().to_owned();
    match request.name.as_str() {
        "all_content" => all_content(),
        "annotated" => value("annotated".into()),
        "clock" => value(json!({ "unix": unix_seconds() })),
        "declared_number" => value(42.into()),
        "declared_point" => value(json!({ "x": 1, "y": 2 })),
        "echo" => value(word("text").into()),
        "fail" => failed(word("message")),
        "is_error" => Outcome::Done(Success {
            content: Some(vec![text("the water is too cold")]),
            value: None,
            is_error: true,
            meta: None,
        }),
        "one_text_block" => blocks(vec![text("just one")]),
        "open_arguments" | "typed" => value(given),
        "progress" => progress(),
        "random" => value(json!([
            wasip2::random::random::get_random_u64().to_string(),
            wasip2::random::random::get_random_u64().to_string(),
        ])),
        "refuse" => Outcome::Failed(CallError::InvalidArguments(word("message"))),
        "returns_boolean" => value(true.into()),
        "returns_float" => value(json!(1.5)),
        "returns_large_integer" => value(u64::MAX.into()),
        "returns_list" => value(json!([1, "two", null])),
        "returns_nothing" => Outcome::Done(Success {
            content: None,
            value: None,
            is_error: false,
            meta: None,
        }),
        "returns_null" => value(Value::Null),
        "returns_number" => value(42.into()),
        // Written by hand: the order of the keys is the author's.
        "returns_object" => raw_value(r#"{"b":1,"a":[2]}"#.into()),
        "returns_string" => value("plain text".into()),
        "slow" => {
            std::thread::sleep(Duration::from_millis(
                given["ms"].as_u64().unwrap_or_default(),
            ));
            value("done".into())
        }
        "two_text_blocks" => blocks(vec![text("first"), text("second")]),
        _ => unknown_tool(&request),
    }
}

fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn progress() -> Outcome {
    for step in 1..=3 {
        host::progress(f64::from(step), Some(3.0), Some(&format!("step {step}")));
        host::log(
            types::LogLevel::Info,
            &json!({ "step": step }).to_string(),
            Some("plain"),
        );
    }
    value("finished".into())
}

fn all_content() -> Outcome {
    let media = |mime_type: &str| types::MediaContent {
        data: vec![1, 2, 3, 255],
        mime_type: mime_type.into(),
        annotations: None,
        meta: None,
    };
    let resource = |uri: &str, body| {
        types::Content::EmbeddedResource(types::EmbeddedResource {
            resource: types::ResourceContents {
                uri: uri.into(),
                mime_type: Some("text/plain".into()),
                body,
                meta: None,
            },
            annotations: None,
            meta: None,
        })
    };
    blocks(vec![
        types::Content::Text(types::TextContent {
            text: "some text".into(),
            annotations: Some(types::Annotations {
                audience: vec![types::Role::User],
                priority: Some(0.5),
                last_modified: Some("2026-01-02T03:04:05Z".into()),
            }),
            meta: None,
        }),
        types::Content::Image(media("image/png")),
        types::Content::Audio(media("audio/wav")),
        resource("test://text", types::ResourceBody::Text("inside".into())),
        resource("test://blob", types::ResourceBody::Blob(vec![0, 159])),
        types::Content::ResourceLink(types::ResourceLink {
            uri: "test://link".into(),
            name: "a link".into(),
            title: Some("A link".into()),
            description: None,
            mime_type: Some("text/plain".into()),
            size: Some(12),
            icons: Vec::new(),
            annotations: None,
            meta: None,
        }),
    ])
}

guest_support::provider!(list: Ok(list()), call: call);
