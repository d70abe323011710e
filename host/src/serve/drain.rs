//! Ending well: calls in flight finish, new ones are refused.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Counts calls in flight and knows whether the server is ending.
#[derive(Clone, Default)]
pub struct Drain {
    calls: TaskTracker,
    started: CancellationToken,
}

/// The server is ending; try another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The server is shutting down; try again on another replica")]
pub struct Draining;

impl Drain {
    /// Counts a call for as long as the token lives; refused once the server is ending.
    pub fn enter(&self) -> Result<TaskTrackerToken, Draining> {
        if self.is_draining() {
            return Err(Draining);
        }
        Ok(self.calls.token())
    }

    /// Whether the server is ending.
    pub fn is_draining(&self) -> bool {
        self.started.is_cancelled()
    }

    /// Refuses new calls and waits for those in flight, at most for `grace`.
    /// Returns how many were still running then.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.started.cancel();
        self.calls.close();
        _ = tokio::time::timeout(grace, self.calls.wait()).await;
        self.calls.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_are_waited_for_and_new_ones_refused() {
        let drain = Drain::default();
        let call = drain.enter().unwrap();
        let mut draining = Box::pin(drain.drain(Duration::from_secs(60)));
        assert!(futures::poll!(&mut draining).is_pending());
        assert!(drain.enter().is_err());
        drop(call);
        assert_eq!(draining.await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_ends() {
        let drain = Drain::default();
        let _call = drain.enter().unwrap();
        assert_eq!(drain.drain(Duration::from_secs(1)).await, 1);
    }
}
