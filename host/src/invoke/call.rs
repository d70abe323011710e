//! What is asked for, and what comes back.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::InvokeError;
use super::tenant::{Caller, TenantId};
use crate::sandbox::bindings::Content;
use crate::sandbox::{Observer, Usage};
use crate::telemetry::trace::TraceParent;

/// A request on its way through the host. Dropping the future that runs it
/// cancels the call: the guest stops within a tick.
pub struct Call {
    /// Whose catalog is asked.
    pub tenant: TenantId,
    /// Who asks.
    pub caller: Caller,
    /// What is asked.
    pub operation: Operation,
    /// Who listens while it runs.
    pub observer: Arc<dyn Observer>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

/// What a guest can be asked to do.
pub enum Operation {
    /// Call a tool.
    CallTool(CallTool),
}

/// A tool and its arguments.
pub struct CallTool {
    /// Its name in the catalog.
    pub name: String,
    /// As the caller sent them.
    pub arguments: Map<String, Value>,
    /// The request's `_meta`, less what belongs to the protocol.
    pub meta: Option<Map<String, Value>>,
}

/// A call that ran to its end, and what it used.
pub struct Completed {
    /// What the tool returned, or why it did not.
    pub result: Result<ToolOutput, InvokeError>,
    /// Zero where no guest ran.
    pub usage: Usage,
}

/// What a tool returned. With neither value nor content it returned nothing.
#[derive(Debug, Clone, Default)]
pub struct ToolOutput {
    /// The author's value, unwrapped.
    pub value: Option<Value>,
    /// Blocks for a reader.
    pub content: Option<Vec<Content>>,
    /// The tool's own word that it failed.
    pub is_error: bool,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// Whether the value must be wrapped where a protocol wants an object:
    /// decided by the output schema where there is one, by the value else.
    pub wrap: bool,
}
