//! What is wrong with a server's spec, for whoever wrote it.

use std::fmt;

/// A field that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// The field's path, such as `spec.config.tools`.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The same in one word, for conditions.
    pub reason: Reason,
}

/// Why a spec is not accepted, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Reason {
    InvalidSpec,
    UnknownRuntime,
    NotAdopted,
    InvalidName,
    InvalidSource,
    UnknownPackage,
    InvalidTools,
    InvalidEnvironment,
    InvalidTimeout,
    InvalidPodSpec,
    ConfinedPodSpec,
    InvalidScale,
    NotShareable,
    TooLarge,
}

impl Problem {
    /// A problem of this field.
    pub fn new(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            reason,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
