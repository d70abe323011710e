//! Between the operator and the API server: counts what is asked, and cuts in at a step.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::api::Api;

/// A request that went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Whether it asks for all changes from now on.
    pub watches: bool,
}

impl Asked {
    /// Whether it may change something.
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }
}

/// Listens on loopback, over HTTP. Dropping it closes its port.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    asked: Mutex<Vec<Asked>>,
    /// How many writes are let through before the next one is held for ever, after it was carried out or before.
    cut: Mutex<Option<Cut>>,
    cut_off: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    writes: usize,
    carried_out: bool,
}

impl Proxy {
    /// A way to the API server as the user of `api`.
    pub async fn start(api: Api) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Inner {
            api,
            asked: Mutex::default(),
            cut: Mutex::default(),
            cut_off: Notify::new(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("it serves until it is aborted");
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    /// Holds the write after so many from now on, before or after it is carried out; and all that follow.
    pub fn cut(&self, writes: usize, carried_out: bool) {
        *lock(&self.state.cut) = Some(Cut {
            writes,
            carried_out,
        });
    }

    /// Waits until a write was held; then lets all through again.
    pub async fn until_cut(&self) {
        self.state.cut_off.notified().await;
    }

    /// Whether the cut has not come yet; lets all through again.
    pub fn heal(&self) -> bool {
        lock(&self.state.cut)
            .take()
            .is_some_and(|cut| cut.writes > 0)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Whether this write is held, and if so whether it is carried out first.
    fn holds(&self) -> Option<bool> {
        let mut cut = lock(&self.cut);
        let cut = cut.as_mut()?;
        if cut.writes > 0 {
            cut.writes -= 1;
            return None;
        }
        Some(cut.carried_out)
    }
}

async fn pass(State(state): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        watches: head
            .uri
            .query()
            .is_some_and(|query| query.contains("watch=true")),
    };
    let held = if asked.writes() { state.holds() } else { None };
    lock(&state.asked).push(asked.clone());
    if held == Some(false) {
        return hold(&state).await;
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = state.api.request(&asked.method, path);
    for name in ["content-type", "accept"] {
        if let Some(value) = head.headers.get(name) {
            forwarded = forwarded.header(name, value);
        }
    }
    let body = axum::body::to_bytes(body, 8 << 20)
        .await
        .expect("a whole request");
    let Ok(answer) = forwarded.body(body).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if held == Some(true) {
        return hold(&state).await;
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    let body = Body::from_stream(answer.bytes_stream());
    response.body(body).expect("an answer")
}

/// Whoever asked gets no answer.
async fn hold(state: &Inner) -> Response {
    state.cut_off.notify_one();
    std::future::pending().await
}
