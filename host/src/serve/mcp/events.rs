//! Streams of events (Server-sent events, WHATWG HTML 9.2), of both transports that have them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};

use super::session::{EventId, Reading, Session};

pub const EVENT_STREAM: &str = "text/event-stream";

/// So that proxies keep a stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells nginx, and what goes by its rules, to pass each event on at once.
const NOT_BUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// A stream as an answer.
pub fn events(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = Sse::new(events.map(Ok::<_, Infallible>));
    let events = events.keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([NOT_BUFFERED], events).into_response()
}

/// A message of MCP.
pub fn event(text: &[u8]) -> Event {
    Event::default()
        .event("message")
        .data(String::from_utf8_lossy(text))
}

/// What is said in an exchange, from here on.
pub fn pieces(reading: Reading) -> impl Stream<Item = (EventId, Event)> + Send {
    stream::unfold((reading, None), async |(mut reading, sent)| {
        // What was sent before is on its way.
        drop(sent);
        let (id, piece) = reading.next().await?;
        let held = reading.room_for(&piece);
        Some(((id, event(&piece.text)), (reading, Some(held))))
    })
}

/// The news of a session.
pub fn news(
    session: Arc<Session>,
    last: Option<u64>,
) -> impl Stream<Item = (EventId, Event)> + Send {
    session.listen(last).map(|(id, message)| {
        let text = serde_json::to_vec(&message).unwrap_or_default();
        (id, event(&text))
    })
}

/// So that the stream can be resumed after this event.
pub fn with_id((id, event): (EventId, Event)) -> Event {
    event.id(id.to_string())
}

/// Whether this type is among those that a client accepts, by its name (MCP, "Sending Messages to the Server") and not
/// with a weight of zero (RFC 9110, 12.5.1).
pub fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let ranges = headers.get_all(header::ACCEPT).into_iter();
    let ranges = ranges.filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_meant = parts
            .next()
            .is_some_and(|essence| essence.eq_ignore_ascii_case(media_type));
        let weighs_nothing = |parameter: &str| {
            let weight = parameter
                .split_once('=')
                .filter(|(name, _)| name.trim_end().eq_ignore_ascii_case("q"));
            weight.is_some_and(|(_, weight)| weight.trim().parse() == Ok(0.0))
        };
        is_meant && !parts.any(weighs_nothing)
    })
}
