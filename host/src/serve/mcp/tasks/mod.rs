//! Calls that go on as tasks (extension `io.modelcontextprotocol/tasks`, SEP-2663): their client gets a handle, asks how
//! far they are, answers their questions, and may have gone in between.
//!
//! A task is a [`record`] in a [`store`] that hosts may share, and any of them answers for it. One host runs its guest
//! ([`run`]), and says so there again and again. While a task waits for answers no host has anything to do with it:
//! that with the last answer goes on with the call, by replay.

mod id;
mod record;
mod run;
mod store;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{DetailedTask, InputResponses, Task};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use id::TaskId;
use record::{Record, Stage, Waiting};
use run::{Came, Progress, Running, Work};
use store::{Hold, Kept, TaskStore, Unkept};

use crate::audit::Reason;
use crate::invoke::{
    Call, CallTool, InputRequired, InvokeError, Invoker, Resume, Step, Tenants, ToolOutput,
};
use crate::sandbox::{Askable, BucketError, Records};
use crate::serve::drain::{Drain, Draining};
use crate::serve::refused;
use crate::serve::requester::Requester;
use crate::telemetry::trace::TraceParent;

/// A call that ends within this time is no task: its client has the result at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How long a task and its result are kept, from its beginning.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How often clients should ask.
const POLL: Duration = Duration::from_millis(500);

/// How often tasks are forgotten whose time is over.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// The tasks of all tenants.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    store: TaskStore,
    invoker: Invoker,
    drain: Drain,
    /// The runs of this host, until the store knows how they ended.
    running: TaskTracker,
}

/// How a call of a tool began that may become a task.
pub enum Begun {
    /// It has ended already, or asks its client to call again with answers.
    Ended(Result<Step<ToolOutput>, InvokeError>),
    /// It goes on.
    Task(Task),
    /// The host is ending.
    Draining(Draining),
}

impl Tasks {
    /// Tasks that run with this invoker, and are kept there.
    pub fn new(invoker: Invoker, drain: Drain, records: Records) -> Self {
        Self(Arc::new(Inner {
            store: TaskStore::new(records),
            invoker,
            drain,
            running: TaskTracker::new(),
        }))
    }

    /// Forgets tasks whose time is over, as long as the host lives.
    pub async fn sweep(self, tenants: Arc<Tenants>) -> Infallible {
        loop {
            tokio::time::sleep(SWEEP).await;
            for tenant in tenants.all() {
                // A store that fails says so in the log.
                _ = self.0.store.forget_old(tenant).await;
            }
        }
    }

    /// Waits until the store knows how the tasks of this host ended, which is ending: at most so long.
    pub async fn close(&self, patience: Duration) {
        self.0.running.close();
        _ = tokio::time::timeout(patience, self.0.running.wait()).await;
    }

    /// Begins a call. It goes on when the future that began it is dropped, as soon as it is a task.
    pub async fn begin(&self, call: Call<CallTool>, askable: Askable, resume: Resume) -> Begun {
        // Before the guest does anything.
        if let Err(error) = self.0.store.check_room(&call.tenant).await {
            return Begun::Ended(Err(error.into()));
        }
        let asks = Requester {
            tenant: call.tenant,
            caller: call.caller,
        };
        let work = self.work(asks, call.operation, askable, call.trace);
        let mut running = work.start(resume);
        let kept = tokio::select! {
            came = Work::end(&mut running) => match came {
                Came::To(Ok(Step::InputRequired(required))) if !required.returned => {
                    self.keep_asking(&work, required).await
                }
                Came::To(ended) => return Begun::Ended(ended),
                Came::Draining(draining) => return Begun::Draining(draining),
            },
            () = tokio::time::sleep(AT_ONCE) => self.keep_running(work, running).await,
        };
        kept.map_or_else(|error| Begun::Ended(Err(error)), Begun::Task)
    }

    /// Makes a task of a call that asks.
    async fn keep_asking(&self, work: &Work, required: InputRequired) -> Result<Task, InvokeError> {
        let store = &self.0.store;
        let id = TaskId::new();
        let stage = store.working().await.map_err(Unkept::from)?;
        let record = Record::new(&work.asks.caller, work.progress.take(), stage);
        let record = work.asking(&record, required);
        let kept = store.insert(&work.asks.tenant, &id, record).await?;
        Ok(kept.record.task(&id))
    }

    /// Makes a task of a call that runs.
    async fn keep_running(&self, work: Work, running: Running) -> Result<Task, InvokeError> {
        let inner = Arc::clone(&self.0);
        let (tell, told) = oneshot::channel();
        self.0.running.spawn(async move {
            let store = &inner.store;
            let id = TaskId::new();
            let hold = store.hold(&id);
            let kept = async {
                let stage = store.working().await?;
                let record = Record::new(&work.asks.caller, work.progress.take(), stage);
                store.insert(&work.asks.tenant, &id, record).await
            };
            match kept.await {
                Ok(kept) => {
                    // Whoever has gone does not ask.
                    _ = tell.send(Ok(kept.record.task(&id)));
                    work.follow(store, &id, hold, kept, running).await;
                }
                Err(error) => _ = tell.send(Err(error)),
            }
        });
        Ok(told.await.map_err(|_| InvokeError::Internal)??)
    }

    /// `tasks/get`
    pub async fn get(&self, id: &str, asks: &Requester) -> Result<DetailedTask, ErrorData> {
        let (id, kept) = self.0.find(id, asks).await?;
        Ok(kept.record.detailed(&id))
    }

    /// `tasks/update`: with the last answer the call goes on, here and in this trace.
    pub async fn update(
        &self,
        id: String,
        answers: InputResponses,
        asks: Requester,
        trace: Option<TraceParent>,
    ) -> Result<(), ErrorData> {
        let tasks = self.clone();
        whole(async move { tasks.answer(&id, &answers, asks, trace).await }).await
    }

    async fn answer(
        &self,
        id: &str,
        answers: &InputResponses,
        asks: Requester,
        trace: Option<TraceParent>,
    ) -> Result<(), ErrorData> {
        let store = &self.0.store;
        loop {
            let (id, kept) = self.0.find(id, &asks).await?;
            let Stage::Waiting(waiting) = &kept.record.stage else {
                return Ok(());
            };
            let mut waiting = waiting.clone();
            if !waiting.take(answers) {
                return Ok(());
            }
            let answered = waiting.is_answered();
            if answered && self.0.drain.is_draining() {
                refused::tell_of(self.0.invoker.ledger(), Reason::Draining, &asks, None);
                return Err(ErrorData::internal_error(
                    Draining::Refused.to_string(),
                    None,
                ));
            }
            let hold = answered.then(|| store.hold(&id));
            let stage = match answered {
                true => store.working().await.map_err(|error| failing(&error))?,
                false => Stage::Waiting(waiting.clone()),
            };
            let record = kept.record.at(stage);
            let replaced = store.replace(&asks.tenant, &id, &kept, record).await;
            match (replaced.map_err(|error| failing(&error))?, hold) {
                // Somebody else has answered, or cancelled it.
                (None, _) => {}
                (Some(_), None) => return Ok(()),
                (Some(kept), Some(hold)) => {
                    self.go_on(id, hold, kept, *waiting, asks, trace);
                    return Ok(());
                }
            }
        }
    }

    /// Goes on with a call that has its answers.
    fn go_on(
        &self,
        id: TaskId,
        hold: Hold,
        kept: Kept,
        waiting: Waiting,
        asks: Requester,
        trace: Option<TraceParent>,
    ) {
        let resume = Resume {
            state: Some(waiting.state),
            answers: waiting.answers,
        };
        let work = self.work(asks, waiting.call, waiting.askable, trace);
        let inner = Arc::clone(&self.0);
        self.0.running.spawn(async move {
            let running = work.start(resume);
            work.follow(&inner.store, &id, hold, kept, running).await;
        });
    }

    /// `tasks/cancel`: a guest of this host stops within a tick, that of another with its next beat.
    pub async fn cancel(&self, id: String, asks: Requester) -> Result<(), ErrorData> {
        let inner = Arc::clone(&self.0);
        whole(async move {
            loop {
                let (id, kept) = inner.find(&id, &asks).await?;
                if kept.record.stage.has_ended() {
                    return Ok(());
                }
                let record = kept.record.at(Stage::Cancelled);
                let replaced = inner.store.replace(&asks.tenant, &id, &kept, record).await;
                if replaced.map_err(|error| failing(&error))?.is_some() {
                    inner.store.stop(&id);
                    return Ok(());
                }
            }
        })
        .await
    }

    fn work(
        &self,
        asks: Requester,
        call: CallTool,
        askable: Askable,
        trace: Option<TraceParent>,
    ) -> Work {
        Work {
            invoker: self.0.invoker.clone(),
            drain: self.0.drain.clone(),
            asks,
            call,
            askable,
            trace,
            progress: Arc::new(Progress::default()),
        }
    }
}

impl Inner {
    /// Another's task is as unknown as none.
    async fn find(&self, id: &str, asks: &Requester) -> Result<(TaskId, Kept), ErrorData> {
        let unknown = || ErrorData::invalid_params("Unknown task", None);
        let id = TaskId::parse(id).ok_or_else(unknown)?;
        match self.store.load(&asks.tenant, &id).await {
            Ok(Some(kept)) if kept.record.is_of(&asks.caller) => Ok((id, kept)),
            Ok(_) => Err(unknown()),
            Err(error) => Err(failing(&error)),
        }
    }
}

impl From<Unkept> for InvokeError {
    fn from(error: Unkept) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Whoever has asked for a change may hang up: it is made whole.
async fn whole(
    change: impl Future<Output = Result<(), ErrorData>> + Send + 'static,
) -> Result<(), ErrorData> {
    let internal = |_| ErrorData::internal_error(InvokeError::Internal.to_string(), None);
    tokio::spawn(change).await.map_err(internal)?
}

/// The store does not do what it should.
fn failing(error: &BucketError) -> ErrorData {
    ErrorData::internal_error(
        format!("The task cannot be looked up or changed: {error}"),
        None,
    )
}
