//! The management port: what operators and their machines ask, apart from the port of the calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures::FutureExt;
use hyper_util::service::TowerToHyperService;
use sandglass_manifest::Scope;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::guard::Guard;
use super::places::Places;
use super::requester::Requester;
use super::rest::ErrorBody;
use super::{App, connection, door, health, refused};
use crate::audit::Reason;
use crate::open_files;
use crate::sandbox::Engine;
use crate::supervise::Supervisor;
use crate::telemetry::Metrics;

/// No request here has a body that is read.
const MAX_BODY: usize = 4 << 10;

/// Every other answer than that of `/reload` is made in memory.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the endpoints tell of.
#[derive(Clone)]
pub struct Management {
    /// The calls.
    pub app: App,
    /// Their metrics.
    pub metrics: Arc<Metrics>,
    /// Where they run.
    pub engine: Engine,
    /// Whether everybody who reaches the port may ask: it is bound to loopback, or identity is off. For a reload, only this machine.
    pub open: bool,
}

impl Management {
    /// Serves on this port for as long as what is returned is held, also while calls in flight come to their end.
    pub fn serve(self, listener: TcpListener, guard: Guard) -> Vec<AbortOnDropHandle<()>> {
        let metrics = Arc::clone(&self.metrics);
        let supervisor = Supervisor::get();
        let upkeep = supervisor.keep("metrics", move || Arc::clone(&metrics).keep_up());
        let service = TowerToHyperService::new(self.router(guard));
        let places = Places::new(open_files::for_management());
        // It is never closed: probes are answered until the process ends.
        let closing = CancellationToken::new();
        let serving = connection::serve(listener, None, service, places, closing);
        let serving = supervisor.need("management port", serving.map(Ok));
        vec![upkeep, serving]
    }

    fn router(self, guard: Guard) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/usage", get(usage))
            .route("/ready", get(ready))
            .route("/health", get(health::health))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                TIMEOUT,
            ))
            // Takes as long as what is new takes to load.
            .route("/reload", post(reload))
            .fallback(|| async { (StatusCode::NOT_FOUND, ErrorBody::new("Not found")) })
            .with_state(self.clone())
            .layer(Extension(Requester::local()))
            .layer(middleware::from_fn_with_state(self.clone(), authorize))
            .layer(RequestBodyLimitLayer::new(MAX_BODY))
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                let refusal = guard.refuse(&request);
                let app = self.app.clone();
                async move {
                    let peer = refused::peer(request.extensions());
                    let mut response = match refusal {
                        Some(refusal) => refusal,
                        None => next.run(request).await,
                    };
                    refused::tell(&app, &mut response, peer);
                    response
                }
            }))
    }
}

/// Lets those in whose credential has the scope `management`. A probe of health needs none.
async fn authorize(
    State(management): State<Management>,
    mut request: Request,
    next: Next,
) -> Response {
    if management.open || request.uri().path() == "/health" {
        return next.run(request).await;
    }
    match door::enter(&management.app, &mut request).await {
        Ok(_) if may_manage(&request) => next.run(request).await,
        Ok(_) => {
            let needed = Scope::Management;
            let text = format!("Not allowed: this needs a credential with the scope {needed}");
            let response = (StatusCode::FORBIDDEN, ErrorBody::new(text)).into_response();
            let mut response = refused::mark(response, Reason::Forbidden);
            if let Some(Requester { tenant, caller }) = request.extensions().get() {
                refused::name(&mut response, Some(tenant), caller);
            }
            response
        }
        Err(refusal) => refusal,
    }
}

fn may_manage(request: &Request) -> bool {
    let requester: Option<&Requester> = request.extensions().get();
    requester.is_some_and(|requester| requester.caller.may_manage())
}

impl axum::extract::FromRef<Management> for App {
    fn from_ref(management: &Management) -> Self {
        management.app.clone()
    }
}

/// `GET /metrics`
async fn metrics(State(management): State<Management>) -> Response {
    let Management {
        app,
        metrics,
        engine,
        ..
    } = management;
    let snapshot = app.invoker.catalog().snapshot();
    let text = metrics.render(app.invoker.ledger(), &snapshot, &engine);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// `GET /usage`: of all tenants.
async fn usage(State(app): State<App>) -> Response {
    let tenants: Map<String, Value> = app
        .invoker
        .ledger()
        .tenants()
        .map(|(id, account)| (id.to_string(), json!(account.counters().usage())))
        .collect();
    Json(json!({ "tenants": tenants })).into_response()
}

/// `POST /reload`: looks at the manifest and all sources again; the answer is that of `/ready` afterwards.
async fn reload(
    State(management): State<Management>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
) -> Response {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    if management.open && !is_this_machine(peer) {
        let text = "Not allowed: without `identity` in the manifest a reload can be asked for on the host's own machine alone; run `sandglass reload` there, or send SIGHUP";
        return (StatusCode::FORBIDDEN, ErrorBody::new(text)).into_response();
    }
    match management.app.reload.now().await {
        Ok(()) => ready(State(management)).await,
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorBody::new(error.to_string()),
        )
            .into_response(),
    }
}

/// Whoever reads metrics reaches the port from elsewhere, and without a credential where identity is off: it may not have the host
/// work. (A port that is forwarded ends on the machine itself.)
fn is_this_machine(peer: Option<SocketAddr>) -> bool {
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// `GET /ready`: all tenants' tools, and all sources with what became of them.
async fn ready(State(Management { app, .. }): State<Management>) -> Response {
    let problem = app.reload.problem();
    let tasks = health::failed_tasks();
    let audit = health::failing_audit(&app);
    let snapshot = app.invoker.catalog().snapshot();
    let tenants: Map<String, Value> = app
        .invoker
        .ledger()
        .tenants()
        .map(|(id, _)| {
            let catalog = snapshot.tenant(id);
            let names: Vec<&String> = catalog.tools().keys().collect();
            (id.to_string(), json!({ "tools": names }))
        })
        .collect();
    let draining = app.drain.is_draining();
    let status = if draining {
        "draining"
    } else if problem.is_some()
        || tasks.is_some()
        || audit.is_some()
        || snapshot.failures().next().is_some()
    {
        "degraded"
    } else {
        "ready"
    };
    let code = if draining {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut body = json!({
        "status": status,
        "tenants": tenants,
        "sources": snapshot.sources(),
        "timestamp": health::timestamp(),
    });
    if let Some(problem) = problem {
        body["manifest"] = json!({ "problem": problem });
    }
    if let Some(tasks) = tasks {
        body["tasks"] = tasks;
    }
    if let Some(audit) = audit {
        body["audit"] = audit;
    }
    (code, Json(body)).into_response()
}

/// Where the management port is to be.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address.
    pub host: String,
    /// The port, where one was asked for.
    pub port: Option<u16>,
}

impl Place {
    /// The port that nobody has to ask for.
    pub const DEFAULT_PORT: u16 = 9090;

    /// Binds it. None where nobody asked for the default port, and it is taken: another host on this machine has it.
    pub async fn bind(&self) -> std::io::Result<Option<(TcpListener, SocketAddr)>> {
        let port = self.port.unwrap_or(Self::DEFAULT_PORT);
        match TcpListener::bind((self.host.as_str(), port)).await {
            Ok(listener) => {
                let address = listener.local_addr()?;
                Ok(Some((listener, address)))
            }
            Err(error) if self.port.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_this_machine_by_its_address_alone() {
        for (peer, is_here) in [
            (Some("127.0.0.1:5000"), true),
            (Some("127.9.9.9:5000"), true),
            (Some("[::1]:5000"), true),
            (Some("[::ffff:127.0.0.1]:5000"), true),
            (Some("10.0.0.7:5000"), false),
            (Some("[::ffff:10.0.0.7]:5000"), false),
            (Some("[fd00::1]:5000"), false),
            (None, false),
        ] {
            let address = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(is_this_machine(address), is_here, "{peer:?}");
        }
    }
}
