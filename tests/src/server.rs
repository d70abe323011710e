//! A server on loopback for guests to reach, or to be kept from.

use std::io::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use futures::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What it answers depends on the path:
///
/// | path | answer |
/// |---|---|
/// | `/redirect?URL` | 302 to that URL |
/// | `/hang` | nothing, ever |
/// | `/gate` | `hello`, once the test has called [`Server::open`] |
/// | `/stall` | a head, a few bytes, and then nothing |
/// | `/bytes?N` | that many bytes |
/// | `/cut` | a head, a few bytes, and then the connection ends |
/// | `/endless` | bytes without end |
/// | `/status/N` | that status, with the body `hello` |
/// | any other | `hello`, once the request was read to its end |
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
}

#[derive(Debug, Default)]
struct Record {
    connections: AtomicUsize,
    bytes: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    gate: watch::Sender<bool>,
}

impl Server {
    /// A server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::on("127.0.0.1").await
    }

    /// A server on a free port of any loopback address.
    pub async fn on(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let record = Arc::new(Record::default());
        let counted = Arc::clone(&record);
        let listener = listener.tap_io(move |_| {
            counted.connections.fetch_add(1, Ordering::Relaxed);
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&record));
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("it serves until it is aborted");
        });
        Self {
            address,
            record,
            task,
        }
    }

    /// An `allow` of everything on this server, which is on loopback.
    pub fn grant(&self) -> String {
        format!(
            "{{ http: [ {{ host: 127.0.0.1, port: {}, private: true }} ] }}",
            self.port()
        )
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same server under another name or spelling of its address.
    pub fn url_as(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port())
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of bodies it read.
    pub fn bytes(&self) -> usize {
        self.record.bytes.load(Ordering::Relaxed)
    }

    /// Lets those go on who wait at `/gate`, and all who come there later.
    pub fn open(&self) {
        self.record.gate.send_replace(true);
    }

    /// The requests that came in.
    pub fn seen(&self) -> Vec<Seen> {
        self.record.seen().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Record {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(record): State<Arc<Record>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    record.seen().push(Seen {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
    });
    let mut body = body.into_data_stream();
    while let Some(Ok(bytes)) = body.next().await {
        record.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
    }
    let query = head.uri.query().unwrap_or_default();
    let ok = Ok::<_, Error>;
    match head.uri.path() {
        "/redirect" => (StatusCode::FOUND, [(header::LOCATION, query.to_owned())]).into_response(),
        path if path.starts_with("/status/") => {
            let status = path["/status/".len()..].parse();
            let status = status.expect("the test names a status");
            (StatusCode::from_u16(status).expect("it is one"), "hello").into_response()
        }
        "/hang" => std::future::pending().await,
        "/gate" => {
            _ = record.gate.subscribe().wait_for(|open| *open).await;
            "hello".into_response()
        }
        "/stall" => {
            let begin = stream::iter([ok(Bytes::from_static(b"begin"))]);
            Body::from_stream(begin.chain(stream::pending())).into_response()
        }
        "/cut" => {
            let begin = stream::iter([ok(Bytes::from_static(b"begin"))]);
            let cut = stream::once(async {
                // What came before is sent while this waits.
                tokio::task::yield_now().await;
                Err(Error::other("cut"))
            });
            Body::from_stream(begin.chain(cut)).into_response()
        }
        "/bytes" => vec![b'x'; query.parse().unwrap_or_default()].into_response(),
        "/endless" => {
            let chunk = Bytes::from(vec![b'x'; 1 << 16]);
            Body::from_stream(stream::repeat_with(move || ok(chunk.clone()))).into_response()
        }
        _ => "hello".into_response(),
    }
}
