//! Immutable views of what is served, and the one that counts now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::tool::Tool;
use crate::invoke::TenantId;
use crate::sandbox::Inspection;

/// Everything that is served at one moment.
#[derive(Default)]
pub struct Snapshot {
    tenants: BTreeMap<TenantId, Arc<TenantTools>>,
    sources: Vec<SourceStatus>,
}

/// A tenant's tools, in the order of their names.
#[derive(Default)]
pub struct TenantTools {
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
        /// The component's digest.
        digest: crate::source::Digest,
        /// Where its machine code came from.
        compiled: crate::sandbox::cache::Origin,
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
            Self::Failed { .. } => "failed",
        }
    }

    /// The state of a component that serves.
    pub fn loaded(inspection: &Inspection) -> Self {
        Self::Loaded {
            digest: inspection.digest.clone(),
            compiled: inspection.compiled,
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

    /// The sources that are left out, with their reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&SourceStatus, &str)> {
        self.sources
            .iter()
            .filter_map(|source| match &source.state {
                SourceState::Failed { reason } => Some((source, reason.as_str())),
                SourceState::Loaded { .. } => None,
            })
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
#[derive(Default)]
pub struct Catalog {
    current: ArcSwap<Snapshot>,
}

impl Catalog {
    /// Starts with this snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            current: ArcSwap::from_pointee(snapshot),
        }
    }

    /// The snapshot that counts now; it stays whole for as long as it is held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
}
