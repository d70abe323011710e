//! Reading a request's body: within the room that its tenant has, not without end in bytes, nor in time.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout_at;

use super::json_weight::{ReadAs, weight};
use super::pace::Pace;
use super::refused::{mark, reason_of_body};
use super::rest::ErrorBody;
use crate::invoke::{Full, Held, TenantAccount};

/// Bytes of a request's body.
pub const MAX_BODY: usize = 4 << 20;

/// Bytes of JSON that are read in no time: where there are more, the lane of the tenant reads them.
const SHORT: usize = 8 << 10;

/// A body that is read, and the room that it takes and its JSON will take.
#[derive(Clone)]
pub struct Received {
    /// The body.
    pub bytes: Bytes,
    /// Its room. Whoever keeps what was read of it keeps this too.
    pub held: Arc<Held>,
}

/// A body that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Over [`MAX_BODY`].
    #[error("The body is larger than 4 MiB")]
    TooLarge,
    /// Its JSON takes more room than the tenant can have.
    #[error(
        "The body's JSON would take {} MiB of memory, and a tenant has {} MiB: send fewer values",
        needs >> 20,
        most >> 20
    )]
    TooManyValues {
        /// Bytes.
        needs: usize,
        /// Bytes.
        most: usize,
    },
    /// The client closed.
    #[error("The body broke off before its end")]
    Broken,
    /// The client stopped sending, or all but stopped.
    #[error("The body came too slowly: it has 30 s, and a second more for each 16 KiB")]
    TooSlow,
    /// There is no room now.
    #[error(transparent)]
    Full(#[from] Full),
}

impl BodyError {
    /// 413 (RFC 9110, section 15.5.14), 408 (15.5.9), 429 (RFC 6585, section 4), 503 or 400.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge | Self::TooManyValues { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Full(Full::OfTenant | Full::OfRequests) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full(Full::OfHost) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Seconds after which there may be room.
    pub fn retry_after(self) -> Option<u64> {
        matches!(self, Self::Full(_)).then_some(1)
    }

    /// The answer, with the time after which there may be room.
    pub fn retry_later(self, mut answer: Response) -> Response {
        if let Some(wait) = self.retry_after() {
            let wait = HeaderValue::from(wait);
            answer.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        answer
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let answer = (self.status(), ErrorBody::new(self.to_string()));
        mark(
            self.retry_later(answer.into_response()),
            reason_of_body(self),
        )
    }
}

/// Reads a body to its end. One that is announced as too large is not begun.
pub async fn read(
    body: Body,
    account: &TenantAccount,
    read_as: ReadAs,
) -> Result<Received, BodyError> {
    let mut held = account.in_flight().hold(0)?;
    let bytes = collect(body, &mut held).await?;
    let needs = if bytes.len() > SHORT {
        let text = bytes.clone();
        account
            .lane()
            .run_through(move || weight(&text, read_as))
            .await
    } else {
        weight(&bytes, read_as)
    };
    let most = account.in_flight().most();
    if needs > most {
        return Err(BodyError::TooManyValues { needs, most });
    }
    held.grow(needs)?;
    Ok(Received {
        bytes,
        held: Arc::new(held),
    })
}

async fn collect(body: Body, held: &mut Held) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut pace = Pace::begin();
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let frame = timeout_at(pace.until(), body.frame())
            .await
            .map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { break };
        // What is none are trailers, which nothing reads.
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + all.len() + data.len() > MAX_BODY {
            return Err(BodyError::TooLarge);
        }
        held.grow(data.len())?;
        pace.went(data.len());
        // Most bodies are one piece, which is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

impl Received {
    /// Does what reads the JSON: here where it is short, else in the tenant's lane, where long work holds up nobody else's.
    pub async fn with<T: Send + 'static>(
        &self,
        account: &TenantAccount,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        if self.bytes.len() > SHORT {
            account.lane().run_apart(work).await
        } else {
            work.await
        }
    }

    /// An answer that goes on for long has the room until it ends.
    pub fn until_answered(self, answer: Response) -> Response {
        if answer.body().size_hint().exact().is_some() {
            return answer;
        }
        holding(answer, self.held)
    }
}

/// The answer; this is held until it is sent, or its client is gone.
pub fn holding(answer: Response, held: impl Send + Unpin + 'static) -> Response {
    answer.map(|body| Body::new(Holding { body, _held: held }))
}

struct Holding<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> http_body::Body for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use futures::{StreamExt, stream};

    use crate::invoke::Room;

    fn held() -> Held {
        Room::new(64 << 20, 1).share().hold(0).unwrap()
    }

    fn pieces(pieces: usize) -> Body {
        let piece = Bytes::from(vec![b' '; 1 << 20]);
        let pieces = std::iter::repeat_n(piece, pieces).map(Ok::<_, std::io::Error>);
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_refused_announced_or_not() {
        let mut held = held();
        assert_eq!(collect(pieces(4), &mut held).await.unwrap().len(), MAX_BODY);
        assert_eq!(
            collect(pieces(5), &mut held).await,
            Err(BodyError::TooLarge)
        );
        let announced = Body::from(vec![b' '; MAX_BODY + 1]);
        assert_eq!(
            collect(announced, &mut held).await,
            Err(BodyError::TooLarge)
        );
    }

    #[tokio::test]
    async fn a_body_takes_the_room_that_there_is() {
        let share = Room::new(3 << 20, 1).share();
        let mut one = share.hold(0).unwrap();
        collect(pieces(2), &mut one).await.unwrap();
        let mut other = share.hold(0).unwrap();
        let refused = collect(pieces(2), &mut other).await;
        assert_eq!(refused, Err(BodyError::Full(Full::OfTenant)));
        drop(one);
        drop(other);
        assert!(share.hold(3 << 20).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_or_all_but_stops_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(collect(body, &mut held()).await, Err(BodyError::TooSlow));
        let drops = stream::repeat(()).then(async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b" "))
        });
        let body = Body::from_stream(drops);
        assert_eq!(collect(body, &mut held()).await, Err(BodyError::TooSlow));
    }
}
