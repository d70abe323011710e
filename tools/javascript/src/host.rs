//! The host's functions, as far as they are the same for a component and for a native test, where there is no host.

#[cfg(not(target_family = "wasm"))]
mod absent;
#[cfg(target_family = "wasm")]
mod present;
mod response;

#[cfg(not(target_family = "wasm"))]
pub use absent::{Pending, environment, first_ready, log, random, send, sleep};
#[cfg(target_family = "wasm")]
pub use present::{Pending, environment, first_ready, log, random, send, sleep};
pub use response::{Request, Response};

/// How severe a message is, as `console` has it.
#[derive(Debug, Clone, Copy)]
pub enum Level {
    /// `console.debug`
    Debug,
    /// `console.log` and `console.info`
    Info,
    /// `console.warn`
    Warning,
    /// `console.error`
    Error,
}
