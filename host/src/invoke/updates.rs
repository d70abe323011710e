//! Resources that calls have changed, for those who watch them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::tenant::TenantId;

/// Changes that a slow watcher can be behind before it is told that everything may have changed. They are kept for it.
const BEHIND: usize = 256;

/// Tells of changed resources. Each tenant is told of its own, however much happens to those of others.
#[derive(Clone, Default)]
pub struct Updates(Arc<Mutex<HashMap<TenantId, broadcast::Sender<Arc<str>>>>>);

/// A watcher's end.
pub struct Watch(broadcast::Receiver<Arc<str>>);

/// What may have changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Updated {
    /// The resource of this URI.
    One(Arc<str>),
    /// Any: too much changed at once to tell.
    Any,
}

impl Updates {
    /// The resources of this tenant have changed.
    pub(super) fn tell(&self, tenant: &TenantId, uris: impl Iterator<Item = String>) {
        let mut uris = uris.peekable();
        if uris.peek().is_none() {
            return;
        }
        // Without a watcher nobody is told.
        let Some(watchers) = self.tenants().get(tenant).cloned() else {
            return;
        };
        for uri in uris {
            _ = watchers.send(uri.into());
        }
    }

    /// The changes of a tenant's resources from now on.
    pub fn watch(&self, tenant: &TenantId) -> Watch {
        let mut tenants = self.tenants();
        let watchers = tenants
            .entry(tenant.clone())
            .or_insert_with(|| broadcast::Sender::new(BEHIND));
        Watch(watchers.subscribe())
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, broadcast::Sender<Arc<str>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Waits for the next one.
    pub async fn next(&mut self) -> Updated {
        match self.0.recv().await {
            Ok(uri) => Updated::One(uri),
            Err(RecvError::Lagged(_)) => Updated::Any,
            // Nothing changes any more.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_its_own_tenant_and_of_too_much_there() {
        let updates = Updates::default();
        let (acme, zoo): (TenantId, TenantId) = ("acme".into(), "zoo".into());
        let (mut of_acme, mut of_zoo) = (updates.watch(&acme), updates.watch(&zoo));
        let many = (0..=2 * BEHIND).map(|number| format!("a:{number}"));
        updates.tell(&zoo, many);
        updates.tell(&acme, ["a:2".to_owned()].into_iter());
        assert_eq!(of_acme.next().await, Updated::One("a:2".into()));
        assert_eq!(of_zoo.next().await, Updated::Any);
    }
}
