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

use ::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::{
    config,
    contract::{CallError, CallRequest, Content, Outcome, ToolDescription},
    http,
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
///
/// ```
/// # use sandglass_sdk::{export, testing, tool};
/// /// Says hello.
/// #[tool]
/// fn hello() -> &'static str {
///     "hello"
/// }
///
/// export!(hello);
///
/// # fn main() {
/// assert_eq!(testing::list(TOOLS)[0].description.as_deref(), Some("Says hello."));
/// # }
/// ```
pub fn list(tools: &[Tool]) -> Vec<ToolDescription> {
    tool::list(tools)
}

/// Grants a value to the tools that this thread calls; see [`config`].
///
/// ```
/// use sandglass_sdk::{config, testing};
///
/// testing::set_config("UNITS", "metric");
/// assert_eq!(config::get("UNITS"), Ok("metric".to_owned()));
/// ```
pub fn set_config(name: impl Into<String>, value: impl Into<String>) {
    config::set(name.into(), value.into());
}

/// An answer to a request of a tool under test.
#[derive(Clone, Debug)]
pub struct HttpAnswer(::http::Response<Vec<u8>>);

impl HttpAnswer {
    /// An answer with this status and body.
    ///
    /// # Panics
    /// If there can't be such a status.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut response = ::http::Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status is 100 to 999");
        Self(response)
    }

    /// The same answer with a header.
    ///
    /// # Panics
    /// If there can't be such a header.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.0.headers_mut().append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        self
    }
}

/// Answers the requests of the tools that this thread calls; see [`http`].
///
/// ```
/// use sandglass_sdk::{http, testing};
///
/// testing::answer_http(|request| {
///     assert_eq!(request.uri().path(), "/v1/now");
///     testing::HttpAnswer::new(200, r#"{"celsius": 14}"#)
/// });
/// assert_eq!(http::get("https://api.weather.example/v1/now").send()?.bytes(), br#"{"celsius": 14}"#);
/// # Ok::<(), http::Error>(())
/// ```
pub fn answer_http(answer: impl Fn(&::http::Request<Vec<u8>>) -> HttpAnswer + 'static) {
    http::answer_with(move |request| answer(request).0);
}
