//! Calls tools as a host does, natively: for `cargo test` in an author's crate.
//!
//! ```
//! use sandglass_sdk::{export, serde_json::json, testing, tool};
//!
//! /// Adds two numbers.
//! #[tool]
//! fn add(a: i64, b: i64) -> i64 {
//!     a + b
//! }
//!
//! export!(add);
//!
//! # fn main() {
//! let reply = testing::call(TOOLS, "add", json!({"a": 1, "b": 2})).unwrap();
//! assert_eq!(reply.value, Some(json!(3)));
//! # }
//! ```

use serde_json::Value;

use crate::{
    contract::{CallError, CallRequest, Content, Outcome, ToolDescription},
    tool::{self, Tool},
};

/// What a finished call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The value, if the tool gave one.
    pub value: Option<Value>,
    /// The blocks, if the tool made them itself.
    pub content: Option<Vec<Content>>,
    /// The tool says that what was asked failed.
    pub is_error: bool,
}

/// Calls a tool by its name with JSON, and reads the JSON that it answers.
///
/// # Errors
/// No tool has this name, the arguments don't fit, or the tool failed.
pub fn call(tools: &[Tool], name: &str, arguments: Value) -> Result<Reply, CallError> {
    let request = CallRequest {
        name: name.to_owned(),
        arguments: arguments.to_string(),
        meta: None,
        continuation: None,
    };
    match tool::call(tools, &request) {
        Outcome::Done(success) => Ok(Reply {
            value: success.value.map(|value| {
                value
                    .parse()
                    .expect("the SDK writes values with serde_json")
            }),
            content: success.content,
            is_error: success.is_error,
        }),
        Outcome::Failed(error) => Err(error),
        Outcome::InputRequired(_) => Err(CallError::Failed(
            "the tool asks for input, and there is nobody in a native test".to_owned(),
        )),
    }
}

/// The descriptions of all tools, as `list-tools` gives them to a host.
pub fn list(tools: &[Tool]) -> Vec<ToolDescription> {
    tool::list(tools)
}
