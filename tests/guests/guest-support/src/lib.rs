//! What every test guest needs: the bindings of `sandglass:tool`, and short ways to describe a tool and to answer a call.

/// The bindings of world `provider`, generated from the contract itself.
pub mod bindings {
    wit_bindgen::generate!({
        world: "provider",
        path: "../../../wit",
        pub_export_macro: true,
        default_bindings_module: "guest_support::bindings",
    });
}

pub use bindings::exports::sandglass::tool::tools::{
    CallError, CallRequest, Guest, Outcome, Success, Tool, ToolAnnotations,
};
pub use bindings::sandglass::tool::{host, types};
pub use serde_json::{Value, json};

/// Arguments of any kind: an object.
pub const ANY_ARGUMENTS: &str = r#"{"type":"object"}"#;
/// No arguments at all.
pub const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// A tool with a name and the schema of its arguments, and nothing else.
pub fn tool(name: &str, input_schema: &str) -> Tool {
    Tool {
        name: name.into(),
        title: None,
        description: Some(format!("Test tool {name}")),
        input_schema: input_schema.into(),
        output_schema: None,
        annotations: None,
        task_support: None,
        icons: Vec::new(),
        meta: None,
    }
}

/// The same with a schema of its result.
pub fn tool_with_output(name: &str, input_schema: &str, output_schema: &str) -> Tool {
    Tool {
        output_schema: Some(output_schema.into()),
        ..tool(name, input_schema)
    }
}

/// The arguments of a call as a JSON object.
pub fn arguments(request: &CallRequest) -> Value {
    serde_json::from_str(&request.arguments).expect("the host sends a JSON object")
}

/// A success that consists of a value.
pub fn value(value: Value) -> Outcome {
    raw_value(value.to_string())
}

/// A success whose value is this text, whether or not it is JSON.
pub fn raw_value(value: String) -> Outcome {
    Outcome::Done(Success {
        content: None,
        value: Some(value),
        is_error: false,
        meta: None,
    })
}

/// A success that consists of blocks.
pub fn blocks(content: Vec<types::Content>) -> Outcome {
    Outcome::Done(Success {
        content: Some(content),
        value: None,
        is_error: false,
        meta: None,
    })
}

/// A text block.
pub fn text(text: impl Into<String>) -> types::Content {
    types::Content::Text(types::TextContent {
        text: text.into(),
        annotations: None,
        meta: None,
    })
}

/// The tool's own error.
pub fn failed(message: impl Into<String>) -> Outcome {
    Outcome::Failed(CallError::Failed(message.into()))
}

/// There is no such tool here.
pub fn unknown_tool(request: &CallRequest) -> Outcome {
    Outcome::Failed(CallError::UnknownTool(request.name.clone()))
}

/// Exports a provider made of a list of tools and a function that answers calls.
#[macro_export]
macro_rules! provider {
    (list: $list:expr, call: $call:path) => {
        struct Component;

        impl $crate::Guest for Component {
            fn list_tools() -> Result<Vec<$crate::Tool>, String> {
                $list
            }

            fn call_tool(request: $crate::CallRequest) -> $crate::Outcome {
                $call(request)
            }
        }

        $crate::bindings::export!(Component with_types_in $crate::bindings);
    };
}

/// Answers every call with the tool's own name.
pub fn say_name(request: CallRequest) -> Outcome {
    value(Value::String(request.name))
}
