//! `/health` and `/ready`, as the Python runtime answers them.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use crate::invoke::TenantId;

/// Alive: `tools` is their number.
pub async fn health(State(app): State<App>) -> Response {
    let snapshot = app.invoker.catalog().snapshot();
    let tools = snapshot.tenant(&TenantId::default());
    Json(json!({
        "status": "healthy",
        "tools": tools.iter().len(),
        "timestamp": timestamp(),
    }))
    .into_response()
}

/// Ready to be sent calls: `tools` is the list of their names. A source that is
/// left out makes it `degraded`, still with 200, since the others serve.
pub async fn ready(State(app): State<App>) -> Response {
    let snapshot = app.invoker.catalog().snapshot();
    let tools = snapshot.tenant(&TenantId::default());
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut body = json!({
        "status": "ready",
        "tools": names,
        "timestamp": timestamp(),
    });
    let failures: Vec<_> = snapshot
        .failures()
        .map(|(source, reason)| json!({"source": source.name, "reason": reason}))
        .collect();
    if !failures.is_empty() {
        body["status"] = "degraded".into();
        body["failures"] = failures.into();
    }
    if app.drain.is_draining() {
        body["status"] = "draining".into();
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    Json(body).into_response()
}

fn timestamp() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
