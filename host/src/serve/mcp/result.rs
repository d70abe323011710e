//! What a call gave, as MCP's `CallToolResult`.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::json;

use crate::invoke::{InvokeError, ToolOutput};
use crate::serve::describe::blocks;

/// The result of a tool that ran. A value that is no object travels under `result`.
pub fn success(output: ToolOutput) -> CallToolResult {
    let content = blocks(&output);
    let mut result = if output.is_error {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    result.structured_content = match output.value {
        Some(value) if output.wrap => Some(json!({"result": value})),
        other => other,
    };
    result.meta = output.meta.map(MetaObject);
    result
}

/// Agents show a model only the text, so that is where the reason stands.
pub fn failure(error: &InvokeError) -> CallToolResult {
    text(error.to_string())
}

/// An error in words.
pub fn text(reason: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(reason)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, to_value};

    fn sent(value: Option<Value>, wrap: bool) -> Value {
        let mut sent = to_value(success(ToolOutput {
            value,
            wrap,
            ..ToolOutput::default()
        }))
        .unwrap();
        sent.as_object_mut().unwrap().remove("resultType");
        sent
    }

    #[test]
    fn values_are_encoded_as_the_contract_says() {
        let text = |text: &str| json!([{"type": "text", "text": text}]);
        for (value, wrap, content, structured) in [
            (json!("v"), true, text("v"), json!({"result": "v"})),
            (json!(5), true, text("5"), json!({"result": 5})),
            (json!({"a": 1}), false, text(r#"{"a":1}"#), json!({"a": 1})),
            (
                json!([1, 2]),
                true,
                text("[1,2]"),
                json!({"result": [1, 2]}),
            ),
            (Value::Null, true, text("null"), json!({"result": null})),
        ] {
            assert_eq!(
                sent(Some(value), wrap),
                json!({"content": content, "structuredContent": structured, "isError": false})
            );
        }
        assert_eq!(sent(None, false), json!({"content": [], "isError": false}));
    }
}
