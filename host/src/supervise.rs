//! Tasks that run for as long as the host does, and without which it is blind or deaf: one that panics is begun again, and one
//! that cannot be begun again ends the host. `/ready` says which has failed and why, and a metric counts it.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use sandglass_text::Line;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// From a failure until the task is begun again; from each failure that follows soon twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A task that has run for so long since it was begun again is well.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Watches over tasks.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    tasks: Mutex<BTreeMap<String, Task>>,
    /// Why the host must end.
    end: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Task {
    failures: u64,
    last: Option<Failure>,
}

struct Failure {
    reason: Line,
    pause: Duration,
    /// When the task is well, if it has not failed again by then.
    until: Instant,
}

impl Supervisor {
    fn new() -> Self {
        Self(Arc::new(Inner {
            tasks: Mutex::default(),
            end: watch::Sender::new(None),
        }))
    }

    /// That of this process.
    pub fn get() -> Self {
        static OF_PROCESS: LazyLock<Supervisor> = LazyLock::new(Supervisor::new);
        OF_PROCESS.clone()
    }

    /// Runs what has no end of its own, until the handle is dropped; where it panics, it is begun again.
    pub fn keep<F>(
        &self,
        task: impl Into<String>,
        mut begin: impl FnMut() -> F + Send + 'static,
    ) -> AbortOnDropHandle<()>
    where
        F: Future<Output = Infallible> + Send,
    {
        let (supervisor, task) = (self.clone(), self.known(task));
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let Err(reason) = caught(async { begin().await }).await;
                tokio::time::sleep(supervisor.failed(&task, reason)).await;
            }
        }))
    }

    /// Works on this thread until the work returns; where it panics, it is begun again.
    pub fn keep_thread(&self, task: impl Into<String>, mut work: impl FnMut()) {
        let task = self.known(task);
        while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut work)) {
            std::thread::sleep(self.failed(&task, words(&*panic)));
        }
    }

    /// Runs what cannot be begun again: where it panics or gives a reason to, the host ends.
    pub fn need(
        &self,
        task: impl Into<String>,
        work: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let (supervisor, task) = (self.clone(), self.known(task));
        AbortOnDropHandle::new(tokio::spawn(async move {
            let ended = caught(work).await;
            if let Err(reason) = ended.and_then(|ended| ended.map_err(Line::new)) {
                let why = format!("{task} has failed, and the host cannot go on: {reason}");
                supervisor.failed(&task, reason);
                supervisor.0.end.send_replace(Some(why));
            }
        }))
    }

    /// Waits until the host must end; why.
    pub async fn must_end(&self) -> String {
        let mut end = self.0.end.subscribe();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            // Its sender is `self`'s.
            _ => std::future::pending().await,
        }
    }

    /// Notes a failure, and says it; for how long the task is to pause.
    pub fn failed(&self, task: &str, reason: Line) -> Duration {
        let now = Instant::now();
        let mut tasks = self.tasks();
        let known = tasks.entry(task.to_owned()).or_default();
        let pause = match &known.last {
            Some(last) if now < last.until => last.pause.saturating_mul(2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        known.failures = known.failures.saturating_add(1);
        tracing::error!(
            task,
            failures = known.failures,
            "a task of the host has failed: {reason}"
        );
        known.last = Some(Failure {
            reason,
            pause,
            until: now + pause + WELL_AFTER,
        });
        pause
    }

    /// The tasks that have failed lately, and why.
    pub fn problems(&self) -> Vec<(String, Line)> {
        let now = Instant::now();
        let tasks = self.tasks();
        let failed = tasks.iter().filter_map(|(task, known)| {
            let last = known.last.as_ref().filter(|last| now < last.until)?;
            Some((task.clone(), last.reason.clone()))
        });
        failed.collect()
    }

    /// How often each task has failed since the start.
    pub fn failures(&self) -> Vec<(String, u64)> {
        let tasks = self.tasks();
        let failures = tasks.iter().map(|(task, it)| (task.clone(), it.failures));
        failures.collect()
    }

    /// From its beginning on a task is counted.
    fn known(&self, task: impl Into<String>) -> String {
        let task = task.into();
        self.tasks().entry(task.clone()).or_default();
        task
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of work, or the words of its panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Line> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.map_err(|panic| words(&*panic))
}

/// The words of a panic.
pub fn words(panic: &(dyn Any + Send)) -> Line {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words");
    Line::new(format_args!("it panicked: {}", Line::name(words)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A task that panics so many times, and goes on then.
    fn frail(
        panics: u32,
    ) -> (
        Arc<AtomicU32>,
        impl FnMut() -> futures::future::BoxFuture<'static, Infallible>,
    ) {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let begin = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(number >= panics, "no. {number}\nof them");
                std::future::pending().await
            }
            .boxed()
        };
        (begun, begin)
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_begun_again_after_longer_and_longer_pauses() {
        let supervisor = Supervisor::new();
        let (begun, begin) = frail(9);
        let _task = supervisor.keep("a", begin);
        assert_eq!(supervisor.failures(), [("a".to_owned(), 0)]);
        let start = Instant::now();
        for (number, seconds) in [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
            .into_iter()
            .enumerate()
        {
            tokio::time::sleep_until(start + Duration::from_secs(seconds)).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(
                begun.load(Ordering::SeqCst) as usize,
                number + 1,
                "{seconds}"
            );
        }
        assert_eq!(supervisor.failures(), [("a".to_owned(), 9)]);
        let reason = Line::new("it panicked: no. 8\nof them");
        assert_eq!(supervisor.problems(), [("a".to_owned(), reason)]);
        tokio::time::sleep(WELL_AFTER).await;
        assert_eq!(supervisor.problems(), [], "it is well again");
        assert_eq!(supervisor.failed("a", Line::new("anew")), FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_before_the_first_await_is_one_too() {
        let supervisor = Supervisor::new();
        let mut first = true;
        let (begun, is_begun) = tokio::sync::oneshot::channel();
        let mut begun = Some(begun);
        let _task = supervisor.keep("a", move || {
            assert!(!std::mem::take(&mut first), "at once");
            _ = begun.take().map(|begun| begun.send(()));
            std::future::pending()
        });
        is_begun.await.unwrap();
        assert_eq!(supervisor.failures(), [("a".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn a_dropped_handle_ends_its_task() {
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let alive = Arc::new(alive);
        let task = Supervisor::new().keep("a", move || {
            let alive = Arc::clone(&alive);
            async move {
                let _alive = alive;
                std::future::pending().await
            }
        });
        drop(task);
        assert!(gone.await.is_err());
    }

    #[test]
    fn a_thread_goes_on_with_its_work() {
        let supervisor = Supervisor::new();
        let mut work = vec![1, 2, 3];
        let mut done = Vec::new();
        supervisor.keep_thread("a", || {
            while let Some(number) = work.pop() {
                assert!(number != 2, "two");
                done.push(number);
            }
        });
        assert_eq!(done, [3, 1]);
        assert_eq!(supervisor.failures(), [("a".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn a_task_that_cannot_be_begun_again_ends_the_host() {
        for (work, why) in [
            (async { panic!("no more") }.boxed(), "it panicked: no more"),
            (std::future::ready(Err("gone".to_owned())).boxed(), "gone"),
        ] {
            let supervisor = Supervisor::new();
            let _done = supervisor.need("b", std::future::ready(Ok(())));
            let _task = supervisor.need("a", work);
            let expected = format!("a has failed, and the host cannot go on: {why}");
            assert_eq!(supervisor.must_end().await, expected);
            assert_eq!(supervisor.problems(), [("a".to_owned(), Line::new(why))]);
        }
    }
}
