//! MCP over streamable HTTP: handshake revisions with sessions ("legacy") and
//! 2026-07-28 without ("modern"), on one endpoint.
//!
//! The protocol itself is rmcp's. In front of it stands [`gate`], which keeps the
//! HTTP contract where rmcp's own differs; behind it [`handler`], which turns
//! requests into calls. Legacy sessions are our own: [`sessions`] bounds and ends them, a [`session`] is one of them, and an
//! [`exchange`] is one request in it. [`questions`] asks what guests ask, [`changes`] tells what has changed.
//! [`legacy_sse`] is the transport before.

#![expect(
    deprecated,
    reason = "log messages are part of every revision that is served, though 2026-07-28 advises against them"
)]

mod changes;
mod events;
mod exchange;
mod expiry;
pub mod gate;
pub mod handler;
mod handshake;
pub mod legacy_sse;
pub(super) mod message;
mod observer;
mod pages;
mod questions;
mod refusal;
mod result;
mod scopes;
mod sealed_id;
mod session;
mod sessions;
pub mod tasks;

pub use gate::Mcp;
pub use handler::McpServer;
