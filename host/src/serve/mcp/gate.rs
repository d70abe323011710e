//! The HTTP contract in front of rmcp: what is malformed is told apart here, and
//! each request goes to the service that fits it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::abandoned::watched;
use super::handler::McpServer;
use super::sessions::Sessions;
use crate::serve::App;
use crate::serve::router::MAX_BODY;

const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// In a request's extensions: cancelled when nobody waits for the call's answer any
/// more, since the session ended, or its client went and did not come back.
#[derive(Clone)]
pub struct CallEnd(pub CancellationToken);

/// The MCP endpoint.
#[derive(Clone)]
pub struct Mcp {
    /// Sessions, and modern requests, which need none.
    stateful: StreamableHttpService<McpServer, Sessions>,
    /// Legacy requests outside a session: gateways strip the session's header,
    /// and simple clients never make one.
    stateless: StreamableHttpService<McpServer, NeverSessionManager>,
    sessions: Arc<Sessions>,
}

impl Mcp {
    /// An endpoint whose streams end with `end`.
    pub fn new(app: &App, end: CancellationToken) -> Self {
        // Host and Origin are checked for all endpoints in `serve::guard`.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_json_response(true)
            .with_max_request_body_bytes(MAX_BODY)
            .with_cancellation_token(end);
        let sessions = Arc::new(Sessions::default());
        let (session_app, request_app) = (app.clone(), app.clone());
        Self {
            stateful: StreamableHttpService::new(
                move || Ok(McpServer::for_session(session_app.clone())),
                Arc::clone(&sessions),
                config.clone(),
            ),
            stateless: StreamableHttpService::new(
                move || Ok(McpServer::for_request(request_app.clone())),
                Arc::new(NeverSessionManager::default()),
                config.with_legacy_session_mode(false),
            ),
            sessions,
        }
    }

    async fn post(&self, mut parts: http::request::Parts, body: Bytes) -> Response {
        if !is_json(&parts.headers) {
            return Refusal::content_type().into_response();
        }
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(refusal) => return refusal.into_response(),
        };
        let session = session_id(&parts.headers).map(str::to_owned);
        if message.is_modern(&parts.headers) {
            return self.to_stateful(parts, body).await;
        }
        match session {
            Some(id) => {
                let Some(session) = self.sessions.get(&id) else {
                    return Refusal::session_not_found(message.id()).into_response();
                };
                let end = session.end.child_token();
                parts.extensions.insert(CallEnd(end.clone()));
                let response = self.to_stateful(parts, body).await;
                response.map(|body| watched(body, end, session.resumed))
            }
            None if message.method() == Some("initialize") => {
                if self.sessions.is_full() {
                    return Refusal::too_many_sessions(message.id()).into_response();
                }
                self.to_stateful(parts, body).await
            }
            None => {
                // A bare call is served whatever it accepts; nothing else is.
                if matches!(message.method(), Some("tools/call" | "tools/list")) {
                    parts.headers.insert(
                        header::ACCEPT,
                        HeaderValue::from_static("application/json, text/event-stream"),
                    );
                }
                let request = Request::from_parts(parts, Body::from(body.clone()));
                finish(self.stateless.handle(request).await, &body)
            }
        }
    }

    async fn to_stateful(&self, parts: http::request::Parts, body: Bytes) -> Response {
        let request = Request::from_parts(parts, Body::from(body.clone()));
        finish(self.stateful.handle(request).await, &body)
    }

    async fn delete(&self, parts: http::request::Parts) -> Response {
        match session_id(&parts.headers) {
            Some(id) if self.sessions.get(id).is_none() => {
                Refusal::session_not_found(Value::Null).into_response()
            }
            _ => {
                let mut response = self.to_stateful(parts, Bytes::new()).await;
                // Clients log any other status as a failure.
                if response.status() == StatusCode::ACCEPTED {
                    *response.status_mut() = StatusCode::OK;
                }
                response
            }
        }
    }

    async fn get(&self, parts: http::request::Parts) -> Response {
        match session_id(&parts.headers) {
            Some(id) => match self.sessions.get(id) {
                None => Refusal::session_not_found(Value::Null).into_response(),
                Some(session) => {
                    let resumes = parts.headers.contains_key("last-event-id");
                    let response = self.to_stateful(parts, Bytes::new()).await;
                    if resumes {
                        session.resumed.notify_waiters();
                    }
                    response
                }
            },
            None => self.to_stateful(parts, Bytes::new()).await,
        }
    }
}

/// `/mcp` and `/mcp/`, all methods.
pub async fn endpoint(State(mcp): State<Mcp>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => match axum::body::to_bytes(body, MAX_BODY).await {
            Ok(body) => mcp.post(parts, body).await,
            Err(_) => Refusal::too_large().into_response(),
        },
        Method::GET => mcp.get(parts).await,
        Method::DELETE => mcp.delete(parts).await,
        _ => {
            let allow = [(header::ALLOW, "GET, POST, DELETE")];
            (StatusCode::METHOD_NOT_ALLOWED, allow).into_response()
        }
    }
}

/// rmcp answers a message that it can't read with 415. The content type was right, so
/// it is the message that is wrong: no JSON (nested too deeply, say), or no message of MCP.
fn finish<B>(response: http::Response<B>, body: &[u8]) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return match serde_json::from_slice::<Value>(body) {
            Err(_) => Refusal::malformed().into_response(),
            Ok(_) => Refusal::invalid("not a message of this protocol").into_response(),
        };
    }
    response.map(Body::new)
}

/// `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_ID)?.to_str().ok()
}

/// As much of a JSON-RPC message as it takes to tell where it belongs.
#[derive(Deserialize)]
struct Message<'a> {
    jsonrpc: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Tells `"id": null` from no id.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Value>,
}

impl<'a> Message<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let message: Self = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                let batch = body.trim_ascii_start().starts_with(b"[");
                match (batch, serde_json::from_slice::<&RawValue>(body)) {
                    (_, Err(_)) => Refusal::malformed(),
                    (true, Ok(_)) => {
                        Refusal::invalid("batches are not served; send one message a request")
                    }
                    (false, Ok(_)) => Refusal::invalid("not a JSON-RPC 2.0 message"),
                }
            } else {
                Refusal::malformed()
            }
        })?;
        if message.jsonrpc != "2.0" {
            return Err(Refusal::invalid("`jsonrpc` must be \"2.0\""));
        }
        match message.id {
            None | Some(Value::String(_) | Value::Number(_)) => Ok(message),
            Some(_) => Err(Refusal::invalid("`id` must be a string or a number")),
        }
    }

    fn id(&self) -> Value {
        self.id.clone().unwrap_or_default()
    }

    fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether the message says of itself that it is of a revision without handshake.
    fn is_modern(&self, headers: &HeaderMap) -> bool {
        let header = headers
            .get(PROTOCOL_VERSION)
            .and_then(|value| value.to_str().ok());
        if self.method() == Some("initialize") {
            return false;
        }
        self.method() == Some("server/discover")
            || header.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
            || self
                .params
                .and_then(|params| serde_json::from_str::<Params>(params.get()).ok())
                .and_then(|params| params.meta?.protocol_version)
                .is_some()
    }
}

/// A JSON-RPC error that is answered before rmcp sees the request.
struct Refusal {
    status: StatusCode,
    code: i32,
    message: Cow<'static, str>,
    id: Value,
}

impl Refusal {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.0,
            message: message.into(),
            id: Value::Null,
        }
    }

    fn malformed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::PARSE_ERROR,
            "Parse error: the body is not JSON",
        )
    }

    fn invalid(reason: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::INVALID_REQUEST,
            format!("Invalid Request: {reason}"),
        )
    }

    fn content_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::INVALID_REQUEST,
            "Invalid Request: the Content-Type must be application/json",
        )
    }

    fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::INVALID_REQUEST,
            format!("Invalid Request: the body is larger than {MAX_BODY} bytes"),
        )
    }

    fn session_not_found(id: Value) -> Self {
        Self {
            id,
            ..Self::new(
                StatusCode::NOT_FOUND,
                ErrorCode(-32001),
                "Session not found",
            )
        }
    }

    fn too_many_sessions(id: Value) -> Self {
        Self {
            id,
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::INTERNAL_ERROR,
                "Too many sessions; close some with DELETE, or try again later",
            )
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({
            "jsonrpc": "2.0",
            "id": self.id,
            "error": {"code": self.code, "message": self.message},
        });
        (self.status, axum::Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> i32 {
        Message::parse(body.as_bytes()).err().unwrap().code
    }

    #[test]
    fn malformed_json_batches_and_null_ids_are_told_apart() {
        for body in ["", "{", "[1", "nonsense", "{\"jsonrpc\": \"2.0\",}"] {
            assert_eq!(refusal(body), -32700, "{body}");
        }
        for body in [
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "3",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        ] {
            assert_eq!(refusal(body), -32600, "{body}");
        }
    }

    #[test]
    fn a_message_is_modern_by_its_meta_its_header_or_its_method() {
        let modern = |body: &str, version: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(version) = version {
                headers.insert(PROTOCOL_VERSION, version.parse().unwrap());
            }
            let message = Message::parse(body.as_bytes()).ok().unwrap();
            message.is_modern(&headers)
        };
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let meta = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let discover = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#;
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        assert!(!modern(list, None));
        assert!(!modern(list, Some("2025-11-25")));
        assert!(modern(list, Some("2026-07-28")));
        assert!(modern(meta, None));
        assert!(modern(discover, None));
        assert!(!modern(initialize, Some("2026-07-28")));
    }
}
