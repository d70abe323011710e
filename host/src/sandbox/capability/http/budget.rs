//! What one call may send and receive, over all its requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sandglass_manifest::HttpLimits;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::super::trail::Trail;
use super::send::received_error;

/// What is left of a call's limits.
pub(super) struct Budgets {
    pub requests: Budget,
    pub sent: Budget,
    pub received: Budget,
}

impl Budgets {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        Self {
            requests: Budget::new("requests", limits.requests.get().into()),
            sent: Budget::new("sent", limits.sent.get()),
            received: Budget::new("received", limits.received.get()),
        }
    }
}

/// A limit, and what is left of it.
pub(super) struct Budget {
    name: &'static str,
    limit: u64,
    left: AtomicU64,
}

impl Budget {
    fn new(name: &'static str, limit: u64) -> Self {
        Self {
            name,
            limit,
            left: AtomicU64::new(limit),
        }
    }

    /// Takes from it; where there is not enough, says so in the trail and gives the limit.
    pub(super) fn take(&self, amount: u64, trail: &Trail) -> Result<(), u64> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(amount)
            })
            .map(|_| ())
            .map_err(|_| {
                trail.denied(format!("http: limits.http.{} is used up", self.name));
                self.limit
            })
    }
}

/// A request's body, counted.
pub(super) struct Sent {
    pub body: WasiBody,
    pub budgets: Arc<Budgets>,
    pub trail: Trail,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(Some(bytes))) = frame
            .as_ref()
            .map(|frame| frame.as_ref().map(Frame::data_ref))
        else {
            return Poll::Ready(frame);
        };
        match self.budgets.sent.take(bytes.len() as u64, &self.trail) {
            Ok(()) => Poll::Ready(frame),
            Err(limit) => Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(limit))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, counted; the time between two parts of it is bounded where the guest asked for that.
pub(super) struct Received {
    body: hyper::body::Incoming,
    budgets: Arc<Budgets>,
    trail: Trail,
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Received {
    pub(super) fn new(
        body: hyper::body::Incoming,
        budgets: Arc<Budgets>,
        trail: Trail,
        pause: Option<Duration>,
    ) -> Self {
        Self {
            body,
            budgets,
            trail,
            pause: pause.map(|pause| (pause, Box::pin(tokio::time::sleep(pause)))),
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let Some((_, sleep)) = &mut this.pause else {
                return Poll::Pending;
            };
            ready!(sleep.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        if let Some((pause, sleep)) = &mut this.pause {
            sleep.as_mut().reset(Instant::now() + *pause);
        }
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|error| received_error(&error))?;
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            this.budgets
                .received
                .take(length, &this.trail)
                .map_err(|limit| Error::HttpResponseBodySize(Some(limit)))?;
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
