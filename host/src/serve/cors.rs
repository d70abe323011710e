//! Which web pages may read the answers (Fetch, "CORS protocol"). Who may ask at all is the guard's matter and the door's.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, Method, header};
use axum::response::Response;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, CorsLayer};

use super::origin::Origin;

/// How long a browser may go by what it was told of a page's requests.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// What pages may read beside the body and the few headers that they always may.
const EXPOSED: [HeaderName; 4] = [
    HeaderName::from_static("mcp-session-id"),
    header::ALLOW,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Tells browsers that the pages of some origins may read the answers.
#[derive(Debug, Clone)]
pub struct Cors(CorsLayer);

impl Cors {
    /// For the pages of these origins; none where there are none.
    pub fn new(origins: &[Origin]) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origins: Vec<_> = origins
            .iter()
            .map(|origin| origin.header().clone())
            .collect();
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
        // MCP's `Mcp-Param-*` are as many as tools have parameters.
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED)
            .max_age(MAX_AGE);
        Some(Self(layer))
    }

    /// Answers a browser's question before a request, which carries no credential, and has `inner` answer the rest.
    pub async fn answer<F>(&self, request: Request, inner: impl Fn(Request) -> F) -> Response
    where
        F: Future<Output = Response>,
    {
        let asks = request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        // The layer takes every OPTIONS for a browser's.
        if request.method() == Method::OPTIONS && !asks {
            return inner(request).await;
        }
        let inner = service_fn(|request| {
            let answer = inner(request);
            async { Ok::<_, Infallible>(answer.await) }
        });
        let Ok(response) = self.0.layer(inner).oneshot(request).await;
        response
    }
}
