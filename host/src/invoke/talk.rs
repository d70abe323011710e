//! A call that asks questions: how far it has come, sealed while its caller has it.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::InvokeError;
use super::tenant::{Caller, TenantId};
use crate::sandbox::bindings::{Answer, Continuation, Question};
use crate::sandbox::dialogue;
use crate::sandbox::{Askable, Dialogue, Fresh, Origin, Round, Secret};
use crate::source::Digest;

/// How long a question can be answered.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Bytes of a state that a client is given to bring back: a request has 4 MiB in all.
const MAX_STATE: usize = 1 << 20;

/// Bytes of a key at least.
pub const MIN_KEY: usize = 32;

/// What callers bring back is sealed by this key. Hosts with the same key go on with each other's calls.
#[derive(Clone)]
pub struct StateKey {
    codec: RequestStateCodec,
    random: Secret,
}

impl StateKey {
    /// From a secret of at least [`MIN_KEY`] bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        Some(Self {
            codec: RequestStateCodec::try_new(key).ok()?,
            random: Secret::new(key),
        })
    }

    /// One that nobody else has.
    pub fn random() -> Self {
        let mut key = [0; MIN_KEY];
        aws_lc_rs::rand::fill(&mut key).expect("the system gives randomness");
        Self::new(&key).expect("it is long enough")
    }

    /// Seals what is to come back.
    pub fn codec(&self) -> RequestStateCodec {
        self.codec.clone()
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.random
    }
}

/// What a call must be the same in to go on.
pub(super) struct Binding(Vec<u8>);

impl Binding {
    pub(super) fn new(
        tenant: &TenantId,
        caller: &Caller,
        label: &str,
        arguments: &str,
        component: &Digest,
    ) -> Self {
        let arguments = Sha256::digest(arguments);
        let parts = (
            tenant.as_str(),
            caller.id(),
            label,
            &arguments[..],
            component.to_string(),
        );
        Self(serde_json::to_vec(&parts).unwrap_or_default())
    }
}

/// How far a call has come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Talk {
    origin: Origin,
    /// The rounds of `host.ask` that are over.
    rounds: Vec<Round>,
    /// Notices that its runs have given: they are not repeated.
    told: u32,
    /// The questions that the tool returned, until they are answered.
    returned: Option<Returned>,
    /// The answers to those that it returned before.
    answered: Option<(Option<String>, Vec<Answer>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Returned {
    questions: Vec<Question>,
    state: Option<String>,
}

impl Talk {
    /// What a caller has brought back.
    pub(super) fn open(
        sealed: &str,
        key: &StateKey,
        binding: &Binding,
    ) -> Result<Self, InvokeError> {
        key.codec
            .open_json_with(sealed, &binding.0)
            .map_err(|error| InvokeError::State(error.to_string()))
    }

    /// For the caller to bring back.
    pub(super) fn seal(&self, key: &StateKey, binding: &Binding) -> Result<String, InvokeError> {
        let options = SealOptions::new()
            .associated_data(&binding.0)
            .ttl(QUESTION_TIMEOUT);
        let sealed = key.codec.seal_json_with(self, &options);
        let sealed = sealed.map_err(|_| InvokeError::Internal)?;
        if sealed.len() > MAX_STATE {
            return Err(InvokeError::Failed(format!(
                "The answers so far are larger than {} MiB: a client could not bring them back",
                MAX_STATE >> 20
            )));
        }
        Ok(sealed)
    }

    /// Whether the tool has returned questions, for which there are no answers yet.
    pub(super) fn has_returned(&self) -> bool {
        self.returned.is_some()
    }

    /// Takes answers to the questions that the tool returned; the others are for the run. The questions again where
    /// they are not answered.
    pub(super) fn take(&mut self, given: BTreeMap<String, Value>) -> Result<Fresh, Vec<Question>> {
        let Some(returned) = self.returned.take() else {
            return Ok(Fresh::Answers(given));
        };
        match dialogue::read(&returned.questions, &given) {
            Some(answers) => {
                let said = serde_json::to_vec(&answers).expect("answers are texts");
                self.origin = self.origin.after(&said);
                self.answered = Some((returned.state, answers));
                self.rounds.clear();
                Ok(Fresh::Nothing)
            }
            None => {
                let questions = returned.questions.clone();
                self.returned = Some(returned);
                Err(questions)
            }
        }
    }

    /// What the next run is given.
    pub(super) fn dialogue(&self, askable: Askable, fresh: Fresh) -> Dialogue {
        let mut dialogue = Dialogue::new(askable);
        dialogue.origin = self.origin.clone();
        dialogue.rounds = self.rounds.clone();
        dialogue.fresh = fresh;
        dialogue.told_before = self.told;
        dialogue
    }

    /// What a tool finds that has returned questions.
    pub(super) fn continuation(&self) -> Option<Continuation> {
        let (state, answers) = self.answered.clone()?;
        Some(Continuation { state, answers })
    }

    /// A run has ended at a question.
    pub(super) fn asked(&mut self, dialogue: Dialogue) {
        self.rounds = dialogue.rounds;
        self.told = dialogue.told;
    }

    /// A tool has returned questions.
    pub(super) fn returned(&mut self, questions: Vec<Question>, state: Option<String>) {
        self.rounds.clear();
        self.told = 0;
        self.returned = Some(Returned { questions, state });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(caller: &Caller, label: &str, arguments: &str, component: &[u8]) -> Binding {
        let tenant = TenantId::default();
        Binding::new(&tenant, caller, label, arguments, &Digest::of(component))
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_call_only() {
        let (key, other) = (StateKey::random(), StateKey::random());
        let of = |label, arguments, component: &[u8]| {
            binding(&Caller::Anonymous, label, arguments, component)
        };
        let call = of("pay", "{}", b"1");
        let sealed = Talk::default().seal(&key, &call).unwrap();
        assert!(Talk::open(&sealed, &key, &call).is_ok());
        assert!(Talk::open(&sealed, &other, &call).is_err());
        assert!(Talk::open(&format!("{sealed}-"), &key, &call).is_err());
        for another in [
            of("pay more", "{}", b"1"),
            of("pay", "{\"all\":true}", b"1"),
            of("pay", "{}", b"2"),
            binding(&Caller::Local, "pay", "{}", b"1"),
        ] {
            assert!(Talk::open(&sealed, &key, &another).is_err());
        }
    }

    #[test]
    fn a_key_must_be_long() {
        assert!(StateKey::new(&[1; MIN_KEY]).is_some());
        assert!(StateKey::new(&[1; MIN_KEY - 1]).is_none());
    }
}
