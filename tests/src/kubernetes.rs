//! A small Kubernetes API server: ConfigMaps and Secrets, over TLS, by token; get, list and watch, as the real one answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Certificates;

/// The most bytes that one object may hold, as the real server has it.
const MAX_OBJECT: usize = 1 << 20;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `ada`, who may read everything.
    Reader,
    /// `bob`, who may do nothing.
    Nobody,
    /// A token that is none any more.
    Expired,
}

/// An API server on loopback. Dropping it closes its port.
#[derive(Debug)]
pub struct KubernetesApi {
    address: SocketAddr,
    folder: TempDir,
    objects: Arc<Objects>,
    task: JoinHandle<()>,
}

/// `configmaps` or `secrets`, namespace, name.
type Key = (String, String, String);

#[derive(Debug)]
struct Objects {
    all: Mutex<BTreeMap<Key, Value>>,
    events: broadcast::Sender<(Key, Value)>,
}

impl Token {
    fn text(self) -> &'static str {
        match self {
            Self::Reader => "token-of-ada",
            Self::Nobody => "token-of-bob",
            Self::Expired => "token-of-old",
        }
    }
}

impl KubernetesApi {
    /// Starts a server without objects on a free port.
    pub async fn start() -> Self {
        let certificates = Certificates::make();
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), &certificates.authority)
            .expect("the folder is ours");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let listener = Tls {
            listener,
            acceptor: acceptor(&certificates),
        };
        let (events, _) = broadcast::channel(16);
        let objects = Arc::new(Objects {
            all: Mutex::default(),
            events,
        });
        let router = Router::new()
            .route("/api/v1/namespaces/{namespace}/{resource}", get(list))
            .route("/api/v1/namespaces/{namespace}/{resource}/{name}", get(one))
            .with_state(Arc::clone(&objects));
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("it serves until it is aborted");
        });
        Self {
            address,
            folder,
            objects,
            task,
        }
    }

    /// Its `host:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// A kubeconfig with this token.
    pub fn kubeconfig(&self, token: Token) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "clusters": [{ "name": "test", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority": "ca.pem",
            }}],
            "users": [{ "name": "test", "user": { "token": token.text() } }],
        });
        let path = self.folder.path().join(format!("{token:?}.yaml"));
        // JSON is YAML.
        std::fs::write(&path, config.to_string()).expect("the folder is ours");
        path
    }

    /// Creates or replaces a ConfigMap of bytes by key; what is text stands there as text, as `kubectl` has it.
    pub fn put_config_map(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        let (mut text, mut binary) = (BTreeMap::new(), BTreeMap::new());
        for (key, bytes) in data {
            match str::from_utf8(bytes) {
                Ok(value) => text.insert(*key, value.to_owned()),
                Err(_) => binary.insert(*key, STANDARD.encode(bytes)),
            };
        }
        let object = json!({ "data": text, "binaryData": binary });
        self.put("configmaps", namespace, name, data, object);
    }

    /// Creates or replaces a Secret of bytes by key.
    pub fn put_secret(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        let encoded: BTreeMap<_, _> = data
            .iter()
            .map(|(key, bytes)| (*key, STANDARD.encode(bytes)))
            .collect();
        self.put("secrets", namespace, name, data, json!({ "data": encoded }));
    }

    fn put(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        data: &[(&str, &[u8])],
        mut object: Value,
    ) {
        let size: usize = data.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(
            size <= MAX_OBJECT,
            "{name}: must have at most {MAX_OBJECT} bytes"
        );
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let mut all = self.objects.all();
        let version: u64 = all
            .values()
            .filter_map(|object| object["metadata"]["resourceVersion"].as_str()?.parse().ok())
            .max()
            .unwrap_or(0);
        object["apiVersion"] = json!("v1");
        object["metadata"] = json!({
            "namespace": namespace, "name": name, "resourceVersion": (version + 1).to_string(),
        });
        let kind = match all.insert(key.clone(), object.clone()) {
            Some(_) => "MODIFIED",
            None => "ADDED",
        };
        // Nobody may be watching.
        _ = self.objects.events.send((key, event(kind, &object)));
    }

    /// Ends the server; nobody listens on its port then.
    pub async fn stop(&mut self) {
        self.task.abort();
        _ = (&mut self.task).await;
    }
}

impl Drop for KubernetesApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Objects {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Value>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event of a watch, of the object's metadata alone.
fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": metadata(object) })
}

fn metadata(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// What is answered instead of success.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(code, message) = self;
        let status = json!({
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "message": message,
            "code": code.as_u16(),
        });
        (code, Json(status)).into_response()
    }
}

/// Whether the token may; else the refusal.
fn check(headers: &HeaderMap, verb: &str, resource: &str, namespace: &str) -> Result<(), Refusal> {
    let is = |token: Token| {
        let expected = format!("Bearer {}", token.text());
        headers
            .get(AUTHORIZATION)
            .is_some_and(|given| given.as_bytes() == expected.as_bytes())
    };
    if is(Token::Reader) {
        Ok(())
    } else if is(Token::Nobody) {
        Err(Refusal(
            StatusCode::FORBIDDEN,
            format!(
                "{resource} is forbidden: User \"bob\" cannot {verb} resource \"{resource}\" in API group \"\" in the namespace \"{namespace}\""
            ),
        ))
    } else {
        Err(Refusal(StatusCode::UNAUTHORIZED, "Unauthorized".to_owned()))
    }
}

async fn one(
    State(objects): State<Arc<Objects>>,
    Path((namespace, resource, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check(&headers, "get", &resource, &namespace)?;
    let key = (resource, namespace, name);
    match objects.all().get(&key) {
        Some(object) => Ok(Json(object.clone()).into_response()),
        None => Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("{} \"{}\" not found", key.0, key.2),
        )),
    }
}

/// A list, or with `watch` all that happens from now on, of the object that `fieldSelector` names.
async fn list(
    State(objects): State<Arc<Objects>>,
    Path((namespace, resource)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let watches = query.contains_key("watch");
    let verb = if watches { "watch" } else { "list" };
    check(&headers, verb, &resource, &namespace)?;
    let name = query
        .get("fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name="))
        .unwrap_or_default();
    let key = (resource, namespace, name.to_owned());
    // What happens between the list and the watch is not lost.
    let since = query
        .get("resourceVersion")
        .and_then(|version| version.parse::<u64>().ok());
    let events = objects.events.subscribe();
    let all = objects.all();
    let version = |object: &Value| -> u64 {
        let version = object["metadata"]["resourceVersion"].as_str();
        version
            .and_then(|version| version.parse().ok())
            .unwrap_or(0)
    };
    if watches {
        let missed = all
            .get(&key)
            .filter(|object| since.is_none_or(|since| version(object) > since))
            .map(|object| event("MODIFIED", object));
        let lines = stream::unfold(
            (missed, events, key),
            |(missed, mut events, key)| async move {
                if let Some(missed) = missed {
                    return Some((line(&missed), (None, events, key)));
                }
                loop {
                    let (changed, event) = events.recv().await.ok()?;
                    if changed == key {
                        return Some((line(&event), (None, events, key)));
                    }
                }
            },
        );
        return Ok(Body::from_stream(lines).into_response());
    }
    let newest = all.values().map(version).max().unwrap_or(0);
    let items: Vec<_> = all
        .get(&key)
        .iter()
        .map(|object| metadata(object))
        .collect();
    Ok(Json(json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadataList",
        "metadata": { "resourceVersion": newest.to_string() },
        "items": items,
    }))
    .into_response())
}

fn line(event: &Value) -> Result<Bytes, std::convert::Infallible> {
    Ok(Bytes::from(format!("{event}\n")))
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let chain = CertificateDer::pem_slice_iter(certificates.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}

/// TLS on a listener; clients that do not manage it are hung up on.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let accepted = self.listener.accept().await;
            let (stream, address) = accepted.expect("a listener on loopback");
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
