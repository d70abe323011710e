//! The HTTP contract in front of rmcp: what is malformed is told apart here, and
//! each request goes to the service that fits it.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::abandoned::watched;
use super::changes::MAX_WATCHED;
use super::expiry::bounded;
use super::handler::McpServer;
use super::message::{Asks, Malformed, Message};
use super::sealed_id::SealedIds;
use super::sessions::{HANDSHAKE, REQUESTER, Session, Sessions, requester};
use crate::invoke::{Call, Caller, InvokeError, Invoker, Operation};
use crate::sandbox::Silent;
use crate::serve::App;
use crate::serve::body::{self, BodyError, MAX_BODY};
use crate::serve::identity::MissingScope;
use crate::serve::requester::Requester;
use crate::telemetry::trace::TraceParent;

const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// Bytes of an `initialize`: what it says is kept as long as its session.
const MAX_HANDSHAKE: usize = 64 << 10;

/// A message that changes nothing.
const PING: &str = r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;

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
    invoker: Invoker,
}

impl Mcp {
    /// An endpoint whose streams end with `end`.
    pub fn new(app: &App, end: CancellationToken) -> Self {
        // Host and Origin are checked for all endpoints in `serve::guard`.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_json_response(true)
            // One frame an answer, as the contract has it: no priming events.
            .with_sse_retry(None)
            .with_max_request_body_bytes(MAX_BODY)
            .with_cancellation_token(end);
        let ids = SealedIds::new(app.invoker.key().codec());
        let sessions = Arc::new(Sessions::new(app.tenants.count(), ids.clone()));
        let mut with_sessions = config.clone();
        with_sessions.session_store = Some(Arc::new(ids));
        let (session_app, request_app) = (app.clone(), app.clone());
        Self {
            stateful: StreamableHttpService::new(
                move || Ok(McpServer::for_session(session_app.clone(), requester()?)),
                Arc::clone(&sessions),
                with_sessions,
            ),
            stateless: StreamableHttpService::new(
                move || Ok(McpServer::for_request(request_app.clone(), requester()?)),
                Arc::new(NeverSessionManager::default()),
                config.with_legacy_session_mode(false),
            ),
            sessions,
            invoker: app.invoker.clone(),
        }
    }

    async fn post(
        &self,
        asks: &Requester,
        mut parts: http::request::Parts,
        body: Bytes,
    ) -> Response {
        if !is_json(&parts.headers) {
            return Refusal::content_type().into_response();
        }
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(malformed) => return Refusal::from(malformed).into_response(),
        };
        let versions = parts.headers.get_all(PROTOCOL_VERSION);
        if versions.iter().count() > 1 {
            return Refusal::doubled_version().to(message.id()).into_response();
        }
        if message.watches() > MAX_WATCHED {
            let refusal = Refusal::from(Malformed::new(
                ErrorCode::INVALID_PARAMS,
                format!("Invalid params: a stream tells of at most {MAX_WATCHED} resources"),
            ));
            return refusal.to(message.id()).into_response();
        }
        if let Some(forbidden) = self.forbidden(asks, &parts.headers, &message).await {
            return forbidden;
        }
        if is_modern(&message, &parts.headers) {
            if message.method() == Some("initialize") {
                return Refusal::no_handshake().to(message.id()).into_response();
            }
            return self.to_stateful(parts, body).await;
        }
        let session = session_id(&parts.headers).map(str::to_owned);
        match session {
            Some(id) => {
                let Some(session) = self.session(&id, asks, &parts).await else {
                    return Refusal::session_not_found()
                        .to(message.id())
                        .into_response();
                };
                let end = session.end.child_token();
                parts.extensions.insert(CallEnd(end.clone()));
                let response = self.to_stateful(parts, body).await;
                response.map(|body| watched(body, end, session.resumed))
            }
            None if message.method() == Some("initialize") => {
                if body.len() > MAX_HANDSHAKE {
                    return Refusal::large_handshake().to(message.id()).into_response();
                }
                let params = match message.check_initialize() {
                    Ok(params) => params,
                    Err(malformed) => return Refusal::from(malformed).into_response(),
                };
                if !self.sessions.make_room(&asks.tenant).await {
                    return Refusal::too_many_sessions()
                        .to(message.id())
                        .into_response();
                }
                HANDSHAKE.scope(params, self.to_stateful(parts, body)).await
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

    /// What the caller's scopes do not cover is refused as OAuth has it, with HTTP 403 (MCP, "Authorization:
    /// Scope Challenge Handling"): once rmcp has it, it would be 200.
    async fn forbidden(
        &self,
        asks: &Requester,
        headers: &HeaderMap,
        message: &Message<'_>,
    ) -> Option<Response> {
        let Caller::Known(_) = asks.caller else {
            return None;
        };
        let visible = self.invoker.visible(&asks.tenant, &asks.caller);
        let error = match message.asks()? {
            Asks::Tool(call) => {
                let found = visible.tool(&call.name).map(drop);
                self.refused(found, call, asks, headers).await
            }
            Asks::Prompt(get) => {
                let found = visible.prompt(&get.name).map(drop);
                self.refused(found, get, asks, headers).await
            }
            Asks::Resource(read) => {
                let found = visible.reader(&read.uri).map(drop);
                self.refused(found, read, asks, headers).await
            }
        }?;
        let malformed = Malformed::new(ErrorCode::INVALID_REQUEST, error.to_string());
        let refusal = Refusal::new(StatusCode::FORBIDDEN, malformed.to(message.id()));
        let mut response = refusal.into_response();
        if let InvokeError::Forbidden { scope, .. } = error {
            response.extensions_mut().insert(MissingScope(scope));
        }
        Some(response)
    }

    /// Why the caller may not do this; asked for as anything else, so that it is written down.
    async fn refused<O: Operation>(
        &self,
        found: Result<(), InvokeError>,
        operation: O,
        asks: &Requester,
        headers: &HeaderMap,
    ) -> Option<InvokeError> {
        let Err(InvokeError::Forbidden { .. }) = found else {
            return None;
        };
        let completed = self.invoker.run(Call {
            tenant: asks.tenant.clone(),
            caller: asks.caller.clone(),
            operation,
            observer: Arc::new(Silent),
            trace: TraceParent::of(headers),
        });
        completed.await.result.err()
    }

    /// The session of this id, made again where this host has it no more or has never had it.
    async fn session(
        &self,
        id: &str,
        asks: &Requester,
        parts: &http::request::Parts,
    ) -> Option<Session> {
        if let Some(session) = self.sessions.get(id, asks) {
            return Some(session);
        }
        if !self.sessions.can_restore(id, asks) || !self.sessions.make_room(&asks.tenant).await {
            return None;
        }
        // rmcp makes it with the first message that it has for it.
        let mut first = Request::new(Body::from(PING));
        *first.method_mut() = Method::POST;
        *first.uri_mut() = parts.uri.clone();
        *first.headers_mut() = parts.headers.clone();
        let headers = first.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.remove("last-event-id");
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        _ = self.stateful.handle(first).await;
        self.sessions.get(id, asks)
    }

    async fn to_stateful(&self, parts: http::request::Parts, body: Bytes) -> Response {
        let request = Request::from_parts(parts, Body::from(body.clone()));
        finish(self.stateful.handle(request).await, &body)
    }

    async fn delete(&self, asks: &Requester, parts: http::request::Parts) -> Response {
        match session_id(&parts.headers) {
            Some(id) if self.sessions.get(id, asks).is_none() => {
                if !self.sessions.can_restore(id, asks) {
                    return Refusal::session_not_found().into_response();
                }
                self.sessions.end(id);
                StatusCode::OK.into_response()
            }
            id => {
                if let Some(id) = id {
                    self.sessions.end(id);
                }
                let mut response = self.to_stateful(parts, Bytes::new()).await;
                // Clients log any other status as a failure.
                if response.status() == StatusCode::ACCEPTED {
                    *response.status_mut() = StatusCode::OK;
                }
                response
            }
        }
    }

    async fn get(&self, asks: &Requester, parts: http::request::Parts) -> Response {
        match session_id(&parts.headers) {
            Some(id) => match self.session(id, asks, &parts).await {
                None => Refusal::session_not_found().into_response(),
                Some(session) => {
                    let resumes = parts.headers.contains_key("last-event-id");
                    let response = self.to_stateful(parts, Bytes::new()).await;
                    if resumes {
                        session.resumed.notify_waiters();
                    }
                    bounded(response, &asks.caller)
                }
            },
            None => self.to_stateful(parts, Bytes::new()).await,
        }
    }
}

/// `/mcp` and `/mcp/`, all methods.
pub async fn endpoint(
    State(mcp): State<Mcp>,
    Extension(asks): Extension<Requester>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => match body::read(body).await {
            Ok(body) => {
                let answer = mcp.post(&asks, parts, body);
                REQUESTER.scope(asks.clone(), answer).await
            }
            Err(error) => Refusal::body(error).into_response(),
        },
        Method::GET => REQUESTER.scope(asks.clone(), mcp.get(&asks, parts)).await,
        Method::DELETE => mcp.delete(&asks, parts).await,
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
        return Refusal::from(Malformed::unreadable(body)).into_response();
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

/// Whether a message is of a revision without handshake, by its own word or its header's.
fn is_modern(message: &Message<'_>, headers: &HeaderMap) -> bool {
    let version = headers
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok());
    match message.method() {
        Some("initialize") => message.names_a_version(),
        Some("server/discover") => true,
        _ => {
            version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
                || message.names_a_version()
        }
    }
}

/// An answer that is given before rmcp sees the request.
struct Refusal {
    status: StatusCode,
    malformed: Malformed,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            malformed,
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, malformed: Malformed) -> Self {
        Self { status, malformed }
    }

    fn content_type() -> Self {
        let malformed = Malformed::request("the Content-Type must be application/json");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, malformed)
    }

    fn doubled_version() -> Self {
        Malformed::new(
            ErrorCode::HEADER_MISMATCH,
            "Header mismatch: MCP-Protocol-Version is there more than once",
        )
        .into()
    }

    fn body(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge => ErrorCode::INVALID_REQUEST,
            BodyError::Broken => ErrorCode::PARSE_ERROR,
        };
        Self::new(error.status(), Malformed::new(code, error.to_string()))
    }

    /// There is no `initialize` in revisions without handshake.
    fn no_handshake() -> Self {
        let malformed = Malformed::new(ErrorCode::METHOD_NOT_FOUND, "Method not found: initialize");
        Self::new(StatusCode::NOT_FOUND, malformed)
    }

    fn large_handshake() -> Self {
        let text = format!(
            "Invalid Request: `initialize` is larger than {} KiB",
            MAX_HANDSHAKE >> 10
        );
        let malformed = Malformed::new(ErrorCode::INVALID_REQUEST, text);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, malformed)
    }

    fn session_not_found() -> Self {
        let malformed = Malformed::new(ErrorCode(-32001), "Session not found");
        Self::new(StatusCode::NOT_FOUND, malformed)
    }

    fn too_many_sessions() -> Self {
        let malformed = Malformed::new(
            ErrorCode::INTERNAL_ERROR,
            "Too many sessions with calls in flight; try again later",
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, malformed)
    }

    fn to(self, id: Value) -> Self {
        Self {
            malformed: self.malformed.to(id),
            ..self
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.malformed.answer())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_modern_by_its_meta_its_header_or_its_method() {
        let modern = |body: &str, version: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(version) = version {
                headers.insert(PROTOCOL_VERSION, version.parse().unwrap());
            }
            is_modern(&Message::parse(body.as_bytes()).ok().unwrap(), &headers)
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
