//! A request of a session, and what is said to its client until it is answered. The client can lose the stream of it, and
//! resume it where it broke off (MCP 2025-11-25, "Resumability and Redelivery").

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use rmcp::model::{
    ClientJsonRpcMessage, InitializeRequestParams, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    ServerResult,
};
use rmcp::service::{RoleServer, Service, serve_directly_with_ct};
use rmcp::transport::Transport;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::invoke::Held;
use crate::sandbox::Lane;

/// Messages of one exchange that are kept, and bytes of them where it is more than one: a client that reads more slowly,
/// or comes back later, misses the first ones.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 1 << 20;

/// Bits of a question's id that number it within its exchange; those above are the exchange's own number.
const QUESTION_BITS: u32 = 20;

/// A request that is being worked on, or whose answer has not been read yet. Dropped, its call ends.
pub struct Exchange {
    request: RequestId,
    said: Arc<Said>,
    answers: mpsc::UnboundedSender<Box<ClientJsonRpcMessage>>,
    end: CancellationToken,
    /// How often somebody began to read.
    readings: AtomicU64,
    /// How many read now.
    readers: AtomicUsize,
    /// The number of the piece that was asked for last: those before it are read.
    read: AtomicU64,
    _service: Box<dyn Send + Sync>,
}

/// A piece of a stream.
pub struct Piece {
    /// Its number in the stream.
    pub number: u64,
    /// A JSON-RPC message.
    pub text: Bytes,
    /// Whether it is the answer, after which nothing comes.
    pub last: bool,
}

impl Exchange {
    /// Hands a request to the server, under a number that no other exchange of its session has. It ends with
    /// `end`.
    pub fn begin(
        number: u64,
        server: impl Service<RoleServer>,
        client: InitializeRequestParams,
        (request, message): (RequestId, ClientJsonRpcMessage),
        said: Said,
        end: CancellationToken,
    ) -> Self {
        let said = Arc::new(said);
        let (answers, from_client) = mpsc::unbounded_channel();
        let line = Line {
            first: Some(message),
            answers: from_client,
            said: Arc::clone(&said),
            number,
        };
        let service = serve_directly_with_ct(server, line, Some(client), end.child_token());
        Self {
            request,
            said,
            answers,
            end,
            readings: AtomicU64::new(0),
            readers: AtomicUsize::new(0),
            read: AtomicU64::new(0),
            _service: Box::new(service),
        }
    }

    /// Whether it is about this request of the client.
    pub fn is_of(&self, request: &RequestId) -> bool {
        self.request == *request
    }

    /// What its client answers to a question.
    pub fn answered(&self, message: ClientJsonRpcMessage) {
        // One that has ended asks for nothing more.
        _ = self.answers.send(Box::new(message));
    }

    /// Bytes of what was said that are kept, and that the latest reader has not read.
    pub fn unread_bytes(&self) -> usize {
        let log = self.said.log();
        let read = self.read.load(Ordering::Relaxed).saturating_sub(log.first);
        let read = usize::try_from(read).unwrap_or(usize::MAX);
        log.kept.iter().skip(read).map(Bytes::len).sum()
    }

    /// Room for a reader's copy of a piece: the event, and its text.
    pub fn room_for(&self, piece: &Piece) -> Held {
        self.said.log().room.beside(2 * piece.text.len())
    }

    /// Stops the call; nothing more is said.
    pub fn end(&self) {
        self.end.cancel();
    }

    /// Waits for its end by [`end`](Self::end), or by its session's.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Somebody begins to read.
    pub fn begin_reading(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.readings.fetch_add(1, Ordering::Relaxed);
    }

    /// One of them reads no more; whether nobody does.
    pub fn end_reading(&self) -> bool {
        self.readers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// How often somebody began to read.
    pub fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    /// The next piece from this number on, as soon as there is one; none after the answer, and after the end.
    pub async fn next(&self, from: u64) -> Option<Piece> {
        self.read.store(from, Ordering::Relaxed);
        loop {
            let mut more = pin!(self.said.more.notified());
            more.as_mut().enable();
            if self.end.is_cancelled() {
                return None;
            }
            match self.said.after(from) {
                Found::Piece(piece) => return Some(piece),
                Found::Nothing => return None,
                Found::Later => {}
            }
            tokio::select! {
                () = more => {}
                () = self.end.cancelled() => return None,
            }
        }
    }
}

/// A question's exchange, and its id there.
pub fn asker(question: &RequestId) -> Option<(u64, RequestId)> {
    let RequestId::Number(id) = question else {
        return None;
    };
    let exchange = u64::try_from(id >> QUESTION_BITS).ok()?;
    let own = id & ((1 << QUESTION_BITS) - 1);
    Some((exchange, RequestId::Number(own)))
}

/// What was said.
pub struct Said {
    log: Mutex<Log>,
    more: Notify,
    lane: Lane,
    /// Of the request's body: what was read of it lasts as long as the exchange.
    _body: Option<Arc<Held>>,
}

struct Log {
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// Holds `bytes`.
    room: Held,
    /// The number of the first message that is kept.
    first: u64,
    over: bool,
}

impl Log {
    fn keep(&mut self, text: Bytes) {
        self.bytes += text.len();
        self.room.grow_anyway(text.len());
        self.kept.push_back(text);
        while self.kept.len() > KEPT || self.kept.len() > 1 && self.bytes > KEPT_BYTES {
            let bytes = self.kept.pop_front().map_or(0, |first| first.len());
            self.bytes -= bytes;
            self.room.shrink(bytes);
            self.first += 1;
        }
    }
}

enum Found {
    Piece(Piece),
    /// Not yet.
    Later,
    /// Never.
    Nothing,
}

impl Said {
    /// Nothing so far. What is said takes this room until it is forgotten; what is long to write is written in this lane.
    pub fn new(room: Held, lane: Lane, body: Option<Arc<Held>>) -> Self {
        Self {
            lane,
            _body: body,
            log: Mutex::new(Log {
                kept: VecDeque::new(),
                bytes: 0,
                room,
                first: 0,
                over: false,
            }),
            more: Notify::new(),
        }
    }

    fn say(&self, message: &ServerJsonRpcMessage) {
        self.keep(serde_json::to_vec(message), is_answer(message));
    }

    /// Says an answer that is long to write.
    async fn say_list(&self, list: ServerJsonRpcMessage) {
        let writing = move || serde_json::to_vec(&list);
        self.keep(self.lane.run_through(writing).await, true);
    }

    fn keep(&self, text: serde_json::Result<Vec<u8>>, over: bool) {
        let mut log = self.log();
        log.over = over;
        match text {
            Ok(text) => log.keep(text.into()),
            Err(error) => tracing::error!(%error, "a message is not JSON"),
        }
        drop(log);
        self.more.notify_waiters();
    }

    fn after(&self, from: u64) -> Found {
        let log = self.log();
        let from = from.max(log.first);
        let index = usize::try_from(from - log.first).unwrap_or(usize::MAX);
        match log.kept.get(index) {
            Some(text) => Found::Piece(Piece {
                number: from,
                text: text.clone(),
                last: log.over && index + 1 == log.kept.len(),
            }),
            None if log.over => Found::Nothing,
            None => Found::Later,
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
    )
}

fn is_list(message: &ServerJsonRpcMessage) -> bool {
    let JsonRpcMessage::Response(response) = message else {
        return false;
    };
    matches!(
        response.result,
        ServerResult::ListToolsResult(_)
            | ServerResult::ListPromptsResult(_)
            | ServerResult::ListResourcesResult(_)
            | ServerResult::ListResourceTemplatesResult(_)
    )
}

/// Between rmcp and an exchange: one request goes in, with the answers to what the server asks meanwhile.
struct Line {
    first: Option<ClientJsonRpcMessage>,
    answers: mpsc::UnboundedReceiver<Box<ClientJsonRpcMessage>>,
    said: Arc<Said>,
    number: u64,
}

impl Transport<RoleServer> for Line {
    type Error = Infallible;

    fn send(
        &mut self,
        mut message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        // rmcp numbers the questions of each exchange from zero on.
        if let JsonRpcMessage::Request(question) = &mut message
            && let RequestId::Number(own) = question.id
        {
            let exchange = i64::try_from(self.number).unwrap_or(i64::MAX >> QUESTION_BITS);
            question.id = RequestId::Number(exchange << QUESTION_BITS | own);
        }
        let list = if is_list(&message) {
            // The service has to last until it is said: it ends with the exchange.
            Some(message)
        } else {
            // At once: what is sent later must come later.
            self.said.say(&message);
            if is_answer(&message) {
                self.answers.close();
            }
            None
        };
        let said = Arc::clone(&self.said);
        async move {
            if let Some(list) = list {
                said.say_list(list).await;
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.answers.recv().await.map(|answer| *answer),
        }
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::invoke::Room;

    impl Said {
        /// Of no tenant.
        pub fn of_nobody() -> Self {
            let room = Room::new(1 << 20, 1).share();
            Self::new(room.hold_anyway(0), Lane::default(), None)
        }
    }

    use rmcp::model::{EmptyResult, ErrorData};

    fn notice() -> ServerJsonRpcMessage {
        serde_json::from_value(serde_json::json!({
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
        }))
        .unwrap()
    }

    fn answer() -> ServerJsonRpcMessage {
        let result = ServerResult::EmptyResult(EmptyResult {});
        ServerJsonRpcMessage::response(result, RequestId::Number(1))
    }

    #[test]
    fn what_was_said_can_be_read_again_from_any_number_on() {
        let said = Said::of_nobody();
        said.say(&notice());
        assert!(matches!(said.after(1), Found::Later));
        said.say(&answer());
        for (from, last) in [(0, false), (1, true), (0, false)] {
            let Found::Piece(piece) = said.after(from) else {
                panic!("nothing at {from}");
            };
            assert_eq!((piece.number, piece.last), (from, last));
        }
        assert!(matches!(said.after(2), Found::Nothing));
    }

    #[test]
    fn who_reads_too_slowly_misses_the_first_and_has_the_answer() {
        let said = Said::of_nobody();
        for _ in 0..2 * KEPT {
            said.say(&notice());
        }
        said.say(&answer());
        assert_eq!(said.log().kept.len(), KEPT);
        let (mut from, mut last) = (0, false);
        while let Found::Piece(piece) = said.after(from) {
            (from, last) = (piece.number + 1, piece.last);
        }
        assert_eq!((from, last), (2 * KEPT as u64 + 1, true));
    }

    #[test]
    fn large_messages_are_kept_no_longer_than_the_next_one() {
        let said = Said::of_nobody();
        let large = |text: &str| {
            let error = ErrorData::internal_error(text.repeat(KEPT_BYTES), None);
            ServerJsonRpcMessage::error(error, None)
        };
        for text in ["a", "b", "c"] {
            said.say(&large(text));
        }
        let log = said.log();
        assert_eq!((log.kept.len(), log.first), (1, 2));
    }

    #[test]
    fn an_error_is_an_answer_too() {
        let said = Said::of_nobody();
        said.say(&ServerJsonRpcMessage::error(
            ErrorData::internal_error("no", None),
            None,
        ));
        assert!(matches!(said.after(1), Found::Nothing));
    }

    #[test]
    fn a_question_finds_back_to_its_exchange() {
        for (number, own) in [(0, 0), (0, 7), (3, 0), (1 << 30, 5)] {
            let id = RequestId::Number(number << QUESTION_BITS | own);
            let expected = (number as u64, RequestId::Number(own));
            assert_eq!(asker(&id), Some(expected));
        }
        assert_eq!(asker(&RequestId::Number(-1)), None);
        assert_eq!(asker(&RequestId::String("1".into())), None);
    }
}
