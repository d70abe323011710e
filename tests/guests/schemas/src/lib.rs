//! A provider whose schemas are within their bounds, and whose checks are as expensive as can be; and whose forms are not
//! within them.

use guest_support::bindings::exports::sandglass::tool::tools::InputRequest;
use guest_support::{
    ANY_ARGUMENTS, CallRequest, Outcome, Tool, Value, arguments, host, json, tool, types,
    unknown_tool, value,
};

/// Two ways to each level from the one above.
const LEVELS: usize = 40;

fn definitions() -> Value {
    (0..LEVELS)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
            (n.to_string(), json!({"allOf": [next, next]}))
        })
        .chain([(LEVELS.to_string(), json!({"type": "string"}))])
        .collect()
}

fn list() -> Vec<Tool> {
    // A walk over the text for each.
    let lengths: Vec<Value> = (0..5_000).map(|n| json!({"minLength": n})).collect();
    let patterns: Vec<Value> = (0..60)
        .map(|n| json!({"pattern": format!("^(x|z{n})*$")}))
        .collect();
    let of = |schema: Value| json!({"type": "object", "properties": {"text": schema}}).to_string();
    vec![
        tool("lengths", &of(json!({"allOf": lengths}))),
        tool("patterns", &of(json!({"allOf": patterns}))),
        tool("looks", &of(json!({"pattern": "(?=(x*)y)\\1z"}))),
        tool("ask_bomb", ANY_ARGUMENTS),
        tool("return_bomb", ANY_ARGUMENTS),
    ]
}

/// A form that no client would be sent, in one of its ways.
fn form(kind: &str) -> types::Question {
    let schema = match kind {
        "references" => {
            json!({"type": "object", "properties": {}, "allOf": [{"$ref": "#/$defs/0"}], "$defs": definitions()})
        }
        "pattern" => {
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}})
        }
        "hidden" => {
            json!({"type": "object", "properties": {"a": {"type": "string", "title": "yes\u{202e}"}}})
        }
        "remote" => json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
        _ => json!({"type": "object", "properties": {}, "description": "x".repeat(1_000_000)}),
    };
    types::Question {
        key: "form".into(),
        ask: types::QuestionKind::ElicitForm(types::FormElicitation {
            message: "Fill in".into(),
            requested_schema: schema.to_string(),
        }),
    }
}

fn call(request: CallRequest) -> Outcome {
    let arguments = arguments(&request);
    let kind = arguments["kind"].as_str().unwrap_or_default();
    match request.name.as_str() {
        "ask_bomb" => value(match host::ask(&[form(kind)]) {
            Ok(_) => "answered".into(),
            Err(host::AskError::Failed(reason)) => reason.into(),
            Err(other) => format!("{other:?}").into(),
        }),
        "return_bomb" => Outcome::InputRequired(InputRequest {
            questions: vec![form(kind)],
            state: None,
        }),
        "lengths" | "patterns" | "looks" => guest_support::say_name(request),
        _ => unknown_tool(&request),
    }
}

guest_support::provider!(list: Ok(list()), call: call);
