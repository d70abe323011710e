//! How calls end, in one word each: for the audit, the usage and the metrics.

use super::call::ToolOutput;
use super::error::InvokeError;
use crate::sandbox::Fault;

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
    /// The host's fault.
    Internal = "internal",
    /// Nobody waited for the result any more.
    Cancelled = "cancelled",
}

impl Outcome {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

impl From<&Result<ToolOutput, InvokeError>> for Outcome {
    fn from(result: &Result<ToolOutput, InvokeError>) -> Self {
        let error = match result {
            Ok(output) if output.is_error => return Self::ToolError,
            Ok(_) => return Self::Ok,
            Err(error) => error,
        };
        match error {
            InvokeError::UnknownTool(_) => Self::UnknownTool,
            InvokeError::Forbidden { .. } => Self::Forbidden,
            InvokeError::InvalidArguments(_) => Self::InvalidArguments,
            InvokeError::Failed(_) | InvokeError::InvalidResult(_) => Self::ToolError,
            InvokeError::QueueFull { .. } | InvokeError::NoPlace { .. } => Self::Busy,
            InvokeError::OverQuota { .. } => Self::OverQuota,
            InvokeError::Internal => Self::Internal,
            InvokeError::Fault(fault) => match fault {
                Fault::Fuel { .. } => Self::Fuel,
                Fault::Time { .. } => Self::Time,
                Fault::Memory { .. } => Self::Memory,
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
