//! Waiting for something to become true, with an end to it.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything that must happen may take on a busy machine. It costs nothing where all is well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer; panics with `what` after `patience`.
pub async fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// [`within`] the time that everything gets.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}
