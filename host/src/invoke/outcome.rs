//! How calls end, in one word each: for the audit, the usage and the metrics.

use super::call::{Step, ToolOutput};
use super::error::InvokeError;
use crate::sandbox::Fault;
use crate::sandbox::bindings::{CompletionResult, PromptResult, ResourceContents};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// How a call ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Outcome { $($(#[$doc])* $variant,)+ }

        impl Outcome {
            /// All of them, each at its own index.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

outcomes! {
    /// With a result.
    Ok = "ok",
    /// With questions to its caller.
    InputRequired = "input_required",
    /// The tool said that it failed, or returned what it did not promise.
    ToolError = "tool_error",
    /// The caller's credential does not cover the tool.
    Forbidden = "forbidden",
    /// The arguments do not fit.
    InvalidArguments = "invalid_arguments",
    /// The fuel budget was used up.
    Fuel = "fuel",
    /// The deadline passed.
    Time = "time",
    /// The memory cap.
    Memory = "memory",
    /// The result was too large.
    Output = "output",
    /// The guest trapped, or ended itself.
    Trap = "trap",
    /// There was no place for it.
    Busy = "busy",
    /// A quota was used up.
    OverQuota = "over_quota",
    /// The tenant has no such tool.
    UnknownTool = "unknown_tool",
    /// What the caller brought back is not of this call, or too old.
    State = "state",
    /// The host's fault.
    Internal = "internal",
    /// Nobody waited for the result any more.
    Cancelled = "cancelled",
}

impl Outcome {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

/// A result that can say of itself that it is none.
pub trait Ending {
    /// Whether it does.
    fn is_error(&self) -> bool {
        false
    }
}

impl Ending for ToolOutput {
    fn is_error(&self) -> bool {
        self.is_error
    }
}

impl Ending for PromptResult {}
impl Ending for Vec<ResourceContents> {}
impl Ending for CompletionResult {}

impl Outcome {
    /// Of a call that came so far.
    pub fn of<T: Ending>(result: &Result<Step<T>, InvokeError>) -> Self {
        let error = match result {
            Ok(Step::Done(output)) if output.is_error() => return Self::ToolError,
            Ok(Step::Done(_)) => return Self::Ok,
            Ok(Step::InputRequired(_)) => return Self::InputRequired,
            Err(error) => error,
        };
        match error {
            InvokeError::UnknownTool(_)
            | InvokeError::UnknownPrompt(_)
            | InvokeError::UnknownResource(_) => Self::UnknownTool,
            InvokeError::State(_) => Self::State,
            InvokeError::Forbidden { .. } => Self::Forbidden,
            InvokeError::InvalidArguments(_) => Self::InvalidArguments,
            InvokeError::Failed(_)
            | InvokeError::InvalidResult(_)
            | InvokeError::NotAskable { .. } => Self::ToolError,
            InvokeError::QueueFull { .. } | InvokeError::NoPlace { .. } => Self::Busy,
            InvokeError::OverQuota { .. } => Self::OverQuota,
            InvokeError::Internal => Self::Internal,
            InvokeError::Fault(fault) => match fault {
                Fault::Fuel { .. } => Self::Fuel,
                Fault::Time { .. } => Self::Time,
                Fault::Memory { .. } | Fault::HostMemory { .. } => Self::Memory,
                Fault::Output { .. } => Self::Output,
                Fault::Trap { .. } | Fault::Exit { .. } => Self::Trap,
                Fault::Busy => Self::Busy,
                Fault::Host => Self::Internal,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_stands_at_its_own_index() {
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index);
        }
    }
}
