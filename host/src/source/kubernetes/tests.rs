//! Against an API server that is a function.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::source::verify::Signers;
use crate::source::{FetchSettings, Found, SourceError};

const SERVER: &str = "https://10.0.0.1:6443";

type Answer = Result<Response<Body>, std::io::Error>;

fn answer(status: u16, body: &Value) -> Answer {
    let response = Response::builder().status(status);
    Ok(response.body(Body::from(body.to_string())).unwrap())
}

fn unreachable() -> Answer {
    Err(std::io::ErrorKind::ConnectionRefused.into())
}

fn object(version: &str, data: &Value) -> Answer {
    answer(
        200,
        &json!({ "metadata": { "resourceVersion": version }, "data": data }),
    )
}

/// A cluster whose API server answers so.
fn kubernetes(
    server: &str,
    api: impl Fn(&Request<kube::client::Body>) -> Answer + Clone + Send + 'static,
) -> Kubernetes {
    let service = service_fn(move |request| {
        let answer = api(&request);
        async { answer }
    });
    let cluster = Cluster {
        client: kube::Client::new(service, "default"),
        server: server.to_owned(),
        origin: Origin::Environment,
    };
    Kubernetes(Arc::new(State {
        cluster: OnceCell::from(cluster),
        read: Mutex::default(),
    }))
}

fn fetcher(cache: Option<&Path>, kubernetes: Kubernetes) -> Fetcher {
    let settings = FetchSettings {
        cache: cache.map(Path::to_owned),
        ..FetchSettings::default()
    };
    Fetcher {
        kubernetes,
        ..Fetcher::new(settings)
    }
}

async fn fetch(fetcher: &Fetcher, reference: &str) -> Result<super::super::Fetched, SourceError> {
    fetcher
        .fetch(&Found::at(reference.parse().unwrap()), &Signers::default())
        .await
}

async fn refused(kubernetes: Kubernetes, reference: &str) -> String {
    let refused = fetch(&fetcher(None, kubernetes), reference).await;
    refused.unwrap_err().to_string()
}

#[tokio::test]
async fn a_key_is_read_at_its_path_and_text_and_compression_are_taken_off() {
    let api = kubernetes(SERVER, |request| {
        assert_eq!(request.headers()[ACCEPT], "application/json");
        match request.uri().path() {
            "/api/v1/namespaces/ns/configmaps/tool" => object("1", &json!({ "a": "AGFzbQ==\n" })),
            "/api/v1/namespaces/ns/secrets/tool" => object("1", &json!({ "a": "AGFzbQ==" })),
            other => panic!("{other}"),
        }
    });
    let fetcher = fetcher(None, api);
    for reference in ["configmap://ns/tool/a", "secret://ns/tool/a"] {
        let fetched = fetch(&fetcher, reference).await.unwrap();
        assert_eq!(fetched.bytes, "\0asm");
        assert_eq!(fetched.version.reference.to_string(), reference);
        assert_eq!(fetched.notice, None);
    }
}

#[tokio::test]
async fn each_refusal_is_one_line_with_the_mend() {
    let forbidden = json!({
        "kind": "Status",
        "message": "secrets \"tool\" is forbidden: User \"system:serviceaccount:ns:ada\" cannot get resource",
    });
    for (status, body, expected) in [
        (
            401,
            json!({}),
            "https://10.0.0.1:6443 does not accept the credentials of KUBECONFIG (401): they are wrong or expired; log in again",
        ),
        (
            403,
            forbidden,
            "https://10.0.0.1:6443 denies the right to read Secret ns/tool (403): grant `get` on secrets/tool in the namespace ns to system:serviceaccount:ns:ada",
        ),
        (
            403,
            json!("no"),
            "https://10.0.0.1:6443 denies the right to read Secret ns/tool (403): grant `get` on secrets/tool in the namespace ns to whom it takes us for",
        ),
        (
            404,
            json!({}),
            "https://10.0.0.1:6443 has no Secret ns/tool (404): check the reference, or create it",
        ),
        (
            200,
            json!({ "metadata": {}, "data": { "b": "", "c": "" } }),
            "Secret ns/tool has no key `a`, it has `b`, `c`: check the reference, or add the key",
        ),
        (
            200,
            json!({ "metadata": {} }),
            "Secret ns/tool has no key `a`, it has none at all: check the reference, or add the key",
        ),
        (
            200,
            json!({ "metadata": {}, "data": { "a": "hush!" } }),
            "https://10.0.0.1:6443 answered with what is no Secret: check that it is a Kubernetes API server",
        ),
        (
            200,
            json!({ "metadata": {}, "data": "hush" }),
            "https://10.0.0.1:6443 answered with what is no Secret: check that it is a Kubernetes API server",
        ),
        (
            302,
            json!({}),
            "10.0.0.1:6443 answered 302 Found (tried once): it names no place to go on to; check its name, and whatever stands before it",
        ),
    ] {
        let api = kubernetes(SERVER, move |_| answer(status, &body));
        assert_eq!(refused(api, "secret://ns/tool/a").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again() {
    let error = refused(kubernetes(SERVER, |_| unreachable()), "secret://ns/tool/a").await;
    assert_eq!(
        error,
        "10.0.0.1:6443 cannot be reached (connection refused; tried 4 times): check its name, its port and the network"
    );
    let tries = Arc::new(Mutex::new(0));
    let busy = kubernetes(SERVER, move |_| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        match *tries {
            1 => unreachable(),
            2 => answer(503, &json!({})),
            _ => object("1", &json!({ "a": "AGFzbQ==" })),
        }
    });
    let fetched = fetch(&fetcher(None, busy), "secret://ns/tool/a").await;
    assert_eq!(fetched.unwrap().bytes, "\0asm");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_not_waited_for() {
    let service = service_fn(|_: Request<kube::client::Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    });
    let cluster = Cluster {
        client: kube::Client::new(service, "default"),
        server: SERVER.to_owned(),
        origin: Origin::Pod,
    };
    let hanging = Kubernetes(Arc::new(State {
        cluster: OnceCell::from(cluster),
        read: Mutex::default(),
    }));
    let refused = refused(hanging, "configmap://ns/tool/a");
    let error = tokio::time::timeout(Duration::from_secs(60), refused)
        .await
        .expect("each try ends");
    assert!(error.contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let endless = kubernetes(SERVER, |_| {
        let piece = Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 20]));
        Ok(Response::new(Body::from_stream(
            futures::stream::repeat_with(move || piece.clone()),
        )))
    });
    let error = refused(endless, "configmap://ns/tool/a").await;
    assert!(error.contains("has more than 16MiB for it"), "{error}");
}

/// The paths of all files below a folder, with what they hold.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path),
                false => vec![std::fs::read(path).unwrap()],
            }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_config_map_had_last_is_served_while_the_api_server_is_down_and_a_secret_is_kept_nowhere()
 {
    let folder = tempfile::tempdir().unwrap();
    let cache = Some(folder.path());
    let up = fetcher(
        cache,
        kubernetes(SERVER, |_| object("1", &json!({ "a": "AGFzbQ==" }))),
    );
    let secret = "secret://ns/tool/a";
    fetch(&up, secret).await.unwrap();
    assert!(files(folder.path()).is_empty());
    let map = "configmap://ns/tool/a";
    let seen = fetch(&up, map).await.unwrap().bytes;
    assert_eq!(files(folder.path()).len(), 2);

    let down = |server| fetcher(cache, kubernetes(server, |_| unreachable()));
    let fetched = fetch(&down(SERVER), map).await.unwrap();
    assert_eq!(fetched.bytes, seen);
    let notice = fetched.notice.unwrap();
    assert!(
        notice.contains("what `configmap://ns/tool/a` had last is served from the cache (sha256:"),
        "{notice}"
    );
    assert!(fetch(&down(SERVER), secret).await.is_err());
    assert!(fetch(&down("https://other"), map).await.is_err());
    // An API server that answers is not down.
    let gone = fetcher(cache, kubernetes(SERVER, |_| answer(404, &json!({}))));
    assert!(fetch(&gone, map).await.is_err());
}

#[tokio::test]
async fn parts_are_joined_in_order_and_an_object_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("part");
    std::fs::write(&file, b"s").unwrap();
    let paths = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&paths);
    let api = kubernetes(SERVER, move |request| {
        asked.lock().unwrap().push(request.uri().path().to_owned());
        object("1", &json!({ "0": "\0a", "1": "m" }))
    });
    let parts = joined(&[
        "configmap://ns/tool/0",
        file.to_str().unwrap(),
        "configmap://ns/tool/1",
    ]);
    let fetched = fetcher(None, api)
        .fetch(&parts, &Signers::default())
        .await
        .unwrap();
    assert_eq!(fetched.bytes, "\0asm");
    assert_eq!(paths.lock().unwrap().len(), 1);
}

/// What a list of parts in a manifest names.
fn joined(parts: &[&str]) -> Found {
    let manifest = json!({ "tools": [{ "source": parts }] }).to_string();
    let manifest = sandglass_manifest::Manifest::parse(
        &manifest,
        &sandglass_manifest::Origin::Environment("TEST"),
    );
    Found::at(manifest.unwrap().tools.unwrap().remove(0).source)
}

#[tokio::test]
async fn what_is_the_same_is_not_fetched_again() {
    let text = Arc::new(Mutex::new("\0asm"));
    let shared = Arc::clone(&text);
    let api = kubernetes(SERVER, move |_| {
        object("1", &json!({ "0": *shared.lock().unwrap(), "1": "" }))
    });
    let fetcher = fetcher(None, api);
    let single = Found::at("configmap://ns/tool/0".parse().unwrap());
    let parts = joined(&["configmap://ns/tool/0", "configmap://ns/tool/1"]);
    for found in [single, parts] {
        *text.lock().unwrap() = "\0asm";
        let known = fetcher
            .fetch(&found, &Signers::default())
            .await
            .unwrap()
            .version;
        let newer = async || {
            fetcher
                .fetch_newer(&found, &Signers::default(), Some(&known))
                .await
                .unwrap()
        };
        assert!(newer().await.is_none());
        *text.lock().unwrap() = "\0asm, changed";
        assert_eq!(newer().await.unwrap().bytes, "\0asm, changed");
    }
}

#[tokio::test]
async fn parts_say_which_of_them_is_missing_and_end_where_a_component_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let limit = crate::sandbox::compile::MAX_COMPONENT;
    for (name, size) in [("large", limit), ("small", 1)] {
        let file = std::fs::File::create(at(name)).unwrap();
        file.set_len(size).unwrap();
    }
    // No cluster is looked for: there are files only.
    let fetcher = Fetcher::new(FetchSettings::default());
    for (parts, expected) in [
        (["large", "small"], "larger than 128MiB together"),
        (["small", "none"], "none: no such file or folder"),
        (["small", "."], ": a folder where a file is due"),
    ] {
        let parts = parts.map(at);
        let parts = joined(&[parts[0].as_str(), parts[1].as_str()]);
        let error = fetcher
            .fetch(&parts, &Signers::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// An API server whose object has the version that a list shows, and then those that are sent as events.
struct Watched {
    kubernetes: Kubernetes,
    events: mpsc::UnboundedSender<String>,
}

fn watched(listed: &'static [Option<&'static str>]) -> Watched {
    let (events, lines) = mpsc::unbounded();
    let lines = Mutex::new(Some(lines.map(Ok::<_, Infallible>)));
    let lists = Mutex::new(listed.iter());
    let shared = Arc::new((lines, lists));
    let kubernetes = kubernetes(SERVER, move |request| {
        let (lines, lists) = &*shared;
        let query = request.uri().query().unwrap_or_default();
        if request.uri().path().ends_with("/tool") {
            return object("1", &json!({ "a": "AGFzbQ==" }));
        }
        assert_eq!(request.uri().path(), "/api/v1/namespaces/ns/secrets");
        assert!(
            query.contains("fieldSelector=metadata.name%3Dtool"),
            "{query}"
        );
        let accept = request.headers()[ACCEPT].to_str().unwrap();
        assert!(accept.contains("as=PartialObjectMetadata"), "{accept}");
        if query.contains("watch=true") {
            return match lines.lock().unwrap().take() {
                Some(lines) => Ok(Response::new(Body::from_stream(lines))),
                None => unreachable(),
            };
        }
        match lists.lock().unwrap().next() {
            None => answer(
                403,
                &json!({ "kind": "Status", "code": 403, "message": "no" }),
            ),
            Some(version) => {
                let items: Vec<_> = version.iter().map(|version| metadata(version)).collect();
                answer(
                    200,
                    &json!({
                        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                        "metadata": { "resourceVersion": "9" }, "items": items,
                    }),
                )
            }
        }
    });
    Watched { kubernetes, events }
}

fn metadata(version: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": { "name": "tool", "namespace": "ns", "resourceVersion": version },
    })
}

impl Watched {
    fn watch(&self) -> impl Stream<Item = ()> + Unpin + use<> {
        Box::pin(self.kubernetes.watch(secret().object()))
    }

    fn send(&self, kind: &str, version: &str) {
        let event = json!({ "type": kind, "object": metadata(version) });
        self.events.unbounded_send(format!("{event}\n")).unwrap();
    }
}

fn secret() -> KubernetesKey {
    match "secret://ns/tool/a".parse().unwrap() {
        sandglass_manifest::SourceRef::Kubernetes(key) => key,
        other => panic!("{other}"),
    }
}

async fn changes(watch: &mut (impl Stream<Item = ()> + Unpin)) {
    let change = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
    assert_eq!(change.expect("the change is noticed"), Some(()));
}

async fn stays(watch: &mut (impl Stream<Item = ()> + Unpin)) {
    let change = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    assert!(change.is_err(), "nothing changed");
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_versions_that_were_not_read() {
    let api = watched(&[Some("1")]);
    let mut watch = api.watch();
    fetch(&fetcher(None, api.kubernetes.clone()), "secret://ns/tool/a")
        .await
        .unwrap();
    stays(&mut watch).await;
    api.send("MODIFIED", "2");
    changes(&mut watch).await;
    stays(&mut watch).await;
    api.send("DELETED", "3");
    changes(&mut watch).await;
    api.send("ADDED", "4");
    changes(&mut watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_what_changed_before_it_began() {
    for listed in [&[Some("2")][..], &[None]] {
        let api = watched(listed);
        fetch(&fetcher(None, api.kubernetes.clone()), "secret://ns/tool/a")
            .await
            .unwrap();
        changes(&mut api.watch()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_off_begins_anew() {
    let api = watched(&[Some("1"), Some("2")]);
    fetch(&fetcher(None, api.kubernetes.clone()), "secret://ns/tool/a")
        .await
        .unwrap();
    let mut watch = api.watch();
    stays(&mut watch).await;
    // The version is too old for the server: all is listed again.
    let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "message": "too old" } });
    api.events.unbounded_send(format!("{gone}\n")).unwrap();
    changes(&mut watch).await;
    // From here on it is refused, and asked again.
    api.events.close_channel();
    stays(&mut watch).await;
}
