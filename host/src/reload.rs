//! When the host looks at its sources again: a file, ConfigMap or Secret has changed, a tag may have moved, an operator asks.
//!
//! Nobody waits for a look: while one is at a source that is slow, others are at those that change meanwhile.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sandglass_manifest::Manifest;
use sandglass_text::Line;
use tokio::signal::unix::Signal;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::{Loader, Look, Snapshot, SourceState};
use crate::config::Setup;
use crate::supervise::{self, Supervisor};
use crate::watch::{Stamp, Watch};

/// Looks again whenever there is a reason to.
pub struct Reloader {
    loader: Arc<Loader>,
    setup: Setup,
    /// What the host was started with: settings beside the tools count until it ends.
    started_with: Arc<Manifest>,
    /// The manifest's files, as they were when they were last read.
    manifest_files: BTreeMap<PathBuf, Option<Stamp>>,
    hangup: Signal,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    problem: watch::Sender<Option<Line>>,
    /// Those that have not ended.
    looks: JoinSet<()>,
    /// What was served when it was last said what is wrong.
    told: Arc<Snapshot>,
}

/// The way to ask for a look.
#[derive(Clone)]
pub struct Reload {
    ask: mpsc::Sender<oneshot::Sender<()>>,
    problem: watch::Receiver<Option<Line>>,
}

/// Who looked is gone.
#[derive(Debug, thiserror::Error)]
#[error("the look was broken off by a fault of the host, see /ready and its log; ask again")]
pub struct BrokenOff;

impl Reload {
    /// Has everything looked at, and waits until what is new is served.
    pub async fn now(&self) -> Result<(), BrokenOff> {
        let (done, wait) = oneshot::channel();
        self.ask.send(done).await.map_err(|_| BrokenOff)?;
        wait.await.map_err(|_| BrokenOff)
    }

    /// Why the manifest does not count as it is now.
    pub fn problem(&self) -> Option<Line> {
        self.problem.borrow().clone()
    }
}

impl Reloader {
    /// A reloader of what `loader` has loaded from `manifest`; SIGHUP comes as `hangup`.
    pub fn new(
        loader: Arc<Loader>,
        setup: Setup,
        manifest: Arc<Manifest>,
        hangup: Signal,
    ) -> (Self, Reload) {
        let (ask, asked) = mpsc::channel(1);
        let problem = watch::Sender::new(None);
        let reload = Reload {
            ask,
            problem: problem.subscribe(),
        };
        let reloader = Self {
            told: loader.catalog().snapshot(),
            looks: JoinSet::new(),
            loader,
            manifest_files: stamped(setup.files(&manifest), BTreeMap::new()),
            setup,
            started_with: manifest,
            hangup,
            asked,
            problem,
        };
        (reloader, reload)
    }

    /// Does so for as long as the handle is held. After a panic it begins again with what has changed meanwhile.
    pub fn start(self) -> AbortOnDropHandle<()> {
        let reloader = Arc::new(Mutex::new(self));
        Supervisor::get().keep("reloader", move || {
            let reloader = Arc::clone(&reloader);
            async move { reloader.lock().await.run().await }
        })
    }

    /// Looks again whenever there is a reason to, without end.
    async fn run(&mut self) -> Infallible {
        let interval = self.started_with.engine.tag_interval.get();
        let mut next_tags = pin!(tokio::time::sleep(lengthened(interval)));
        let mut objects = self.loader.objects();
        let mut changed_objects = pin!(self.loader.watch(&objects));
        let mut swaps = self.loader.catalog().swaps();
        loop {
            let files = self.files();
            let watch = Watch::new(files.iter().map(PathBuf::as_path));
            // One future for all of the loop: what it has heard of is not lost when something else comes first.
            let mut changed_files = pin!(watch.changed());
            // Also for what changed before it was watched.
            self.look_at_files().await;
            while self.files() == files {
                let named = self.loader.objects();
                if named != objects {
                    changed_objects.set(self.loader.watch(&named));
                    objects = named;
                }
                tokio::select! {
                    // The next round begins with a look at them.
                    () = &mut changed_files => break,
                    Some(()) = changed_objects.next() => self.refresh(Look::Objects),
                    () = &mut next_tags => {
                        self.refresh(Look::Tags);
                        next_tags.set(tokio::time::sleep(lengthened(interval)));
                    }
                    _ = self.hangup.recv() => {
                        tracing::info!("SIGHUP: the manifest and all sources are looked at again");
                        self.loader.try_again();
                        self.look_everywhere(None).await;
                    }
                    Some(done) = self.asked.recv() => {
                        self.loader.try_again();
                        self.look_everywhere(Some(done)).await;
                    }
                    // The catalog lives as long as the loader.
                    _ = swaps.changed() => self.tell(),
                    Some(ended) = self.looks.join_next() => {
                        // What a source does to the look at it is that source's failure: this is ours.
                        if let Err(reason) = panicked(ended) {
                            Supervisor::get().failed("look", reason);
                        }
                    }
                }
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.loader.files();
        files.extend(self.manifest_files.keys().cloned());
        files
    }

    async fn look_at_files(&mut self) {
        let is_changed = |(file, stamp): (&PathBuf, &Option<Stamp>)| Stamp::of(file) != *stamp;
        if self.manifest_files.iter().any(is_changed) {
            self.look_everywhere(None).await;
        } else {
            self.refresh(Look::Files);
        }
    }

    fn refresh(&mut self, look: Look) {
        let loader = Arc::clone(&self.loader);
        self.looks.spawn(async move {
            loader.refresh(look).await;
        });
    }

    /// Looks at the manifest, and at all sources that it names. Tells `done` when all of it is served.
    async fn look_everywhere(&mut self, done: Option<oneshot::Sender<()>>) {
        // Before they are read: what is written meanwhile is newer.
        let stamps = stamped(self.manifest_files.keys().cloned(), BTreeMap::new());
        let setup = self.setup.clone();
        let read = tokio::task::spawn_blocking(move || setup.read()).await;
        let read = panicked(read).and_then(|read| read.map_err(Line::new));
        match read {
            Ok((manifest, sources)) => {
                self.manifest_files = stamped(self.setup.files(&manifest), stamps);
                self.problem.send_replace(None);
                tell_what_waits(&self.started_with, &manifest);
                self.loader.replace(sources);
            }
            Err(problem) => {
                self.manifest_files = stamps;
                tracing::error!(
                    "the manifest does not count as it is now, what was served still is: {problem}"
                );
                self.problem.send_replace(Some(problem));
            }
        }
        let loader = Arc::clone(&self.loader);
        self.looks.spawn(async move {
            loader.refresh(Look::Everywhere).await;
            // Who asked may have gone.
            _ = done.map(|done| done.send(()));
        });
    }

    /// Says what is wrong now and was not before.
    fn tell(&mut self) {
        let before = std::mem::replace(&mut self.told, self.loader.catalog().snapshot());
        tell(&before, &self.told);
    }
}

/// What came of a task, or the words of its panic.
fn panicked<T>(ended: Result<T, JoinError>) -> Result<T, Line> {
    ended.map_err(|error| match error.try_into_panic() {
        Ok(panic) => supervise::words(&*panic),
        Err(cancelled) => Line::new(cancelled),
    })
}

/// Files with their stamps: those that are known, and of all others as they are now.
fn stamped(
    files: impl IntoIterator<Item = PathBuf>,
    mut known: BTreeMap<PathBuf, Option<Stamp>>,
) -> BTreeMap<PathBuf, Option<Stamp>> {
    files
        .into_iter()
        .map(|file| {
            let stamp = known.remove(&file).unwrap_or_else(|| Stamp::of(&file));
            (file, stamp)
        })
        .collect()
}

/// Up to a tenth longer: hosts that were started together do not ask a registry together for ever.
fn lengthened(interval: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let tenth = interval.as_millis() / 10;
    let random = u128::from(RandomState::new().hash_one(()));
    let more = u64::try_from(random % (tenth + 1)).unwrap_or_default();
    interval.saturating_add(Duration::from_millis(more))
}

/// Says what is wrong now and was not before. What was loaded, the loader has said.
fn tell(before: &Snapshot, after: &Snapshot) {
    let known: Vec<_> = before
        .failures()
        .map(|(source, reason)| (&source.tenant, &source.location, reason))
        .collect();
    for (source, reason) in after.failures() {
        if known.contains(&(&source.tenant, &source.location, reason)) {
            continue;
        }
        let what = match source.state {
            SourceState::Stale { .. } => "the version before is still served",
            _ => "left out",
        };
        tracing::error!(
            source = source.name,
            "{what}: {}: {reason}",
            source.location
        );
    }
}

/// Says which changes of the manifest count only after a restart.
fn tell_what_waits(started_with: &Manifest, now: &Manifest) {
    let quotas = |manifest: &Manifest| -> Vec<_> {
        let tenants = manifest.tenants.iter();
        tenants
            .map(|(name, tenant)| (name.clone(), tenant.quota, tenant.port))
            .collect()
    };
    let waiting: Vec<&str> = [
        ("engine", started_with.engine != now.engine),
        ("stores", started_with.stores != now.stores),
        ("identity", started_with.identity != now.identity),
        ("audit", started_with.audit != now.audit),
        (
            "tenants (their names, quotas and ports)",
            quotas(started_with) != quotas(now),
        ),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect();
    if !waiting.is_empty() {
        tracing::warn!(
            "the manifest's tools count from now on, and after a restart what has changed in: {}",
            waiting.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_at_most_a_tenth_longer() {
        let interval = Duration::from_secs(300);
        for _ in 0..100 {
            let lengthened = lengthened(interval);
            assert!(lengthened >= interval && lengthened <= interval * 11 / 10);
        }
    }
}
