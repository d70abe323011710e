//! How many calls run at once, and how many may wait for that.

use std::sync::Arc;
use std::time::Duration;

use sandglass_manifest::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::error::InvokeError;

/// The gate before a source's calls.
#[derive(Debug)]
pub struct Admission {
    limit: u32,
    length: u32,
    wait: sandglass_manifest::Duration,
    running: Arc<Semaphore>,
    /// Places in the queue.
    waiting: Semaphore,
}

impl Admission {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        let (limit, length) = (limits.concurrency.get(), limits.queue.length);
        Self {
            limit,
            length,
            wait: limits.queue.wait,
            running: Arc::new(Semaphore::new(limit as usize)),
            waiting: Semaphore::new(length as usize),
        }
    }

    /// Lets a call in now, or after a wait in the queue, or not. The call runs for as long as the permit lives.
    pub async fn enter(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        match Arc::clone(&self.running).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::NoPermits) => {}
            Err(TryAcquireError::Closed) => unreachable!("the semaphore is never closed"),
        }
        let _place = self
            .waiting
            .try_acquire()
            .map_err(|_| InvokeError::QueueFull {
                limit: self.limit,
                length: self.length,
                retry_after: self.retry_after(),
            })?;
        match tokio::time::timeout(self.wait.get(), Arc::clone(&self.running).acquire_owned()).await
        {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(InvokeError::NoPlace {
                limit: self.limit,
                wait: self.wait,
                retry_after: self.retry_after(),
            }),
        }
    }

    /// Not at once: calls that are running need some time to end.
    fn retry_after(&self) -> Duration {
        self.wait.get().max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(concurrency: u32, length: u32, wait: &str) -> Admission {
        Admission {
            limit: concurrency,
            length,
            wait: wait.parse().unwrap(),
            running: Arc::new(Semaphore::new(concurrency as usize)),
            waiting: Semaphore::new(length as usize),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_limit_waits_for_its_turn() {
        let gate = gate(1, 1, "60s");
        let first = gate.enter().await.unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_queue_is_refused_at_once() {
        let gate = gate(1, 0, "60s");
        let _first = gate.enter().await.unwrap();
        assert!(matches!(
            gate.enter().await,
            Err(InvokeError::QueueFull { .. })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waited_too_long_is_refused() {
        let gate = gate(1, 1, "2s");
        let _first = gate.enter().await.unwrap();
        assert!(matches!(
            gate.enter().await,
            Err(InvokeError::NoPlace { .. })
        ));
    }
}
