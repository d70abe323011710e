//! From loaded components to a snapshot: a tenant's tools, prompts and resources have names of their own.

use std::sync::Arc;

use sandglass_text::Line;

use super::load::Loaded;
use super::served::{Entry, Looked};
use super::snapshot::{Collision, Snapshot, SourceState, SourceStatus, TenantCatalog};
use crate::invoke::TenantId;
use crate::sandbox::Summary;

type Tenants = Vec<(TenantId, TenantCatalog)>;

/// Puts together what serves of each source. Where a component's tools cannot stand beside the others, what served before
/// in its place still does.
pub(super) fn assemble(looked: Vec<Vec<Looked>>) -> (Snapshot, Vec<Vec<Entry>>) {
    let mut tenants = Tenants::new();
    // What has not changed comes first: it must not lose its place to what has.
    for one in looked.iter().flatten().filter(|one| one.fresh.is_none()) {
        if let Some(loaded) = &one.entry.serving {
            let added = add(&mut tenants, &one.entry.source.tenant, loaded);
            debug_assert!(added.is_ok(), "it stood beside the others before");
        }
    }
    let mut place = |one: Looked| match one.fresh {
        Some(fresh) => replace(&mut tenants, one.entry, fresh),
        None => one.entry,
    };
    let entries: Vec<Vec<Entry>> = looked
        .into_iter()
        .map(|source| source.into_iter().map(&mut place).collect())
        .collect();
    let statuses = entries.iter().flatten().map(status).collect();
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
            entry.problem = Some(Line::new(error));
            entry.serving = entry
                .serving
                .filter(|before| add(tenants, tenant, before).is_ok());
        }
    }
    entry
}

/// Adds all that a component offers, or nothing.
fn add(tenants: &mut Tenants, tenant: &TenantId, loaded: &Loaded) -> Result<(), Collision> {
    let position = tenants.iter().position(|(id, _)| id == tenant);
    let position = position.unwrap_or_else(|| {
        tenants.push((tenant.clone(), TenantCatalog::default()));
        tenants.len() - 1
    });
    tenants[position].1.add(&loaded.offer)
}

fn tell(entry: &Entry, loaded: &Loaded) {
    let inspection = loaded.guest.component.inspection();
    let name = loaded.guest.component.name();
    tracing::info!(
        source = name,
        digest = %loaded.guest.component.digest(),
        compiled = loaded.guest.component.origin().as_str(),
        tools = loaded.offer.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(","),
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
        (Some(loaded), None) => SourceState::loaded(&loaded.guest.component),
        (Some(loaded), Some(reason)) => SourceState::Stale {
            digest: loaded.guest.component.digest().clone(),
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
            .map(|loaded| Arc::clone(&loaded.guest.signed_by))
            .unwrap_or_default(),
        notice: entry
            .serving
            .as_ref()
            .and_then(|loaded| loaded.notice.clone()),
        state,
    }
}
