//! A task's guest at work: from a run's beginning to its end, or to its questions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::KEPT;
use super::id::TaskId;
use super::record::{Record, Stage};
use super::store::{Hold, Kept, TaskStore};
use crate::invoke::{
    Call, CallTool, Completed, InputRequired, InvokeError, Invoker, Resume, Step, ToolOutput,
};
use crate::sandbox::{Askable, BucketError, Observer, Severity};
use crate::serve::drain::{Drain, Draining};
use crate::serve::mcp::result;
use crate::serve::requester::Requester;
use crate::telemetry::trace::TraceParent;

/// How often a host looks at a task that it runs: so late it says what the guest says, and hears that the task was
/// cancelled on another host.
const BEAT: Duration = Duration::from_millis(500);

/// Characters of a task's message: it is written again with each change.
const MAX_MESSAGE: usize = 1_024;

/// A call that is a task, or may become one.
pub(super) struct Work {
    pub invoker: Invoker,
    pub drain: Drain,
    pub asks: Requester,
    pub call: CallTool,
    pub askable: Askable,
    pub trace: Option<TraceParent>,
    pub progress: Arc<Progress>,
}

/// A run of a call's guest, which ends when this is dropped.
pub(super) type Running = AbortOnDropHandle<Ran>;

/// How a run ended.
type Ran = Result<Completed<Step<ToolOutput>>, Draining>;

/// How far a run of a call came.
pub(super) enum Came {
    To(Result<Step<ToolOutput>, InvokeError>),
    Draining(Draining),
}

impl Work {
    /// Begins to run it.
    pub fn start(&self, resume: Resume) -> Running {
        let call = Call {
            tenant: self.asks.tenant.clone(),
            caller: self.asks.caller.clone(),
            operation: self.call.clone(),
            observer: Arc::clone(&self.progress) as Arc<dyn Observer>,
            trace: self.trace.clone(),
        };
        let (invoker, drain, askable) = (self.invoker.clone(), self.drain.clone(), self.askable);
        AbortOnDropHandle::new(tokio::spawn(async move {
            drain.run(invoker.step(call, askable, resume)).await
        }))
    }

    /// Waits for its end.
    pub async fn end(running: &mut Running) -> Came {
        match running.await {
            Ok(Ok(completed)) => Came::To(completed.result),
            Ok(Err(draining)) => Came::Draining(draining),
            Err(_) => Came::To(Err(InvokeError::Internal)),
        }
    }

    /// What becomes of a task of which this came.
    fn after(&self, record: &Record, came: Came) -> Record {
        let stage = match came {
            Came::To(Ok(Step::InputRequired(required))) => return self.asking(record, required),
            Came::To(Ok(Step::Done(output))) => Stage::completed(&result::success(output)),
            // What the tool says is its result; what ended it is not.
            Came::To(Err(
                error @ (InvokeError::Failed(_)
                | InvokeError::InvalidArguments(_)
                | InvokeError::NotAskable { .. }),
            )) => Stage::completed(&result::failure(&error)),
            Came::To(Err(error)) => Stage::failed(&result::error(&error)),
            Came::Draining(draining) => Stage::failed_for(draining.to_string()),
        };
        record.at(stage)
    }

    /// What becomes of a task that asks.
    pub fn asking(&self, record: &Record, required: InputRequired) -> Record {
        let asking = record.asking(self.call.clone(), self.askable, required);
        asking.unwrap_or_else(|problem| {
            let error = InvokeError::InvalidResult(problem);
            record.at(Stage::completed(&result::failure(&error)))
        })
    }

    /// Keeps a task as far as it comes, while it runs; nothing more where somebody else has ended it.
    pub async fn follow(
        self,
        store: &TaskStore,
        id: &TaskId,
        hold: Hold,
        mut kept: Kept,
        mut running: Running,
    ) {
        let tenant = &self.asks.tenant;
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut over = std::pin::pin!(sleep(KEPT.saturating_sub(id.age())));
        let came = loop {
            tokio::select! {
                came = Self::end(&mut running) => break came,
                () = hold.end.cancelled() => return,
                // Nobody can ask for it any more.
                () = &mut over => return,
                _ = beat.tick() => match self.beat(store, id, &kept).await {
                    Ok(Some(now)) => kept = now,
                    Ok(None) => return,
                    // It is tried again with the next beat; the guest does not suffer.
                    Err(_) => {}
                },
            }
        };
        if let Some(message) = self.progress.take() {
            kept.record = kept.record.saying(message);
        }
        let mut next = self.after(&kept.record, came);
        while id.age() < KEPT {
            match store.replace(tenant, id, &kept, next.clone()).await {
                Ok(Some(_)) => return,
                Ok(None) => match store.own(tenant, id).await {
                    Ok(Some(now)) => kept = now,
                    Ok(None) => return,
                    Err(_) => sleep(BEAT).await,
                },
                Err(error) => {
                    if !matches!(error, BucketError::Unreachable(_) | BucketError::Broken(_)) {
                        let reason = format!("Its result cannot be kept: {error}");
                        next = next.at(Stage::failed_for(reason));
                    }
                    sleep(BEAT).await;
                }
            }
        }
    }

    /// Says that the task runs, and how far it is; none where it is not this host's any more.
    async fn beat(
        &self,
        store: &TaskStore,
        id: &TaskId,
        kept: &Kept,
    ) -> Result<Option<Kept>, BucketError> {
        let message = self.progress.take();
        if message.is_none() && !store.is_shared() {
            return Ok(Some(kept.clone()));
        }
        let mut next = kept.record.clone();
        next.stage = store.working().await?;
        if let Some(message) = message {
            next = next.saying(message);
        }
        let tenant = &self.asks.tenant;
        match store.replace(tenant, id, kept, next).await? {
            // An answer of the store that was lost is no change of somebody else's.
            None => store.own(tenant, id).await,
            replaced => Ok(replaced),
        }
    }
}

/// What a guest says of how far it is.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<String>>);

impl Progress {
    /// What it has said since this was asked before.
    pub fn take(&self) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.take()
    }
}

/// Whoever asks how far a task is sees its last progress message.
impl Observer for Progress {
    fn log(&self, _: Severity, _: Option<&str>, _: &str) {}

    fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let message = match (message, total) {
            (Some(message), _) => message.chars().take(MAX_MESSAGE).collect(),
            (None, Some(total)) => format!("{progress} of {total}"),
            (None, None) => progress.to_string(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    }

    // What nobody waits for any more is dropped, and its guest ends.
    fn cancelled(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_said_once_and_is_short() {
        let progress = Progress::default();
        assert_eq!(progress.take(), None);
        progress.progress(1.0, None, Some("first"));
        progress.progress(2.0, Some(3.0), None);
        assert_eq!(progress.take().as_deref(), Some("2 of 3"));
        assert_eq!(progress.take(), None);
        progress.progress(1.0, None, Some(&"é".repeat(MAX_MESSAGE + 1)));
        assert_eq!(progress.take().unwrap().chars().count(), MAX_MESSAGE);
    }
}
