//! Resources that calls have changed, for those who watch them.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::tenant::TenantId;

/// Changes that a slow watcher can be behind before it is told that everything may have changed.
const BEHIND: usize = 1_024;

/// Tells of changed resources.
#[derive(Clone)]
pub struct Updates(broadcast::Sender<(TenantId, Arc<str>)>);

/// A watcher's end.
pub struct Watch {
    tenant: TenantId,
    receiver: broadcast::Receiver<(TenantId, Arc<str>)>,
}

/// What may have changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Updated {
    /// The resource of this URI.
    One(Arc<str>),
    /// Any: too much changed at once to tell.
    Any,
}

impl Default for Updates {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Updates {
    /// The resources of this tenant have changed.
    pub(super) fn tell(&self, tenant: &TenantId, uris: impl Iterator<Item = String>) {
        for uri in uris {
            // Without a watcher nobody is told.
            _ = self.0.send((tenant.clone(), uri.into()));
        }
    }

    /// The changes of a tenant's resources from now on.
    pub fn watch(&self, tenant: &TenantId) -> Watch {
        Watch {
            tenant: tenant.clone(),
            receiver: self.0.subscribe(),
        }
    }
}

impl Watch {
    /// Waits for the next one.
    pub async fn next(&mut self) -> Updated {
        loop {
            match self.receiver.recv().await {
                Ok((tenant, uri)) if tenant == self.tenant => return Updated::One(uri),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Updated::Any,
                // Nothing changes any more.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_its_own_tenant_and_of_too_much() {
        let updates = Updates::default();
        let (acme, zoo): (TenantId, TenantId) = ("acme".into(), "zoo".into());
        let mut watch = updates.watch(&acme);
        updates.tell(&zoo, ["a:1".to_owned()].into_iter());
        updates.tell(&acme, ["a:2".to_owned()].into_iter());
        assert_eq!(watch.next().await, Updated::One("a:2".into()));
        let many = (0..=2 * BEHIND).map(|number| format!("a:{number}"));
        updates.tell(&acme, many);
        assert_eq!(watch.next().await, Updated::Any);
    }
}
