//! Why a call gave no result. The texts are used as they stand by REST, MCP and the CLI.

use std::time::Duration;

use crate::sandbox::Fault;

/// A call without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The tenant has no such tool.
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
    /// The arguments do not fit the tool's schema, or the tool says they are wrong.
    #[error("Invalid arguments: {0}")]
    InvalidArguments(String),
    /// The tool's own error.
    #[error("{0}")]
    Failed(String),
    /// The sandbox ended the call.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What the tool returned is not what it promised.
    #[error("The tool returned an invalid result: {0}")]
    InvalidResult(String),
    /// All places are taken, and those in the queue too.
    #[error("Too many calls: {limit} calls of this component's tools are running and the queue of {length} is full; try again in {} s", retry_after.as_secs())]
    QueueFull {
        /// Calls at once.
        limit: u32,
        /// Length of the queue before them.
        length: u32,
        /// When to try again.
        retry_after: Duration,
    },
    /// No place came free in time.
    #[error("Too many calls: {limit} calls of this component's tools are running and none ended within {wait}; try again in {} s", retry_after.as_secs())]
    NoPlace {
        /// Calls at once.
        limit: u32,
        /// The time in the queue.
        wait: sandglass_manifest::Duration,
        /// When to try again.
        retry_after: Duration,
    },
    /// Not the tool's doing; the log says more.
    #[error("Internal error: the host's log says more")]
    Internal,
}

impl InvokeError {
    /// How long to wait before trying again, where that would help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. } | Self::NoPlace { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Fault(Fault::Busy) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
