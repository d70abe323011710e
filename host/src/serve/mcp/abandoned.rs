//! A legacy client that goes away in the middle of a call may come back and
//! resume its stream. It has a while for that; then the call ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a stream can be without its reader.
const RESUME_WITHIN: Duration = Duration::from_secs(30);

/// The body of an answer that a call still writes to.
pub struct Watched {
    body: Body,
    watch: Option<Watch>,
}

struct Watch {
    call: CancellationToken,
    resumed: Arc<Notify>,
}

/// Ends `call` when its answer is dropped before its end, and nobody resumes in time.
pub fn watched(body: Body, call: CancellationToken, resumed: Arc<Notify>) -> Body {
    Body::new(Watched {
        body,
        watch: Some(Watch { call, resumed }),
    })
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(None) = polled {
            self.watch = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(Watch { call, resumed }) = self.watch.take()
            && !self.body.is_end_stream()
        {
            tokio::spawn(async move {
                tokio::select! {
                    () = tokio::time::sleep(RESUME_WITHIN) => call.cancel(),
                    () = resumed.notified() => {}
                    () = call.cancelled() => {}
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished() -> Body {
        Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_reader_left_ends_after_a_while() {
        let call = CancellationToken::new();
        let start = tokio::time::Instant::now();
        drop(watched(unfinished(), call.clone(), Arc::default()));
        call.cancelled().await;
        assert_eq!(start.elapsed().as_secs(), RESUME_WITHIN.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_reader_came_back_goes_on() {
        let (call, resumed) = (CancellationToken::new(), Arc::new(Notify::new()));
        drop(watched(unfinished(), call.clone(), Arc::clone(&resumed)));
        tokio::task::yield_now().await;
        resumed.notify_waiters();
        tokio::time::sleep(2 * RESUME_WITHIN).await;
        assert!(!call.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_read_to_its_end_ends_nothing() {
        let call = CancellationToken::new();
        let body = watched(Body::from("answer"), call.clone(), Arc::default());
        axum::body::to_bytes(body, 100).await.unwrap();
        tokio::time::sleep(2 * RESUME_WITHIN).await;
        assert!(!call.is_cancelled());
    }
}
