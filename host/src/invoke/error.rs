//! Why a call gave no result. The texts are used as they stand by REST, MCP and the CLI.

use std::fmt;
use std::time::Duration;

use sandglass_manifest::Scope;
use sandglass_text::Line;

use super::quota::Amount;
use crate::sandbox::{Askable, Fault};

/// A call without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The tenant has no such tool.
    #[error("Unknown tool: {}", Line::name(.0))]
    UnknownTool(String),
    /// The tenant has no such prompt.
    #[error("Unknown prompt: {}", Line::name(.0))]
    UnknownPrompt(String),
    /// The tenant has no such resource.
    #[error("Resource not found: {}", Line::new(.0))]
    UnknownResource(String),
    /// The caller's credential does not cover it.
    #[error("Not allowed: {} needs a credential with the scope {scope}", Line::new(.name))]
    Forbidden {
        /// The tool, prompt or resource.
        name: String,
        /// The least scope that would do.
        scope: Scope,
    },
    /// The arguments do not fit the tool's schema, or the tool says they are wrong.
    #[error("Invalid arguments: {0}")]
    InvalidArguments(String),
    /// The tool's own error.
    #[error("{0}")]
    Failed(String),
    /// The tool had to ask what this client cannot be asked.
    #[error("{reason}")]
    NotAskable {
        /// What is missing in the client.
        missing: Askable,
        /// What the tool says.
        reason: String,
    },
    /// What the caller brought back with its answers does not belong to this call.
    #[error("The request state is not valid: {0}; make the call again from its start")]
    State(String),
    /// The sandbox ended the call.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What the tool returned is not what it promised.
    #[error("The tool returned an invalid result: {0}")]
    InvalidResult(String),
    /// All places are taken, and those in the queue too.
    #[error("Too many calls: {limit} calls of this component's tools are running and the queue of {length} is full; try again in {} s", seconds(*retry_after))]
    QueueFull {
        /// Calls at once.
        limit: u32,
        /// Length of the queue before them.
        length: u32,
        /// When to try again.
        retry_after: Duration,
    },
    /// No place came free in time.
    #[error("Too many calls: {limit} calls of this component's tools are running and none ended within {wait}; try again in {} s", seconds(*retry_after))]
    NoPlace {
        /// Calls at once.
        limit: u32,
        /// The time in the queue.
        wait: sandglass_manifest::Duration,
        /// When to try again.
        retry_after: Duration,
    },
    /// A quota is used up.
    #[error("Over quota: {owner} may {amount}; try again in {} s", seconds(*retry_after))]
    OverQuota {
        /// Whose quota it is.
        owner: Owner,
        /// How much it is.
        amount: Amount,
        /// When there is some again.
        retry_after: Duration,
    },
    /// Not the tool's doing; the log says more.
    #[error("Internal error: the host's log says more")]
    Internal,
}

/// Whose calls a quota bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// All calls of the tenant.
    Tenant,
    /// Those of the component's tools.
    Component,
}

impl InvokeError {
    /// Whole seconds to wait before trying again, where that would help.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::QueueFull { retry_after, .. }
            | Self::NoPlace { retry_after, .. }
            | Self::OverQuota { retry_after, .. } => Some(seconds(*retry_after)),
            Self::Fault(Fault::Busy) => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "the tenant",
            Self::Component => "this component's tools",
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(calls) => write!(f, "start {calls} calls a minute"),
            Self::Fuel(fuel) => write!(f, "burn {fuel} fuel a minute"),
            Self::Concurrency(calls) => write!(f, "run {calls} calls at once"),
        }
    }
}

/// Rounded up: a second too early would be refused again.
fn seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + begun).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_rounded_up() {
        for (milliseconds, whole) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            let error = InvokeError::OverQuota {
                owner: Owner::Tenant,
                amount: Amount::Calls(60),
                retry_after: Duration::from_millis(milliseconds),
            };
            assert_eq!(error.retry_after(), Some(whole));
            assert_eq!(
                error.to_string(),
                format!(
                    "Over quota: the tenant may start 60 calls a minute; try again in {whole} s"
                )
            );
        }
    }
}
