//! Which components are served, and how they change while the host runs.
//!
//! A component that cannot be had or loaded leaves its tools out and says why; the others serve. Where a version of it
//! serves already, that one stays, if it is signed as it must be. A source that is slow to be had keeps no other waiting.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, FuturesUnordered};
use futures::{Stream, StreamExt};
use sandglass_manifest::KubernetesObject;
use sandglass_text::Line;
use tokio::time::sleep;

use super::interpreters::Interpreters;
use super::load::{Before, LeftOut, Source, Tools};
use super::pins::Pins;
use super::served::{Entry, Findings, Look, Looked, Planned, Served, Task, Turn, plan};
use super::snapshot::{Catalog, Snapshot};
use crate::sandbox::{Engine, GrantedFolders, Stores};
use crate::source::Fetcher;
use crate::supervise::caught;
use crate::turns::{Share, Turns};

/// Components of this machine that are loaded at once.
const LOADS_AT_ONCE: usize = 8;

/// Components from elsewhere that are loaded at once: most of that is waiting.
const DOWNLOADS_AT_ONCE: usize = 64;

/// Components whose schemas are compiled at once.
const OFFERS_AT_ONCE: usize = 2;

/// What is found within this time is swapped in together, so that a tool can move from one source to another. Who takes longer is
/// not waited for.
const TOGETHER: Duration = Duration::from_secs(1);

/// Loads sources into a catalog, and looks again at those that it has loaded.
pub struct Loader {
    engine: Engine,
    stores: Stores,
    folders: GrantedFolders,
    fetcher: Fetcher,
    pins: Arc<Pins>,
    interpreters: Interpreters,
    catalog: Arc<Catalog>,
    /// Never held while something is loaded.
    served: Mutex<Served>,
    loads: Turns,
    downloads: Turns,
    offers: Turns,
    /// The folder whose components are not of its newest source, and why.
    outdated: Mutex<Option<(PathBuf, Line)>>,
}

impl Loader {
    /// A loader with an empty catalog. `stores` are what `allow.keyvalue` can name, `folders` what `allow.files` can.
    pub fn new(
        engine: Engine,
        stores: Stores,
        folders: GrantedFolders,
        fetcher: Fetcher,
        interpreters: Interpreters,
    ) -> Self {
        Self {
            interpreters,
            pins: Arc::new(Pins::new(fetcher.cache().folder())),
            engine,
            stores,
            folders,
            fetcher,
            catalog: Arc::default(),
            served: Mutex::default(),
            loads: Turns::new(LOADS_AT_ONCE),
            downloads: Turns::new(DOWNLOADS_AT_ONCE),
            offers: Turns::new(OFFERS_AT_ONCE),
            outdated: Mutex::default(),
        }
    }

    /// Where the tools are.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Serves these sources and no others, from the next look on.
    pub fn replace(&self, sources: Vec<Source>) {
        self.served().replace(sources);
    }

    /// Serves these sources and no others. Those that are served already are looked at again.
    ///
    /// For a start: nobody is served yet, so all are waited for, and of two that have the same tool the first serves it.
    pub async fn load(&self, sources: Vec<Source>) -> Arc<Snapshot> {
        self.replace(sources);
        self.look(Look::Everywhere, Duration::MAX).await
    }

    /// Looks again at sources that are served: loads what is new or has changed, and swaps it in. What is slow is swapped in
    /// later than the rest; the end is when all of it is there.
    pub async fn refresh(&self, look: Look) {
        self.look(look, TOGETHER).await;
    }

    /// The same; what is found within each `together` is swapped in at once.
    async fn look(&self, look: Look, together: Duration) -> Arc<Snapshot> {
        let turns = self.served().concerned(look);
        let mut looks: FuturesUnordered<_> = turns.iter().map(|turn| self.look_at(turn)).collect();
        let mut found = Vec::new();
        let mut pause = pin!(sleep(together));
        // The manifest may have taken sources away, which is no finding.
        let mut is_first = true;
        loop {
            tokio::select! {
                biased;
                findings = looks.next() => match findings {
                    Some(findings) => found.push(findings),
                    None => break,
                },
                () = &mut pause => {
                    if is_first || !found.is_empty() {
                        self.settle(&mut found);
                    }
                    is_first = false;
                    pause.set(sleep(together));
                }
            }
        }
        let snapshot = self.settle(&mut found);
        self.fetcher.trim_cache().await;
        snapshot
    }

    /// Says why the components that lie below this folder are not of the newest source there, or that they are: what
    /// has been built goes on serving.
    pub async fn outdated(&self, folder: &Path, problem: Option<Line>) {
        *self.outdated_folder() = problem.map(|problem| (folder.to_owned(), problem));
        self.refresh(Look::Files).await;
    }

    /// From the next look on, what could not be loaded for a reason that may have passed is tried again.
    pub fn try_again(&self) {
        self.engine.try_again();
    }

    /// The files and folders whose change is a reason for a look.
    pub fn files(&self) -> Vec<PathBuf> {
        self.served().files()
    }

    /// The ConfigMaps and Secrets whose change is a reason for a look.
    pub fn objects(&self) -> BTreeSet<KubernetesObject> {
        self.served().objects()
    }

    /// Tells whenever one of these changes; ends where there is nothing to be told.
    pub fn watch(&self, objects: &BTreeSet<KubernetesObject>) -> impl Stream<Item = ()> + use<> {
        let kubernetes = self.fetcher.kubernetes();
        stream::select_all(
            objects
                .iter()
                .map(|object| kubernetes.watch(object).boxed()),
        )
    }

    fn outdated_folder(&self) -> MutexGuard<'_, Option<(PathBuf, Line)>> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what was found served, while nobody else changes what is.
    fn settle(&self, found: &mut Vec<Findings>) -> Arc<Snapshot> {
        let mut served = self.served();
        let snapshot = served.settle(found);
        self.catalog.swap(snapshot)
    }

    /// Looks at the components of a source, as soon as nobody else does.
    async fn look_at(&self, turn: &Turn) -> Findings {
        let guard = turn.begin().await;
        let before = self.served().entries(&turn.source);
        let components = plan(&turn.source, before);
        let looks = components
            .into_iter()
            .map(|component| self.look_at_one(&turn.source, component));
        Findings {
            source: Arc::clone(&turn.source),
            looked: join_all(looks).await,
            _turn: guard,
        }
    }

    async fn look_at_one(&self, source: &Arc<Source>, component: Planned) -> Looked {
        let Planned {
            found,
            before,
            task,
        } = component;
        let same_source = before.as_ref().is_some_and(|entry| entry.source == *source);
        let mut serving = before.and_then(|entry| entry.serving);
        let (fresh, mut problem) = match task {
            Task::Fail(problem) => (None, Some(problem)),
            Task::Load => {
                let at_once = match found.reference().is_remote() {
                    true => &self.downloads,
                    false => &self.loads,
                };
                let share = Share::of(source.tenant.as_str());
                let _turn = at_once.wait(&share).await;
                let tools = self.tools(share);
                let before = serving.as_deref().map(|loaded| Before {
                    loaded,
                    same_source,
                });
                // Whatever a source does to the host that looks at it is the failure of that source alone.
                let loaded = caught(tools.load(source, &found, before)).await;
                let loaded = loaded.unwrap_or_else(|panic| Err(LeftOut::Fault(panic)));
                if let Some(before) = &serving
                    && !matches!(loaded, Ok(None))
                    && !caught(tools.may_stay(source, before))
                        .await
                        .unwrap_or(false)
                {
                    serving = None;
                }
                match loaded {
                    Ok(fresh) => (fresh, None),
                    Err(error) => (None, Some(Line::new(error))),
                }
            }
        };
        if let Some((folder, outdated)) = &*self.outdated_folder()
            && found.reference().files().any(|file| lies_in(file, folder))
        {
            problem.get_or_insert_with(|| outdated.clone());
        }
        Looked {
            entry: Entry {
                source: Arc::clone(source),
                found,
                serving,
                problem,
            },
            fresh,
        }
    }

    fn tools(&self, share: Share) -> Tools<'_> {
        Tools {
            share,
            offers: &self.offers,
            engine: &self.engine,
            stores: &self.stores,
            folders: &self.folders,
            fetcher: &self.fetcher,
            pins: &self.pins,
            interpreters: &self.interpreters,
        }
    }
}

/// Whether a file is below a folder, which has no links in its own path.
fn lies_in(file: &Path, folder: &Path) -> bool {
    file.parent()
        .and_then(|parent| parent.canonicalize().ok())
        .is_some_and(|parent| parent.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::Router;

    use super::*;
    use crate::catalog::SourceState;
    use crate::sandbox::EngineSettings;
    use crate::sandbox::cache::CodeCache;
    use crate::sandbox::compile::Compiler;
    use crate::source::FetchSettings;

    const COMPONENT: &str = r#"(component
        (core module $module (func (export "f") (result i32) i32.const 1))
        (core instance $instance (instantiate $module))
        (func (export "number") (result u32) (canon lift (core func $instance "f"))))"#;

    fn loader(fetcher: Fetcher) -> Loader {
        let engine = Engine::new(EngineSettings {
            max_memory: 1 << 20,
            max_instances: 1,
            compiler: Compiler::InProcess,
            cache: CodeCache::default(),
        });
        let interpreters = Interpreters::new(PathBuf::new());
        Loader::new(
            engine.unwrap(),
            Stores::default(),
            GrantedFolders::default(),
            fetcher,
            interpreters,
        )
    }

    #[tokio::test]
    async fn a_look_that_panics_is_the_failure_of_its_source_alone() {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = format!("oci://{}/x:1", listener.local_addr().unwrap());
        let router = Router::new().fallback(async || "{}");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("good.wasm"),
            wat::parse_str(COMPONENT).unwrap(),
        )
        .unwrap();
        // Whoever is told how far a download is, is called in the middle of a look.
        let panics = Arc::new(AtomicBool::new(true));
        let progress = Arc::clone(&panics);
        let fetcher = Fetcher::new(FetchSettings {
            cache: Some(folder.path().join("cache")),
            ..FetchSettings::default()
        });
        let loader = loader(fetcher.with_progress(Arc::new(move |_, _| {
            assert!(!progress.load(Ordering::SeqCst), "on the way");
        })));
        let sources = [&registry, &folder.path().display().to_string()];
        let sources = sources.map(|it| Source::new(it.parse().unwrap())).to_vec();

        let snapshot = loader.load(sources).await;
        let failures = |snapshot: &Snapshot| -> Vec<String> {
            snapshot
                .failures()
                .map(|(_, reason)| reason.to_owned())
                .collect()
        };
        let fault = "a fault of this host, please report it: it panicked: on the way";
        assert_eq!(failures(&snapshot), [fault]);
        assert_eq!(snapshot.tools(), 1);
        // The next look is as any other.
        panics.store(false, Ordering::SeqCst);
        loader.refresh(Look::Everywhere).await;
        let snapshot = loader.catalog().snapshot();
        assert!(matches!(
            snapshot.sources()[0].state,
            SourceState::Failed { .. }
        ));
        let told = failures(&snapshot);
        assert!(told[0].contains("none of its layers"), "{told:?}");
        panics.store(true, Ordering::SeqCst);
        loader.refresh(Look::Everywhere).await;
        assert_eq!(failures(&loader.catalog().snapshot()), [fault]);
    }
}
