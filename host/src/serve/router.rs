//! Every layer between the socket and a handler, in order.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::guard::{self, Guard};
use super::mcp::{Mcp, gate};
use super::rest::ErrorBody;
use super::{App, health, rest};
use crate::invoke::InvokeError;
use crate::telemetry;

/// Bytes of a request's body.
pub const MAX_BODY: usize = 4 << 20;

/// Time between two pieces of a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether reading a body failed since it is larger than [`MAX_BODY`].
pub(super) fn is_over_limit(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The whole HTTP surface. Streams that have no end of their own end with `end`.
pub fn router(app: App, guard: Guard, access_log: bool, end: CancellationToken) -> Router {
    let mcp = Mcp::new(&app, end);
    // No slash is added or removed by a redirect: gateways strip prefixes.
    let mcp = Router::new()
        .route("/mcp", any(gate::endpoint))
        .route("/mcp/", any(gate::endpoint))
        .with_state(mcp);
    let router = Router::new()
        .route("/health", only("HEAD, GET", get(health::health)))
        .route("/ready", only("HEAD, GET", get(health::ready)))
        .route(
            "/mcp/tools",
            only("POST, HEAD, GET", get(rest::list).post(rest::call)),
        )
        .route("/mcp/list_tools", only("HEAD, GET", get(rest::list_short)))
        .fallback(|| async { (StatusCode::NOT_FOUND, ErrorBody::new("Not found")) })
        .with_state(app)
        .merge(mcp)
        // A body over the cap is 413, by its announced length or while it is read; one
        // that stops coming is given up. (Few stacks: each boxes each request once more.)
        .layer(
            ServiceBuilder::new()
                .layer(DefaultBodyLimit::disable())
                .layer(RequestBodyLimitLayer::new(MAX_BODY))
                .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT)),
        )
        .layer(
            ServiceBuilder::new()
                // A panic anywhere below is an answer, never a hang.
                .layer(CatchPanicLayer::custom(panicked))
                // Before anything reads the request: who may come in at all.
                .layer(middleware::from_fn_with_state(
                    Arc::new(guard),
                    guard::layer,
                ))
                .layer(middleware::map_response(body_limit_as_json)),
        );
    if access_log {
        // Outermost, so that refused requests are in it too.
        router.layer(middleware::from_fn(log_request))
    } else {
        router
    }
}

async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    tracing::info!(
        target: "access",
        %method,
        path,
        status = response.status().as_u16(),
        microseconds = started.elapsed().as_micros(),
    );
    response
}

/// Any other method is 405 with the methods in the contract's order.
fn only(allow: &'static str, route: MethodRouter<App>) -> MethodRouter<App> {
    route.fallback(move || async move {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, allow)],
            ErrorBody::new("Method not allowed"),
        )
    })
}

/// A long body is refused in plain text by the layer below.
async fn body_limit_as_json(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE && !is_json {
        let text = format!("The body is larger than {MAX_BODY} bytes");
        return (StatusCode::PAYLOAD_TOO_LARGE, ErrorBody::new(text)).into_response();
    }
    response
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    telemetry::log_panic(&*panic, "a handler");
    let body = ErrorBody::new(InvokeError::Internal.to_string());
    (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
}
