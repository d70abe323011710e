//! The sources of the manifest, and what became of the components of each: what serves, and why nothing does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandglass_manifest::{KubernetesObject, SourceRef};
use sandglass_text::Line;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::assemble::assemble;
use super::load::{Loaded, Source};
use super::snapshot::Snapshot;
use crate::source::{self, Found};

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
    /// serves yet. Not those that are being looked at: their turn comes again.
    Tags,
}

/// The manifest's sources, in its order.
#[derive(Default)]
pub(super) struct Served(Vec<Slot>);

/// A source and its components.
struct Slot {
    source: Arc<Source>,
    entries: Vec<Entry>,
    /// Held while the source is loaded: one look at a time, so that none undoes what a later one found.
    turn: Arc<Mutex<()>>,
}

/// A component of a source, as far as it could be loaded.
#[derive(Clone)]
pub(super) struct Entry {
    /// As it was when the component was looked at last.
    pub source: Arc<Source>,
    pub found: Found,
    /// What serves.
    pub serving: Option<Arc<Loaded>>,
    /// Why nothing serves, or not the newest.
    pub problem: Option<Line>,
}

/// What a look at a component found.
pub(super) struct Looked {
    pub entry: Entry,
    /// What is to serve from now on, if that is something else.
    pub fresh: Option<Loaded>,
}

/// A source that is to be looked at.
pub(super) struct Turn {
    pub source: Arc<Source>,
    turn: Arc<Mutex<()>>,
}

/// What a look at a source found. Nobody else looks at it until this is dropped.
pub(super) struct Findings {
    pub source: Arc<Source>,
    pub looked: Vec<Looked>,
    pub _turn: OwnedMutexGuard<()>,
}

impl Look {
    fn concerns(self, slot: &Slot) -> bool {
        let source = &slot.source;
        match self {
            Self::Everywhere => true,
            Self::Files => {
                source.reference.files().next().is_some() || source.files().next().is_some()
            }
            Self::Objects => source.reference.objects().next().is_some(),
            Self::Tags => {
                // What could not be had may be there by now.
                let is_missing = slot.entries.iter().any(|entry| entry.serving.is_none());
                (source.reference.can_move() || is_missing) && slot.turn.try_lock().is_ok()
            }
        }
    }
}

impl Turn {
    /// Waits until nobody looks at the source.
    pub async fn begin(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }
}

impl Served {
    /// These sources from now on. What serves of those that stay, or are the same but for what the manifest says of them, serves
    /// until they are looked at.
    pub fn replace(&mut self, sources: Vec<Source>) {
        let mut before: Vec<Option<Slot>> = self.0.drain(..).map(Some).collect();
        let mut take = |is_it: &dyn Fn(&Slot) -> bool| {
            let slot = before
                .iter_mut()
                .find(|slot| slot.as_ref().is_some_and(is_it));
            slot.and_then(Option::take)
        };
        // The very same source first: only what is left then can be one that the manifest changed.
        let same: Vec<_> = sources
            .into_iter()
            .map(|source| (take(&|slot| *slot.source == source), source))
            .collect();
        self.0 = same
            .into_iter()
            .map(|(same, source)| {
                same.unwrap_or_else(|| Slot {
                    entries: take(&|slot| is_of(&slot.source, &source))
                        .map(|slot| slot.entries)
                        .unwrap_or_default(),
                    source: Arc::new(source),
                    turn: Arc::default(),
                })
            })
            .collect();
    }

    /// The sources that a look is at.
    pub fn concerned(&self, look: Look) -> Vec<Turn> {
        let concerned = self.0.iter().filter(|slot| look.concerns(slot));
        concerned
            .map(|slot| Turn {
                source: Arc::clone(&slot.source),
                turn: Arc::clone(&slot.turn),
            })
            .collect()
    }

    /// The components of a source, as they are now; none where it is no longer served.
    pub fn entries(&self, source: &Arc<Source>) -> Vec<Entry> {
        let slot = self.0.iter().find(|slot| Arc::ptr_eq(&slot.source, source));
        slot.map(|slot| slot.entries.clone()).unwrap_or_default()
    }

    /// Takes in what was found, unless the source is no longer served; what serves then.
    pub fn settle(&mut self, findings: &mut Vec<Findings>) -> Snapshot {
        let looked = self
            .0
            .iter_mut()
            .map(|slot| {
                let found = findings
                    .iter()
                    .position(|found| Arc::ptr_eq(&found.source, &slot.source));
                match found {
                    Some(found) => std::mem::take(&mut findings[found].looked),
                    None => slot.entries.drain(..).map(Looked::kept).collect(),
                }
            })
            .collect();
        let (snapshot, entries) = assemble(looked);
        for (slot, entries) in self.0.iter_mut().zip(entries) {
            slot.entries = entries;
        }
        // Whoever waits for their turn sees what is served now.
        findings.clear();
        snapshot
    }

    /// The files and folders whose change is a reason for a look.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = self.0.iter().flat_map(|slot| &slot.entries);
        let components = entries.map(|entry| entry.found.reference());
        let references = self.0.iter().map(|slot| &slot.source.reference);
        let beside = self.0.iter().flat_map(|slot| slot.source.files());
        components
            .chain(references)
            .flat_map(SourceRef::files)
            .chain(beside)
            .map(Path::to_owned)
            .collect()
    }

    /// The ConfigMaps and Secrets whose change is a reason for a look.
    pub fn objects(&self) -> BTreeSet<KubernetesObject> {
        let references = self.0.iter().map(|slot| &slot.source.reference);
        references.flat_map(SourceRef::objects).cloned().collect()
    }
}

impl Looked {
    /// Nothing has changed.
    pub fn kept(entry: Entry) -> Self {
        Self { entry, fresh: None }
    }
}

/// A component of a source, and what is to be done about it.
pub(super) struct Planned {
    pub found: Found,
    /// What it was before.
    pub before: Option<Entry>,
    pub task: Task,
}

pub(super) enum Task {
    Load,
    /// It cannot even be looked for.
    Fail(Line),
}

/// The components that a source has now, in their order, and what each was before.
pub(super) fn plan(source: &Source, before: Vec<Entry>) -> Vec<Planned> {
    let add = |found, task| Planned {
        found,
        before: None,
        task,
    };
    let mut planned: Vec<Planned> = match source::find(&source.reference) {
        Ok(found) => found
            .into_iter()
            .map(|found| add(found, Task::Load))
            .collect(),
        // What served still does, from a folder that is gone, say.
        Err(error) => {
            let mut lost: Vec<Found> = before.iter().map(|entry| entry.found.clone()).collect();
            if lost.is_empty() {
                lost.push(Found::at(source.reference.clone()));
            }
            let fail = |found| add(found, Task::Fail(Line::new(&error)));
            lost.into_iter().map(fail).collect()
        }
    };
    let mut before: Vec<Option<Entry>> = before.into_iter().map(Some).collect();
    for one in &mut planned {
        let entry = before.iter_mut().find(|entry| {
            let entry = entry.as_ref();
            entry.is_some_and(|entry| is_same_component(&entry.found, &one.found))
        });
        one.before = entry.and_then(Option::take);
    }
    planned
}

fn is_of(before: &Source, source: &Source) -> bool {
    let is_there = before.reference == source.reference
        || (is_inline(&before.reference, &source.reference)
            && before.name.is_some()
            && before.name == source.name);
    before.tenant == source.tenant && is_there
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
