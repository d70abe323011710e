//! Tells when a ConfigMap or Secret changes: by the API server's own events, of which only metadata is asked for.

use std::fmt::Debug;
use std::future::ready;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use sandglass_manifest::{KubernetesKind, KubernetesObject};
use serde::de::DeserializeOwned;

use super::{Kubernetes, innermost};

/// The versions that an object has one after the other; `None` while there is none.
type Versions = BoxStream<'static, Result<Option<String>, watcher::Error>>;

impl Kubernetes {
    /// Tells whenever an object is another than was read last: changed, created or deleted, also since before the watch.
    /// A connection that breaks off is made anew, at longer and longer intervals. The stream ends at once where no
    /// cluster is known.
    pub fn watch(&self, object: &KubernetesObject) -> impl Stream<Item = ()> + Send + use<> {
        let (kubernetes, object) = (self.clone(), object.clone());
        let versions = {
            let (kubernetes, object) = (self.clone(), object.clone());
            async move { kubernetes.versions_of(&object).await }
        };
        let mut told = None;
        let mut fails = false;
        stream::once(versions).flatten().filter_map(move |version| {
            let changed = match version {
                Ok(version) => {
                    fails = false;
                    let read = kubernetes.versions().get(&object).cloned();
                    let is_new = read.as_ref() != Some(&version) && told.as_ref() != Some(&version);
                    told = Some(version);
                    is_new
                }
                Err(error) => {
                    if !fails && !is_routine(&error) {
                        fails = true;
                        warn(&object, &error);
                    }
                    false
                }
            };
            ready(changed.then_some(()))
        })
    }

    async fn versions_of(&self, object: &KubernetesObject) -> Versions {
        let client = match self.cluster().await {
            Ok(cluster) => cluster.client.clone(),
            Err(error) => {
                tracing::warn!(%object, %error, "cannot be watched: changes there count only after a reload");
                return stream::empty().boxed();
            }
        };
        match object.kind() {
            KubernetesKind::ConfigMap => versions::<ConfigMap>(client, object),
            KubernetesKind::Secret => versions::<Secret>(client, object),
        }
    }
}

fn versions<K>(client: Client, object: &KubernetesObject) -> Versions
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::namespaced(client, object.namespace());
    watcher::watch_object(api, object.name())
        .default_backoff()
        .map_ok(|found| found.and_then(|found| found.metadata.resource_version))
        .boxed()
}

/// The server forgets old versions; the watcher then begins anew.
fn is_routine(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

fn warn(object: &KubernetesObject, error: &watcher::Error) {
    let mend = format!(
        "`list` and `watch` must be granted on {}/{} in the namespace {}",
        object.kind().resource(),
        object.name(),
        object.namespace()
    );
    tracing::warn!(%object, error = reason(error), "cannot be watched at the moment, it is tried again: {mend}");
}

fn reason(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        watcher::Error::WatchError(status) => status.message.clone(),
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => status.message.clone(),
        other => innermost(other),
    }
}
