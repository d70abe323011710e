//! Calls that go on as tasks (extension `io.modelcontextprotocol/tasks`, SEP-2663): their client gets a handle, asks how
//! far they are, answers their questions, and may have gone in between.
//!
//! The tasks and their results are kept in memory, by rmcp. A gateway finds the replica that has one by `Mcp-Name`,
//! which is its id.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, DetailedTask, InputResponses, Task};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{questions, result};
use crate::invoke::{
    Call, CallTool, Client, Completed, InputRequired, InvokeError, Invoker, Resume, Step, TenantId,
    ToolOutput,
};
use crate::sandbox::bindings::{AskError, Question};
use crate::sandbox::{Askable, Observer, Severity};
use crate::serve::drain::{Drain, Draining};
use crate::serve::requester::Requester;

/// A call that ends within this time is no task: its client has the result at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How long a task and its result are kept, from its beginning.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How often clients should ask.
const POLL: Duration = Duration::from_millis(500);

/// Tasks of one tenant that are kept at once.
const MAX_TASKS: usize = 1_000;

/// The tasks of all tenants.
#[derive(Default)]
pub struct Tasks {
    manager: TaskManager,
    owners: Mutex<HashMap<String, Requester>>,
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

type Work = AbortOnDropHandle<Result<Completed<Step<ToolOutput>>, Draining>>;

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
            tenant: call.tenant.clone(),
            caller: call.caller.clone(),
        };
        let link = Arc::new(Link::new(askable));
        let call = Call {
            observer: Arc::clone(&link) as Arc<dyn Observer>,
            ..call
        };
        let (invoker, drain, client) = (invoker.clone(), drain.clone(), Arc::clone(&link));
        let calling = async move {
            let call = invoker.step_asking(call, &*client, resume);
            drain.run(call).await
        };
        let mut work: Work = AbortOnDropHandle::new(tokio::spawn(calling));
        tokio::select! {
            done = &mut work => return match done {
                Ok(Ok(completed)) => Begun::Ended(completed.result),
                Ok(Err(draining)) => Begun::Draining(draining),
                Err(_) => Begun::Ended(Err(InvokeError::Internal)),
            },
            () = link.asked.notified() => {}
            () = tokio::time::sleep(AT_ONCE) => {}
        }
        match self.keep(owner, link, work) {
            Ok(task) => Begun::Task(task),
            Err(error) => Begun::Ended(Err(error)),
        }
    }

    /// Makes a task of a call that is under way.
    fn keep(&self, owner: Requester, link: Arc<Link>, work: Work) -> Result<Task, InvokeError> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|id, _| self.manager.get_task(id).is_ok());
        if of_tenant(&owners, &owner.tenant) >= MAX_TASKS {
            return Err(InvokeError::Failed(format!(
                "Too many tasks: {MAX_TASKS} are kept, each for {} minutes; try again later",
                KEPT.as_secs() / 60
            )));
        }
        let options = TaskOptions::new()
            .with_ttl_ms(KEPT.as_millis() as u64)
            .with_poll_interval_ms(POLL.as_millis() as u64);
        let task = self.manager.spawn(options, |context| {
            link.context.send_replace(Some(context.clone()));
            finish(context, work).boxed()
        });
        owners.insert(task.task_id.clone(), owner);
        Ok(task)
    }

    /// `tasks/get`
    pub fn get(&self, id: &str, asks: &Requester) -> Result<DetailedTask, ErrorData> {
        self.check_owner(id, asks)?;
        self.manager.get_task(id)
    }

    /// `tasks/update`
    pub fn update(
        &self,
        id: &str,
        answers: InputResponses,
        asks: &Requester,
    ) -> Result<(), ErrorData> {
        self.check_owner(id, asks)?;
        self.manager.update_task(id, answers)
    }

    /// `tasks/cancel`
    pub fn cancel(&self, id: &str, asks: &Requester) -> Result<(), ErrorData> {
        self.check_owner(id, asks)?;
        self.manager.cancel_task(id)
    }

    /// Another's task is as unknown as none.
    fn check_owner(&self, id: &str, asks: &Requester) -> Result<(), ErrorData> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owners.get(id) {
            Some(owner) if owner.is_same(asks) => Ok(()),
            _ => Err(ErrorData::invalid_params("Unknown task", None)),
        }
    }
}

fn of_tenant(owners: &HashMap<String, Requester>, tenant: &TenantId) -> usize {
    let owners = owners.values();
    owners.filter(|owner| owner.tenant == *tenant).count()
}

/// Waits for a task's end. Cancelled, its guest stops within a tick.
async fn finish(context: TaskContext, work: Work) -> Result<CallToolResult, TaskExit> {
    let done = tokio::select! {
        done = work => done,
        () = context.cancelled() => return Err(TaskExit::Cancelled),
    };
    let completed = match done {
        Ok(Ok(completed)) => completed,
        Ok(Err(draining)) => {
            return Err(ErrorData::internal_error(draining.to_string(), None).into());
        }
        Err(_) => return Err(result::error(&InvokeError::Internal).into()),
    };
    match completed.result {
        Ok(Step::Done(output)) => Ok(result::success(output)),
        // What the tool says is its result; what ended it is not.
        Err(
            error @ (InvokeError::Failed(_)
            | InvokeError::InvalidArguments(_)
            | InvokeError::NotAskable { .. }),
        ) => Ok(result::failure(&error)),
        Err(error) => Err(result::error(&error).into()),
        Ok(Step::InputRequired(InputRequired { .. })) => {
            let text = "The tool returned questions after it had gone on as a task: ask with `host.ask`, or within the first moment";
            Err(ErrorData::internal_error(text, None).into())
        }
    }
}

/// Between a call and the task that it becomes.
struct Link {
    askable: Askable,
    /// Told when the guest asks.
    asked: Notify,
    context: watch::Sender<Option<TaskContext>>,
    /// How often each key was used: a task asks each only once.
    used: Mutex<HashMap<String, u32>>,
}

impl Link {
    fn new(askable: Askable) -> Self {
        Self {
            askable,
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
            Ok(try_join_all(asking).await?.into_iter().collect())
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
