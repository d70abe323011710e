//! OAuth 2.0 Protected Resource Metadata (RFC 9728): which issuers' tokens are accepted. Anybody may read it.

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Identity;
use crate::serve::App;
use crate::serve::door::{is_tenant_name, not_found, tenant_of};
use crate::serve::router::only;

/// Where the metadata of a resource lies: between the host and the path of the resource (RFC 9728, section 3.1).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of every endpoint.
pub fn router(app: &App) -> Router {
    let route = || only("HEAD, GET", get(document), app);
    Router::new()
        .route(WELL_KNOWN, route())
        .route(&format!("{WELL_KNOWN}/{{*path}}"), route())
}

async fn document(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix(WELL_KNOWN).unwrap_or_default();
    match &app.identity {
        Some(identity) if is_resource(path) => {
            Json(identity.metadata(&identity.url(headers.get(header::HOST), path))).into_response()
        }
        _ => not_found(),
    }
}

/// Every name that a tenant might have is answered: which there are is told to nobody.
fn is_resource(path: &str) -> bool {
    match tenant_of(path) {
        None => matches!(path, "" | "/mcp"),
        Some(tenant) => {
            is_tenant_name(tenant) && path.ends_with("/mcp") && path.matches('/').count() == 3
        }
    }
}

impl Identity {
    fn metadata(&self, resource: &str) -> serde_json::Value {
        let mut document = json!({
            "resource": resource,
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["tools:*"],
        });
        let issuers: Vec<&str> = self.issuers().collect();
        if !issuers.is_empty() {
            document["authorization_servers"] = issuers.into();
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_metadata_for_every_endpoint_that_there_could_be() {
        for path in ["", "/mcp", "/t/acme/mcp", "/t/nobody-at-all/mcp"] {
            assert!(is_resource(path), "{path}");
        }
        for path in [
            "/",
            "/mcp/tools",
            "/t/acme",
            "/t//mcp",
            "/t/-/mcp",
            "/t/a/b/mcp",
            "/x/mcp",
        ] {
            assert!(!is_resource(path), "{path}");
        }
    }
}
