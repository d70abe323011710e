//! What is asked for, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::InvokeError;
use super::tenant::{Caller, TenantId};
use crate::sandbox::bindings::{CompletionTarget, Content, Question};
use crate::sandbox::{Observer, Usage};
use crate::telemetry::trace::TraceParent;

/// A request on its way through the host. Dropping the future that runs it
/// cancels the call: the guest stops within a tick.
pub struct Call<O> {
    /// Whose catalog is asked.
    pub tenant: TenantId,
    /// Who asks.
    pub caller: Caller,
    /// What is asked: [`CallTool`], [`GetPrompt`], [`ReadResource`] or [`Complete`].
    pub operation: O,
    /// Who listens while it runs.
    pub observer: Arc<dyn Observer>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

/// A tool and its arguments.
#[derive(Clone, Serialize, Deserialize)]
pub struct CallTool {
    /// Its name in the catalog.
    pub name: String,
    /// As the caller sent them.
    pub arguments: Map<String, Value>,
    /// The request's `_meta`, less what belongs to the protocol.
    pub meta: Option<Map<String, Value>>,
}

/// A prompt and its arguments.
pub struct GetPrompt {
    /// Its name in the catalog.
    pub name: String,
    /// As the caller sent them; MCP has text only.
    pub arguments: Map<String, Value>,
}

/// A resource.
pub struct ReadResource {
    /// Its URI.
    pub uri: String,
}

/// An argument that a person is typing.
pub struct Complete {
    /// Of which prompt, by its name in the catalog, or of which URI template.
    pub target: CompletionTarget,
    /// The argument's name.
    pub argument: String,
    /// What is there so far.
    pub value: String,
    /// Arguments that are settled already: names and values.
    pub context: BTreeMap<String, String>,
}

/// A call that ran to its end, and what it used.
pub struct Completed<T> {
    /// What came of it, or why nothing did.
    pub result: Result<T, InvokeError>,
    /// Zero where no guest ran.
    pub usage: Usage,
}

/// How far a call came whose caller answers questions by coming back.
pub enum Step<T> {
    /// To its end.
    Done(T),
    /// It needs answers.
    InputRequired(InputRequired),
}

/// What a call needs to go on.
pub struct InputRequired {
    /// The questions.
    pub questions: Vec<Question>,
    /// What the caller brings back with the answers: sealed, for this caller and this call only.
    pub state: String,
    /// Whether the tool has returned the questions; else it waits for the answers within `host.ask`.
    pub returned: bool,
}

/// What a caller comes back with.
#[derive(Default)]
pub struct Resume {
    /// As [`InputRequired::state`] had it.
    pub state: Option<String>,
    /// The answers by the questions' keys.
    pub answers: BTreeMap<String, Value>,
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
