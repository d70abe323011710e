//! What JavaScript finds outside a component: clocks, and nobody who listens or answers.

use std::time::{Duration, Instant};

use super::{Level, Request, Response};

/// A timer.
pub struct Pending(Instant);

impl Pending {
    pub fn finish(self) -> Result<Option<Response>, String> {
        Ok(None)
    }
}

pub fn sleep(time: Duration) -> Pending {
    Pending(Instant::now() + time)
}

pub fn send(_: &Request) -> Result<Pending, String> {
    Err("there is no network outside a component".to_owned())
}

/// Waits until one of them is done; which one.
pub fn first_ready(pending: &[&Pending]) -> Option<usize> {
    let (index, first) = pending
        .iter()
        .enumerate()
        .min_by_key(|(_, pending)| pending.0)?;
    std::thread::sleep(first.0.saturating_duration_since(Instant::now()));
    Some(index)
}

pub fn log(_: Level, _: &str) {}

pub fn random() -> u64 {
    7
}

pub fn environment() -> Vec<(String, String)> {
    Vec::new()
}
