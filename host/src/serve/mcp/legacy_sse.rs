//! HTTP+SSE, the transport of revision 2024-11-05: a stream of events at `/sse`, whose first one names the address to which
//! messages go. For old clients; off unless it is asked for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::channel::mpsc;
use futures::{SinkExt, Stream, StreamExt, stream};
use rmcp::ServiceExt;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::expiry::bounded;
use super::gate::KEEP_ALIVE;
use super::handler::McpServer;
use super::message::{Malformed, Message};
use super::sealed_id::unguessable;
use crate::invoke::TenantId;
use crate::serve::App;
use crate::serve::body;
use crate::serve::requester::Requester;
use crate::serve::rest::ErrorBody;

/// Streams of one tenant at once.
const MAX_STREAMS: usize = 1_000;

/// Messages that wait for a client or for the host.
const WAITING: usize = 64;

/// The open streams.
#[derive(Clone)]
pub struct LegacySse {
    app: App,
    end: CancellationToken,
    streams: Arc<Mutex<HashMap<String, Client>>>,
}

/// Who is at the other end of a stream.
struct Client {
    owner: Requester,
    messages: mpsc::Sender<ClientJsonRpcMessage>,
}

/// What a message names its stream by.
#[derive(Deserialize)]
pub struct Which {
    #[serde(rename = "sessionId")]
    session: String,
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

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<String, Client>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_tenant(&self, tenant: &TenantId) -> usize {
        let streams = self.streams();
        let clients = streams.values();
        clients
            .filter(|client| client.owner.tenant == *tenant)
            .count()
    }
}

/// `GET /sse`
pub async fn open(State(sse): State<LegacySse>, Extension(asks): Extension<Requester>) -> Response {
    if sse.of_tenant(&asks.tenant) >= MAX_STREAMS {
        let text = "Too many streams are open; close one";
        return (StatusCode::SERVICE_UNAVAILABLE, ErrorBody::new(text)).into_response();
    }
    let id = unguessable();
    let (to_host, from_client) = mpsc::channel::<ClientJsonRpcMessage>(WAITING);
    let (to_client, from_host) = mpsc::channel::<ServerJsonRpcMessage>(WAITING);
    let client = Client {
        owner: asks.clone(),
        messages: to_host,
    };
    sse.streams().insert(id.clone(), client);
    let server = McpServer::for_session(sse.app.clone(), asks.clone(), Arc::default());
    let serving = async move {
        if let Ok(service) = server.serve((to_client, from_client)).await {
            _ = service.waiting().await;
        }
    };
    let opened = Opened {
        streams: Arc::clone(&sse.streams),
        id: id.clone(),
        _serving: AbortOnDropHandle::new(tokio::spawn(serving)),
    };
    // Beside this stream, also behind a gateway's prefix.
    let address = format!("messages?sessionId={id}");
    let first = Event::default().event("endpoint").data(address);
    let events = from_host.filter_map(async |message| {
        let text = serde_json::to_string(&message).ok()?;
        Some(Event::default().event("message").data(text))
    });
    let events = stream::iter([first])
        .chain(events)
        .map(Ok::<_, Infallible>)
        .take_until(sse.end.clone().cancelled_owned());
    let events = Held {
        events: Box::pin(events),
        _opened: opened,
    };
    let answer = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    bounded(answer.into_response(), &asks.caller)
}

/// `POST /messages`
pub async fn message(
    State(sse): State<LegacySse>,
    Extension(asks): Extension<Requester>,
    Query(Which { session }): Query<Which>,
    body: Body,
) -> Response {
    let messages = match sse.streams().get(&session) {
        Some(client) if client.owner.is_same(&asks) => Some(client.messages.clone()),
        _ => None,
    };
    let Some(mut messages) = messages else {
        return (StatusCode::NOT_FOUND, ErrorBody::new("Session not found")).into_response();
    };
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(error) => {
            return (error.status(), ErrorBody::new(error.to_string())).into_response();
        }
    };
    let read = Message::parse(&body)
        .and_then(|_| serde_json::from_slice(&body).map_err(|_| Malformed::unreadable(&body)));
    match read {
        Err(malformed) => (StatusCode::BAD_REQUEST, axum::Json(malformed.answer())).into_response(),
        Ok(message) => match messages.send(message).await {
            Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
            Err(_) => (StatusCode::NOT_FOUND, ErrorBody::new("Session not found")).into_response(),
        },
    }
}

/// A stream that is open: when it is dropped, its calls end.
struct Opened {
    streams: Arc<Mutex<HashMap<String, Client>>>,
    id: String,
    _serving: AbortOnDropHandle<()>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.remove(&self.id);
    }
}

/// Events, with what must live as long as they are read.
struct Held<S> {
    events: Pin<Box<S>>,
    _opened: Opened,
}

impl<S: Stream> Stream for Held<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.events.as_mut().poll_next(context)
    }
}
