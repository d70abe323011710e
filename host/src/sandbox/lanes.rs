//! Where guests run: short calls on the thread that serves them, long ones on threads of
//! their own, where the CPU is shared by lane, not by call.
//!
//! A call begins in the task that waits for it: most are over within microseconds, and handing
//! them to another thread would cost more than they do. One that goes on for longer moves to the
//! *long* threads, as many as there are CPUs. They take turns over the lanes that have something
//! to run, and within a lane over its calls; a turn ends at the guest's next yield. So a lane with
//! one call gets as much of the CPU as one with a hundred. And they run at a lower priority than
//! the threads that serve: the kernel interrupts a long call at once where a request comes in, so
//! that short calls hardly notice the long ones.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use async_task::Runnable;
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use super::file_share::{FileShare, GuestFiles};

/// CPU time after which a call is a long one. A hand-over to another thread costs some ten
/// microseconds, so it is a small part of what such a call costs in all.
pub const SHORT: Duration = Duration::from_micros(200);

/// How nice the long threads are to those that serve, and who compiles too, on the scale of `setpriority(2)`. At 0 a
/// request waits for the end of a long call's time slice, some milliseconds; from 5 on it does not.
/// At 19 long calls would get next to nothing of a machine that is busy with other programs.
pub(super) const NICENESS: i32 = 10;

/// The long calls of an engine. The threads start with the first one, and end with the last
/// handle to it.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
    guest_files: GuestFiles,
    _open: Arc<Open>,
}

/// Calls that share a turn: those of one tenant.
#[derive(Clone)]
pub struct Lane {
    id: u64,
    lanes: Lanes,
    files: FileShare,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// What waits for a turn.
#[derive(Default)]
struct Queue {
    /// The lanes that have something to run, in the order of their turns.
    turns: VecDeque<u64>,
    calls: BTreeMap<u64, VecDeque<Runnable>>,
    started: bool,
    closed: bool,
    /// Threads that wait for something to run.
    idle: usize,
}

/// Ends the threads when nobody can hand over calls any more.
struct Open(Arc<Shared>);

impl Lanes {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            ready: Condvar::new(),
        });
        Self {
            _open: Arc::new(Open(Arc::clone(&shared))),
            shared,
            guest_files: GuestFiles::new(),
        }
    }

    /// A lane of its own.
    pub(super) fn lane(&self) -> Lane {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Lane {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            lanes: self.clone(),
            files: self.guest_files.share(),
        }
    }
}

impl Default for Lane {
    /// One that no engine has: for calls that share the CPU with nobody.
    fn default() -> Self {
        Lanes::new().lane()
    }
}

impl Lane {
    /// Its share of files, and of what waits for them.
    pub(super) fn files(&self) -> FileShare {
        self.files.clone()
    }

    /// Runs a call to its end: here while it is short, and on the long threads from then on.
    /// Dropping the returned future drops the call, at the latest at its next turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut call = Box::pin(call);
        let mut used = Duration::ZERO;
        let done = poll_fn(|context| {
            let started = Instant::now();
            if let Poll::Ready(done) = call.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            used += started.elapsed();
            if used > SHORT {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        })
        .await;
        match done {
            Some(done) => done,
            None => self.run_long(call).await,
        }
    }

    /// Runs work that is known to be long, and does not yield, on the long threads. Once begun it comes to its end.
    pub async fn run_through<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.run_long(Box::pin(async move { work() })).await
    }

    /// Runs what is known to be long on the long threads from the first. Dropping the returned future drops it.
    pub async fn run_apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.run_long(Box::pin(work)).await
    }

    async fn run_long<T: Send + 'static>(
        &self,
        call: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> T {
        self.lanes.shared.start();
        let (id, shared) = (self.id, Arc::downgrade(&self.lanes.shared));
        let schedule = move |call| {
            // Without an engine nobody waits for the call any more.
            if let Some(shared) = shared.upgrade() {
                shared.push(id, call);
            }
        };
        // Timers and sockets of the call stay with the runtime that serves it.
        let call = TokioContext::new(call, Handle::current());
        let (first_turn, task) = async_task::Builder::new()
            .propagate_panic(true)
            .spawn(|()| call, schedule);
        first_turn.schedule();
        task.await
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>) {
        if std::mem::replace(&mut self.queue().started, true) {
            return;
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..threads {
            let shared = Arc::clone(self);
            thread::Builder::new()
                .name(format!("long-calls-{number}"))
                .spawn(move || shared.work())
                .expect("the system has room for a thread a CPU");
        }
    }

    fn push(&self, lane: u64, call: Runnable) {
        let mut queue = self.queue();
        queue.push(lane, call);
        let idle = queue.idle > 0;
        drop(queue);
        if idle {
            self.ready.notify_one();
        }
    }

    fn work(&self) {
        // Only this thread's: on Linux a thread is what has a niceness.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "long calls run at the priority of short ones");
        }
        while let Some(call) = self.next() {
            call.run();
        }
    }

    /// The next one whose turn it is; none once the engine is gone.
    fn next(&self) -> Option<Runnable> {
        let mut queue = self.queue();
        loop {
            if let Some(call) = queue.pop() {
                return Some(call);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

impl Queue {
    fn push(&mut self, lane: u64, call: Runnable) {
        let calls = self.calls.entry(lane).or_default();
        if calls.is_empty() {
            self.turns.push_back(lane);
        }
        calls.push_back(call);
    }

    fn pop(&mut self) -> Option<Runnable> {
        let lane = self.turns.pop_front()?;
        let calls = self.calls.get_mut(&lane)?;
        let call = calls.pop_front();
        if calls.is_empty() {
            self.calls.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        call
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.ready.notify_all();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Burns CPU for longer than a short call does, then yields, so many times.
    async fn long(turns: u32, mut each: impl FnMut()) {
        for _ in 0..turns {
            let started = Instant::now();
            while started.elapsed() <= SHORT {
                std::hint::spin_loop();
            }
            each();
            tokio::task::yield_now().await;
        }
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_short_call_stays_on_the_thread_that_serves_it() {
        let lane = Lanes::new().lane();
        let serving = thread::current().id();
        let mut tries = 0;
        // A thread that others keep from its processor looks as if its call were long.
        while tries < 1_000 {
            tries += 1;
            let ran = lane.run(async {
                tokio::task::yield_now().await;
                thread::current().id()
            });
            if ran.await == serving {
                return;
            }
        }
        panic!("no short call stayed in {tries}");
    }

    #[tokio::test]
    async fn a_long_call_moves_to_threads_of_lower_priority_and_keeps_the_runtime() {
        let lane = Lanes::new().lane();
        let (name, niceness) = lane
            .run(async {
                long(1, || {}).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                let niceness = rustix::process::getpriority_process(None).unwrap();
                (thread_name(), niceness)
            })
            .await;
        assert!(name.starts_with("long-calls-"), "{name}");
        assert_eq!(niceness, NICENESS);
    }

    #[tokio::test]
    async fn work_that_is_known_to_be_long_runs_on_the_long_threads() {
        let lane = Lanes::new().lane();
        let name = lane.run_through(thread_name).await;
        assert!(name.starts_with("long-calls-"), "{name}");
    }

    #[tokio::test]
    async fn a_dropped_call_is_gone_and_its_values_with_it() {
        let lane = Lanes::new().lane();
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let (long_now, is_long) = tokio::sync::oneshot::channel();
        let call = tokio::spawn(async move {
            lane.run(async move {
                let _alive = alive;
                long(1, || {}).await;
                _ = long_now.send(());
                long(u32::MAX, || {}).await;
            })
            .await;
        });
        is_long.await.unwrap();
        call.abort();
        assert!(gone.await.is_err(), "its sender is dropped");
    }

    #[tokio::test]
    #[should_panic(expected = "the guest's end")]
    async fn a_panic_of_a_long_call_reaches_who_waits_for_it() {
        let lane = Lanes::new().lane();
        lane.run(async {
            long(1, || {}).await;
            panic!("the guest's end");
        })
        .await;
    }

    #[test]
    fn lanes_take_turns_however_many_calls_they_have() {
        let mut queue = Queue::default();
        let ran = Arc::new(Mutex::new(Vec::new()));
        for (lane, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1")] {
            let ran = Arc::clone(&ran);
            let (call, task) =
                async_task::spawn(async move { ran.lock().unwrap().push(name) }, |_| {});
            task.detach();
            queue.push(lane, call);
        }
        while let Some(call) = queue.pop() {
            call.run();
        }
        assert_eq!(*ran.lock().unwrap(), ["a1", "b1", "c1", "a2", "a3"]);
        assert!(queue.calls.is_empty() && queue.turns.is_empty());
    }
}
