//! A stream without an end of its own ends when the credential expires that opened it: its client comes back, and is
//! asked for another. Calls have an end of their own, their timeout, and come to it.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use futures::StreamExt;

use crate::invoke::Caller;

/// Ends this answer with the caller's credential.
pub fn bounded(answer: Response, caller: &Caller) -> Response {
    let Some(expires) = caller.expires() else {
        return answer;
    };
    let left = expires
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    answer.map(|body| {
        let end = tokio::time::sleep(left);
        Body::from_stream(body.into_data_stream().take_until(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Bytes;
    use futures::stream;

    use crate::invoke::{Known, TenantId};

    /// A frame, and then nothing for ever.
    fn stream() -> Response {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
        Response::new(Body::from_stream(first.chain(stream::pending())))
    }

    fn caller(expires: Option<SystemTime>) -> Caller {
        Caller::Known(Arc::new(Known {
            name: "ann".to_owned(),
            issuer: None,
            tenant: TenantId::default(),
            scopes: vec![],
            expires,
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_credential_that_opened_it() {
        let begin = tokio::time::Instant::now();
        let expires = SystemTime::now() + Duration::from_secs(300);
        let answer = bounded(stream(), &caller(Some(expires)));
        let read = axum::body::to_bytes(answer.into_body(), 100).await;
        assert_eq!(&*read.unwrap(), b"data: 1\n\n");
        let lasted = begin.elapsed().as_secs();
        assert!((299..=300).contains(&lasted), "{lasted}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_credential_without_an_end_ends_no_stream() {
        for caller in [caller(None), Caller::Anonymous] {
            let answer = bounded(stream(), &caller);
            let read = axum::body::to_bytes(answer.into_body(), 100);
            let day = Duration::from_secs(24 * 60 * 60);
            assert!(tokio::time::timeout(day, read).await.is_err());
        }
    }
}
