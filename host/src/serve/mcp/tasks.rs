//! Calls that go on as tasks (extension `io.modelcontextprotocol/tasks`, SEP-2663): their client gets a handle, asks how
//! far they are, answers their questions, and may have gone in between.
//!
//! The tasks and their results are kept in memory, by rmcp. A gateway finds the replica that has one by `Mcp-Name`,
//! which is its id.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, DetailedTask, InputResponses, Task};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::questions::{self, unless_draining};
use super::result;
use crate::invoke::{
    Call, CallTool, Client, Completed, InputRequired, InvokeError, Invoker, Resume, Step, TenantId,
    ToolOutput,
};
use crate::sandbox::bindings::{AskError, Question};
use crate::sandbox::{Askable, Observer, Severity};
use crate::serve::drain::{Drain, Draining};
use crate::serve::requester::Requester;
use crate::telemetry::trace::TraceParent;

/// A call that ends within this time is no task: its client has the result at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How long a task and its result are kept, from its beginning.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How often clients should ask.
const POLL: Duration = Duration::from_millis(500);

/// Tasks of one tenant that are kept at once. One more takes the place of the one that ended first.
const MAX_TASKS: usize = 256;

/// The tasks of all tenants.
#[derive(Default)]
pub struct Tasks(Mutex<HashMap<String, Entry>>);

/// A task.
struct Entry {
    owner: Requester,
    began: Instant,
    /// Of this task alone: rmcp's own way to forget one is to wait.
    manager: TaskManager,
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

type Ran = Result<Completed<Step<ToolOutput>>, Draining>;

/// A call that may become a task.
struct Work {
    invoker: Invoker,
    drain: Drain,
    owner: Requester,
    operation: CallTool,
    trace: Option<TraceParent>,
    link: Arc<Link>,
}

impl Work {
    async fn run(&self, resume: Resume) -> Ran {
        let call = Call {
            tenant: self.owner.tenant.clone(),
            caller: self.owner.caller.clone(),
            operation: self.operation.clone(),
            observer: Arc::clone(&self.link) as Arc<dyn Observer>,
            trace: self.trace.clone(),
        };
        let call = self.invoker.step_asking(call, &*self.link, resume);
        self.drain.run(call).await
    }
}

impl Tasks {
    /// Begins a call. It goes on when the future that began it is dropped, as soon as it is a task.
    pub async fn begin(
        &self,
        invoker: &Invoker,
        drain: &Drain,
        call: Call<CallTool>,
        askable: Askable,
        resume: Resume,
    ) -> Begun {
        let owner = Requester {
            tenant: call.tenant,
            caller: call.caller,
        };
        // Before the guest does anything.
        if let Err(error) = self.make_room(&owner.tenant) {
            return Begun::Ended(Err(error));
        }
        let link = Arc::new(Link::new(askable, drain.clone()));
        let work = Arc::new(Work {
            invoker: invoker.clone(),
            drain: drain.clone(),
            owner,
            operation: call.operation,
            trace: call.trace,
            link: Arc::clone(&link),
        });
        let running = Arc::clone(&work);
        let running = tokio::spawn(async move { running.run(resume).await });
        let mut running = AbortOnDropHandle::new(running);
        tokio::select! {
            done = &mut running => return match done {
                Ok(Ok(completed)) => Begun::Ended(completed.result),
                Ok(Err(draining)) => Begun::Draining(draining),
                Err(_) => Begun::Ended(Err(InvokeError::Internal)),
            },
            () = link.asked.notified() => {}
            () = tokio::time::sleep(AT_ONCE) => {}
        }
        Begun::Task(self.keep(work, running))
    }

    /// Forgets what is too old, and of a tenant that has too many the one that ended first.
    fn make_room(&self, tenant: &TenantId) -> Result<(), InvokeError> {
        let mut tasks = self.tasks();
        tasks
            .retain(|_, task| task.began.elapsed() < KEPT || task.manager.running_task_count() > 0);
        let own = tasks
            .iter()
            .filter(|(_, task)| task.owner.tenant == *tenant);
        if own.clone().count() < MAX_TASKS {
            return Ok(());
        }
        let ended = own.filter(|(_, task)| task.manager.running_task_count() == 0);
        let oldest = ended
            .min_by_key(|(_, task)| task.began)
            .map(|(id, _)| id.clone());
        match oldest {
            Some(oldest) => {
                tasks.remove(&oldest);
                Ok(())
            }
            None => Err(InvokeError::Failed(format!(
                "Too many tasks: {MAX_TASKS} are running; try again later, or cancel some"
            ))),
        }
    }

    /// Makes a task of a call that is under way.
    fn keep(&self, work: Arc<Work>, running: AbortOnDropHandle<Ran>) -> Task {
        let options = TaskOptions::new()
            .with_ttl_ms(KEPT.as_millis() as u64)
            .with_poll_interval_ms(POLL.as_millis() as u64);
        let manager = TaskManager::new();
        let owner = work.owner.clone();
        let task = manager.spawn(options, |context| {
            work.link.context.send_replace(Some(context.clone()));
            finish(context, work, running).boxed()
        });
        let entry = Entry {
            owner,
            began: Instant::now(),
            manager,
        };
        self.tasks().insert(task.task_id.clone(), entry);
        task
    }

    /// `tasks/get`
    pub fn get(&self, id: &str, asks: &Requester) -> Result<DetailedTask, ErrorData> {
        self.of(id, asks)?.get_task(id)
    }

    /// `tasks/update`
    pub fn update(
        &self,
        id: &str,
        answers: InputResponses,
        asks: &Requester,
    ) -> Result<(), ErrorData> {
        self.of(id, asks)?.update_task(id, answers)
    }

    /// `tasks/cancel`
    pub fn cancel(&self, id: &str, asks: &Requester) -> Result<(), ErrorData> {
        self.of(id, asks)?.cancel_task(id)
    }

    /// Another's task is as unknown as none.
    fn of(&self, id: &str, asks: &Requester) -> Result<TaskManager, ErrorData> {
        match self.tasks().get(id) {
            Some(task) if task.owner.is_same(asks) => Ok(task.manager.clone()),
            _ => Err(ErrorData::invalid_params("Unknown task", None)),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a task's end. Cancelled, its guest stops within a tick.
async fn finish(
    context: TaskContext,
    work: Arc<Work>,
    running: AbortOnDropHandle<Ran>,
) -> Result<CallToolResult, TaskExit> {
    let ending = async {
        let mut ran = match running.await {
            Ok(ran) => ran,
            Err(_) => return Err(result::error(&InvokeError::Internal).into()),
        };
        loop {
            let completed = ran.map_err(|draining| {
                TaskExit::from(ErrorData::internal_error(draining.to_string(), None))
            })?;
            let failed = |error: &InvokeError| Ok(result::failure(error));
            match completed.result {
                Ok(Step::Done(output)) => return Ok(result::success(output)),
                // It has returned its questions, and is called again with the answers.
                Ok(Step::InputRequired(InputRequired { questions, state })) => {
                    match work.link.ask(&questions).await {
                        Ok(answers) => {
                            let state = Some(state);
                            ran = work.run(Resume { state, answers }).await;
                        }
                        Err(AskError::Unsupported(reason) | AskError::Failed(reason)) => {
                            return failed(&InvokeError::Failed(reason));
                        }
                        Err(AskError::TimedOut) => {
                            let text = "Nobody answered in time".to_owned();
                            return failed(&InvokeError::Failed(text));
                        }
                    }
                }
                // What the tool says is its result; what ended it is not.
                Err(
                    error @ (InvokeError::Failed(_)
                    | InvokeError::InvalidArguments(_)
                    | InvokeError::NotAskable { .. }),
                ) => return failed(&error),
                Err(error) => return Err(result::error(&error).into()),
            }
        }
    };
    tokio::select! {
        ended = ending => ended,
        () = context.cancelled() => Err(TaskExit::Cancelled),
    }
}

/// Between a call and the task that it becomes.
struct Link {
    askable: Askable,
    drain: Drain,
    /// Told when the guest asks.
    asked: Notify,
    context: watch::Sender<Option<TaskContext>>,
    /// How often each key was used: a task asks each only once.
    used: Mutex<HashMap<String, u32>>,
}

impl Link {
    fn new(askable: Askable, drain: Drain) -> Self {
        Self {
            askable,
            drain,
            asked: Notify::new(),
            context: watch::Sender::new(None),
            used: Mutex::default(),
        }
    }

    /// A question's key in the task: its own, with a number from the second time on.
    fn key(&self, question: &Question) -> String {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let times = used.entry(question.key.clone()).or_default();
        *times += 1;
        match *times {
            1 => question.key.clone(),
            times => format!("{}-{times}", question.key),
        }
    }
}

impl Client for Link {
    fn askable(&self) -> Askable {
        self.askable
    }

    fn ask<'a>(
        &'a self,
        asked: &'a [Question],
    ) -> BoxFuture<'a, Result<BTreeMap<String, Value>, AskError>> {
        async move {
            self.asked.notify_one();
            let mut context = self.context.subscribe();
            let context = context.wait_for(Option::is_some).await;
            let Some(context) = context.ok().and_then(|context| context.clone()) else {
                return Err(AskError::Failed("the task is gone".to_owned()));
            };
            let asking = asked.iter().map(|question| {
                let (context, key) = (context.clone(), self.key(question));
                async move {
                    let request = questions::request(question).map_err(AskError::Failed)?;
                    let answer = context.request_input(key, request).await;
                    let answer = answer
                        .map_err(|_| AskError::Failed("the task was cancelled".to_owned()))?;
                    Ok((question.key.clone(), answer))
                }
            });
            let answers = unless_draining(&self.drain, try_join_all(asking)).await?;
            Ok(answers.into_iter().collect())
        }
        .boxed()
    }
}

/// Whoever asks how far a task is sees its last progress message.
impl Observer for Link {
    fn log(&self, _: Severity, _: Option<&str>, _: &str) {}

    fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(context) = &*self.context.borrow() else {
            return;
        };
        context.set_status_message(match (message, total) {
            (Some(message), _) => message.to_owned(),
            (None, Some(total)) => format!("{progress} of {total}"),
            (None, None) => progress.to_string(),
        });
    }

    fn cancelled(&self) -> bool {
        let context = self.context.borrow();
        context
            .as_ref()
            .is_some_and(TaskContext::is_cancel_requested)
    }
}
