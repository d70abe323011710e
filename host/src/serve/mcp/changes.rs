//! Telling clients of changes: of the lists of what there is, and of the resources that they watch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::ErrorData;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RoleServer, SubscriptionContext};

use crate::catalog::{Changed, Changes};
use crate::invoke::{Invoker, TenantId, Updated, Watch};

/// Resources that one session, or one stream, watches.
pub const MAX_WATCHED: usize = 1_000;

/// What happens to what a tenant has.
pub struct News {
    changes: Changes,
    watch: Watch,
}

/// One piece of it.
enum Event {
    Lists(Changed),
    Resource(Updated),
}

impl News {
    /// From now on.
    pub fn of(invoker: &Invoker, tenant: &TenantId) -> Self {
        Self {
            changes: invoker.catalog().changes(tenant),
            watch: invoker.watch(tenant),
        }
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            changed = self.changes.next() => Event::Lists(changed),
            updated = self.watch.next() => Event::Resource(updated),
        }
    }
}

impl Event {
    /// Those of the watched resources that hold something else.
    fn updated(&self, watched: &BTreeSet<String>) -> Vec<String> {
        let all = || watched.iter().cloned().collect();
        match self {
            Self::Lists(changed) if changed.contents => all(),
            Self::Lists(_) => Vec::new(),
            Self::Resource(Updated::Any) => all(),
            Self::Resource(Updated::One(uri)) => watched.get(&**uri).into_iter().cloned().collect(),
        }
    }
}

/// The resources that a session has subscribed to.
#[derive(Default)]
pub struct Watched(Mutex<BTreeSet<String>>);

impl Watched {
    /// One more.
    pub fn add(&self, uri: String) -> Result<(), ErrorData> {
        let mut watched = self.lock();
        if watched.len() == MAX_WATCHED && !watched.contains(&uri) {
            let text = format!("a session can subscribe to {MAX_WATCHED} resources");
            return Err(ErrorData::invalid_params(text, None));
        }
        watched.insert(uri);
        Ok(())
    }

    /// One less.
    pub fn remove(&self, uri: &str) {
        self.lock().remove(uri);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a session's client, until it is gone.
pub async fn tell_session(mut news: News, watched: Arc<Watched>, peer: Peer<RoleServer>) {
    loop {
        let event = news.next().await;
        let updated = event.updated(&watched.lock());
        let told = async {
            if let Event::Lists(changed) = event {
                if changed.tools {
                    peer.notify_tool_list_changed().await?;
                }
                if changed.prompts {
                    peer.notify_prompt_list_changed().await?;
                }
                if changed.resources {
                    peer.notify_resource_list_changed().await?;
                }
            }
            for uri in updated {
                let param = ResourceUpdatedNotificationParam::new(uri);
                peer.notify_resource_updated(param).await?;
            }
            Ok::<_, rmcp::service::ServiceError>(())
        };
        if told.await.is_err() {
            return;
        }
    }
}

/// Tells who listens (`subscriptions/listen`), of what they asked for, until they are gone.
pub async fn tell_subscription(mut news: News, subscription: &SubscriptionContext) {
    let wanted = subscription.accepted();
    let uris = wanted.resource_subscriptions.iter().flatten().cloned();
    let watched: BTreeSet<String> = uris.collect();
    let sink = subscription.sink();
    loop {
        let event = tokio::select! {
            () = subscription.cancelled() => return,
            event = news.next() => event,
        };
        let told = async {
            if let Event::Lists(changed) = event {
                if changed.tools && wanted.tools_list_changed == Some(true) {
                    sink.notify_tool_list_changed().await?;
                }
                if changed.prompts && wanted.prompts_list_changed == Some(true) {
                    sink.notify_prompt_list_changed().await?;
                }
                if changed.resources && wanted.resources_list_changed == Some(true) {
                    sink.notify_resource_list_changed().await?;
                }
            }
            for uri in event.updated(&watched) {
                sink.notify_resource_updated(uri).await?;
            }
            Ok::<_, rmcp::service::SubscriptionSendError>(())
        };
        if told.await.is_err() {
            return;
        }
    }
}
