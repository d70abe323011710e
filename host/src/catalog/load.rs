//! From the manifest's tools to a snapshot.
//!
//! A source that cannot be had or loaded leaves its tools out and says why;
//! the others serve.

use std::sync::Arc;

use futures::StreamExt;
use sandglass_manifest::{Allow, Limits, SourceRef, ToolFilter, ToolPrefix};

use super::snapshot::{Snapshot, SourceState, SourceStatus, TenantTools};
use super::tool::{Tool, ToolError};
use crate::invoke::{Admission, TenantId};
use crate::sandbox::component::DescribeError;
use crate::sandbox::{Component, Engine, GrantError, Grants, LoadError, Stores, Summary};
use crate::source::{self, Fetcher, Found, SourceError};

/// Components that are loaded at once.
const LOADS_AT_ONCE: usize = 8;

/// A tool source of the manifest, for one tenant.
#[derive(Debug, Clone)]
pub struct Source {
    /// Whose tools these are.
    pub tenant: TenantId,
    /// Where the components come from.
    pub reference: SourceRef,
    /// The source's name in logs and status, where the manifest gives one.
    pub name: Option<String>,
    /// Goes before each tool's name.
    pub prefix: Option<ToolPrefix>,
    /// Which of the component's tools are served.
    pub filter: ToolFilter,
    /// What a call may use.
    pub limits: Limits,
    /// What a call may reach.
    pub allow: Allow,
}

/// Why a source is left out.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Describe(#[from] DescribeError),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("two of its tools are named `{0}`: a component's tool names must differ")]
    Duplicate(String),
    #[error(
        "its tool `{tool}` has the name of a tool of `{other}`: set a `prefix` on one of the two sources, or leave one out with `exclude`"
    )]
    Collision { tool: String, other: String },
    #[error("`{key}` names `{tool}`, which the component does not have; it has {has}")]
    Filter {
        key: &'static str,
        tool: String,
        has: String,
    },
}

/// Loads all sources, several at once, and builds the snapshot in the manifest's order. `stores` are what
/// `allow.keyvalue` can name.
pub async fn load(
    engine: &Engine,
    stores: &Stores,
    fetcher: &Fetcher,
    sources: Vec<Source>,
) -> Snapshot {
    let loads = sources
        .into_iter()
        .flat_map(|source| match source::find(&source.reference) {
            Ok(found) => found
                .into_iter()
                .map(|found| (source.clone(), Ok(found)))
                .collect(),
            Err(error) => vec![(source, Err(error))],
        });
    let loaded: Vec<(Source, Found, Result<Loaded, LeftOut>)> =
        futures::stream::iter(loads.map(|(source, found)| async {
            match found {
                Ok(found) => {
                    let result = load_component(engine, stores, fetcher, &source, &found).await;
                    (source, found, result)
                }
                Err(error) => {
                    let found = Found::at(source.reference.clone());
                    (source, found, Err(error.into()))
                }
            }
        }))
        .buffered(LOADS_AT_ONCE)
        .collect()
        .await;
    fetcher.trim_cache().await;

    let mut tenants: Vec<(TenantId, TenantTools)> = Vec::new();
    let mut statuses = Vec::new();
    for (source, found, result) in loaded {
        let name = name_of(&source, &found);
        let notice = result
            .as_ref()
            .ok()
            .and_then(|loaded| loaded.notice.clone());
        let added = result.and_then(|loaded| {
            let tools = tools_of(&mut tenants, &source.tenant);
            add(tools, &name, loaded)
        });
        if added.is_ok() && !source.allow.is_empty() {
            tracing::info!(source = name, "granted: {}", Summary(&source.allow));
        }
        let state = added.unwrap_or_else(|error| SourceState::Failed {
            reason: error.to_string(),
        });
        statuses.push(SourceStatus {
            tenant: source.tenant,
            name,
            location: found.location(),
            notice,
            state,
        });
    }
    Snapshot::new(tenants, statuses)
}

fn name_of(source: &Source, found: &Found) -> String {
    source.name.clone().unwrap_or_else(|| found.name.clone())
}

fn tools_of<'a>(
    tenants: &'a mut Vec<(TenantId, TenantTools)>,
    tenant: &TenantId,
) -> &'a mut TenantTools {
    let position = tenants.iter().position(|(id, _)| id == tenant);
    let position = position.unwrap_or_else(|| {
        tenants.push((tenant.clone(), TenantTools::default()));
        tenants.len() - 1
    });
    &mut tenants[position].1
}

/// A component and those of its tools that are served.
struct Loaded {
    component: Component,
    tools: Vec<Tool>,
    notice: Option<String>,
}

async fn load_component(
    engine: &Engine,
    stores: &Stores,
    fetcher: &Fetcher,
    source: &Source,
    found: &Found,
) -> Result<Loaded, LeftOut> {
    let grants = configure(source, stores).await?;
    let fetched = fetcher.fetch(found).await?;
    let component = Component::load(engine, &name_of(source, found), fetched.bytes).await?;
    let described = component.list_tools(&source.limits).await?;
    check_filter(
        &source.filter,
        described.iter().map(|tool| tool.name.as_str()),
    )?;
    let admission = Arc::new(Admission::new(&source.limits));
    let tools = described
        .into_iter()
        .filter(|tool| source.filter.allows(&tool.name))
        .map(|tool| {
            let name = match &source.prefix {
                Some(prefix) => prefix.apply(&tool.name),
                None => tool.name.clone(),
            };
            Tool::new(
                tool,
                name,
                component.clone(),
                source.limits,
                grants.clone(),
                Arc::clone(&admission),
            )
        })
        .collect::<Result<Vec<Tool>, ToolError>>()?;
    Ok(Loaded {
        component,
        tools,
        notice: fetched.notice,
    })
}

/// Reads secrets and looks at folders, away from the serving threads.
async fn configure(source: &Source, stores: &Stores) -> Result<Grants, GrantError> {
    let (source, stores) = (source.clone(), stores.clone());
    tokio::task::spawn_blocking(move || {
        Grants::configure(&source.allow, &stores, source.tenant.as_str())
    })
    .await
    .expect("configuring grants does not panic")
}

/// A filter that names a tool which is not there is a slip of the pen that would serve, or hide, the wrong tools.
fn check_filter<'a>(
    filter: &ToolFilter,
    tools: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), LeftOut> {
    let (key, names) = match filter {
        ToolFilter::All => return Ok(()),
        ToolFilter::Include(names) => ("include", names),
        ToolFilter::Exclude(names) => ("exclude", names),
    };
    match names
        .iter()
        .find(|name| !tools.clone().any(|tool| tool == name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(LeftOut::Filter {
            key,
            tool: name.clone(),
            has: tools
                .map(|tool| format!("`{tool}`"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Adds all tools of a component, or none.
fn add(tools: &mut TenantTools, name: &str, loaded: Loaded) -> Result<SourceState, LeftOut> {
    for (index, tool) in loaded.tools.iter().enumerate() {
        if loaded.tools[..index]
            .iter()
            .any(|other| other.name == tool.name)
        {
            return Err(LeftOut::Duplicate(tool.own_name.clone()));
        }
        if let Some(other) = tools.get(&tool.name) {
            return Err(LeftOut::Collision {
                tool: tool.name.clone(),
                other: other.component.name().to_owned(),
            });
        }
    }
    let inspection = loaded.component.inspection();
    tracing::info!(
        source = name,
        digest = %inspection.digest,
        compiled = inspection.compiled.as_str(),
        tools = loaded.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(","),
        "loaded"
    );
    if !inspection.left_out.is_empty() {
        tracing::info!(
            source = name,
            functions = inspection.left_out.len(),
            "exported functions that are no tools: `sandglass inspect` says why"
        );
    }
    let state = SourceState::loaded(inspection);
    for tool in loaded.tools {
        let inserted = tools.insert(Arc::new(tool));
        debug_assert!(inserted.is_ok(), "collisions were looked for above");
    }
    Ok(state)
}
