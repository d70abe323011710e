//! Why a call ended early. The texts are for the person or model that called the
//! tool; REST, MCP and the CLI all use them as they stand here.

use sandglass_manifest::{ByteSize, Duration};
use sandglass_text::Line;

/// A call that the sandbox ended, or that ended itself the hard way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The fuel budget is used up.
    #[error("Fuel limit exceeded: the call used its budget of {budget}")]
    Fuel {
        /// Units of fuel (wasm instructions, bytes of bulk memory operations).
        budget: u64,
    },
    /// The deadline passed.
    #[error("Time limit exceeded: the call did not finish within {limit}")]
    Time {
        /// Wall-clock time from the start of the call.
        limit: Duration,
    },
    /// The guest needed more memory than its cap and could not go on without.
    #[error("Memory limit exceeded: the call needs more than {limit}")]
    Memory {
        /// Over all memories and tables.
        limit: ByteSize,
    },
    /// The guest wanted more handles than the host keeps for a call.
    #[error(
        "Memory limit exceeded: the call holds more files, requests and streams at once than limits.host_memory, {limit}, has room for"
    )]
    HostMemory {
        /// What the host may hold for a call.
        limit: ByteSize,
    },
    /// The result, or what the guest passed to a host function, is too large.
    #[error("Output limit exceeded: the result is larger than {limit}")]
    Output {
        /// Over value, content and metadata.
        limit: ByteSize,
    },
    /// The guest trapped.
    #[error("The tool trapped: {reason}{}", .message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
    Trap {
        /// What went wrong, in WebAssembly's terms.
        reason: Line,
        /// The guest's own panic message, where it left one.
        message: Option<Line>,
    },
    /// The guest ended its process instead of returning.
    #[error("The tool ended itself with exit status {status} instead of returning a result")]
    Exit {
        /// As given to `exit`.
        status: i32,
    },
    /// No instance slot was free in time.
    #[error("The host is busy: all instance slots are in use")]
    Busy,
    /// Not the guest's doing.
    #[error("The host failed to run the tool")]
    Host,
}

impl Fault {
    /// Whether one of the call's limits ended it.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::Fuel { .. }
                | Self::Time { .. }
                | Self::Memory { .. }
                | Self::HostMemory { .. }
                | Self::Output { .. }
        )
    }
}

/// What a guest returned is larger than its call's output limit: [`Fault::Output`] to those who called.
#[derive(Debug, thiserror::Error)]
#[error("the result is larger than the output limit")]
pub(super) struct OutputExceeded;
