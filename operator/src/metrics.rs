//! What the operator tells of itself: whether it is ready, and what it did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, serve};
use kube::runtime::reflector::Store;
use tokio::net::TcpListener;

use crate::crd::{MCPServer, Phase};

/// Counts since the start.
#[derive(Default)]
pub struct Metrics {
    /// The servers, once all that is in the cluster is known.
    servers: OnceLock<Store<MCPServer>>,
    looks: AtomicU64,
    failures: AtomicU64,
    /// Requests to the API server, by method.
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Metrics {
    /// All that is in the cluster is known.
    pub fn set_ready(&self, servers: Store<MCPServer>) {
        // It becomes ready once.
        _ = self.servers.set(servers);
    }

    /// A server was looked at.
    pub fn looked(&self, succeeded: bool) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        if !succeeded {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request to the API server.
    pub fn requested(&self, method: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        match requests.get_mut(method) {
            Some(count) => *count = count.saturating_add(1),
            None => _ = requests.insert(method.to_owned(), 1),
        }
    }

    /// In Prometheus' text format.
    fn render(&self) -> String {
        let looks = self.looks.load(Ordering::Relaxed);
        let failures = self.failures.load(Ordering::Relaxed);
        let mut text = format!(
            "# HELP sandglass_operator_reconciles_total Looks at servers.\n\
             # TYPE sandglass_operator_reconciles_total counter\n\
             sandglass_operator_reconciles_total {looks}\n\
             # HELP sandglass_operator_reconcile_failures_total Looks that the API server cut short; they are taken again.\n\
             # TYPE sandglass_operator_reconcile_failures_total counter\n\
             sandglass_operator_reconcile_failures_total {failures}\n\
             # HELP sandglass_operator_api_requests_total Requests to the API server.\n\
             # TYPE sandglass_operator_api_requests_total counter\n"
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for (method, count) in &*requests {
            _ = writeln!(
                text,
                "sandglass_operator_api_requests_total{{method=\"{method}\"}} {count}"
            );
        }
        drop(requests);
        let Some(servers) = self.servers.get() else {
            return text;
        };
        text.push_str(
            "# HELP sandglass_operator_servers MCPServers that are served.\n\
             # TYPE sandglass_operator_servers gauge\n",
        );
        let servers = servers.state();
        let phases = servers
            .iter()
            .map(|server| server.status.as_ref().and_then(|status| status.phase));
        let phases: Vec<Phase> = phases
            .map(|phase| phase.unwrap_or(Phase::Pending))
            .collect();
        for phase in [Phase::Pending, Phase::Ready, Phase::Failed] {
            let count = phases.iter().filter(|found| **found == phase).count();
            _ = writeln!(
                text,
                "sandglass_operator_servers{{phase=\"{phase:?}\"}} {count}"
            );
        }
        text
    }

    /// Answers `/healthz`, `/readyz` and `/metrics` for as long as the process runs.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        serve(listener, router).await
    }
}

async fn ready(State(metrics): State<Arc<Metrics>>) -> (StatusCode, &'static str) {
    if metrics.servers.get().is_some() {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the cluster is not known yet, or another replica leads",
        )
    }
}

async fn metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.render())
}
