//! HTTP+SSE, the transport of revision 2024-11-05: a stream of events at `/sse`, whose first one names the address to which
//! messages go. For old clients; off unless it is asked for.
//!
//! A stream is a [`Session`] that ends with it: its requests are exchanges as those of `/mcp`, and what they say goes into
//! the one stream. What nobody reads is bounded.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::channel::mpsc;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ConstString, JsonRpcMessage, PingRequestMethod,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::changes::Newsroom;
use super::events::{EVENT_STREAM, accepts, event, events, news, pieces};
use super::expiry::bounded;
use super::gate::listed;
use super::handler::McpServer;
use super::message::{Malformed, Message};
use super::refusal::Refusal;
use super::sealed_id::unguessable;
use super::session::{Places, Session};
use super::{handshake, scopes};
use crate::audit::Reason;
use crate::invoke::{TenantAccount, TenantId};
use crate::serve::App;
use crate::serve::body::{self, Received};
use crate::serve::json_weight::ReadAs;
use crate::serve::refused::{mark, reason_of};
use crate::serve::requester::Requester;
use crate::serve::rest::ErrorBody;

/// Streams of one tenant at once.
const MAX_STREAMS: usize = 1_000;

/// Requests of one stream whose answers its client has not read.
const MAX_UNREAD: usize = 64;

/// Bytes of a stream that its client has not read: over them no request is taken.
const MAX_UNREAD_BYTES: usize = 4 << 20;

/// Where gateways say which part of the path they have taken away.
const FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// The open streams.
#[derive(Clone)]
pub struct LegacySse {
    app: App,
    end: CancellationToken,
    streams: Arc<Mutex<HashMap<String, Arc<Client>>>>,
}

/// Who is at the other end of a stream.
struct Client {
    owner: Requester,
    /// From `initialize` on.
    session: OnceLock<Arc<Session>>,
    /// Set by `notifications/initialized`: the client is told of changes, once.
    hears_news: OnceLock<()>,
    /// One for each request that is not answered, or whose answer is not read.
    places: Arc<Semaphore>,
    stream: mpsc::UnboundedSender<Said>,
    end: CancellationToken,
}

/// What goes into a stream, piece by piece. There is one for each place, and one for news.
type Said = BoxStream<'static, Event>;

/// What a message names its stream by.
#[derive(Deserialize)]
pub struct Which {
    #[serde(rename = "sessionId")]
    session: String,
}

/// Why a message is not taken.
enum Untaken {
    /// It is answered as on `/mcp`.
    Refused(Refusal),
    /// Its sender's scopes do not cover it.
    Forbidden(Box<Response>),
    /// There is no such stream for who asks, or it has ended.
    NoStream,
    /// Its client reads too little.
    Unread,
}

impl From<Refusal> for Untaken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Malformed> for Untaken {
    fn from(malformed: Malformed) -> Self {
        Self::Refused(malformed.into())
    }
}

impl IntoResponse for Untaken {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            Self::Forbidden(response) => *response,
            Self::NoStream => {
                let body = ErrorBody::new("Session not found");
                let response = (StatusCode::NOT_FOUND, body).into_response();
                mark(response, Reason::UnknownSession)
            }
            Self::Unread => {
                let text = "Too many answers wait in the stream of this session: read them first";
                refusal(StatusCode::TOO_MANY_REQUESTS, text)
            }
        }
    }
}

impl LegacySse {
    /// Streams that end with `end`.
    pub fn new(app: App, end: CancellationToken) -> Self {
        Self {
            app,
            end,
            streams: Arc::default(),
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<String, Arc<Client>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of this id, for whom it is.
    fn client(&self, id: &str, asks: &Requester) -> Result<Arc<Client>, Untaken> {
        let streams = self.streams();
        let client = streams.get(id);
        let client = client.filter(|client| client.owner.is_same(asks));
        client.cloned().ok_or(Untaken::NoStream)
    }

    fn of_tenant(&self, tenant: &TenantId) -> usize {
        let streams = self.streams();
        let clients = streams.values();
        clients
            .filter(|client| client.owner.tenant == *tenant)
            .count()
    }

    /// Takes a message of a stream's client.
    async fn take(
        &self,
        client: &Client,
        asks: &Requester,
        account: &TenantAccount,
        parts: http::request::Parts,
        Received { bytes: body, held }: Received,
    ) -> Result<(), Untaken> {
        let body = &body;
        let message = Message::parse(body)?;
        let refused = |refusal: Refusal| Untaken::Refused(refusal.to(message.id()));
        if message.names_a_version() {
            let text = "a revision without handshake is served at /mcp, and not here";
            return Err(refused(Malformed::request(text).into()));
        }
        if let Some(forbidden) = scopes::forbidden(&self.app, asks, &parts.headers, &message).await
        {
            return Err(Untaken::Forbidden(forbidden.into()));
        }
        if message.method() == Some("initialize") {
            return self.initialize(client, asks, &message, body);
        }
        let read: ClientJsonRpcMessage =
            serde_json::from_slice(body).map_err(|_| Malformed::unreadable(body))?;
        let Some(session) = client.session.get() else {
            return match read {
                JsonRpcMessage::Request(_)
                    if message.method() == Some(PingRequestMethod::VALUE) =>
                {
                    client.answer(&json!({"jsonrpc": "2.0", "id": message.id(), "result": {}}))
                }
                JsonRpcMessage::Request(_) => {
                    let text = "the first request must be `initialize`";
                    Err(refused(Malformed::request(text).into()))
                }
                _ => {
                    tracing::debug!(method = message.method(), "ignored before `initialize`");
                    Ok(())
                }
            };
        };
        if let JsonRpcMessage::Notification(notification) = &read
            && let ClientNotification::InitializedNotification(_) = notification.notification
            && client.hears_news.set(()).is_ok()
        {
            let news = news(Arc::clone(session), None).map(|(_, event)| event);
            return client.say(news.boxed());
        }
        let place = match &read {
            JsonRpcMessage::Request(_) => Some(client.place()?),
            _ => None,
        };
        let list = listed(account, message.method()).await;
        let list = list.map_err(|full| refused(Refusal::body(full.into())))?;
        match session.receive(&self.app, asks, account, parts, read, held) {
            Some(reading) => {
                if list.is_some() {
                    // The next one is written once this one is counted.
                    reading.ready().await;
                }
                let said = pieces(reading).map(move |(_, event)| {
                    let _held = &place;
                    event
                });
                client.say(said.boxed())
            }
            None => Ok(()),
        }
    }

    fn initialize(
        &self,
        client: &Client,
        asks: &Requester,
        message: &Message<'_>,
        body: &[u8],
    ) -> Result<(), Untaken> {
        let refused = |refusal: Refusal| Untaken::Refused(refusal.to(message.id()));
        let server = McpServer::for_request(self.app.clone(), asks.clone());
        let (result, kept) = handshake::read(message, body)
            .and_then(|said| handshake::agree(&server, said))
            .map_err(refused)?;
        let news = Newsroom::of(&self.app.invoker).news(&asks.tenant);
        // Nothing can be resumed: no places for that.
        let places = Arc::new(Places::new(0));
        let end = client.end.clone();
        let session = Session::new(client.owner.clone(), kept, news, end, places);
        if client.session.set(Arc::new(session)).is_err() {
            let text = "this stream is initialized; open another for another client";
            return Err(refused(Malformed::request(text).into()));
        }
        client.answer(&json!({"jsonrpc": "2.0", "id": message.id(), "result": result}))
    }
}

impl Client {
    /// A place for a request.
    fn place(&self) -> Result<OwnedSemaphorePermit, Untaken> {
        let session = self.session.get();
        if session.map_or(0, |session| session.unread_bytes()) > MAX_UNREAD_BYTES {
            return Err(Untaken::Unread);
        }
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Untaken::Unread)
    }

    fn answer(&self, answer: &Value) -> Result<(), Untaken> {
        let place = self.place()?;
        let event = event(answer.to_string().as_bytes());
        let said = stream::iter([event]).map(move |event| {
            let _held = &place;
            event
        });
        self.say(said.boxed())
    }

    fn say(&self, said: Said) -> Result<(), Untaken> {
        self.stream
            .unbounded_send(said)
            .map_err(|_| Untaken::NoStream)
    }
}

/// `GET /sse`
pub async fn open(
    State(sse): State<LegacySse>,
    Extension(asks): Extension<Requester>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !takes_events(&headers) {
        return Refusal::not_acceptable(EVENT_STREAM).into_response();
    }
    if sse.of_tenant(&asks.tenant) >= MAX_STREAMS {
        let text = "Too many streams are open; close one";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let id = unguessable();
    let (to_client, from_host) = mpsc::unbounded();
    let end = sse.end.child_token();
    let client = Client {
        owner: asks.clone(),
        session: OnceLock::new(),
        hears_news: OnceLock::new(),
        places: Arc::new(Semaphore::new(MAX_UNREAD)),
        stream: to_client,
        end: end.clone(),
    };
    sse.streams().insert(id.clone(), Arc::new(client));
    let address = format!("{}/messages?sessionId={id}", base(&uri, &headers));
    let first = Event::default().event("endpoint").data(address);
    let said = from_host.flatten_unordered(None);
    let said = stream::iter([first])
        .chain(said)
        .take_until(end.clone().cancelled_owned());
    let held = Held {
        events: said.boxed(),
        _opened: Opened { sse, id, end },
    };
    bounded(events(held), &asks.caller)
}

/// Whether a client takes events: it says so, or names nothing of its own.
fn takes_events(headers: &HeaderMap) -> bool {
    let ranges = [EVENT_STREAM, "text/*", "*/*"];
    !headers.contains_key(header::ACCEPT) || ranges.iter().any(|range| accepts(headers, range))
}

/// The path beside which `/sse` is, as the client sees it: with the prefix that a gateway has taken away, if it says so.
/// It begins with a slash, for there are clients that append it to the host's address.
fn base(uri: &Uri, headers: &HeaderMap) -> String {
    let path = uri.path();
    let path = path.strip_suffix("/sse").unwrap_or(path);
    let prefix = headers.get(FORWARDED_PREFIX).and_then(|prefix| {
        let prefix: PathAndQuery = prefix.as_bytes().try_into().ok()?;
        let is_path = prefix.query().is_none() && !prefix.path().starts_with("//");
        is_path.then(|| prefix.path().trim_end_matches('/').to_owned())
    });
    format!("{}{path}", prefix.unwrap_or_default())
}

/// `POST /messages`
pub async fn message(
    State(sse): State<LegacySse>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
    which: Result<Query<Which>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(Which { session })) = which else {
        let text = "The address must name one `sessionId`, as the first event of /sse has it";
        return refusal(StatusCode::BAD_REQUEST, text);
    };
    let client = match sse.client(&session, &asks) {
        Ok(client) => client,
        Err(untaken) => return untaken.into_response(),
    };
    let (parts, body) = request.into_parts();
    let received = match body::read(body, &account, ReadAs::Message).await {
        Ok(received) => received,
        Err(error) => return error.into_response(),
    };
    let (reads, of) = (received.clone(), Arc::clone(&account));
    let taking = async move { sse.take(&client, &asks, &of, parts, reads).await };
    match received.with(&account, taking).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(untaken) => untaken.into_response(),
    }
}

fn refusal(status: StatusCode, text: impl Into<String>) -> Response {
    let response = (status, ErrorBody::new(text)).into_response();
    mark(response, reason_of(status))
}

/// A stream that is open: when it is dropped, its calls end.
struct Opened {
    sse: LegacySse,
    id: String,
    end: CancellationToken,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.end.cancel();
        self.sse.streams().remove(&self.id);
    }
}

/// Events, with what must live as long as they are read.
struct Held {
    events: Said,
    _opened: Opened,
}

impl Stream for Held {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.as_mut().poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_beside_the_stream_behind_the_prefix_that_a_gateway_names() {
        for (path, prefix, expected) in [
            ("/sse", None, ""),
            ("/t/acme/sse", None, "/t/acme"),
            ("/sse", Some("/tools"), "/tools"),
            ("/t/acme/sse", Some("/a/b/"), "/a/b/t/acme"),
            ("/sse", Some("/"), ""),
            ("/sse", Some("//evil.example"), ""),
            ("/sse", Some("https://evil.example"), ""),
            ("/sse", Some("/a?b"), ""),
            ("/sse", Some("/a b"), ""),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(prefix) = prefix {
                headers.insert(FORWARDED_PREFIX, prefix.parse().unwrap());
            }
            let uri = path.parse().unwrap();
            assert_eq!(base(&uri, &headers), expected, "{path} {prefix:?}");
        }
    }

    #[test]
    fn who_accepts_no_events_is_told_apart() {
        for (accept, takes) in [
            (None, true),
            (Some("text/event-stream"), true),
            (Some("application/json, */*"), true),
            (Some("application/json"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(takes_events(&headers), takes, "{accept:?}");
        }
    }
}
