//! Telling clients of changes: of the lists of what there is, and of the resources that they watch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use rmcp::ErrorData;
use rmcp::model::{
    PromptListChangedNotification, ResourceListChangedNotification, ResourceUpdatedNotification,
    ResourceUpdatedNotificationParam, ServerNotification, ToolListChangedNotification,
};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};

use super::handler::SessionState;
use crate::catalog::{Catalog, Changed, Changes};
use crate::invoke::{Full, Held, Invoker, RoomShare, TenantId, Updated, Updates, Watch};

/// Resources that one session, or one stream, watches.
pub const MAX_WATCHED: usize = 1_000;

/// Bytes of their URIs.
pub const MAX_WATCHED_BYTES: usize = 256 << 10;

/// Bytes that a watched resource takes besides its URI.
const WATCHED: usize = 128;

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

/// Where news come from.
#[derive(Clone, Default)]
pub struct Newsroom {
    catalog: Arc<Catalog>,
    updates: Updates,
}

impl Newsroom {
    /// Of what this invoker calls.
    pub fn of(invoker: &Invoker) -> Self {
        Self {
            catalog: Arc::clone(invoker.catalog()),
            updates: invoker.updates().clone(),
        }
    }

    /// What happens to what a tenant has, from now on.
    pub fn news(&self, tenant: &TenantId) -> News {
        News {
            changes: self.catalog.changes(tenant),
            watch: self.updates.watch(tenant),
        }
    }
}

impl News {
    /// Waits for what a session that watches these resources is told.
    pub async fn next(&mut self, watched: &Watched) -> Vec<ServerNotification> {
        loop {
            let event = self.event().await;
            let told = event.notifications(&watched.lock().uris);
            if !told.is_empty() {
                return told;
            }
        }
    }

    /// All that such a session could be told; what has happened so far is in it.
    pub async fn all(&mut self, watched: &Watched) -> Vec<ServerNotification> {
        while self.event().now_or_never().is_some() {}
        let all = Event::Lists(Changed {
            tools: true,
            prompts: true,
            resources: true,
            contents: true,
        });
        all.notifications(&watched.lock().uris)
    }

    async fn event(&mut self) -> Event {
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

    /// What a session that watches these resources is told.
    fn notifications(&self, watched: &BTreeSet<String>) -> Vec<ServerNotification> {
        let mut told = Vec::new();
        if let Self::Lists(changed) = self {
            if changed.tools {
                told.push(ToolListChangedNotification::default().into());
            }
            if changed.prompts {
                told.push(PromptListChangedNotification::default().into());
            }
            if changed.resources {
                told.push(ResourceListChangedNotification::default().into());
            }
        }
        let updated = self.updated(watched).into_iter();
        told.extend(updated.map(|uri| {
            let param = ResourceUpdatedNotificationParam::new(uri);
            ResourceUpdatedNotification::new(param).into()
        }));
        told
    }
}

/// The resources that a session has subscribed to.
#[derive(Default)]
pub struct Watched(Mutex<Subscribed>);

#[derive(Default)]
struct Subscribed {
    uris: BTreeSet<String>,
    bytes: usize,
    held: Option<Held>,
}

impl Watched {
    /// One more, in the room that there is for that.
    pub fn add(&self, uri: String, room: &Arc<RoomShare>) -> Result<(), ErrorData> {
        let mut watched = self.lock();
        if watched.uris.contains(&uri) {
            return Ok(());
        }
        let bytes = watched.bytes + uri.len();
        if watched.uris.len() == MAX_WATCHED || bytes > MAX_WATCHED_BYTES {
            let text = format!(
                "a session can subscribe to {MAX_WATCHED} resources, whose URIs have {} KiB",
                MAX_WATCHED_BYTES >> 10
            );
            return Err(ErrorData::invalid_params(text, None));
        }
        let held = match &mut watched.held {
            Some(held) => held,
            none => none.insert(room.hold(0).map_err(full)?),
        };
        held.grow(WATCHED + uri.len()).map_err(full)?;
        watched.bytes = bytes;
        watched.uris.insert(uri);
        Ok(())
    }

    /// One less.
    pub fn remove(&self, uri: &str) {
        let mut watched = self.lock();
        if watched.uris.remove(uri) {
            watched.bytes -= uri.len();
            if let Some(held) = &mut watched.held {
                held.shrink(WATCHED + uri.len());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Subscribed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(_: Full) -> ErrorData {
    let text = "the subscriptions of this tenant's sessions hold too much memory: end some";
    ErrorData::invalid_request(text, None)
}

/// Tells a session's client, until it is gone.
pub async fn tell_session(mut news: News, state: Arc<SessionState>, peer: Peer<RoleServer>) {
    loop {
        for notification in news.next(&state.watched).await {
            if peer.send_notification(notification).await.is_err() {
                return;
            }
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
            event = news.event() => event,
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
