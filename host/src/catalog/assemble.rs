//! From loaded components to a snapshot: a tenant's tools have names of their own.

use std::sync::Arc;

use super::load::{LeftOut, Loaded};
use super::loader::{Entry, Looked};
use super::snapshot::{Snapshot, SourceState, SourceStatus, TenantTools};
use crate::invoke::TenantId;
use crate::sandbox::Summary;

type Tenants = Vec<(TenantId, TenantTools)>;

/// Puts together what serves. Where a component's tools cannot stand beside the others, what served before in its
/// place still does.
pub(super) fn assemble(looked: Vec<Looked>) -> (Snapshot, Vec<Entry>) {
    let mut tenants = Tenants::new();
    // What has not changed comes first: it must not lose its place to what has.
    for one in looked.iter().filter(|one| one.fresh.is_none()) {
        if let Some(loaded) = &one.entry.serving {
            let added = add(&mut tenants, &one.entry.source.tenant, loaded);
            debug_assert!(added.is_ok(), "it stood beside the others before");
        }
    }
    let entries: Vec<Entry> = looked
        .into_iter()
        .map(|one| match one.fresh {
            Some(fresh) => replace(&mut tenants, one.entry, fresh),
            None => one.entry,
        })
        .collect();
    let statuses = entries.iter().map(status).collect();
    (Snapshot::new(tenants, statuses), entries)
}

/// A changed component: the new version, else the one that there was.
fn replace(tenants: &mut Tenants, mut entry: Entry, fresh: Loaded) -> Entry {
    let tenant = &entry.source.tenant;
    match add(tenants, tenant, &fresh) {
        Ok(()) => {
            tell(&entry, &fresh);
            entry.serving = Some(Arc::new(fresh));
        }
        Err(error) => {
            entry.problem = Some(error.to_string());
            entry.serving = entry
                .serving
                .filter(|before| add(tenants, tenant, before).is_ok());
        }
    }
    entry
}

/// Adds all tools of a component, or none.
fn add(tenants: &mut Tenants, tenant: &TenantId, loaded: &Loaded) -> Result<(), LeftOut> {
    let tools = tools_of(tenants, tenant);
    for tool in &loaded.tools {
        if let Some(other) = tools.get(&tool.name) {
            return Err(LeftOut::Collision {
                tool: tool.name.clone(),
                other: other.component.name().to_owned(),
            });
        }
    }
    for tool in &loaded.tools {
        let inserted = tools.insert(Arc::clone(tool));
        debug_assert!(inserted.is_ok(), "collisions were looked for above");
    }
    Ok(())
}

fn tools_of<'a>(tenants: &'a mut Tenants, tenant: &TenantId) -> &'a mut TenantTools {
    let position = tenants.iter().position(|(id, _)| id == tenant);
    let position = position.unwrap_or_else(|| {
        tenants.push((tenant.clone(), TenantTools::default()));
        tenants.len() - 1
    });
    &mut tenants[position].1
}

fn tell(entry: &Entry, loaded: &Loaded) {
    let inspection = loaded.component.inspection();
    let name = loaded.component.name();
    tracing::info!(
        source = name,
        digest = %loaded.component.digest(),
        compiled = inspection.compiled.as_str(),
        tools = loaded.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(","),
        "{}", if entry.serving.is_some() { "loaded again" } else { "loaded" }
    );
    if !inspection.left_out.is_empty() {
        tracing::info!(
            source = name,
            functions = inspection.left_out.len(),
            "exported functions that are no tools: `sandglass inspect` says why"
        );
    }
    if !entry.source.allow.is_empty() {
        tracing::info!(source = name, "granted: {}", Summary(&entry.source.allow));
    }
}

fn status(entry: &Entry) -> SourceStatus {
    let state = match (&entry.serving, &entry.problem) {
        (Some(loaded), None) => SourceState::loaded(&loaded.component),
        (Some(loaded), Some(reason)) => SourceState::Stale {
            digest: loaded.component.digest().clone(),
            reason: reason.clone(),
        },
        (None, reason) => SourceState::Failed {
            reason: reason.clone().unwrap_or_default(),
        },
    };
    SourceStatus {
        tenant: entry.source.tenant.clone(),
        name: entry.source.name_of(&entry.found),
        location: entry.found.location(),
        signed_by: entry
            .serving
            .as_ref()
            .map(|loaded| Arc::clone(&loaded.signed_by))
            .unwrap_or_default(),
        notice: entry
            .serving
            .as_ref()
            .and_then(|loaded| loaded.notice.clone()),
        state,
    }
}
