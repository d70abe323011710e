//! The protocols: REST, MCP over streamable HTTP, MCP over stdio.
//!
//! Everything here decodes a request, hands a [`Call`](crate::invoke::Call) to
//! [`Invoker`](crate::invoke::Invoker), and encodes what comes back.
//!
//! - [`router`]: every layer between the socket and a handler, in order.
//! - [`guard`]: which `Host` and `Origin` may come in.
//! - [`health`], [`rest`]: the endpoints of the Python runtime.
//! - [`mcp`]: MCP, both eras. [`stdio`]: the same over stdin and stdout.
//! - [`describe`]: tools and content blocks as JSON.
//! - [`listen`]: from bind to graceful end. [`drain`]: calls in flight.

pub mod describe;
pub mod drain;
pub mod guard;
mod health;
pub mod listen;
pub mod mcp;
mod rest;
pub mod router;
pub mod stdio;

pub use drain::Drain;

/// What all handlers share.
#[derive(Clone)]
pub struct App {
    /// Runs the calls.
    pub invoker: crate::invoke::Invoker,
    /// Counts them, and refuses them once the server is ending.
    pub drain: Drain,
}
