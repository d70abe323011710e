//! Who comes in, and to whom: every request is given its [`Requester`] here, before any endpoint sees it.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sandglass_manifest::TenantName;

use super::identity::{Bearer, Entrance, MissingScope, Refusal};
use super::requester::Requester;
use super::rest::ErrorBody;
use super::{App, refused};
use crate::audit::Reason;
use crate::invoke::{Caller, TenantId};

/// A request that came in, until its answer goes out.
pub struct Visit {
    /// Where identity is on.
    entrance: Option<Entrance>,
}

/// Authenticates a request where that is asked for, and finds its tenant. The credential goes no further.
pub async fn enter(app: &App, request: &mut Request) -> Result<Visit, Response> {
    admit(app, request, false).await
}

/// The same, but a probe of health needs no credential: it is told the status alone.
pub async fn enter_or_probe(app: &App, request: &mut Request) -> Result<Visit, Response> {
    let is_probe = matches!(request.uri().path(), "/health" | "/ready");
    admit(app, request, is_probe).await
}

async fn admit(app: &App, request: &mut Request, is_probe: bool) -> Result<Visit, Response> {
    let bearer = Bearer::take(request);
    let Some(identity) = &app.identity else {
        return match find_tenant(app, Caller::Anonymous, request) {
            Some(refusal) => Err(refusal),
            None => Ok(Visit { entrance: None }),
        };
    };
    let entrance = Entrance::of(request);
    let caller = match bearer {
        Ok(bearer) => identity.caller(&bearer).await,
        Err(Refusal::Missing) if is_probe => return Ok(Visit { entrance: None }),
        Err(refusal) => Err(refusal),
    };
    // Whoever is refused learns nothing of which paths there are.
    let caller = caller.map_err(|refusal| identity.refuse(&entrance, &refusal))?;
    match find_tenant(app, caller, request) {
        Some(refusal) => Err(refusal),
        None => Ok(Visit {
            entrance: Some(entrance),
        }),
    }
}

impl Visit {
    /// Adds to an answer what a client must do to be let further in.
    pub fn leave(self, app: &App, mut response: Response) -> Response {
        if let (Some(identity), Some(entrance)) = (&app.identity, &self.entrance)
            && let Some(MissingScope(scope)) = response.extensions_mut().remove()
        {
            identity.ask_for_scope(&mut response, entrance, &scope);
        }
        response
    }
}

/// In a request's extensions: it came in on a port that is this tenant's own.
#[derive(Debug, Clone)]
pub struct OwnPort(pub TenantId);

/// Finds a request's tenant; the answer where there is none for it, which is the same where the path names none, and where it names
/// another than the port's or the caller's.
fn find_tenant(app: &App, caller: Caller, request: &mut Request) -> Option<Response> {
    let path = tenant_of(request.uri().path());
    let own: Option<&OwnPort> = request.extensions().get();
    let named = match (own, path) {
        (None, path) => Some(path),
        (Some(OwnPort(tenant)), None) => Some(Some(tenant.as_str())),
        (Some(OwnPort(tenant)), Some(path)) if tenant.as_str() == path => Some(Some(path)),
        (Some(_), Some(_)) => None,
    };
    let Some(tenant) = named.and_then(|named| app.tenants.resolve(named, &caller).cloned()) else {
        let mut refusal = refused::mark(not_found(), Reason::ForeignTenant);
        let asked_for = path.and_then(|path| app.tenants.get(path));
        refused::name(&mut refusal, asked_for, &caller);
        return Some(refusal);
    };
    request
        .extensions_mut()
        .insert(Requester { tenant, caller });
    None
}

/// The answer for a path that there is not.
pub fn not_found() -> Response {
    (StatusCode::NOT_FOUND, ErrorBody::new("Not found")).into_response()
}

/// The tenant that a path names; none for a root path.
pub fn tenant_of(path: &str) -> Option<&str> {
    path.strip_prefix("/t/")?.split('/').next()
}

/// Whether a tenant could have this name.
pub fn is_tenant_name(name: &str) -> bool {
    name.parse::<TenantName>().is_ok()
}
