//! Which components are served, and how they change while the host runs.
//!
//! A component that cannot be had or loaded leaves its tools out and says why; the others serve. Where a version of it
//! serves already, that one stays, if it is signed as it must be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use sandglass_manifest::{KubernetesObject, SourceRef};
use tokio::sync::Mutex;

use super::assemble::assemble;
use super::interpreters::Interpreters;
use super::load::{Before, Loaded, Source, Tools};
use super::pins::Pins;
use super::snapshot::{Catalog, Snapshot};
use crate::sandbox::{Engine, Stores};
use crate::source::{self, Fetcher, Found};

/// Components that are loaded at once.
const LOADS_AT_ONCE: usize = 8;

/// Loads sources into a catalog, and looks again at those that it has loaded.
pub struct Loader {
    engine: Engine,
    stores: Stores,
    fetcher: Fetcher,
    pins: Arc<Pins>,
    interpreters: Interpreters,
    catalog: Arc<Catalog>,
    /// Held while something is loaded: one look at a time.
    state: Mutex<State>,
}

/// Which sources are looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All of them.
    Everywhere,
    /// Those that have something to do with files.
    Files,
    /// Those that have something to do with ConfigMaps and Secrets.
    Objects,
    /// Those whose reference can come to stand for something else: tags, and the ones above; and those of which nothing
    /// serves yet.
    Tags,
}

#[derive(Default)]
struct State {
    /// The manifest's.
    sources: Vec<Arc<Source>>,
    /// Their components, in the same order.
    entries: Vec<Entry>,
    /// The folder whose components are not of its newest source, and why.
    outdated: Option<(PathBuf, String)>,
}

/// A component of a source, as far as it could be loaded.
pub(super) struct Entry {
    pub source: Arc<Source>,
    pub found: Found,
    /// What serves.
    pub serving: Option<Arc<Loaded>>,
    /// Why nothing serves, or not the newest.
    pub problem: Option<String>,
}

/// What a look at a component found.
pub(super) struct Looked {
    pub entry: Entry,
    /// What is to serve from now on, if that is something else.
    pub fresh: Option<Loaded>,
}

impl Look {
    fn concerns(self, source: &Source) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Files => {
                source.reference.files().next().is_some() || source.files().next().is_some()
            }
            Self::Objects => source.reference.objects().next().is_some(),
            Self::Tags => source.reference.can_move(),
        }
    }
}

impl Loader {
    /// A loader with an empty catalog. `stores` are what `allow.keyvalue` can name.
    pub fn new(
        engine: Engine,
        stores: Stores,
        fetcher: Fetcher,
        interpreters: Interpreters,
    ) -> Self {
        Self {
            interpreters,
            pins: Arc::new(Pins::new(fetcher.cache().folder())),
            engine,
            stores,
            fetcher,
            catalog: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// Where the tools are.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Serves these sources and no others. Those that are served already are looked at again.
    pub async fn load(&self, sources: Vec<Source>) -> Arc<Snapshot> {
        let mut state = self.state.lock().await;
        state.sources = sources.into_iter().map(Arc::new).collect();
        self.look(&mut state, Look::Everywhere).await
    }

    /// Looks again at sources that are served.
    pub async fn refresh(&self, look: Look) -> Arc<Snapshot> {
        let mut state = self.state.lock().await;
        self.look(&mut state, look).await
    }

    /// Says why the components that lie below this folder are not of the newest source there, or that they are: what
    /// has been built goes on serving.
    pub async fn outdated(&self, folder: &Path, problem: Option<String>) {
        let mut state = self.state.lock().await;
        state.outdated = problem.map(|problem| (folder.to_owned(), problem));
        self.look(&mut state, Look::Files).await;
    }

    /// The files and folders whose change is a reason for a look.
    pub async fn files(&self) -> Vec<PathBuf> {
        let state = self.state.lock().await;
        let components = state.entries.iter().map(|entry| entry.found.reference());
        let references = state.sources.iter().map(|source| &source.reference);
        let beside = state.sources.iter().flat_map(|source| source.files());
        components
            .chain(references)
            .flat_map(SourceRef::files)
            .chain(beside)
            .map(Path::to_owned)
            .collect()
    }

    /// The ConfigMaps and Secrets whose change is a reason for a look.
    pub async fn objects(&self) -> BTreeSet<KubernetesObject> {
        let state = self.state.lock().await;
        let references = state.sources.iter().map(|source| &source.reference);
        references.flat_map(SourceRef::objects).cloned().collect()
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

    /// Loads what is new or has changed, several at once, and swaps it in.
    async fn look(&self, state: &mut State, look: Look) -> Arc<Snapshot> {
        let tools = Tools {
            engine: &self.engine,
            stores: &self.stores,
            fetcher: &self.fetcher,
            pins: &self.pins,
            interpreters: &self.interpreters,
        };
        let components = plan(&state.sources, std::mem::take(&mut state.entries), look);
        let mut looked: Vec<Looked> =
            stream::iter(components.into_iter().map(|one| one.look(&tools)))
                .buffered(LOADS_AT_ONCE)
                .collect()
                .await;
        self.fetcher.trim_cache().await;
        if let Some((folder, problem)) = &state.outdated {
            for entry in looked.iter_mut().map(|looked| &mut looked.entry) {
                let mut files = entry.found.reference().files();
                if files.any(|file| lies_in(file, folder)) {
                    entry.problem.get_or_insert_with(|| problem.clone());
                }
            }
        }
        let (snapshot, entries) = assemble(looked);
        state.entries = entries;
        self.catalog.swap(snapshot)
    }
}

/// Whether a file is below a folder, which has no links in its own path.
fn lies_in(file: &Path, folder: &Path) -> bool {
    file.parent()
        .and_then(|parent| parent.canonicalize().ok())
        .is_some_and(|parent| parent.starts_with(folder))
}

/// A component, and what is to be done about it.
struct Planned {
    source: Arc<Source>,
    found: Found,
    /// What it was before.
    before: Option<Entry>,
    task: Task,
}

enum Task {
    Load,
    /// It is not concerned.
    Keep,
    /// It cannot even be looked for.
    Fail(String),
}

/// The components of all sources, in their order, and what each was before.
fn plan(sources: &[Arc<Source>], before: Vec<Entry>, look: Look) -> Vec<Planned> {
    let mut planned = Vec::new();
    for source in sources {
        let mut add = |found, task| {
            planned.push(Planned {
                source: Arc::clone(source),
                found,
                before: None,
                task,
            });
        };
        // Those of this very source: another may have the same reference.
        let own: Vec<&Entry> = before
            .iter()
            .filter(|entry| Arc::ptr_eq(&entry.source, source))
            .collect();
        // What could not be had may be there by now.
        let is_missing = own.iter().any(|entry| entry.serving.is_none());
        let is_concerned = look.concerns(source) || (look == Look::Tags && is_missing);
        if !is_concerned {
            own.iter()
                .for_each(|entry| add(entry.found.clone(), Task::Keep));
            continue;
        }
        match source::find(&source.reference) {
            Ok(found) => found.into_iter().for_each(|found| add(found, Task::Load)),
            // What served still does, from a folder that is gone, say.
            Err(error) => {
                let mut lost: Vec<Found> = Vec::new();
                for entry in before.iter().filter(|entry| is_of(entry, source)) {
                    if !lost.contains(&entry.found) {
                        lost.push(entry.found.clone());
                    }
                }
                if lost.is_empty() {
                    lost.push(Found::at(source.reference.clone()));
                }
                for found in lost {
                    add(found, Task::Fail(error.to_string()));
                }
            }
        }
    }
    // The very same source first: only what is left then can be one that the manifest changed.
    let mut before: Vec<Option<Entry>> = before.into_iter().map(Some).collect();
    for is_same in [true, false] {
        for one in planned.iter_mut().filter(|one| one.before.is_none()) {
            one.before = before
                .iter_mut()
                .find(|entry| {
                    entry.as_ref().is_some_and(|entry| {
                        is_same_component(&entry.found, &one.found)
                            && is_of(entry, &one.source)
                            && (entry.source == one.source) == is_same
                    })
                })
                .and_then(Option::take);
        }
    }
    planned
}

fn is_of(entry: &Entry, source: &Source) -> bool {
    let entry = &entry.source;
    let is_there = entry.reference == source.reference
        || (is_inline(&entry.reference, &source.reference)
            && entry.name.is_some()
            && entry.name == source.name);
    entry.tenant == source.tenant && is_there
}

/// Among the components of one source. Text in the manifest is the same source as before if the name is, so that the
/// last good text serves while the new one is mended.
fn is_same_component(one: &Found, other: &Found) -> bool {
    one == other || is_inline(one.reference(), other.reference())
}

fn is_inline(one: &SourceRef, other: &SourceRef) -> bool {
    matches!(
        (one, other),
        (SourceRef::Inline(one), SourceRef::Inline(other)) if one.language == other.language
    )
}

impl Planned {
    async fn look(self, tools: &Tools<'_>) -> Looked {
        let Self {
            source,
            found,
            before,
            task,
        } = self;
        let same_source = before.as_ref().is_some_and(|entry| entry.source == source);
        let (mut serving, problem) =
            before.map_or((None, None), |entry| (entry.serving, entry.problem));
        let (fresh, problem) = match task {
            Task::Keep => (None, problem),
            Task::Fail(problem) => (None, Some(problem)),
            Task::Load => {
                let before = serving.as_deref().map(|loaded| Before {
                    loaded,
                    same_source,
                });
                let loaded = tools.load(&source, &found, before).await;
                if let Some(before) = &serving
                    && !matches!(loaded, Ok(None))
                    && !tools.may_stay(&source, before).await
                {
                    serving = None;
                }
                match loaded {
                    Ok(fresh) => (fresh, None),
                    Err(error) => (None, Some(error.to_string())),
                }
            }
        };
        Looked {
            entry: Entry {
                source,
                found,
                serving,
                problem,
            },
            fresh,
        }
    }
}
