//! Ending well: calls in flight finish, new ones are refused.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Counts calls in flight and knows whether the server is ending.
#[derive(Clone, Default)]
pub struct Drain {
    calls: TaskTracker,
    started: CancellationToken,
    /// The grace period is over.
    over: CancellationToken,
}

/// The server is ending; try another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The server is shutting down; try again on another replica")]
pub enum Draining {
    /// The call was not begun.
    Refused,
    /// The call ran, and was dropped.
    Dropped,
}

impl Drain {
    /// Runs a call, unless the server is ending; one that still runs at the end of the grace period is dropped.
    pub async fn run<T>(&self, call: impl Future<Output = T>) -> Result<T, Draining> {
        if self.is_draining() {
            return Err(Draining::Refused);
        }
        let _counted = self.calls.token();
        tokio::select! {
            biased;
            done = call => Ok(done),
            () = self.over.cancelled() => Err(Draining::Dropped),
        }
    }

    /// Whether the server is ending.
    pub fn is_draining(&self) -> bool {
        self.started.is_cancelled()
    }

    /// Waits until the server is ending.
    pub async fn draining(&self) {
        self.started.cancelled().await;
    }

    /// Refuses new calls and waits for those in flight, at most for `grace`; then they are dropped.
    /// Returns how many were still running then.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.started.cancel();
        self.calls.close();
        _ = tokio::time::timeout(grace, self.calls.wait()).await;
        let left = self.calls.len();
        self.end();
        left
    }

    /// Drops the calls in flight.
    pub fn end(&self) {
        self.started.cancel();
        self.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_are_waited_for_and_new_ones_refused() {
        let drain = Drain::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut call = Box::pin(drain.run(ended));
        assert!(futures::poll!(&mut call).is_pending());
        let mut draining = Box::pin(drain.drain(Duration::from_secs(60)));
        assert!(futures::poll!(&mut draining).is_pending());
        assert!(drain.run(async {}).await.is_err());
        end.send(()).unwrap();
        assert_eq!(call.await, Ok(Ok(())));
        assert_eq!(draining.await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_outlives_the_grace_period_is_dropped() {
        let drain = Drain::default();
        let mut call = Box::pin(drain.run(std::future::pending::<()>()));
        assert!(futures::poll!(&mut call).is_pending());
        assert_eq!(drain.drain(Duration::from_secs(1)).await, 1);
        assert_eq!(call.await, Err(Draining::Dropped));
    }
}
