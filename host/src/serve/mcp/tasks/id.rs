//! Ids of tasks: nobody guesses one, and each says when its task began.

use std::fmt;
use std::time::Duration;

use super::record::now;
use crate::serve::mcp::sealed_id::unguessable;

/// Hex digits of the time, in milliseconds since 1970.
const TIME: usize = 12;

/// Hex digits of randomness: 128 bits.
const RANDOM: usize = 32;

/// A task's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TaskId(String);

impl TaskId {
    /// Of a task that begins now.
    pub fn new() -> Self {
        let began = now().as_millis() as u64;
        Self(format!("{began:0TIME$x}{}", unguessable()))
    }

    /// What a client has sent, if it is such an id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == TIME + RANDOM && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// How long ago its task began.
    pub fn age(&self) -> Duration {
        let began = u64::from_str_radix(&self.0[..TIME], 16).unwrap_or_default();
        now().saturating_sub(Duration::from_millis(began))
    }

    /// As clients send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_own_and_says_when_its_task_began() {
        let id = TaskId::new();
        assert_eq!(TaskId::parse(id.as_str()).as_ref(), Some(&id));
        assert!(id.age() < Duration::from_secs(60));
        let (_, random) = id.as_str().split_at(TIME);
        assert!(!TaskId::new().as_str().ends_with(random));
        let old = TaskId::parse(&format!("{:0TIME$x}{random}", 1_000)).unwrap();
        assert!(old.age() > Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn what_is_no_id_is_none() {
        let id = TaskId::new().to_string();
        for wrong in [
            "",
            "nobody",
            &id[1..],
            &id.to_uppercase(),
            &format!("{id}0"),
        ] {
            assert_eq!(TaskId::parse(wrong), None, "{wrong}");
        }
    }
}
