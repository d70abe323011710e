//! The HTTP contract in front of rmcp: what is malformed is told apart here, and
//! each request goes to the service that fits it.

use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::changes::{MAX_WATCHED, MAX_WATCHED_BYTES, Newsroom};
use super::events::{EVENT_STREAM, accepts, event, events, news, pieces, with_id};
use super::expiry::bounded;
use super::handler::McpServer;
use super::message::{Malformed, Message};
use super::refusal::Refusal;
use super::sealed_id::SealedIds;
use super::session::{EventId, Reading, Session};
use super::sessions::Sessions;
use super::{handshake, scopes};
use crate::invoke::{Full, Held, TenantAccount};
use crate::serve::App;
use crate::serve::body::{self, BodyError, MAX_BODY, Received};
use crate::serve::json_weight::ReadAs;
use crate::serve::requester::Requester;
use crate::supervise::Supervisor;

const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

const LAST_EVENT_ID: &str = "last-event-id";

const JSON: &str = "application/json";
/// What clients accept of a POST.
const BOTH: &str = "application/json, text/event-stream";

tokio::task_local! {
    /// Who sent the request that rmcp is handling: it makes servers without telling for whom.
    static REQUESTER: Requester;
}

fn requester() -> io::Result<Requester> {
    REQUESTER
        .try_with(Requester::clone)
        .map_err(io::Error::other)
}

/// The MCP endpoint.
#[derive(Clone)]
pub struct Mcp {
    app: App,
    sessions: Arc<Sessions>,
    _expiry: Arc<AbortOnDropHandle<()>>,
    /// Modern requests, and legacy ones outside a session: gateways strip the session's header, and simple clients
    /// never make one.
    requests: StreamableHttpService<McpServer, NeverSessionManager>,
}

impl Mcp {
    /// An endpoint whose streams end with `end`.
    pub fn new(app: &App, end: CancellationToken) -> Self {
        let sessions = Arc::new(Sessions::new(
            Newsroom::of(&app.invoker),
            SealedIds::new(app.invoker.key().codec()),
            app.tenants.count(),
            end.clone(),
        ));
        let expiry = Supervisor::get().keep("session expiry", {
            let sessions = Arc::clone(&sessions);
            move || Arc::clone(&sessions).expire()
        });
        // Host and Origin are checked for all endpoints in `serve::guard`.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            // One frame an answer, as the contract has it: no priming events.
            .with_sse_retry(None)
            .with_max_request_body_bytes(MAX_BODY)
            .with_cancellation_token(end);
        let request_app = app.clone();
        Self {
            app: app.clone(),
            sessions,
            _expiry: Arc::new(expiry),
            requests: StreamableHttpService::new(
                move || Ok(McpServer::for_request(request_app.clone(), requester()?)),
                Arc::new(NeverSessionManager::default()),
                config,
            ),
        }
    }

    async fn post(
        &self,
        asks: &Requester,
        account: &TenantAccount,
        mut parts: http::request::Parts,
        Received { bytes: body, held }: &Received,
    ) -> Response {
        if !is_json(&parts.headers) {
            return Refusal::content_type().into_response();
        }
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(malformed) => return Refusal::from(malformed).into_response(),
        };
        let refused = |refusal: Refusal| refusal.to(message.id()).into_response();
        if let Err(refusal) = version(&parts.headers, message.names_a_version()) {
            return refused(refusal);
        }
        let watches = message.watches();
        let bytes: usize = watches.iter().map(|uri| uri.len()).sum();
        if watches.len() > MAX_WATCHED || bytes > MAX_WATCHED_BYTES {
            let text = format!(
                "Invalid params: a stream tells of at most {MAX_WATCHED} resources, whose URIs have {} KiB",
                MAX_WATCHED_BYTES >> 10
            );
            return refused(Malformed::new(ErrorCode::INVALID_PARAMS, text).into());
        }
        if let Some(forbidden) = scopes::forbidden(&self.app, asks, &parts.headers, &message).await
        {
            return forbidden;
        }
        let is_modern = is_modern(&message, &parts.headers);
        let session = session_id(&parts.headers).filter(|_| !is_modern);
        let session = session.map(str::to_owned);
        // A bare call is served whatever it accepts; nothing else is.
        if session.is_none()
            && !is_modern
            && matches!(message.method(), Some("tools/call" | "tools/list"))
        {
            parts
                .headers
                .insert(header::ACCEPT, HeaderValue::from_static(BOTH));
        } else if !accepts(&parts.headers, JSON) || !accepts(&parts.headers, EVENT_STREAM) {
            return refused(Refusal::not_acceptable(BOTH));
        }
        let list = match listed(account, message.method()).await {
            Ok(list) => list,
            Err(full) => {
                let full = BodyError::from(full);
                return full.retry_later(refused(Refusal::body(full)));
            }
        };
        let answer = match (session, message.method()) {
            (None, Some("initialize")) if is_modern => refused(Refusal::no_handshake()),
            (None, Some("initialize")) => self.initialize(asks, &parts.headers, &message, body),
            (None, _) => {
                let request = Request::from_parts(parts, Body::from(body.clone()));
                let answer = if list.is_some() {
                    // It can be long to write.
                    let requests = self.requests.clone();
                    let answer = async move { requests.handle(request).await };
                    let answer = REQUESTER.scope(asks.clone(), answer);
                    account.lane().run_apart(answer).await
                } else {
                    self.requests.handle(request).await
                };
                finish(answer, body)
            }
            (Some(id), _) => match self.sessions.get(&id, asks) {
                None => refused(Refusal::session_not_found()),
                Some(session) => {
                    let held = Arc::clone(held);
                    self.in_session(session, asks, account, parts, body, held)
                        .await
                }
            },
        };
        with_list(answer, list)
    }

    fn initialize(
        &self,
        asks: &Requester,
        headers: &HeaderMap,
        message: &Message<'_>,
        body: &[u8],
    ) -> Response {
        let refused = |refusal: Refusal| refusal.to(message.id()).into_response();
        let client = match handshake::read(message, body) {
            Ok(client) => client,
            Err(refusal) => return refused(refusal),
        };
        for (name, expected) in [
            (PROTOCOL_VERSION, client.protocol_version.as_str()),
            ("mcp-method", "initialize"),
        ] {
            if headers.get_all(name).iter().any(|value| value != expected) {
                return refused(Refusal::mismatch(name, expected));
            }
        }
        let server = McpServer::for_request(self.app.clone(), asks.clone());
        let (result, kept) = match handshake::agree(&server, client) {
            Ok(agreed) => agreed,
            Err(refusal) => return refused(refusal),
        };
        let Some((id, _)) = self.sessions.create(kept, asks) else {
            return refused(Refusal::too_many_sessions());
        };
        let answer = json!({"jsonrpc": "2.0", "id": message.id(), "result": result});
        ([(SESSION_ID, &*id)], axum::Json(answer)).into_response()
    }

    async fn in_session(
        &self,
        session: Arc<Session>,
        asks: &Requester,
        account: &TenantAccount,
        parts: http::request::Parts,
        body: &Bytes,
        held: Arc<Held>,
    ) -> Response {
        let Ok(message) = serde_json::from_slice(body) else {
            return Refusal::from(Malformed::unreadable(body)).into_response();
        };
        match session.receive(&self.app, asks, account, parts, message, held) {
            Some(reading) => answer(reading).await,
            None => StatusCode::ACCEPTED.into_response(),
        }
    }

    fn delete(&self, asks: &Requester, headers: &HeaderMap) -> Response {
        if let Err(refusal) = version(headers, false) {
            return refusal.into_response();
        }
        if is_of_modern_version(headers) {
            return not_allowed("POST");
        }
        match session_id(headers) {
            None => Refusal::session_missing().into_response(),
            Some(id) if self.sessions.end(id, asks) => StatusCode::OK.into_response(),
            Some(_) => Refusal::session_not_found().into_response(),
        }
    }

    /// The stream for news of a session, or the rest of one that was lost.
    fn get(&self, asks: &Requester, headers: &HeaderMap) -> Response {
        if !accepts(headers, EVENT_STREAM) {
            return Refusal::not_acceptable(EVENT_STREAM).into_response();
        }
        if let Err(refusal) = version(headers, false) {
            return refusal.into_response();
        }
        if is_of_modern_version(headers) {
            return not_allowed("POST");
        }
        let Some(id) = session_id(headers) else {
            return Refusal::session_missing().into_response();
        };
        let Some(session) = self.sessions.get(id, asks) else {
            return Refusal::session_not_found().into_response();
        };
        let last = headers.get(LAST_EVENT_ID);
        let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
        let stream = match last {
            Some(EventId::Exchange(number, piece)) => match session.resume(number, piece) {
                Some(reading) => events(pieces(reading).map(with_id)),
                // It was read to its end. An error would make clients ask again, for ever.
                None => events(stream::empty()),
            },
            Some(EventId::News(number)) => events(news(session, Some(number)).map(with_id)),
            None => events(news(session, None).map(with_id)),
        };
        bounded(stream, &asks.caller)
    }
}

/// What a request of a session is answered: where all that is said is the answer, that, else a stream.
async fn answer(mut reading: Reading) -> Response {
    match reading.next().await {
        None => events(stream::empty()),
        Some((_, first)) if first.last => {
            let kind = HeaderValue::from_static(JSON);
            ([(header::CONTENT_TYPE, kind)], first.text).into_response()
        }
        Some((id, first)) => {
            let first = stream::iter([(id, event(&first.text))]);
            events(first.chain(pieces(reading)).map(with_id))
        }
    }
}

/// Where a list is asked for: its turn to be written.
pub(super) async fn listed(
    account: &TenantAccount,
    method: Option<&str>,
) -> Result<Option<OwnedSemaphorePermit>, Full> {
    match method {
        Some(method) if method.ends_with("/list") => account.list().await.map(Some),
        _ => Ok(None),
    }
}

/// The answer; the next list is written once it is counted.
fn with_list(mut answer: Response, list: Option<OwnedSemaphorePermit>) -> Response {
    if let Some(list) = list {
        answer.extensions_mut().insert(Arc::new(list));
    }
    answer
}

/// `/mcp` and `/mcp/`, all methods.
pub async fn endpoint(
    State(mcp): State<Mcp>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => match body::read(body, &account, ReadAs::Message).await {
            Ok(received) => {
                let (reads, of) = (received.clone(), Arc::clone(&account));
                let answer = REQUESTER.scope(asks.clone(), async move {
                    mcp.post(&asks, &of, parts, &reads).await
                });
                let answer = received.with(&account, answer).await;
                received.until_answered(answer)
            }
            Err(error) => error.retry_later(Refusal::body(error).into_response()),
        },
        Method::GET => mcp.get(&asks, &parts.headers),
        Method::DELETE => mcp.delete(&asks, &parts.headers),
        _ => not_allowed("GET, POST, DELETE"),
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)]).into_response()
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
    let mut ids = headers.get_all(SESSION_ID).iter();
    let id = ids.next()?;
    // What is no text, or several, is no session's id either.
    let is_one = ids.all(|other| other == id);
    Some(id.to_str().ok().filter(|_| is_one).unwrap_or_default())
}

/// Whether the version of the header is there once, and one that there is. A message that names its version itself is
/// told of an unknown one by rmcp, which lists the others.
fn version(headers: &HeaderMap, is_named_in_body: bool) -> Result<(), Refusal> {
    let mut versions = headers.get_all(PROTOCOL_VERSION).iter();
    let Some(version) = versions.next() else {
        return Ok(());
    };
    if versions.next().is_some() {
        return Err(Refusal::doubled_version());
    }
    let mut known = ProtocolVersion::KNOWN_VERSIONS.iter();
    if is_named_in_body || known.any(|known| version == known.as_str()) {
        return Ok(());
    }
    Err(Refusal::unknown_version())
}

fn is_of_modern_version(headers: &HeaderMap) -> bool {
    let version = headers.get(PROTOCOL_VERSION);
    version.is_some_and(|version| *version >= *ProtocolVersion::V_2026_07_28.as_str())
}

/// Whether a message is of a revision without handshake, by its own word or its header's.
fn is_modern(message: &Message<'_>, headers: &HeaderMap) -> bool {
    match message.method() {
        Some("initialize") => message.names_a_version(),
        Some("server/discover") => true,
        _ => is_of_modern_version(headers) || message.names_a_version(),
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
