//! What the API server has, as its watches tell: the operator reads from here, and asks only to write.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::discovery;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;

use crate::crd::{MANAGED_BY, MCPServer};
use crate::objects::{Kind, shared};
use crate::plan::ReferenceKind;

/// Servers that may have to be looked at.
pub type Queue = UnboundedSender<ObjectRef<MCPServer>>;

/// The caches.
pub struct Caches {
    /// The servers.
    pub servers: Store<MCPServer>,
    /// Of the kinds that the API server has.
    objects: RwLock<BTreeMap<Kind, Store<DynamicObject>>>,
    pods: Store<Pod>,
    config_maps: Store<PartialObjectMeta<ConfigMap>>,
    secrets: Store<PartialObjectMeta<Secret>>,
    watches: Watches,
}

impl Caches {
    /// Begins to watch; whatever changes puts the servers that it concerns into the queue, and a watch that ends is told of.
    pub async fn start(
        client: &Client,
        namespace: Option<&str>,
        queue: Queue,
        ended: Ended,
    ) -> Result<Self, kube::Error> {
        let watches = Watches {
            client: client.clone(),
            namespace: namespace.map(str::to_owned),
            queue,
            ended,
        };
        let resource = ApiResource::erase::<MCPServer>(&());
        let events = watcher(watches.api_of(&resource), watcher::Config::default());
        let events = events.map(|event| event.map(read));
        let servers = watches.follow(events, (), |server: &MCPServer, servers| {
            let mut concerned = vec![ObjectRef::from_obj(server)];
            // Those that shared its host see to it that the host forgets it.
            if server.spec.shared && servers.get(&concerned[0]).is_none() {
                concerned.extend(sharing(servers, server.namespace()));
            }
            concerned
        });
        let mut objects = BTreeMap::new();
        for kind in Kind::ALL {
            if kind.is_everywhere() || is_served(client, kind).await? {
                objects.insert(kind, watches.objects(kind, &servers));
            }
        }
        let of_pods = servers.clone();
        let pods = watches.watch(watches.api::<Pod>(), (), ours(), move |pod: &Pod, _| {
            owner(pod, &of_pods)
        });
        let config_maps = watches.watch_metadata::<ConfigMap>(ReferenceKind::ConfigMap, &servers);
        let secrets = watches.watch_metadata::<Secret>(ReferenceKind::Secret, &servers);
        Ok(Self {
            servers,
            objects: RwLock::new(objects),
            pods,
            config_maps,
            secrets,
            watches,
        })
    }

    /// Looks again and again for kinds that the API server did not have, such as those of a Gateway API that is installed later; all
    /// servers are looked at when there is one.
    pub async fn find_kinds(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            for kind in Kind::ALL.into_iter().filter(|kind| !self.has(*kind)) {
                // What fails is asked again.
                if !is_served(&self.watches.client, kind).await.unwrap_or(false) {
                    continue;
                }
                tracing::info!("this cluster has a {} now", kind.gvk().kind);
                let store = self.watches.objects(kind, &self.servers);
                _ = store.wait_until_ready().await;
                let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
                objects.insert(kind, store);
                drop(objects);
                for server in self.servers.state() {
                    _ = self.watches.queue.send(ObjectRef::from_obj(&*server));
                }
            }
        }
    }

    /// Waits until all that was there at the start is here.
    pub async fn ready(&self) {
        // A store's writer lives as long as the process.
        _ = self.servers.wait_until_ready().await;
        let objects: Vec<_> = self.stores().values().cloned().collect();
        for store in objects {
            _ = store.wait_until_ready().await;
        }
        _ = self.pods.wait_until_ready().await;
        _ = self.config_maps.wait_until_ready().await;
        _ = self.secrets.wait_until_ready().await;
    }

    /// Whether the API server has this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.stores().contains_key(&kind)
    }

    /// An object that the operator made, by the operator's mark.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
        let key = ObjectRef::new_with(name, kind.resource()).within(namespace);
        self.stores().get(&kind)?.get(&key)
    }

    /// The Services that the operator made in a namespace.
    pub fn services(&self, namespace: &str) -> Vec<Arc<DynamicObject>> {
        let stores = self.stores();
        stores
            .get(&Kind::Service)
            .map(|services| {
                services.state_filter(|service| {
                    service.metadata.namespace.as_deref() == Some(namespace)
                })
            })
            .unwrap_or_default()
    }

    /// The pods that serve a server.
    pub fn pods(&self, namespace: &str, server: &str, is_shared: bool) -> Vec<Arc<Pod>> {
        let (label, value) = if is_shared {
            (shared::LABEL, "true")
        } else {
            ("mcpserver", server)
        };
        self.pods.state_filter(|pod| {
            pod.metadata.namespace.as_deref() == Some(namespace)
                && pod.labels().get(label).map(String::as_str) == Some(value)
        })
    }

    fn stores(&self) -> RwLockReadGuard<'_, BTreeMap<Kind, Store<DynamicObject>>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of the metadata of a ConfigMap or Secret, if there is one.
    pub fn metadata<T>(
        &self,
        kind: ReferenceKind,
        namespace: &str,
        name: &str,
        of: impl FnOnce(&ObjectMeta) -> T,
    ) -> Option<T> {
        match kind {
            ReferenceKind::ConfigMap => {
                let key = ObjectRef::new(name).within(namespace);
                self.config_maps.get(&key).map(|found| of(&found.metadata))
            }
            ReferenceKind::Secret => {
                let key = ObjectRef::new(name).within(namespace);
                self.secrets.get(&key).map(|found| of(&found.metadata))
            }
        }
    }
}

/// Reads a server. One that cannot be read is a server that says so, and keeps no other from being served.
fn read(event: watcher::Event<DynamicObject>) -> watcher::Event<MCPServer> {
    match event {
        watcher::Event::Apply(object) => watcher::Event::Apply(MCPServer::read(object)),
        watcher::Event::Delete(object) => watcher::Event::Delete(MCPServer::read(object)),
        watcher::Event::InitApply(object) => watcher::Event::InitApply(MCPServer::read(object)),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitDone => watcher::Event::InitDone,
    }
}

/// Whether the API server has a kind that not every one has.
async fn is_served(client: &Client, kind: Kind) -> Result<bool, kube::Error> {
    match discovery::pinned_kind(client, &kind.gvk()).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(kube::Error::Discovery(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the operator made.
fn ours() -> watcher::Config {
    let (key, value) = MANAGED_BY;
    watcher::Config::default().labels(&format!("{key}={value}"))
}

/// The server that an object of ours belongs to; of a shared host, all that share it.
fn owner<K: ResourceExt>(object: &K, servers: &Store<MCPServer>) -> Vec<ObjectRef<MCPServer>> {
    if object.labels().contains_key(shared::LABEL) {
        return sharing(servers, object.namespace());
    }
    let server = object.labels().get("mcpserver");
    let namespace = object.namespace();
    server
        .zip(namespace)
        .map(|(server, namespace)| ObjectRef::new(server).within(&namespace))
        .into_iter()
        .collect()
}

/// The servers that share their namespace's host.
fn sharing(servers: &Store<MCPServer>, namespace: Option<String>) -> Vec<ObjectRef<MCPServer>> {
    let found =
        servers.state_filter(|server| server.spec.shared && server.namespace() == namespace);
    found
        .iter()
        .map(|server| ObjectRef::from_obj(&**server))
        .collect()
}

/// Begins watches.
struct Watches {
    client: Client,
    namespace: Option<String>,
    queue: Queue,
    ended: Ended,
}

/// Where it is told of a watch that has ended: without it the operator is blind.
pub type Ended = UnboundedSender<String>;

/// Tells of the end of a watch, also where that is a panic.
struct Watching {
    what: String,
    ended: Ended,
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Nobody listens any more only when the process ends.
        _ = self.ended.send(std::mem::take(&mut self.what));
    }
}

impl Watches {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn objects(&self, kind: Kind, servers: &Store<MCPServer>) -> Store<DynamicObject> {
        let servers = servers.clone();
        let resource = kind.resource();
        let api = self.api_of(&resource);
        self.watch(api, resource, ours(), move |object, _| {
            owner(object, &servers)
        })
    }

    fn api_of(&self, resource: &ApiResource) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    fn watch_metadata<K>(
        &self,
        kind: ReferenceKind,
        servers: &Store<MCPServer>,
    ) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let servers = servers.clone();
        self.watch(
            self.api(),
            (),
            watcher::Config::default(),
            move |object, _| {
                let (name, namespace) = (object.name_any(), object.namespace());
                let concerned = servers.state_filter(|server| {
                    server.namespace() == namespace && server.spec.names(kind, &name)
                });
                let concerned = concerned
                    .iter()
                    .map(|server| ObjectRef::from_obj(&**server));
                // And those whose sessions its key seals.
                concerned.chain(owner(object, &servers)).collect()
            },
        )
    }

    fn watch<K>(
        &self,
        api: Api<K>,
        kind: K::DynamicType,
        config: watcher::Config,
        concerned: impl Fn(&K, &Store<K>) -> Vec<ObjectRef<MCPServer>> + Send + 'static,
    ) -> Store<K>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        K::DynamicType: Clone + Debug + Eq + Hash + Send + Sync + Unpin,
    {
        self.follow(watcher(api, config), kind, concerned)
    }

    /// Watches for as long as the process runs; a watch that breaks off is begun anew, at longer and longer intervals.
    fn follow<K>(
        &self,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
        kind: K::DynamicType,
        concerned: impl Fn(&K, &Store<K>) -> Vec<ObjectRef<MCPServer>> + Send + 'static,
    ) -> Store<K>
    where
        K: Resource + Clone + Debug + Send + Sync + 'static,
        K::DynamicType: Clone + Debug + Eq + Hash + Send + Sync + Unpin,
    {
        let writer = reflector::store::Writer::<K>::new(kind.clone());
        let store = writer.as_reader();
        let known = store.clone();
        let queue = self.queue.clone();
        let watching = Watching {
            what: K::plural(&kind).into_owned(),
            ended: self.ended.clone(),
        };
        let events = events
            .map(|event| {
                event.map(|event| event.modify(|object| object.managed_fields_mut().clear()))
            })
            .default_backoff();
        let events = reflector::reflector(writer, events);
        tokio::spawn(async move {
            let watching = watching;
            let what = &watching.what;
            let mut events = Box::pin(events);
            let mut fails = false;
            while let Some(event) = events.next().await {
                match event {
                    Ok(
                        watcher::Event::Apply(object)
                        | watcher::Event::InitApply(object)
                        | watcher::Event::Delete(object),
                    ) => {
                        fails = false;
                        for server in concerned(&object, &known) {
                            // Nobody listens any more only when the process ends.
                            _ = queue.send(server);
                        }
                    }
                    Ok(watcher::Event::Init | watcher::Event::InitDone) => fails = false,
                    Err(error) => {
                        if !fails && !is_routine(&error) {
                            tracing::warn!(%error, "{what} cannot be watched at the moment, it is tried again; `list` and `watch` must be granted");
                        }
                        fails = true;
                    }
                }
            }
        });
        store
    }
}

/// The server forgets old versions; the watch then begins anew.
fn is_routine(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::sync::mpsc;

    use super::*;
    use crate::mock;

    #[tokio::test]
    async fn a_watch_that_panics_or_ends_is_told_of() {
        let (client, _) = mock::client(|_| mock::not_found());
        let (queue, _changed) = mpsc::unbounded_channel();
        let (end, mut ended) = mpsc::unbounded_channel();
        let watches = Watches {
            client,
            namespace: None,
            queue,
            ended: end,
        };
        let pod = Pod::default();
        let one = stream::once(async { Ok(watcher::Event::Apply(pod)) });
        watches.follow(one, (), |_: &Pod, _| panic!("a pod that is none"));
        assert_eq!(ended.recv().await.as_deref(), Some("pods"));
        watches.follow(stream::empty(), (), |_: &Secret, _| Vec::new());
        assert_eq!(ended.recv().await.as_deref(), Some("secrets"));
    }
}
