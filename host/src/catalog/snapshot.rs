//! Immutable views of what is served, and the one that counts now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::watch;

use super::tool::Tool;
use crate::invoke::TenantId;
use crate::sandbox::Component;
use crate::source::verify::KeyName;

/// Everything that is served at one moment.
#[derive(Default)]
pub struct Snapshot {
    /// Counts up with each that is swapped in.
    number: u64,
    tenants: BTreeMap<TenantId, Arc<TenantTools>>,
    sources: Vec<SourceStatus>,
}

/// A tenant's tools, in the order of their names.
#[derive(Default)]
pub struct TenantTools {
    /// The number of the first snapshot with this list.
    since: u64,
    tools: BTreeMap<String, Arc<Tool>>,
}

/// What became of a source of the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// Whose it is: another tenant must not hear of it.
    #[serde(skip)]
    pub tenant: TenantId,
    /// The source's name in logs and status.
    pub name: String,
    /// Where it lies: for the operator, not for callers.
    #[serde(skip)]
    pub location: String,
    /// The keys by which what serves is signed, of those that must have: none where nobody must.
    pub signed_by: Arc<[KeyName]>,
    /// What the operator should know though it serves, such as that its registry is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Loaded, or why not.
    #[serde(flatten)]
    pub state: SourceState,
}

/// Whether a source serves.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum SourceState {
    /// Its tools are served.
    Loaded {
        /// The digest of the component, or of the source text that it interprets.
        digest: crate::source::Digest,
        /// Where its machine code came from.
        compiled: crate::sandbox::cache::Origin,
    },
    /// The version before is served, since the newest cannot be.
    Stale {
        /// The digest of what is served.
        digest: crate::source::Digest,
        /// What is wrong with the newest, and what to do.
        reason: String,
    },
    /// It is left out.
    Failed {
        /// What was wrong and what to do.
        reason: String,
    },
}

impl SourceState {
    /// Its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Stale { .. } => "stale",
            Self::Failed { .. } => "failed",
        }
    }

    /// The state of a component that serves.
    pub fn loaded(component: &Component) -> Self {
        Self::Loaded {
            digest: component.digest().clone(),
            compiled: component.inspection().compiled,
        }
    }
}

impl Snapshot {
    /// A snapshot of these tenants and what became of their sources.
    pub fn new(
        tenants: impl IntoIterator<Item = (TenantId, TenantTools)>,
        sources: Vec<SourceStatus>,
    ) -> Self {
        Self {
            number: 0,
            tenants: tenants
                .into_iter()
                .map(|(id, tools)| (id, Arc::new(tools)))
                .collect(),
            sources,
        }
    }

    /// A tenant's tools; none where there is no such tenant.
    pub fn tenant(&self, id: &TenantId) -> Arc<TenantTools> {
        self.tenants.get(id).cloned().unwrap_or_default()
    }

    /// How many tools all tenants have.
    pub fn tools(&self) -> usize {
        self.tenants.values().map(|tools| tools.iter().len()).sum()
    }

    /// What became of each source.
    pub fn sources(&self) -> &[SourceStatus] {
        &self.sources
    }

    /// The sources that are left out, or not served in their newest version, with the reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&SourceStatus, &str)> {
        self.sources
            .iter()
            .filter_map(|source| match &source.state {
                SourceState::Failed { reason } | SourceState::Stale { reason, .. } => {
                    Some((source, reason.as_str()))
                }
                SourceState::Loaded { .. } => None,
            })
    }

    /// Takes over how old a tenant's list of tools is, where the list is the same as before.
    fn follow(&mut self, before: &Self) {
        self.number = before.number + 1;
        for (id, tools) in &mut self.tenants {
            let same = before
                .tenants
                .get(id)
                .filter(|before| before.is_same_list(tools));
            let since = same.map_or(self.number, |before| before.since);
            let tools = Arc::get_mut(tools).expect("nobody has seen this snapshot yet");
            tools.since = since;
        }
    }
}

impl TenantTools {
    /// Adds a tool; gives it back where another has its name.
    pub fn insert(&mut self, tool: Arc<Tool>) -> Result<(), Arc<Tool>> {
        match self.tools.entry(tool.name.clone()) {
            std::collections::btree_map::Entry::Occupied(_) => Err(tool),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(tool);
                Ok(())
            }
        }
    }

    /// Whether callers are told the same of the tools.
    fn is_same_list(&self, other: &Self) -> bool {
        let list = |tools: &Self| {
            let tools = tools.tools.values();
            tools
                .map(|tool| (tool.name.clone(), tool.definition.clone()))
                .collect::<Vec<_>>()
        };
        list(self) == list(other)
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// Calls that wait in the queues of the tools' sources.
    pub fn waiting(&self) -> usize {
        let queues: BTreeMap<_, _> = self
            .tools
            .values()
            .map(|tool| (Arc::as_ptr(&tool.admission), tool.admission.waiting()))
            .collect();
        queues.values().sum()
    }

    /// All tools, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Tool>> {
        self.tools.values()
    }

    /// The tools whose names come after `name`, in order.
    pub fn after(&self, name: &str) -> impl Iterator<Item = &Arc<Tool>> {
        use std::ops::Bound;
        self.tools
            .range::<str, _>((Bound::Excluded(name), Bound::Unbounded))
            .map(|(_, tool)| tool)
    }
}

/// The snapshot that counts now.
pub struct Catalog {
    current: ArcSwap<Snapshot>,
    swapped: watch::Sender<()>,
}

/// Tells when a tenant's list of tools is another.
pub struct Changes {
    catalog: Arc<Catalog>,
    tenant: TenantId,
    swapped: watch::Receiver<()>,
    /// Of the list that is known.
    since: u64,
}

impl Default for Catalog {
    /// Without any tools.
    fn default() -> Self {
        Self {
            current: ArcSwap::default(),
            swapped: watch::Sender::new(()),
        }
    }
}

impl Catalog {
    /// The snapshot that counts now; it stays whole for as long as it is held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// From now on this one counts. Whoever holds the one before still has it.
    pub(super) fn swap(&self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        snapshot.follow(&self.current.load());
        let snapshot = Arc::new(snapshot);
        self.current.store(Arc::clone(&snapshot));
        self.swapped.send_replace(());
        snapshot
    }

    /// The changes of a tenant's list from now on.
    pub fn changes(self: &Arc<Self>, tenant: &TenantId) -> Changes {
        // Before the list is looked at, so that no change falls in between.
        let swapped = self.swapped.subscribe();
        Changes {
            since: self.snapshot().tenant(tenant).since,
            catalog: Arc::clone(self),
            tenant: tenant.clone(),
            swapped,
        }
    }
}

impl Changes {
    /// Waits for the next one; several at once count as one.
    pub async fn next(&mut self) {
        loop {
            // The sender lives as long as the catalog that is held here.
            _ = self.swapped.changed().await;
            let since = self.catalog.snapshot().tenant(&self.tenant).since;
            if since != self.since {
                self.since = since;
                return;
            }
        }
    }
}
