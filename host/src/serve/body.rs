//! Reading a request's body: not without end in bytes, nor in time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_http::timeout::TimeoutBody;

/// Bytes of a request's body.
pub const MAX_BODY: usize = 4 << 20;

/// Time between two pieces of a request's body.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Over [`MAX_BODY`].
    #[error("The body is larger than 4 MiB")]
    TooLarge,
    /// The client closed, or stopped sending.
    #[error("The body broke off before its end")]
    Broken,
}

impl BodyError {
    /// 413 (RFC 9110, section 15.5.14) or 400.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body to its end. One that is announced as too large is not begun.
pub async fn read(body: Body) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyError::TooLarge);
    }
    let body = Box::pin(TimeoutBody::new(PATIENCE, body));
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures::stream;

    fn pieces(pieces: usize) -> Body {
        let piece = Bytes::from(vec![b' '; 1 << 20]);
        let pieces = std::iter::repeat_n(piece, pieces).map(Ok::<_, std::io::Error>);
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_refused_announced_or_not() {
        assert_eq!(read(pieces(4)).await.unwrap().len(), MAX_BODY);
        assert_eq!(read(pieces(5)).await, Err(BodyError::TooLarge));
        let announced = Body::from(vec![b' '; MAX_BODY + 1]);
        assert_eq!(read(announced).await, Err(BodyError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(body).await, Err(BodyError::Broken));
    }
}
