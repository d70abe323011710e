//! `/health` and `/ready`, as the Python runtime answers them, and `/usage`. With identity on, a stranger is not told about tools.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::requester::Requester;
use super::{App, door};
use crate::invoke::{Caller, TenantId, scope_of};
use crate::supervise::Supervisor;

/// Alive: `tools` is their number. Nobody in particular is told the status alone.
pub async fn health(State(app): State<App>, asks: Option<Extension<Requester>>) -> Response {
    let mut body = json!({"status": "healthy"});
    if let Some(Extension(asks)) = asks {
        let visible = app.invoker.visible(&asks.tenant, &asks.caller);
        body["tools"] = visible.tools_after("").count().into();
    }
    body["timestamp"] = timestamp().into();
    Json(body).into_response()
}

/// Ready to be sent calls: `tools` is the list of their names. A source of the tenant's that is
/// left out makes it `degraded`, still with 200, since the others serve. So does a manifest that does not count as it is now, a
/// task of the host's own that has failed, and an audit that cannot be written: whose they are, is told why, where there are no other
/// callers.
pub async fn ready(State(app): State<App>, asks: Option<Extension<Requester>>) -> Response {
    let mut body = json!({"status": "ready"});
    let tasks = failed_tasks();
    if tasks.is_some() {
        body["status"] = "degraded".into();
    }
    if let Some(Extension(asks)) = asks {
        let visible = app.invoker.visible(&asks.tenant, &asks.caller);
        let tools = visible.tools_after("");
        body["tools"] = tools.map(|tool| tool.name.as_str()).collect();
        let failures: Vec<_> = app
            .invoker
            .catalog()
            .snapshot()
            .failures()
            .filter(|(source, _)| source.tenant == asks.tenant)
            .map(|(source, reason)| json!({"source": source.name, "reason": reason}))
            .collect();
        if !failures.is_empty() {
            body["status"] = "degraded".into();
            body["failures"] = failures.into();
        }
        let is_owner = app.identity.is_none() && asks.tenant == TenantId::default();
        if is_owner && let Some(problem) = app.reload.problem() {
            body["status"] = "degraded".into();
            body["manifest"] = json!({ "problem": problem });
        }
        if is_owner && let Some(tasks) = tasks {
            body["tasks"] = tasks;
        }
        if is_owner && let Some(audit) = failing_audit(&app) {
            body["status"] = "degraded".into();
            body["audit"] = audit;
        }
    }
    body["timestamp"] = timestamp().into();
    if app.drain.is_draining() {
        body["status"] = "draining".into();
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    Json(body).into_response()
}

/// The host's own tasks that have failed lately, with the reason; none where there are none.
pub(super) fn failed_tasks() -> Option<Value> {
    let failed = Supervisor::get().problems();
    let failed = failed
        .iter()
        .map(|(task, reason)| json!({"task": task, "reason": reason}));
    let failed: Vec<Value> = failed.collect();
    (!failed.is_empty()).then(|| failed.into())
}

/// Why the audit cannot be written as it should now, and how many records were lost since the start; none where all is well.
pub(super) fn failing_audit(app: &App) -> Option<Value> {
    let audit = app.invoker.ledger().audit()?;
    let problem = audit.problem()?;
    Some(json!({"problem": problem, "lost": audit.lost()}))
}

/// What the caller's tenant used, and each of the tools, prompts and resources that the caller may use. Without identity nobody in
/// particular asks, and only the management port answers.
pub async fn usage(State(app): State<App>, Extension(asks): Extension<Requester>) -> Response {
    let usage = app.invoker.ledger().usage(&asks.tenant);
    match (usage, &asks.caller) {
        (Some(mut usage), Caller::Known(_)) => {
            usage
                .tools
                .retain(|label, _| asks.caller.may(&scope_of(label)));
            Json(usage).into_response()
        }
        _ => door::not_found(),
    }
}

/// Seconds since 1970.
pub(super) fn timestamp() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
