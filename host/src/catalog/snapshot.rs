//! Immutable views of what is served, and the one that counts now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sandglass_text::Line;
use serde::Serialize;
use tokio::sync::watch;

use super::guest::Guest;
use super::offer::Offer;
use super::prompt::Prompt;
use super::resource::{Resource, ResourceTemplate};
use super::tool::Tool;
use crate::invoke::TenantId;
use crate::sandbox::Component;
use crate::source::verify::SignerName;

/// Everything that is served at one moment.
#[derive(Default)]
pub struct Snapshot {
    /// Counts up with each that is swapped in.
    number: u64,
    tenants: BTreeMap<TenantId, Arc<TenantCatalog>>,
    sources: Vec<SourceStatus>,
}

/// What a tenant has, in the order of its names.
#[derive(Default)]
pub struct TenantCatalog {
    /// The numbers of the first snapshots with these lists.
    since: Since,
    tools: BTreeMap<String, Arc<Tool>>,
    prompts: BTreeMap<String, Arc<Prompt>>,
    resources: BTreeMap<String, Arc<Resource>>,
    templates: BTreeMap<String, Arc<ResourceTemplate>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Since {
    tools: u64,
    prompts: u64,
    resources: u64,
    contents: u64,
}

/// Two components have something of the same name.
#[derive(Debug, thiserror::Error)]
#[error("its {kind} `{name}` has the name of a {kind} of `{other}`: {mend}")]
pub struct Collision {
    kind: &'static str,
    name: Line,
    /// The component that has it.
    other: String,
    mend: &'static str,
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
    /// Who signed what serves, of those that must have: none where nobody must.
    pub signed_by: Arc<[SignerName]>,
    /// What the operator should know though it serves, such as that its registry is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<Line>,
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
        reason: Line,
    },
    /// It is left out.
    Failed {
        /// What was wrong and what to do.
        reason: Line,
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
            compiled: component.origin(),
        }
    }
}

impl Snapshot {
    /// A snapshot of these tenants and what became of their sources.
    pub fn new(
        tenants: impl IntoIterator<Item = (TenantId, TenantCatalog)>,
        sources: Vec<SourceStatus>,
    ) -> Self {
        Self {
            number: 0,
            tenants: tenants
                .into_iter()
                .map(|(id, catalog)| (id, Arc::new(catalog)))
                .collect(),
            sources,
        }
    }

    /// What a tenant has; nothing where there is no such tenant.
    pub fn tenant(&self, id: &TenantId) -> Arc<TenantCatalog> {
        self.tenants.get(id).cloned().unwrap_or_default()
    }

    /// How many tools all tenants have.
    pub fn tools(&self) -> usize {
        self.tenants
            .values()
            .map(|catalog| catalog.tools().len())
            .sum()
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
                    Some((source, &**reason))
                }
                SourceState::Loaded { .. } => None,
            })
    }

    /// Takes over how old a tenant's lists are, where they are the same as before.
    fn follow(&mut self, before: &Self) {
        self.number = before.number + 1;
        for (id, catalog) in &mut self.tenants {
            let catalog = Arc::get_mut(catalog).expect("nobody has seen this snapshot yet");
            let before = before.tenants.get(id);
            catalog.since = catalog.since(self.number, before.map(|before| &**before));
        }
    }
}

impl TenantCatalog {
    /// Adds all of an offer, or nothing.
    pub(super) fn add(&mut self, offer: &Offer) -> Result<(), Collision> {
        self.check(offer)?;
        let tools = offer.tools.iter();
        self.tools
            .extend(tools.map(|tool| (tool.name.clone(), Arc::clone(tool))));
        let prompts = offer.prompts.iter();
        self.prompts
            .extend(prompts.map(|one| (one.name.clone(), Arc::clone(one))));
        let resources = offer.resources.iter();
        self.resources
            .extend(resources.map(|one| (one.described.uri.clone(), Arc::clone(one))));
        let templates = offer.templates.iter();
        self.templates
            .extend(templates.map(|one| (one.described.uri_template.clone(), Arc::clone(one))));
        Ok(())
    }

    fn check(&self, offer: &Offer) -> Result<(), Collision> {
        let collision = |kind, name: &str, other: &str, mend| Collision {
            kind,
            name: Line::name(name),
            other: other.to_owned(),
            mend,
        };
        for tool in &offer.tools {
            if let Some(other) = self.tools.get(&tool.name) {
                let mend =
                    "set a `prefix` on one of the two sources, or leave one out with `exclude`";
                let other = other.guest.component.name();
                return Err(collision("tool", &tool.name, other, mend));
            }
        }
        for prompt in &offer.prompts {
            if let Some(other) = self.prompts.get(&prompt.name) {
                let mend = "set a `prefix` on one of the two sources";
                let other = other.guest.component.name();
                return Err(collision("prompt", &prompt.name, other, mend));
            }
        }
        let mend =
            "a URI is one resource of a tenant's: serve one of the two sources to another tenant";
        for resource in &offer.resources {
            let uri = &resource.described.uri;
            if let Some(other) = self.resources.get(uri) {
                return Err(collision(
                    "resource",
                    uri,
                    other.guest.component.name(),
                    mend,
                ));
            }
        }
        for template in &offer.templates {
            let text = &template.described.uri_template;
            if let Some(other) = self.templates.get(text) {
                let other = other.guest.component.name();
                return Err(collision("resource template", text, other, mend));
            }
        }
        Ok(())
    }

    /// Of which snapshots the lists are, if this one has that number: callers are told the same since then.
    fn since(&self, number: u64, before: Option<&Self>) -> Since {
        let Some(before) = before else {
            return Since {
                tools: number,
                prompts: number,
                resources: number,
                contents: number,
            };
        };
        let age = |same: bool, since: u64| if same { since } else { number };
        let tools = same(&self.tools, &before.tools, |tool| &tool.definition);
        let prompts = same(&self.prompts, &before.prompts, |one| &one.definition);
        let resources = same(&self.resources, &before.resources, |one| &one.definition)
            && same(&self.templates, &before.templates, |one| &one.definition);
        let contents = same(&self.resources, &before.resources, |one| {
            one.guest.component.digest()
        }) && same(&self.templates, &before.templates, |one| {
            one.guest.component.digest()
        });
        Since {
            tools: age(tools, before.since.tools),
            prompts: age(prompts, before.since.prompts),
            resources: age(resources, before.since.resources),
            contents: age(contents, before.since.contents),
        }
    }

    /// Calls that wait in the queues of the sources.
    pub fn waiting(&self) -> usize {
        let queues: BTreeMap<_, _> = self
            .guests()
            .map(|guest| (Arc::as_ptr(&guest.admission), guest.admission.waiting()))
            .collect();
        queues.values().sum()
    }

    /// The components that have something for it.
    pub fn guests(&self) -> impl Iterator<Item = &Arc<Guest>> {
        let tools = self.tools.values().map(|tool| &tool.guest);
        let prompts = self.prompts.values().map(|one| &one.guest);
        let resources = self.resources.values().map(|one| &one.guest);
        let templates = self.templates.values().map(|one| &one.guest);
        tools.chain(prompts).chain(resources).chain(templates)
    }

    /// All tools.
    pub fn tools(&self) -> &BTreeMap<String, Arc<Tool>> {
        &self.tools
    }

    /// All prompts.
    pub fn prompts(&self) -> &BTreeMap<String, Arc<Prompt>> {
        &self.prompts
    }

    /// All resources, by URI.
    pub fn resources(&self) -> &BTreeMap<String, Arc<Resource>> {
        &self.resources
    }

    /// All families of resources, by URI template.
    pub fn templates(&self) -> &BTreeMap<String, Arc<ResourceTemplate>> {
        &self.templates
    }

    /// What reads the resource of this URI: the one that is listed, else the first template that matches, in the order
    /// of their texts.
    pub fn reader(&self, uri: &str) -> Option<Reader<'_>> {
        if let Some(resource) = self.resources.get(uri) {
            return Some(Reader {
                name: &resource.described.uri,
                guest: &resource.guest,
            });
        }
        let mut templates = self.templates.values();
        let template = templates.find(|template| template.template.matches(uri))?;
        Some(Reader {
            name: &template.described.uri_template,
            guest: &template.guest,
        })
    }
}

/// What reads a resource.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The resource's URI as it is listed, or the template's text.
    pub name: &'a str,
    /// The component.
    pub guest: &'a Arc<Guest>,
}

/// Whether callers are told the same of both.
fn same<T, D: PartialEq>(
    one: &BTreeMap<String, Arc<T>>,
    other: &BTreeMap<String, Arc<T>>,
    definition: impl Fn(&T) -> &D,
) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|((name, thing), (other_name, other))| {
                name == other_name && definition(thing) == definition(other)
            })
}

/// The snapshot that counts now.
pub struct Catalog {
    current: ArcSwap<Snapshot>,
    swapped: watch::Sender<()>,
}

/// Tells when a tenant's lists are others.
pub struct Changes {
    catalog: Arc<Catalog>,
    tenant: TenantId,
    swapped: watch::Receiver<()>,
    /// Of the lists that are known.
    since: Since,
}

/// Which lists are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The tools.
    pub tools: bool,
    /// The prompts.
    pub prompts: bool,
    /// The resources, or their templates.
    pub resources: bool,
    /// What reads some of them, so that they may hold something else.
    pub contents: bool,
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

    /// Tells whenever another snapshot counts, from now on.
    pub fn swaps(&self) -> watch::Receiver<()> {
        self.swapped.subscribe()
    }

    /// From now on this one counts. Whoever holds the one before still has it.
    pub(super) fn swap(&self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        snapshot.follow(&self.current.load());
        let snapshot = Arc::new(snapshot);
        self.current.store(Arc::clone(&snapshot));
        self.swapped.send_replace(());
        snapshot
    }

    /// The changes of a tenant's lists from now on.
    pub fn changes(self: &Arc<Self>, tenant: &TenantId) -> Changes {
        // Before the list is looked at, so that no change falls in between.
        let swapped = self.swaps();
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
    pub async fn next(&mut self) -> Changed {
        loop {
            // The sender lives as long as the catalog that is held here.
            _ = self.swapped.changed().await;
            let since = self.catalog.snapshot().tenant(&self.tenant).since;
            if since != self.since {
                let known = std::mem::replace(&mut self.since, since);
                return Changed {
                    tools: since.tools != known.tools,
                    prompts: since.prompts != known.prompts,
                    resources: since.resources != known.resources,
                    contents: since.contents != known.contents,
                };
            }
        }
    }
}
