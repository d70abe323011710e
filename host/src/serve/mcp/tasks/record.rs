//! A task as it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, DetailedTask, InputRequest, JsonObject, Task, TaskPayload};
use rmcp::task_manager::current_timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::TaskId;
use super::{KEPT, POLL};
use crate::invoke::{CallTool, Caller, CallerId, InputRequired, QUESTION_TIMEOUT};
use crate::sandbox::Askable;
use crate::sandbox::bindings::Question;
use crate::serve::mcp::questions;

/// A task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whose it is, in its tenant.
    owner: CallerId,
    began: String,
    updated: String,
    /// What its guest said last of how far it is.
    message: Option<String>,
    /// The keys that its questions have had: each is used once (SEP-2663).
    keys: BTreeSet<String>,
    /// How far it is.
    pub stage: Stage,
}

/// How far a task is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// A host runs it.
    Working(Lease),
    /// Its client is to answer; no host holds anything for it.
    Waiting(Box<Waiting>),
    /// It has ended with this result.
    Completed(JsonObject),
    /// It has ended with this error.
    Failed(JsonObject),
    /// It was cancelled.
    Cancelled,
}

/// Who runs a task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The process.
    pub host: String,
    /// Until when it has said that it does, by the store's clock, since 1970.
    pub until: Duration,
}

/// A call that goes on once there are answers.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub call: CallTool,
    pub askable: Askable,
    /// How far it has come ([`InputRequired::state`]).
    pub state: String,
    /// The answers so far, by the guest's keys.
    pub answers: BTreeMap<String, Value>,
    /// The questions without answers, by the task's keys.
    open: BTreeMap<String, Open>,
    /// Until when it waits, since 1970.
    until: Duration,
}

/// A question without an answer.
#[derive(Clone, Serialize, Deserialize)]
struct Open {
    /// The guest's key for it.
    key: String,
    request: InputRequest,
}

impl Record {
    /// Of a task that begins now.
    pub fn new(caller: &Caller, message: Option<String>, stage: Stage) -> Self {
        let now = current_timestamp();
        Self {
            owner: caller.id(),
            began: now.clone(),
            updated: now,
            message,
            keys: BTreeSet::new(),
            stage,
        }
    }

    /// What is kept of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has no keys but text")
    }

    /// What was kept; none where another version of the host has written it otherwise.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it is this caller's, whatever they may do.
    pub fn is_of(&self, caller: &Caller) -> bool {
        self.owner == caller.id()
    }

    /// The same task, so far.
    pub fn at(&self, stage: Stage) -> Self {
        Self {
            owner: self.owner.clone(),
            began: self.began.clone(),
            updated: current_timestamp(),
            message: self.message.clone(),
            keys: self.keys.clone(),
            stage,
        }
    }

    /// The same task with another message.
    pub fn saying(mut self, message: String) -> Self {
        self.message = Some(message);
        self.updated = current_timestamp();
        self
    }

    /// The same task, which asks. The error says what is wrong with a question.
    pub fn asking(
        &self,
        call: CallTool,
        askable: Askable,
        required: InputRequired,
    ) -> Result<Self, String> {
        let mut keys = self.keys.clone();
        let open = required.questions.iter().map(|question| {
            let open = Open {
                key: question.key.clone(),
                request: questions::request(question)?,
            };
            Ok((unused_key(&mut keys, question), open))
        });
        let open = open.collect::<Result<_, String>>()?;
        let waiting = Waiting {
            call,
            askable,
            state: required.state,
            answers: BTreeMap::new(),
            open,
            until: now() + QUESTION_TIMEOUT,
        };
        let mut record = self.at(Stage::Waiting(Box::new(waiting)));
        record.keys = keys;
        Ok(record)
    }

    /// As its client sees it before it has asked.
    pub fn task(&self, id: &TaskId) -> Task {
        self.detailed(id).task
    }

    /// As its client sees it.
    pub fn detailed(&self, id: &TaskId) -> DetailedTask {
        let payload = match &self.stage {
            Stage::Working(_) => TaskPayload::Working,
            Stage::Waiting(waiting) => TaskPayload::InputRequired {
                input_requests: waiting
                    .open
                    .iter()
                    .map(|(key, open)| (key.clone(), open.request.clone()))
                    .collect(),
            },
            Stage::Completed(result) => TaskPayload::Completed {
                result: result.clone(),
            },
            Stage::Failed(error) => TaskPayload::Failed {
                error: error.clone(),
            },
            Stage::Cancelled => TaskPayload::Cancelled,
        };
        let mut task = Task::new(id.as_str(), payload.status(), &*self.began, &*self.updated)
            .with_ttl_ms(KEPT.as_millis() as u64)
            .with_poll_interval_ms(POLL.as_millis() as u64);
        task.status_message.clone_from(&self.message);
        DetailedTask::new(task, payload)
    }
}

impl Stage {
    /// Ended with this result.
    pub fn completed(result: &CallToolResult) -> Self {
        Self::Completed(object(result))
    }

    /// Ended with this error.
    pub fn failed(error: &ErrorData) -> Self {
        Self::Failed(object(error))
    }

    /// Ended for this reason.
    pub fn failed_for(reason: impl Into<String>) -> Self {
        Self::failed(&ErrorData::internal_error(reason.into(), None))
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_) | Self::Cancelled)
    }
}

impl Waiting {
    /// Takes answers to questions that are open; whether there were any. Others are ignored (SEP-2663, "tasks/update").
    pub fn take(&mut self, answers: &BTreeMap<String, Value>) -> bool {
        let before = self.open.len();
        for (key, answer) in answers {
            if let Some(open) = self.open.remove(key) {
                self.answers.insert(open.key, answer.clone());
            }
        }
        self.open.len() < before
    }

    /// Whether it has all answers.
    pub fn is_answered(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether nobody has answered in time.
    pub fn is_over(&self) -> bool {
        self.until < now()
    }
}

/// This host's clock, since 1970. One from before is as wrong as 1970.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

/// A question's key in its task: its own, or with a number where that was used.
fn unused_key(used: &mut BTreeSet<String>, question: &Question) -> String {
    let mut key = question.key.clone();
    let mut number = 1;
    while used.contains(&key) {
        number += 1;
        key = format!("{}-{number}", question.key);
    }
    used.insert(key.clone());
    key
}
