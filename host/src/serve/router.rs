//! The whole way of a request, from its head to its answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, any_service, get, options, post};
use futures::FutureExt;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::body::{self, BodyError};
use super::cors::Cors;
use super::door::{self, OwnPort, not_found};
use super::guard::Guard;
use super::identity::metadata;
use super::mcp::legacy_sse::{self, LegacySse};
use super::mcp::{Mcp, gate};
use super::requester::Requester;
use super::rest::ErrorBody;
use super::{App, health, openapi, refused, rest};
use crate::invoke::{InvokeError, TenantAccount, TenantId};
use crate::telemetry;

/// Bytes of an answer from which on it counts as in flight.
const LARGE: usize = 16 << 10;

/// The whole HTTP surface.
///
/// What stands between socket and endpoint is plain calls and no layers of a router: each
/// of those would box each request once more.
#[derive(Clone)]
pub struct Surface {
    parts: Arc<Parts>,
    /// Whose port it is, if it is one tenant's.
    tenant: Option<TenantId>,
}

/// What is off unless it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A line in the log for each request.
    pub access_log: bool,
    /// The transport of revision 2024-11-05.
    pub legacy_sse: bool,
}

struct Parts {
    app: App,
    guard: Guard,
    cors: Option<Cors>,
    options: Options,
    endpoints: Router,
    /// For whom has no credential yet.
    public: Router,
}

impl Surface {
    /// Streams that have no end of their own end with `end`.
    pub fn new(
        app: App,
        guard: Guard,
        cors: Option<Cors>,
        options: Options,
        end: CancellationToken,
    ) -> Self {
        let sse = LegacySse::new(app.clone(), end.clone());
        let mcp = Mcp::new(&app, end);
        let mut router = Router::new();
        // Root paths are the credential's tenant, or the default one.
        for root in ["", "/t/{tenant}"] {
            router = router.merge(endpoints(root, &app, &mcp));
            if options.legacy_sse {
                router = router.merge(sse_endpoints(root, &sse));
            }
        }
        let parts = Parts {
            guard,
            cors,
            options,
            endpoints: router.fallback(async || not_found()),
            public: metadata::router(&app).fallback(async || not_found()),
            app,
        };
        Self {
            parts: Arc::new(parts),
            tenant: None,
        }
    }

    /// The same on a port that is this tenant's own.
    pub fn of_tenant(&self, tenant: TenantId) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
            tenant: Some(tenant),
        }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        // Outermost, so that refused requests are in it too.
        let log = self
            .parts
            .options
            .access_log
            .then(|| AccessLog::begin(&request));
        // A panic anywhere below is an answer, never a hang.
        let response = AssertUnwindSafe(self.pass(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| panicked(&*panic));
        if let Some(log) = log {
            log.end(&response);
        }
        response
    }

    async fn pass(&self, request: Request) -> Response {
        let peer = refused::peer(request.extensions());
        let mut response = self.guarded(request).await;
        // On every way out.
        refused::tell(&self.parts.app, &mut response, peer);
        response
    }

    async fn guarded(&self, request: Request) -> Response {
        // Before anything reads the request: who may come in at all.
        if let Some(refusal) = self.parts.guard.refuse(&request) {
            return refusal;
        }
        match &self.parts.cors {
            Some(cors) => cors.answer(request, |request| self.enter(request)).await,
            None => self.enter(request).await,
        }
    }

    async fn enter(&self, mut request: Request) -> Response {
        let Parts {
            app,
            endpoints,
            public,
            ..
        } = &*self.parts;
        if let Some(tenant) = &self.tenant {
            request.extensions_mut().insert(OwnPort(tenant.clone()));
        }
        if request.uri().path().starts_with(metadata::WELL_KNOWN) {
            return to(public, request).await;
        }
        // Before any endpoint, and what is none: who asks, and whose tools.
        let visit = match door::enter_or_probe(app, &mut request).await {
            Ok(visit) => visit,
            Err(refusal) => return refusal,
        };
        let asks: Option<Requester> = request.extensions().get().cloned();
        let Some(asks) = asks else {
            // A probe without a credential.
            return to(endpoints, request).await;
        };
        let mut response = self.within_its_room(&asks.tenant, request).await;
        refused::name(&mut response, Some(&asks.tenant), &asks.caller);
        visit.leave(app, response)
    }

    /// Answers a request of this tenant, if there is room for it.
    async fn within_its_room(&self, tenant: &TenantId, mut request: Request) -> Response {
        let Parts { app, endpoints, .. } = &*self.parts;
        let Some(account) = app.invoker.ledger().tenant(tenant).cloned() else {
            return not_found();
        };
        let path = request.uri().path();
        let is_probe = path.ends_with("/health") || path.ends_with("/ready");
        let place = match account.let_in() {
            Ok(place) => Some(place),
            Err(_) if is_probe => None,
            Err(full) => return BodyError::from(full).into_response(),
        };
        request.extensions_mut().insert(Arc::clone(&account));
        in_room(to(endpoints, request).await, &account, place)
    }
}

impl hyper::service::Service<hyper::Request<Incoming>> for Surface {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request.map(Body::new)).await) })
    }
}

/// A request has its place until its answer is sent, and a large answer has room until then.
fn in_room(
    response: Response,
    account: &TenantAccount,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    let bytes = response.body().size_hint().exact();
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let room = bytes.filter(|bytes| *bytes > LARGE);
    let room = room.map(|bytes| account.in_flight().hold_anyway(bytes));
    body::holding(response, (place, room))
}

async fn to(router: &Router, request: Request) -> Response {
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// The endpoints of a tenant.
fn endpoints(root: &str, app: &App, mcp: &Mcp) -> Router {
    let path = |path: &str| format!("{root}{path}");
    // No slash is added or removed by a redirect: gateways strip prefixes.
    let mcp_route = || any(gate::endpoint).merge(telling("GET, POST, DELETE"));
    let mcp = Router::new()
        .route(&path("/mcp"), mcp_route())
        .route(&path("/mcp/"), mcp_route())
        .with_state(mcp.clone());
    let get_only = |route| only("HEAD, GET", route, app);
    let tools = get(rest::list).post(rest::call);
    Router::new()
        .route(&path("/health"), get_only(get(health::health)))
        .route(&path("/ready"), get_only(get(health::ready)))
        .route(&path("/usage"), get_only(get(health::usage)))
        .route(&path("/openapi.json"), get_only(get(openapi::document)))
        .route(&path("/mcp/tools"), only("POST, HEAD, GET", tools, app))
        .route(
            &path("/mcp/tools/{name}"),
            only("POST", post(rest::call_named), app),
        )
        .route(&path("/mcp/list_tools"), get_only(get(rest::list_short)))
        .merge(mcp)
}

/// Those of the transport before `/mcp`.
fn sse_endpoints(root: &str, sse: &LegacySse) -> Router {
    // A stream has no head to be told of beforehand.
    let stream = get(legacy_sse::open).head(async || not_allowed("GET"));
    let messages = post(legacy_sse::message);
    Router::new()
        .route(&format!("{root}/sse"), only("GET", stream, sse))
        .route(&format!("{root}/messages"), only("POST", messages, sse))
}

/// A line of the access log, from a request's head on.
struct AccessLog {
    method: axum::http::Method,
    path: String,
    started: Instant,
}

impl AccessLog {
    fn begin(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            started: Instant::now(),
        }
    }

    fn end(self, response: &Response) {
        tracing::info!(
            target: "access",
            method = %self.method,
            path = self.path,
            status = response.status().as_u16(),
            microseconds = self.started.elapsed().as_micros(),
        );
    }
}

/// OPTIONS tells the methods, and any other method is 405 with them, in the contract's order.
pub(super) fn only<S: Clone + Send + Sync + 'static>(
    allow: &'static str,
    route: MethodRouter<S>,
    state: &S,
) -> MethodRouter {
    let route = route
        .merge(telling(allow))
        .fallback(async move || not_allowed(allow));
    // As one service for all methods: else axum adds `Allow` to what the layers before it answer,
    // and with it tells which paths there are.
    any_service(route.with_state(state.clone()))
}

fn not_allowed(allow: &'static str) -> impl IntoResponse {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        [(header::ALLOW, allow)],
        ErrorBody::new("Method not allowed"),
    )
}

/// Answers OPTIONS (RFC 9110, section 9.3.7).
fn telling<S: Clone + Send + Sync + 'static>(allow: &'static str) -> MethodRouter<S> {
    options(async move || {
        let allow = [(header::ALLOW, format!("{allow}, OPTIONS"))];
        (StatusCode::NO_CONTENT, allow)
    })
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    telemetry::log_panic(panic, "a handler");
    let body = ErrorBody::new(InvokeError::Internal.to_string());
    (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
}
