//! The REST endpoints of the Python runtime: same paths, same bodies, same status codes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use sandglass_text::Line;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::App;
use super::body::{self, BodyError};
use super::describe::{argument_types, error_text, plain_value, rest_tool};
use super::drain::Draining;
use super::identity::MissingScope;
use super::json_weight::ReadAs;
use super::kept::{Kind, document};
use super::refused::{mark, reason_of_body, reason_of_drain};
use super::requester::Requester;
use crate::audit::Reason;
use crate::invoke::{Call, CallTool, InvokeError, TenantAccount, Visible};
use crate::sandbox::Silent;
use crate::telemetry::trace::TraceParent;

/// The body of every answer that is no success: `{"error": ".."}`.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    error: String,
}

impl ErrorBody {
    /// A body with this text.
    pub fn new(error: impl Into<String>) -> Json<Self> {
        Json(Self {
            error: error.into(),
        })
    }
}

/// `GET /mcp/tools`
pub async fn list(
    State(app): State<App>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
) -> Response {
    let write = |visible: &Visible<'_>| {
        let tools = visible.tools_after("").map(|tool| rest_tool(tool));
        json!({"tools": tools.collect::<Vec<_>>()})
    };
    document(&app, &asks, &account, Kind::Tools, write).await
}

/// `GET /mcp/list_tools`, the short form that the KAITO guide curls.
pub async fn list_short(
    State(app): State<App>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
) -> Response {
    let write = |visible: &Visible<'_>| {
        let tools = visible.tools_after("").map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description.as_deref().unwrap_or_default(),
                "arguments": argument_types(tool),
            })
        });
        json!({"tools": tools.collect::<Vec<_>>()})
    };
    document(&app, &asks, &account, Kind::ShortList, write).await
}

/// `POST /mcp/tools`. Any content type is read as JSON: plain `curl -d` sends a form's.
pub async fn call(
    State(app): State<App>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RestError> {
    let received = body::read(body, &account, ReadAs::Value).await?;
    let bytes = received.bytes.clone();
    let asked = received
        .with(&account, async move { decode(&bytes) })
        .await?;
    run(&app, asks, &headers, asked).await
}

/// The tool in a path.
#[derive(Debug, Deserialize)]
pub struct Named {
    name: String,
}

/// `POST /mcp/tools/{name}`, where the body is the arguments: what a client makes of [`openapi`](super::openapi).
pub async fn call_named(
    State(app): State<App>,
    Extension(asks): Extension<Requester>,
    named: Result<Path<Named>, PathRejection>,
    Extension(account): Extension<Arc<TenantAccount>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RestError> {
    let Path(Named { name }) = named.map_err(|_| RestError::UnreadableName)?;
    let received = body::read(body, &account, ReadAs::Value).await?;
    let bytes = received.bytes.clone();
    let decoding = async move { decode_arguments(&bytes) };
    let arguments = received.with(&account, decoding).await?;
    run(&app, asks, &headers, Asked { name, arguments }).await
}

async fn run(
    app: &App,
    asks: Requester,
    headers: &HeaderMap,
    asked: Asked,
) -> Result<Response, RestError> {
    let (arguments, problem) = match asked.arguments {
        Ok(arguments) => (arguments, None),
        Err(problem) => (Map::new(), Some(problem)),
    };
    let call = Call {
        tenant: asks.tenant,
        caller: asks.caller,
        operation: CallTool {
            name: asked.name,
            arguments,
            meta: None,
        },
        observer: Arc::new(Silent),
        trace: TraceParent::of(headers),
    };
    let called = async {
        match problem {
            None => app.invoker.run(call).await,
            Some(problem) => app.invoker.refuse(call, problem.to_owned()),
        }
    };
    let completed = app.drain.run(called).await?;
    let output = completed.result?;
    if output.is_error {
        return Err(RestError::Tool(error_text(&output)));
    }
    Ok(Json(json!({"result": plain_value(output)})).into_response())
}

/// What a request asks for.
#[derive(Debug)]
pub struct Asked {
    /// The tool's name.
    pub name: String,
    /// The arguments; where they are none, what is wrong with them: whoever may not call the tool is told that first.
    pub arguments: Arguments,
}

/// Arguments, or what is wrong with them.
pub type Arguments = Result<Map<String, Value>, &'static str>;

/// The call that a body is: a JSON object with `tool` and, or not, `arguments`, each once.
pub fn decode(body: &[u8]) -> Result<Asked, RestError> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default)]
        tool: Value,
        #[serde(default, deserialize_with = "present")]
        arguments: Option<Value>,
    }
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => RestError::NotAnObject,
            Err(_) => RestError::InvalidJson,
        });
    }
    let fields: Fields = serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => RestError::Doubled,
        false => RestError::InvalidJson,
    })?;
    let name = match fields.tool {
        Value::String(name) if !name.is_empty() => name,
        _ => return Err(RestError::MissingTool),
    };
    let arguments = match fields.arguments {
        None => Ok(Map::new()),
        Some(Value::Object(arguments)) => Ok(arguments),
        Some(_) => Err("`arguments` must be an object"),
    };
    Ok(Asked { name, arguments })
}

/// Tells `null` from what is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The arguments that a body is: a JSON object; nothing is no arguments.
fn decode_arguments(body: &[u8]) -> Result<Arguments, RestError> {
    if body.is_empty() {
        return Ok(Ok(Map::new()));
    }
    Ok(
        match serde_json::from_slice(body).map_err(|_| RestError::InvalidJson)? {
            Value::Object(arguments) => Ok(arguments),
            _ => Err("the body must be a JSON object"),
        },
    )
}

/// Why a REST call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// 400
    #[error("Invalid JSON")]
    InvalidJson,
    /// 400
    #[error("The body must be a JSON object: {{\"tool\": \"..\", \"arguments\": {{..}}}}")]
    NotAnObject,
    /// 400: which of the two counts could be read in two ways.
    #[error("`tool` or `arguments` is there twice: send each once")]
    Doubled,
    /// 413, or 400 where it broke off.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// 400
    #[error("Missing 'tool' field")]
    MissingTool,
    /// 400
    #[error("The tool's name in the path is not UTF-8")]
    UnreadableName,
    /// 500: the tool's own words.
    #[error("{0}")]
    Tool(String),
    /// By kind.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// 503
    #[error(transparent)]
    Draining(#[from] Draining),
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let retry_after = match &self {
            Self::Invoke(error) => error.retry_after(),
            Self::Body(error) => error.retry_after(),
            _ => None,
        };
        let status = match &self {
            Self::Body(error) => error.status(),
            Self::InvalidJson
            | Self::NotAnObject
            | Self::Doubled
            | Self::MissingTool
            | Self::UnreadableName => StatusCode::BAD_REQUEST,
            Self::Tool(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Draining(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Invoke(InvokeError::UnknownTool(_)) => StatusCode::NOT_FOUND,
            Self::Invoke(InvokeError::InvalidArguments(_)) => StatusCode::BAD_REQUEST,
            Self::Invoke(InvokeError::Forbidden { .. }) => StatusCode::FORBIDDEN,
            Self::Invoke(_) if retry_after.is_some() => StatusCode::TOO_MANY_REQUESTS,
            Self::Invoke(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = match &self {
            // The Python runtime's own words.
            Self::Invoke(InvokeError::UnknownTool(name)) => {
                format!("Tool '{}' not found", Line::name(name))
            }
            other => other.to_string(),
        };
        let reason = match &self {
            Self::Invoke(_) | Self::Tool(_) => None,
            Self::Draining(draining) => reason_of_drain(*draining),
            Self::Body(error) => Some(reason_of_body(*error)),
            _ => Some(Reason::Unreadable),
        };
        let mut response = mark((status, ErrorBody::new(text)).into_response(), reason);
        if let Self::Invoke(InvokeError::Forbidden { scope, .. }) = self {
            response.extensions_mut().insert(MissingScope(scope));
        }
        if let Some(wait) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> (StatusCode, String) {
        let error = decode(body.as_bytes()).err().unwrap();
        let text = error.to_string();
        (error.into_response().status(), text)
    }

    #[test]
    fn bodies_that_are_no_call_are_400_with_the_python_runtimes_words() {
        for (body, text) in [
            ("{", "Invalid JSON"),
            ("", "Invalid JSON"),
            ("{}", "Missing 'tool' field"),
            (r#"{"tool": ""}"#, "Missing 'tool' field"),
            (r#"{"tool": 3}"#, "Missing 'tool' field"),
            ("[1", "Invalid JSON"),
            (
                r#"{"tool": "a", "tool": "b"}"#,
                "`tool` or `arguments` is there twice: send each once",
            ),
            (
                r#"{"arguments": {}, "tool": "a", "arguments": null}"#,
                "`tool` or `arguments` is there twice: send each once",
            ),
            (
                r#"{"\u0074ool": "a", "tool": "a"}"#,
                "`tool` or `arguments` is there twice: send each once",
            ),
        ] {
            assert_eq!(
                refusal(body),
                (StatusCode::BAD_REQUEST, text.to_owned()),
                "{body}"
            );
        }
        for body in ["[]", r#"["a", {}]"#, "3", "null"] {
            assert_eq!(refusal(body).0, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn arguments_are_optional_and_what_is_none_is_a_call_still() {
        for (body, readable) in [
            (r#"{"tool": "a"}"#, true),
            (r#" {"tool": "a", "arguments": {}, "more": 1}"#, true),
            (r#"{"tool": "a", "arguments": null}"#, false),
            (r#"{"tool": "a", "arguments": [1]}"#, false),
        ] {
            let asked = decode(body.as_bytes()).unwrap();
            assert_eq!((&*asked.name, asked.arguments.is_ok()), ("a", readable));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_call_or_a_refusal(body: Vec<u8>) {
            _ = decode(&body);
        }

        #[test]
        fn any_object_is_a_call_of_its_tool_or_a_refusal(tool: String, arguments: std::collections::BTreeMap<String, f64>) {
            let body = json!({"tool": tool, "arguments": arguments}).to_string();
            match decode(body.as_bytes()) {
                Ok(asked) => assert!(asked.name == tool && asked.arguments.unwrap().len() == arguments.len()),
                Err(refusal) => assert!(tool.is_empty(), "{refusal}"),
            }
        }
    }
}
