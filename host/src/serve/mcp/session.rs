//! One legacy session: what its client said of itself, the requests that it waits for, and the changes that it is told of.
//! It has no task of its own: what it costs while nothing happens is this much memory, and its open stream.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, GetExtensions, InitializeRequestParams,
    JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RoleServer, Service};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::changes::News;
use super::exchange::{self, Exchange, Piece, Said};
use super::handler::{McpServer, SessionState};
use crate::invoke::{Held, TenantAccount};
use crate::serve::App;
use crate::serve::requester::Requester;

/// How long a stream can be without its reader.
const RESUME_WITHIN: Duration = Duration::from_secs(30);

/// A session.
pub struct Session {
    /// Whose it is.
    pub owner: Requester,
    /// What its client said of itself, with the version that was agreed.
    pub client: InitializeRequestParams,
    /// What the client has chosen since.
    pub state: Arc<SessionState>,
    /// Cancelled when the session ends: by DELETE, by expiry, with the host.
    pub end: CancellationToken,
    places: Arc<Places>,
    exchanges: Mutex<Exchanges>,
    news: tokio::sync::Mutex<News>,
    /// The number of the piece of news that the client was told last.
    told: AtomicU64,
    /// How many streams were opened for news: the newest one has them.
    listeners: watch::Sender<u64>,
}

/// Places for streams that may be resumed: each may hold a whole answer.
pub struct Places {
    /// Of calls that nobody reads from.
    abandoned: Arc<Semaphore>,
    /// Of answers that were sent: their client may be gone without the host's knowing.
    sent: Arc<Semaphore>,
}

impl Places {
    /// So many of each.
    pub fn new(each: usize) -> Self {
        Self {
            abandoned: Arc::new(Semaphore::new(each)),
            sent: Arc::new(Semaphore::new(each)),
        }
    }
}

struct Exchanges {
    /// The number of the next one.
    next: u64,
    open: HashMap<u64, Arc<Exchange>>,
}

/// The id of an event (`Last-Event-ID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventId {
    /// Of a request's stream: which one, and the piece of it.
    Exchange(u64, u64),
    /// Of the stream for news.
    News(u64),
}

impl Display for EventId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(exchange, piece) => write!(formatter, "{exchange}-{piece}"),
            Self::News(number) => write!(formatter, "news-{number}"),
        }
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse().map_err(drop);
        match text.split_once('-').ok_or(())? {
            ("news", count) => Ok(Self::News(number(count)?)),
            (exchange, piece) => Ok(Self::Exchange(number(exchange)?, number(piece)?)),
        }
    }
}

impl Session {
    /// A session that ends with `end`, and shares these places with others.
    pub fn new(
        owner: Requester,
        client: InitializeRequestParams,
        news: News,
        end: CancellationToken,
        places: Arc<Places>,
    ) -> Self {
        Self {
            owner,
            client,
            state: Arc::default(),
            end,
            places,
            exchanges: Mutex::new(Exchanges {
                next: somewhere(),
                open: HashMap::new(),
            }),
            news: tokio::sync::Mutex::new(news),
            told: AtomicU64::new(somewhere()),
            listeners: watch::Sender::new(0),
        }
    }

    /// Bytes of what was said in it that nobody has read.
    pub fn unread_bytes(&self) -> usize {
        let exchanges = self.exchanges();
        let open = exchanges.open.values();
        open.map(|exchange| exchange.unread_bytes()).sum()
    }

    /// Whether a call is in flight, or a stream is open.
    pub fn is_in_use(&self) -> bool {
        self.is_busy() || self.listeners.receiver_count() > 0
    }

    /// Whether a call is in flight.
    pub fn is_busy(&self) -> bool {
        !self.exchanges().open.is_empty()
    }

    /// Takes a message of the client: what comes of a request; what is none has no answer. What is said in it takes this room
    /// until it is read.
    pub fn receive(
        self: &Arc<Self>,
        app: &App,
        asks: &Requester,
        account: &TenantAccount,
        parts: http::request::Parts,
        mut message: ClientJsonRpcMessage,
        body: Arc<Held>,
    ) -> Option<Reading> {
        match &mut message {
            JsonRpcMessage::Request(request) => {
                request.request.extensions_mut().insert(parts);
                let id = request.id.clone();
                let state = Arc::clone(&self.state);
                let server = McpServer::for_session(app.clone(), asks.clone(), state);
                let room = account.in_flight().hold_anyway(0);
                let said = Said::new(room, account.lane().clone(), Some(body));
                return Some(self.begin(server, said, id, message));
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(request) = &cancelled.params.request_id
                {
                    self.cancel(request);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => self.answered(message),
        }
        None
    }

    /// Hands a request to the server; what comes of it.
    fn begin(
        self: &Arc<Self>,
        server: impl Service<RoleServer>,
        said: Said,
        id: RequestId,
        message: ClientJsonRpcMessage,
    ) -> Reading {
        let mut exchanges = self.exchanges();
        let number = exchanges.next;
        exchanges.next += 1;
        let end = self.end.child_token();
        let client = self.client.clone();
        let exchange = Exchange::begin(number, server, client, (id, message), said, end);
        let exchange = Arc::new(exchange);
        exchanges.open.insert(number, Arc::clone(&exchange));
        drop(exchanges);
        Reading::new(Arc::clone(self), number, exchange, 0)
    }

    /// The rest of a stream, after this piece of it; none where it was read to its end, or is not known any more.
    pub fn resume(self: &Arc<Self>, number: u64, last: u64) -> Option<Reading> {
        let exchange = self.exchange(number)?;
        let next = last.saturating_add(1);
        Some(Reading::new(Arc::clone(self), number, exchange, next))
    }

    /// `notifications/cancelled`
    fn cancel(&self, request: &RequestId) {
        self.exchanges().open.retain(|_, exchange| {
            let is_meant = exchange.is_of(request);
            if is_meant {
                exchange.end();
            }
            !is_meant
        });
    }

    /// What the client answers to a question goes to who asked.
    fn answered(&self, mut message: ClientJsonRpcMessage) {
        let id = match &mut message {
            ClientJsonRpcMessage::Response(response) => Some(&mut response.id),
            ClientJsonRpcMessage::Error(error) => error.id.as_mut(),
            _ => None,
        };
        let Some(id) = id else { return };
        if let Some((number, own)) = exchange::asker(id)
            && let Some(exchange) = self.exchange(number)
        {
            *id = own;
            exchange.answered(message);
        }
    }

    /// The stream for news. A newer one takes them over; the older one stays open, as its client has it, and is silent.
    pub fn listen(
        self: Arc<Self>,
        last: Option<u64>,
    ) -> impl Stream<Item = (EventId, ServerJsonRpcMessage)> + Send + use<> {
        let mut number = 0;
        self.listeners.send_modify(|opened| {
            *opened += 1;
            number = *opened;
        });
        let newest = self.listeners.subscribe();
        // What was sent last may have been lost with the stream before, or another host has sent it: all is said again.
        let missed = last.is_some_and(|last| last != self.told.load(Ordering::Relaxed));
        let end = self.end.clone().cancelled_owned();
        stream::unfold(
            (self, newest, missed),
            move |(session, mut newest, missed)| async move {
                let told = if missed {
                    session.news.lock().await.all(&session.state.watched).await
                } else {
                    tokio::select! {
                        biased;
                        () = overtaken(&mut newest, number) => std::future::pending().await,
                        told = async {
                            session.news.lock().await.next(&session.state.watched).await
                        } => told,
                    }
                };
                let before = session.told.fetch_add(told.len() as u64, Ordering::Relaxed);
                let numbered = told.into_iter().zip(before + 1..);
                let events: Vec<_> = numbered
                    .map(|(notification, number)| {
                        let message = ServerJsonRpcMessage::notification(notification);
                        (EventId::News(number), message)
                    })
                    .collect();
                Some((stream::iter(events), (session, newest, false)))
            },
        )
        .flatten()
        .take_until(end)
    }

    fn exchange(&self, number: u64) -> Option<Arc<Exchange>> {
        self.exchanges().open.get(&number).cloned()
    }

    fn forget(&self, number: u64) {
        self.exchanges().open.remove(&number);
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a session begins to count: replicas, and a host that has forgotten it, go on with the same session, and none must
/// take the number of another's question or event for its own. Numbers stay whole in JavaScript (2^53) as a question's id.
fn somewhere() -> u64 {
    let mut number = [0; 4];
    aws_lc_rs::rand::fill(&mut number).expect("the system gives randomness");
    u32::from_le_bytes(number).into()
}

/// Waits until a newer stream than this one is opened.
async fn overtaken(newest: &mut watch::Receiver<u64>, own: u64) {
    // Its sender lives as long as the session.
    _ = newest.wait_for(|newest| *newest > own).await;
}

/// Somebody who reads what is said in an exchange.
pub struct Reading {
    session: Arc<Session>,
    number: u64,
    exchange: Arc<Exchange>,
    /// The piece that comes next.
    at: u64,
    is_over: bool,
}

impl Reading {
    fn new(session: Arc<Session>, number: u64, exchange: Arc<Exchange>, at: u64) -> Self {
        exchange.begin_reading();
        Self {
            session,
            number,
            exchange,
            at,
            is_over: false,
        }
    }

    /// Waits for the next piece, without taking it.
    pub async fn ready(&self) {
        self.exchange.next(self.at).await;
    }

    /// Room for the piece that is being read: each reader has a copy.
    pub fn room_for(&self, piece: &Piece) -> Held {
        self.exchange.room_for(piece)
    }

    /// The next piece, with its id; none after the last.
    pub async fn next(&mut self) -> Option<(EventId, Piece)> {
        if self.is_over {
            return None;
        }
        let piece = self.exchange.next(self.at).await;
        let Some(piece) = piece else {
            self.is_over = true;
            return None;
        };
        self.at = piece.number + 1;
        self.is_over = piece.last;
        Some((EventId::Exchange(self.number, piece.number), piece))
    }
}

/// A client that goes away in the middle of a call, or while its answer is sent, may come back and resume its stream. It
/// has a while for that; then the call ends, and what it said is forgotten.
impl Drop for Reading {
    fn drop(&mut self) {
        if !self.exchange.end_reading() {
            return;
        }
        let (session, number) = (Arc::clone(&self.session), self.number);
        // An answer that is all that was said has no id to come back with.
        if self.is_over && self.at <= 1 {
            return session.forget(number);
        }
        let exchange = Arc::clone(&self.exchange);
        let readings = exchange.readings();
        let places = if self.is_over {
            &session.places.sent
        } else {
            &session.places.abandoned
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            exchange.end();
            return session.forget(number);
        };
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(RESUME_WITHIN) => {}
                () = exchange.ended() => {}
            }
            drop(place);
            // Unless somebody has read since.
            if exchange.readings() == readings {
                exchange.end();
                session.forget(number);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rmcp::ErrorData;
    use rmcp::handler::server::ServerHandler;
    use rmcp::model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, Implementation,
    };
    use rmcp::service::RequestContext;
    use serde_json::json;
    use tokio::time::Instant;

    use crate::serve::mcp::changes::Newsroom;

    /// A tool that says something, and runs until it is told to go on.
    #[derive(Clone, Default)]
    struct Waits(CancellationToken);

    impl ServerHandler for Waits {
        async fn call_tool(
            &self,
            _: CallToolRequestParams,
            context: RequestContext<RoleServer>,
        ) -> Result<CallToolResponse, ErrorData> {
            _ = context.peer.notify_tool_list_changed().await;
            self.0.cancelled().await;
            Err(ErrorData::internal_error("the answer", None))
        }
    }

    fn session(abandoned: usize) -> Arc<Session> {
        let client = InitializeRequestParams::new(
            ClientCapabilities::default(),
            Implementation::new("test", "1"),
        );
        let owner = Requester::local();
        let news = Newsroom::default().news(&owner.tenant);
        Arc::new(Session::new(
            owner,
            client,
            news,
            CancellationToken::new(),
            Arc::new(Places::new(abandoned)),
        ))
    }

    fn begin(session: &Arc<Session>, tool: &Waits) -> Reading {
        let call =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}});
        let call = serde_json::from_value(call).unwrap();
        session.begin(tool.clone(), Said::of_nobody(), RequestId::Number(1), call)
    }

    /// The number of the oldest exchange.
    fn first(session: &Session) -> u64 {
        *session.exchanges().open.keys().min().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_goes_on_while_one_of_its_readers_is_there() {
        let (session, tool) = (session(0), Waits::default());
        let mut reading = begin(&session, &tool);
        drop(session.resume(first(&session), 0));
        tokio::time::sleep(2 * RESUME_WITHIN).await;
        tool.0.cancel();
        reading.next().await.unwrap();
        assert!(reading.next().await.unwrap().1.last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_reader_left_ends_after_a_while() {
        let session = session(1);
        let reading = begin(&session, &Waits::default());
        let exchange = Arc::clone(&reading.exchange);
        let start = Instant::now();
        drop(reading);
        exchange.ended().await;
        assert_eq!(start.elapsed().as_secs(), RESUME_WITHIN.as_secs());
        assert!(!session.is_busy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_reader_came_back_goes_on_and_answers_it() {
        let (session, tool) = (session(1), Waits::default());
        drop(begin(&session, &tool));
        tokio::time::sleep(RESUME_WITHIN / 2).await;
        let mut again = session.resume(first(&session), 0).unwrap();
        tokio::time::sleep(2 * RESUME_WITHIN).await;
        tool.0.cancel();
        let (_, answer) = again.next().await.unwrap();
        assert!(answer.last);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_came_while_its_reader_was_away_is_kept() {
        let (session, tool) = (session(1), Waits::default());
        drop(begin(&session, &tool));
        tool.0.cancel();
        tokio::time::sleep(RESUME_WITHIN / 2).await;
        let mut again = session.resume(first(&session), 0).unwrap();
        let (id, answer) = again.next().await.unwrap();
        assert_eq!(
            (id, answer.last),
            (EventId::Exchange(first(&session), 1), true)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_sent_is_kept_for_a_while() {
        let (session, tool) = (session(1), Waits::default());
        tool.0.cancel();
        for _ in 0..2 {
            let mut reading = begin(&session, &tool);
            while reading.next().await.is_some() {}
        }
        tokio::time::sleep(RESUME_WITHIN / 2).await;
        let mut again = session.resume(first(&session), 0).unwrap();
        assert!(again.next().await.unwrap().1.last);
        assert!(
            session.resume(first(&session) + 1, 0).is_none(),
            "there was one place"
        );
        drop(again);
        tokio::time::sleep(2 * RESUME_WITHIN).await;
        assert!(!session.is_busy());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_streams_are_kept_for_their_readers() {
        let (session, tool) = (session(2), Waits::default());
        for _ in 0..5 {
            drop(begin(&session, &tool));
        }
        assert_eq!(session.exchanges().open.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_request_says_nothing_more() {
        let (session, tool) = (session(1), Waits::default());
        let mut reading = begin(&session, &tool);
        session.cancel(&RequestId::Number(1));
        assert!(reading.next().await.is_none());
        assert!(!session.is_busy());
    }

    #[tokio::test]
    async fn the_newest_stream_has_the_news_and_what_may_have_been_lost() {
        let session = session(1);
        let mut first = Box::pin(Arc::clone(&session).listen(None));
        assert!(futures::poll!(first.next()).is_pending());
        session.told.store(4, Ordering::Relaxed);
        let lasts = [(Some(4), false), (None, false), (Some(9), true)];
        for (last, is_told) in lasts {
            let mut stream = Box::pin(Arc::clone(&session).listen(last));
            assert!(futures::poll!(first.next()).is_pending(), "it is silent");
            let told = futures::poll!(stream.next());
            assert_eq!(told.is_ready(), is_told, "{last:?}");
        }
        session.end.cancel();
        assert!(first.next().await.is_none(), "it ends with its session");
    }

    #[test]
    fn event_ids_are_read_as_they_are_written() {
        for id in [EventId::Exchange(3, 17), EventId::News(5)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for other in ["", "3", "3-", "-3", "news-", "a-1", "1-2-3"] {
            assert_eq!(other.parse::<EventId>(), Err(()), "{other}");
        }
    }
}
