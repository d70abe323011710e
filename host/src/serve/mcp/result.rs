//! What a call gave, as MCP has it.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, CompleteResult, CompletionInfo, ContentBlock, GetPromptResult, MetaObject,
    PromptMessage, ReadResourceResult,
};
use serde_json::json;

use super::questions;
use crate::invoke::{InvokeError, ToolOutput};
use crate::sandbox::bindings::{CompletionResult, PromptResult, ResourceContents};
use crate::serve::describe::{block, blocks, contents, role};

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

/// The messages of a prompt.
pub fn prompt(prompt: PromptResult) -> GetPromptResult {
    let messages = prompt.messages.iter();
    let messages =
        messages.map(|message| PromptMessage::new(role(message.role), block(&message.content)));
    let mut result = GetPromptResult::new(messages.collect());
    result.description = prompt.description;
    result
}

/// What a resource holds.
pub fn resource(read: &[ResourceContents]) -> ReadResourceResult {
    ReadResourceResult::new(read.iter().map(contents).collect())
}

/// Suggestions.
pub fn completion(completed: CompletionResult) -> CompleteResult {
    let mut info = CompletionInfo::default();
    info.values = completed.values;
    info.total = completed
        .total
        .map(|total| total.try_into().unwrap_or(u32::MAX));
    info.has_more = Some(completed.has_more);
    CompleteResult::new(info)
}

/// An error where a result cannot say it.
pub fn error(error: &InvokeError) -> ErrorData {
    let text = error.to_string();
    match error {
        InvokeError::UnknownResource(uri) => {
            ErrorData::resource_not_found(text, Some(json!({"uri": uri})))
        }
        InvokeError::NotAskable { missing, .. } => {
            let required = questions::capabilities(*missing);
            let mut error = ErrorData::missing_required_client_capability(required);
            error.message = text.into();
            error
        }
        InvokeError::UnknownTool(_)
        | InvokeError::UnknownPrompt(_)
        | InvokeError::InvalidArguments(_)
        | InvokeError::State(_) => ErrorData::invalid_params(text, None),
        InvokeError::Forbidden { .. } => ErrorData::invalid_request(text, None),
        InvokeError::Failed(_)
        | InvokeError::Fault(_)
        | InvokeError::InvalidResult(_)
        | InvokeError::QueueFull { .. }
        | InvokeError::NoPlace { .. }
        | InvokeError::OverQuota { .. }
        | InvokeError::Internal => ErrorData::internal_error(text, None),
    }
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
