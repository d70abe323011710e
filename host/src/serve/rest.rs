//! The REST endpoints of the Python runtime: same paths, same bodies, same status codes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use sandglass_text::Line;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::App;
use super::body::{self, BodyError};
use super::describe::{argument_types, error_text, plain_value, rest_tool};
use super::drain::Draining;
use super::identity::MissingScope;
use super::json_weight::ReadAs;
use super::kept::{Kind, document};
use super::requester::Requester;
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
    let call = received
        .with(&account, async move { decode(&bytes) })
        .await?;
    run(&app, asks, &headers, call).await
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
    let call = CallTool {
        name,
        arguments: received.with(&account, decoding).await?,
        meta: None,
    };
    run(&app, asks, &headers, call).await
}

async fn run(
    app: &App,
    asks: Requester,
    headers: &HeaderMap,
    call: CallTool,
) -> Result<Response, RestError> {
    let call = Call {
        tenant: asks.tenant,
        caller: asks.caller,
        operation: call,
        observer: Arc::new(Silent),
        trace: TraceParent::of(headers),
    };
    let completed = app.drain.run(app.invoker.run(call)).await?;
    let output = completed.result?;
    if output.is_error {
        return Err(RestError::Tool(error_text(&output)));
    }
    Ok(Json(json!({"result": plain_value(output)})).into_response())
}

/// The call that a body is: a JSON object with `tool` and, or not, `arguments`.
pub fn decode(body: &[u8]) -> Result<CallTool, RestError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| RestError::InvalidJson)?;
    let Value::Object(mut body) = body else {
        return Err(RestError::NotAnObject);
    };
    let name = match body.remove("tool") {
        Some(Value::String(name)) if !name.is_empty() => name,
        _ => return Err(RestError::MissingTool),
    };
    let arguments = match body.remove("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => {
            return Err(RestError::Invoke(InvokeError::InvalidArguments(
                "`arguments` must be an object".to_owned(),
            )));
        }
    };
    Ok(CallTool {
        name,
        arguments,
        meta: None,
    })
}

/// The arguments that a body is: a JSON object; nothing is no arguments.
fn decode_arguments(body: &[u8]) -> Result<Map<String, Value>, RestError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body).map_err(|_| RestError::InvalidJson)? {
        Value::Object(arguments) => Ok(arguments),
        _ => Err(InvokeError::InvalidArguments("the body must be a JSON object".to_owned()).into()),
    }
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
            _ => None,
        };
        let status = match &self {
            Self::Body(error) => return error.into_response(),
            Self::InvalidJson | Self::NotAnObject | Self::MissingTool | Self::UnreadableName => {
                StatusCode::BAD_REQUEST
            }
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
        let mut response = (status, ErrorBody::new(text)).into_response();
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
            (
                r#"{"tool": "a", "arguments": [1]}"#,
                "Invalid arguments: `arguments` must be an object",
            ),
        ] {
            assert_eq!(
                refusal(body),
                (StatusCode::BAD_REQUEST, text.to_owned()),
                "{body}"
            );
        }
        assert_eq!(refusal("[]").0, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn arguments_are_optional() {
        assert!(decode(br#"{"tool": "a"}"#).is_ok());
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
                Ok(call) => assert!(call.name == tool && call.arguments.len() == arguments.len()),
                Err(refusal) => assert!(tool.is_empty(), "{refusal}"),
            }
        }
    }
}
