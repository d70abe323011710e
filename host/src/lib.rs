//! Sandglass: a host for AI agents' tools, each a WebAssembly component, each
//! call in an instance of its own.
//!
//! The path of a call is the spine of this crate:
//!
//! ```text
//! request -> serve    decode, and encode the answer for the protocol that asked
//!         -> invoke   find the tool, check the arguments, admission
//!         -> sandbox  a new instance: fuel, memory, deadline; call; drop
//! ```
//!
//! The other flow is loading: [`config`] -> [`source`] -> [`sandbox`] compiles -> [`catalog`]; `reload` says when again.

mod address;
pub mod audit;
pub mod author;
mod capacity;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod invoke;
pub mod open_files;
mod reload;
pub mod sandbox;
pub mod schema;
mod secret;
pub mod serve;
pub mod source;
mod supervise;
pub mod telemetry;
mod turns;
mod watch;
