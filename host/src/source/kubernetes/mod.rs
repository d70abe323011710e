//! Components from ConfigMaps and Secrets, through the Kubernetes API.
//!
//! What a ConfigMap had last is kept in the cache folder, for when the API server is down. What a Secret has is not: it
//! lies in no file of ours.

mod cluster;
mod object;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::Body;
use sandglass_manifest::{Digest, KubernetesKey, KubernetesKind, KubernetesObject};
use sandglass_text::Line;
use tokio::sync::OnceCell;

use super::attempt::{self, FetchError, Problem};
use super::http::READ_TIMEOUT;
use super::{ByteCache, Fetcher};
pub use cluster::ClusterError;
use cluster::{Cluster, Origin};
use object::Object;

/// The most bytes of an answer. An object ends at 1 MiB, but its text may be six times as long in JSON, and there is what
/// others wrote on it.
const MAX_ANSWER: usize = 16 << 20;

/// The Kubernetes API, spoken to from the first source on that needs it.
#[derive(Clone, Default)]
pub struct Kubernetes(Arc<State>);

#[derive(Default)]
struct State {
    cluster: OnceCell<Cluster>,
    /// The version of each object that was read last; `None` if there was no such object.
    read: Mutex<HashMap<KubernetesObject, Option<String>>>,
}

/// What keys have, in the order in which they were asked for.
#[derive(Default)]
pub struct Values {
    /// The bytes of each.
    pub bytes: Vec<Bytes>,
    /// What the operator should know.
    pub notice: Option<String>,
}

/// Why the API gives no bytes.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// There is nobody to ask.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// On the way.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Our credentials cannot be had.
    #[error("the credentials of {origin} for {server} cannot be had: {reason}; log in again")]
    Credentials {
        /// The API server.
        server: String,
        /// What names the credentials.
        origin: Origin,
        /// What is wrong with them.
        reason: String,
    },
    /// It does not know us.
    #[error(
        "{server} does not accept the credentials of {origin} (401): they are wrong or expired; log in again"
    )]
    Refused {
        /// The API server.
        server: String,
        /// What names the credentials.
        origin: Origin,
    },
    /// We may not.
    #[error(
        "{server} denies the right to read {object} (403): grant `get` on {}/{} in the namespace {} to {who}",
        .object.kind().resource(), .object.name(), .object.namespace()
    )]
    Denied {
        /// The API server.
        server: String,
        /// What was asked for.
        object: KubernetesObject,
        /// Whom the API server takes us for.
        who: String,
    },
    /// There is none.
    #[error("{server} has no {object} (404): check the reference, or create it")]
    Missing {
        /// The API server.
        server: String,
        /// What was asked for.
        object: KubernetesObject,
    },
    /// It has other keys.
    #[error("{object} has no key `{key}`, it has {keys}: check the reference, or add the key")]
    NoKey {
        /// What should have it.
        object: KubernetesObject,
        /// The key.
        key: String,
        /// The keys that it has.
        keys: String,
    },
    /// Something else answers there.
    #[error("{server} answered with what is no {kind}: check that it is a Kubernetes API server")]
    NoObject {
        /// The API server.
        server: String,
        /// What was asked for.
        kind: KubernetesKind,
    },
}

impl KubernetesError {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.may_pass())
    }
}

/// What these keys have. Each object is read once, so that all of its keys are of one version.
pub async fn fetch(fetcher: &Fetcher, keys: &[&KubernetesKey]) -> Result<Values, KubernetesError> {
    if keys.is_empty() {
        return Ok(Values::default());
    }
    let kubernetes = &fetcher.kubernetes;
    let cluster = kubernetes.cluster().await?;
    let objects: BTreeSet<_> = keys.iter().map(|key| key.object()).collect();
    let mut reads = Vec::new();
    for object in &objects {
        reads.push(kubernetes.read(cluster, object));
    }
    let mut read: HashMap<_, _> = objects.iter().copied().zip(join_all(reads).await).collect();
    let mut values = Values::default();
    for key in keys {
        let kept = Kept::of(&fetcher.cache, cluster, key);
        let bytes = match &read[key.object()] {
            Ok(object) => {
                let bytes = value(cluster, object, key)?;
                kept.put(&bytes).await;
                bytes
            }
            Err(error) => match kept.get().await {
                Some((digest, bytes)) if error.may_pass() => {
                    let notice = format!(
                        "{error}; what `{key}` had last is served from the cache ({digest})"
                    );
                    tracing::warn!(%key, "{notice}");
                    values.notice = Some(notice);
                    bytes
                }
                _ => {
                    let failed = read.remove(key.object());
                    return Err(failed
                        .and_then(Result::err)
                        .expect("it was looked at above"));
                }
            },
        };
        values.bytes.push(bytes);
    }
    Ok(values)
}

fn value(
    cluster: &Cluster,
    object: &Object,
    key: &KubernetesKey,
) -> Result<Bytes, KubernetesError> {
    match object.get(key.key()) {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(_)) => Err(KubernetesError::NoObject {
            server: cluster.server.clone(),
            kind: key.object().kind(),
        }),
        None => {
            let keys: Vec<_> = object.keys().map(|key| format!("`{key}`")).collect();
            Err(KubernetesError::NoKey {
                object: key.object().clone(),
                key: key.key().to_owned(),
                keys: match keys[..] {
                    [] => "none at all".to_owned(),
                    _ => keys.join(", "),
                },
            })
        }
    }
}

/// What a key had last, in the cache folder: of ConfigMaps alone.
struct Kept<'a> {
    cache: &'a ByteCache,
    /// Clusters may have objects of one name.
    name: Option<String>,
}

impl<'a> Kept<'a> {
    fn of(cache: &'a ByteCache, cluster: &Cluster, key: &KubernetesKey) -> Self {
        let name = match key.object().kind() {
            KubernetesKind::ConfigMap => Some(format!("{} {key}", cluster.server)),
            KubernetesKind::Secret => None,
        };
        Self { cache, name }
    }

    async fn put(&self, bytes: &Bytes) {
        if let Some(name) = &self.name {
            let digest = Digest::of(bytes);
            self.cache.put(&digest, bytes.clone()).await;
            self.cache.remember(name, &digest).await;
        }
    }

    async fn get(&self) -> Option<(Digest, Bytes)> {
        let digest = self.cache.tag(self.name.as_ref()?).await?;
        let bytes = self.cache.get(&digest).await?;
        Some((digest, bytes))
    }
}

impl Kubernetes {
    async fn cluster(&self) -> Result<&Cluster, ClusterError> {
        self.0.cluster.get_or_try_init(Cluster::find).await
    }

    async fn read(
        &self,
        cluster: &Cluster,
        object: &KubernetesObject,
    ) -> Result<Object, KubernetesError> {
        let host = cluster.server.split("://").last().unwrap_or_default();
        let read = attempt::repeat(host, || ask_in_time(cluster, object)).await?;
        let version = match &read {
            Ok(object) => object.version.clone(),
            Err(KubernetesError::Missing { .. }) => None,
            Err(_) => return read,
        };
        self.versions().insert(object.clone(), version);
        read
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<KubernetesObject, Option<String>>> {
        self.0.read.lock().expect("nothing panics while it is held")
    }
}

/// Outside is what may pass, inside what the API server had to say.
type Asked = Result<Result<Object, KubernetesError>, Problem>;

async fn ask_in_time(cluster: &Cluster, object: &KubernetesObject) -> Asked {
    let answer = tokio::time::timeout(READ_TIMEOUT, ask(cluster, object));
    answer.await.unwrap_or_else(|_| {
        Err(Problem::Unreachable {
            reason: "no answer in time".to_owned(),
        })
    })
}

async fn ask(cluster: &Cluster, object: &KubernetesObject) -> Asked {
    let path = format!(
        "/api/v1/namespaces/{}/{}/{}",
        object.namespace(),
        object.kind().resource(),
        object.name()
    );
    let request = Request::get(path)
        .header(ACCEPT, "application/json")
        .body(Body::empty())
        .expect("names of objects can stand in a path");
    let response = match cluster.client.send(request).await {
        Ok(response) => response,
        Err(error @ kube::Error::Auth(_)) => {
            return Ok(Err(KubernetesError::Credentials {
                server: cluster.server.clone(),
                origin: cluster.origin.clone(),
                reason: cluster::reason(&error),
            }));
        }
        Err(error) => {
            return Err(Problem::Unreachable {
                reason: innermost(&error),
            });
        }
    };
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = read_body(response).await?;
    let server = cluster.server.clone();
    Ok(match status {
        StatusCode::OK => {
            let kind = object.kind();
            Object::parse(kind, &body).ok_or(KubernetesError::NoObject { server, kind })
        }
        StatusCode::UNAUTHORIZED => Err(KubernetesError::Refused {
            server,
            origin: cluster.origin.clone(),
        }),
        StatusCode::FORBIDDEN => Err(KubernetesError::Denied {
            server,
            object: object.clone(),
            who: who(&body),
        }),
        StatusCode::NOT_FOUND => Err(KubernetesError::Missing {
            server,
            object: object.clone(),
        }),
        status => {
            return Err(Problem::Status {
                status,
                challenge: None,
                retry_after,
            });
        }
    })
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

async fn read_body(response: Response<Body>) -> Result<Bytes, Problem> {
    match Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await
    {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::TooLarge {
            limit: MAX_ANSWER as u64,
        }),
        Err(error) => Err(Problem::BrokenOff {
            reason: innermost(&*error),
        }),
    }
}

/// The user that a refusal names: `.. is forbidden: User "system:serviceaccount:ns:name" cannot get resource ..`.
fn who(refusal: &[u8]) -> String {
    let status: Option<kube::core::Status> = serde_json::from_slice(refusal).ok();
    status
        .as_ref()
        .and_then(|status| status.message.split_once("User \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(
            || "whom it takes us for".to_owned(),
            |(user, _)| Line::name(user).into(),
        )
}

/// The innermost error; the outer ones only say that something failed.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
