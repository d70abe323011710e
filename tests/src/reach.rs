//! The guest that tries every capability, served with grants.

use serde_json::Value;

use crate::{Host, Launch, guest};

/// A host whose only source is the guest `reach`.
#[derive(Debug)]
pub struct Reach {
    /// The host.
    pub host: Host,
}

impl Reach {
    /// With these grants: what stands after `allow:`, in one line.
    pub async fn start(allow: &str) -> Self {
        Self::launch(Launch::manifest(&Self::manifest(allow))).await
    }

    /// A launch of [`Self::manifest`], and what else it needs.
    pub async fn launch(launch: Launch) -> Self {
        Self {
            host: launch.start().await,
        }
    }

    /// A manifest with these grants; other top-level keys may follow.
    pub fn manifest(allow: &str) -> String {
        format!(
            "version: 1\ntools:\n  - source: file:{}\n    allow: {allow}\n",
            guest("reach")
        )
    }

    /// What the guest was given.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let mut answer = self.ask(tool, arguments.clone()).await;
        assert!(
            answer.get("ok").is_some(),
            "{tool} {arguments}: {answer}\n{}",
            self.host.log()
        );
        answer["ok"].take()
    }

    /// What the guest was told when it was refused.
    pub async fn refused(&self, tool: &str, arguments: Value) -> String {
        let answer = self.ask(tool, arguments.clone()).await;
        match answer["error"].as_str() {
            Some(error) => error.to_owned(),
            None => panic!("{tool} {arguments} was not refused: {answer}"),
        }
    }

    /// What the guest answers: `{"ok": ..}` or `{"error": ".."}`. A refusal is never a trap.
    async fn ask(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.host.call(tool, arguments.clone()).await;
        assert_eq!(
            answer.status,
            200,
            "{tool} {arguments}: {answer:?}\n{}",
            self.host.log()
        );
        answer.json()["result"].take()
    }
}
