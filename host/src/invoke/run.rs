//! The path of a call, from the catalog through the sandbox and back.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::account::Account;
use super::call::{Call, Completed, InputRequired, Resume, Step};
use super::error::InvokeError;
use super::ledger::Ledger;
use super::operation::{Conclusion, Operation, Target};
use super::talk::{Binding, QUESTION_TIMEOUT, StateKey, Talk};
use super::tenant::{Caller, TenantId};
use super::updates::Updates;
use super::visible::Visible;
use crate::catalog::Catalog;
use crate::sandbox::bindings::{AskError, Question};
use crate::sandbox::{Askable, Ended, Fresh, Lane, Observer, Ran, Run, Usage, dialogue};
use crate::telemetry;

/// Runs calls against the catalog.
#[derive(Clone)]
pub struct Invoker {
    catalog: Arc<Catalog>,
    ledger: Arc<Ledger>,
    key: StateKey,
    updates: Updates,
}

/// Answers a guest's questions while its call waits.
pub trait Client: Send + Sync {
    /// What it can be asked.
    fn askable(&self) -> Askable;
    /// The answers as the client sends them, by the questions' keys.
    fn ask<'a>(
        &'a self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<BTreeMap<String, Value>, AskError>>;
}

/// Who answers a guest's questions.
#[derive(Clone, Copy)]
enum Asking<'a> {
    Nobody,
    /// A client, while the call waits.
    Waiting(&'a dyn Client),
    /// The caller, who comes back with the answers.
    Returning(Askable),
}

impl Asking<'_> {
    fn askable(&self) -> Askable {
        match self {
            Self::Nobody => Askable::default(),
            Self::Waiting(client) => client.askable(),
            Self::Returning(askable) => *askable,
        }
    }

    /// Who answers while the call waits, if anybody.
    fn waiting(&self) -> Option<&dyn Client> {
        match self {
            Self::Waiting(client) => Some(*client),
            Self::Nobody | Self::Returning(_) => None,
        }
    }
}

impl Invoker {
    /// An invoker for this catalog, whose calls are charged to this ledger, and sealed with this key while they are
    /// their callers'.
    pub fn new(catalog: Arc<Catalog>, ledger: Arc<Ledger>, key: StateKey) -> Self {
        Self {
            catalog,
            ledger,
            key,
            updates: Updates::default(),
        }
    }

    /// The catalog that it calls.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What seals what callers bring back.
    pub fn key(&self) -> &StateKey {
        &self.key
    }

    /// What its calls are charged to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The changes that calls make to resources.
    pub fn updates(&self) -> &Updates {
        &self.updates
    }

    /// What a tenant has, as far as it is the caller's to see.
    pub fn visible<'a>(&self, tenant: &TenantId, caller: &'a Caller) -> Visible<'a> {
        Visible::new(self.catalog.snapshot().tenant(tenant), caller)
    }

    /// Runs a call to its end, without anybody to ask. A panic on the way is an error of this call alone.
    pub async fn run<O: Operation>(&self, call: Call<O>) -> Completed<O::Output> {
        done(self.caught(call, Asking::Nobody, Resume::default()).await)
    }

    /// Runs a call to its end. While the client answers the guest's questions, nothing is held for the call.
    pub async fn run_asking<O: Operation>(
        &self,
        call: Call<O>,
        client: &dyn Client,
    ) -> Completed<O::Output> {
        let asking = Asking::Waiting(client);
        done(self.caught(call, asking, Resume::default()).await)
    }

    /// Runs a call to its end, or to the next question, for a caller who can be asked this.
    pub async fn step<O: Operation>(
        &self,
        call: Call<O>,
        askable: Askable,
        resume: Resume,
    ) -> Completed<Step<O::Output>> {
        self.caught(call, Asking::Returning(askable), resume).await
    }

    /// Why a call has no result whose arguments cannot be read. It leaves a record as any other.
    pub fn refuse<O: Operation>(&self, call: Call<O>, reason: String) -> Completed<O::Output> {
        let Call {
            tenant,
            caller,
            operation,
            trace,
            ..
        } = call;
        let name = operation.asked_for();
        let Some(mut account) = self.ledger.open(&tenant, &caller, trace, &self.updates) else {
            return refused(InvokeError::UnknownTool(name.into_owned()));
        };
        let error = match operation.find(&self.visible(&tenant, &caller)) {
            Ok(target) => {
                account.of(&target);
                InvokeError::InvalidArguments(reason)
            }
            Err(error) => {
                account.of_nothing(&name);
                error
            }
        };
        done(account.close(Err(error)))
    }

    async fn caught<O: Operation>(
        &self,
        call: Call<O>,
        asking: Asking<'_>,
        resume: Resume,
    ) -> Completed<Step<O::Output>> {
        AssertUnwindSafe(self.dispatch(call, asking, resume))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| {
                telemetry::log_panic(&*panic, "a call");
                refused(InvokeError::Internal)
            })
    }

    async fn dispatch<O: Operation>(
        &self,
        call: Call<O>,
        asking: Asking<'_>,
        resume: Resume,
    ) -> Completed<Step<O::Output>> {
        let Call {
            tenant,
            caller,
            mut operation,
            observer,
            trace,
        } = call;
        let Some(mut account) = self.ledger.open(&tenant, &caller, trace, &self.updates) else {
            return refused(InvokeError::UnknownTool(operation.asked_for().into_owned()));
        };
        let mut target = match operation.find(&self.visible(&tenant, &caller)) {
            Ok(target) => target,
            Err(error) => {
                account.of_nothing(&operation.asked_for());
                account.arguments(|| operation.arguments());
                return account.close(Err(error));
            }
        };
        account.of(&target);
        let checked = if operation.is_long(&target) {
            if let Err(refusal) = account.admit(target.guest()).await {
                account.arguments(|| operation.arguments());
                return account.close(Err(refusal));
            }
            let checking = move || (operation.prepare(&target), operation, target);
            let checked;
            (checked, operation, target) = account.lane().run_through(checking).await;
            checked
        } else {
            operation.prepare(&target)
        };
        account.arguments(|| operation.arguments());
        if let Err(error) = checked {
            return account.close(Err(error));
        }
        let calling = Calling {
            invoker: self,
            tenant: &tenant,
            caller: &caller,
            operation: &operation,
            target: &target,
            observer,
            asking,
        };
        // On the heap: it is large, and what waits for it would be as large again.
        let (result, account) = Box::pin(calling.run(resume, account)).await;
        let completed = account.close(result);
        tracing::debug!(
            target: telemetry::CALLS,
            tenant = %tenant,
            caller = ?caller,
            tool = &*target.label(),
            fuel = completed.usage.fuel,
            peak_memory = completed.usage.peak_memory,
            microseconds = completed.usage.duration.as_micros(),
            error = completed.result.as_ref().err().map(tracing::field::display),
            "called"
        );
        completed
    }
}

/// A call whose arguments are checked.
struct Calling<'a, O: Operation> {
    invoker: &'a Invoker,
    tenant: &'a TenantId,
    caller: &'a Caller,
    operation: &'a O,
    target: &'a O::Target,
    observer: Arc<dyn Observer>,
    asking: Asking<'a>,
}

/// How far one run of the guest came.
enum Next<T> {
    Done(T),
    /// To questions; the tool has returned them, or waits for the answers within `host.ask`.
    Asks {
        questions: Vec<Question>,
        returned: bool,
    },
}

impl<O: Operation> Calling<'_, O> {
    /// Runs the guest, and again with the answers to its questions.
    async fn run(
        &self,
        resume: Resume,
        mut account: Account,
    ) -> (Result<Step<O::Output>, InvokeError>, Account) {
        let mut talk = match &resume.state {
            None => Talk::default(),
            Some(sealed) => match Talk::open(sealed, &self.invoker.key, &self.binding()) {
                Ok(talk) => talk,
                Err(error) => return (Err(error), account),
            },
        };
        let mut fresh = match self.take(&mut talk, resume.answers, &account).await {
            Ok(fresh) => fresh,
            Err(questions) => return (self.input_required(&talk, questions, true), account),
        };
        loop {
            let ran;
            (ran, account) = self.run_once(&mut talk, fresh, account).await;
            let (questions, returned) = match ran {
                Err(error) => return (Err(error), account),
                Ok(Next::Done(output)) => return (Ok(Step::Done(output)), account),
                Ok(Next::Asks {
                    questions,
                    returned,
                }) => (questions, returned),
            };
            let Some(client) = self.asking.waiting() else {
                return (self.input_required(&talk, questions, returned), account);
            };
            account.leave();
            let asked = match account.wait_with(self.operation.arguments().len()) {
                Some(_room) => ask(client, &questions, &account.lane()).await,
                None => Err(AskError::Failed(
                    "too many calls wait for answers: try again later".to_owned(),
                )),
            };
            fresh = match asked {
                // There is no place in a tool's own round for anything but answers.
                Err(error) if returned => return (Err(unanswered(&error)), account),
                Err(error) => Fresh::Failure(error),
                Ok(answers) => self
                    .take(&mut talk, answers, &account)
                    .await
                    .unwrap_or_default(),
            };
            if let Err(error) = self.check_unchanged() {
                return (Err(error), account);
            }
        }
    }

    /// Takes answers. Holding them against the forms that were asked is long work.
    async fn take(
        &self,
        talk: &mut Talk,
        answers: BTreeMap<String, Value>,
        account: &Account,
    ) -> Result<Fresh, Vec<Question>> {
        if !talk.has_returned() {
            return talk.take(answers);
        }
        let mut taken = std::mem::take(talk);
        let taking = move || (taken.take(answers), taken);
        let fresh;
        (fresh, *talk) = account.lane().run_through(taking).await;
        fresh
    }

    async fn run_once(
        &self,
        talk: &mut Talk,
        fresh: Fresh,
        mut account: Account,
    ) -> (Result<Next<O::Output>, InvokeError>, Account) {
        let guest = self.target.guest();
        if let Err(refusal) = account.admit(guest).await {
            return (Err(refusal), account);
        }
        let askable = self.asking.askable();
        let run = Run {
            limits: &guest.limits,
            grants: &guest.grants,
            observer: Arc::clone(&self.observer),
            dialogue: talk.dialogue(askable, fresh),
            secret: self.invoker.key.secret(),
        };
        let request = self.operation.request(self.target, talk.continuation());
        let lane = account.lane();
        let (Ran { ended, dialogue }, account) =
            guest.component.call(request, run, &lane, account).await;
        let reply = match ended {
            Err(fault) => return (Err(fault.into()), account),
            Ok(Ended::Asked(questions)) => {
                talk.asked(dialogue);
                let returned = false;
                return (
                    Ok(Next::Asks {
                        questions,
                        returned,
                    }),
                    account,
                );
            }
            Ok(Ended::Returned(reply)) => reply,
        };
        let next = match O::conclude(self.target, reply, &lane).await {
            Ok(Conclusion::Done(output)) => Ok(Next::Done(output)),
            Ok(Conclusion::Asks(mut questions, state)) => {
                if let Err(error) = dialogue::settle(&mut questions) {
                    return (Err(unsettled(error)), account);
                }
                let missing = askable.missing(&questions);
                if missing.is_nothing() {
                    talk.returned(questions.clone(), state);
                    let returned = true;
                    Ok(Next::Asks {
                        questions,
                        returned,
                    })
                } else {
                    let reason = "The tool asks for input that the client cannot give".to_owned();
                    Err(InvokeError::NotAskable { missing, reason })
                }
            }
            // It could not ask what it had to.
            Err(error) if !dialogue.refused.is_nothing() => Err(InvokeError::NotAskable {
                missing: dialogue.refused,
                reason: error.to_string(),
            }),
            Err(error) => Err(error),
        };
        (next, account)
    }

    /// What was taken away or changed meanwhile does not run again.
    fn check_unchanged(&self) -> Result<(), InvokeError> {
        let visible = self.invoker.visible(self.tenant, self.caller);
        let now = self.operation.find(&visible)?;
        let digest = |target: &O::Target| target.guest().component.digest().clone();
        if digest(&now) == digest(self.target) {
            return Ok(());
        }
        Err(InvokeError::State("its component was replaced".to_owned()))
    }

    fn input_required(
        &self,
        talk: &Talk,
        questions: Vec<Question>,
        returned: bool,
    ) -> Result<Step<O::Output>, InvokeError> {
        let state = talk.seal(&self.invoker.key, &self.binding())?;
        Ok(Step::InputRequired(InputRequired {
            questions,
            state,
            returned,
        }))
    }

    fn binding(&self) -> Binding {
        Binding::new(
            self.tenant,
            self.caller,
            &self.target.label(),
            &self.operation.arguments(),
            self.target.guest().component.digest(),
        )
    }
}

/// Asks a client while a call waits.
async fn ask(
    client: &dyn Client,
    questions: &[Question],
    lane: &Lane,
) -> Result<BTreeMap<String, Value>, AskError> {
    let answers = tokio::time::timeout(QUESTION_TIMEOUT, client.ask(questions))
        .await
        .unwrap_or(Err(AskError::TimedOut))?;
    let questions = questions.to_vec();
    let reading = move || dialogue::read(&questions, &answers).map(|_| answers);
    match lane.run_through(reading).await {
        Some(answers) => Ok(answers),
        None => Err(AskError::Failed(
            "the client sent what is no answer to the question".to_owned(),
        )),
    }
}

fn unsettled(error: AskError) -> InvokeError {
    InvokeError::InvalidResult(match error {
        AskError::TimedOut => String::new(),
        AskError::Unsupported(reason) | AskError::Failed(reason) => reason,
    })
}

fn unanswered(error: &AskError) -> InvokeError {
    InvokeError::Failed(match error {
        AskError::TimedOut => "The tool asked for input, and nobody answered in time".to_owned(),
        AskError::Unsupported(reason) | AskError::Failed(reason) => {
            format!("The tool asked for input, and there was no answer: {reason}")
        }
    })
}

fn refused<T>(error: InvokeError) -> Completed<T> {
    Completed {
        result: Err(error),
        usage: Usage::default(),
    }
}

/// A call whose caller does not come back.
fn done<T>(completed: Completed<Step<T>>) -> Completed<T> {
    Completed {
        usage: completed.usage,
        result: completed.result.and_then(|step| match step {
            Step::Done(output) => Ok(output),
            Step::InputRequired(_) => Err(InvokeError::Internal),
        }),
    }
}
