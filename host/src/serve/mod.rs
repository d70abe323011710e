//! The protocols: REST, MCP over streamable HTTP, MCP over stdio.
//!
//! Everything here decodes a request, hands a [`Call`](crate::invoke::Call) to
//! [`Invoker`](crate::invoke::Invoker), and encodes what comes back.
//!
//! - [`router`]: the whole way of a request, from its head to its answer. [`body`]: reading what follows the head, as
//!   far as there is room for what its JSON takes (`json_weight`).
//! - [`guard`]: which `Host` and [`Origin`](origin) may come in. [`cors`]: which web pages may read the answers.
//! - [`door`]: who comes in, and to which tenant, by [`identity`]. `refused`: those who do not are counted, and written down.
//! - [`health`], [`rest`]: the endpoints of the Python runtime, and what belongs to them. [`openapi`]: their description.
//! - [`mcp`]: MCP, both eras. [`stdio`]: the same over stdin and stdout.
//! - `kept`: documents that are written once. [`describe`]: tools and content blocks as JSON.
//! - [`management`]: metrics, usage and readiness in full, on a port of their own.
//! - [`listen`]: from bind to graceful end. `connection`, `tls`: each connection's. `places`: who has one. `pace`: how
//!   slowly a client may send and take. [`drain`]: calls in flight.

pub mod body;
mod connection;
pub mod cors;
pub mod describe;
mod door;
pub mod drain;
pub mod guard;
mod health;
pub mod identity;
mod json_weight;
mod kept;
pub mod listen;
pub mod management;
pub mod mcp;
mod openapi;
mod openapi_schemas;
pub mod origin;
mod pace;
mod places;
mod refused;
mod requester;
pub mod rest;
pub mod router;
pub mod stdio;
pub mod tls;

use std::sync::Arc;

pub use drain::Drain;
use identity::Identity;
pub use kept::Kept;
use mcp::tasks::Tasks;

use crate::invoke::{Invoker, Tenants};
use crate::reload::Reload;

/// What all handlers share. On the heap once, for it is handed on several times in each request.
pub type App = Arc<Shared>;

/// What a server has.
pub struct Shared {
    /// Runs the calls.
    pub invoker: Invoker,
    /// Counts them, and refuses them once the server is ending.
    pub drain: Drain,
    /// Calls that go on as tasks.
    pub tasks: Tasks,
    /// Whose tools there are.
    pub tenants: Arc<Tenants>,
    /// Who may call; none: anybody.
    pub identity: Option<Arc<Identity>>,
    /// What has become of changes, and the way to ask for a look.
    pub reload: Reload,
    /// Documents that were written.
    pub kept: Kept,
}
