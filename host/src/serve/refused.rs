//! Requests that are refused before they are calls: whoever refuses one marks the answer, and the ledger is told of it once, when
//! the answer goes out.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, StatusCode};
use axum::response::Response;

use super::App;
use super::body::BodyError;
use super::drain::Draining;
use super::requester::Requester;
use crate::audit::{Reason, Refused};
use crate::invoke::{Caller, Ledger, TenantId};

/// In a response's extensions: it refuses its request.
#[derive(Debug, Clone)]
struct Mark {
    reason: Reason,
    tenant: Option<TenantId>,
    caller: Option<Caller>,
}

/// Marks an answer as a refusal, where there is a reason.
pub fn mark(mut response: Response, reason: impl Into<Option<Reason>>) -> Response {
    if let Some(reason) = reason.into() {
        response.extensions_mut().insert(Mark {
            reason,
            tenant: None,
            caller: None,
        });
    }
    response
}

/// Adds to a refusal who is refused, and what of.
pub fn name(response: &mut Response, tenant: Option<&TenantId>, caller: &Caller) {
    if let Some(mark) = response.extensions_mut().get_mut::<Mark>() {
        mark.tenant = tenant.cloned();
        mark.caller = Some(caller.clone());
    }
}

/// What an error's status says of a request that it refuses before it is a call; none where it was one, which has a record of its
/// own.
pub fn reason_of(status: StatusCode) -> Option<Reason> {
    match status {
        StatusCode::FORBIDDEN => None,
        StatusCode::PAYLOAD_TOO_LARGE => Some(Reason::TooLarge),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(Reason::Busy),
        _ => Some(Reason::Unreadable),
    }
}

/// Why a request is refused whose body is not read.
pub fn reason_of_body(error: BodyError) -> Reason {
    match error {
        BodyError::TooLarge | BodyError::TooManyValues { .. } => Reason::TooLarge,
        BodyError::Broken | BodyError::TooSlow => Reason::Incomplete,
        BodyError::Full(_) => Reason::Busy,
    }
}

/// Why a call is refused of a server that ends; none where it was begun, and has a record of its own.
pub fn reason_of_drain(draining: Draining) -> Option<Reason> {
    (draining == Draining::Refused).then_some(Reason::Draining)
}

/// Tells the ledger of an answer that is a refusal.
pub fn tell(app: &App, response: &mut Response, peer: Option<IpAddr>) {
    let mark: Option<Mark> = response.extensions_mut().remove();
    if let Some(mark) = mark {
        app.invoker.ledger().refused(Refused {
            reason: mark.reason,
            tenant: mark.tenant,
            caller: mark.caller,
            peer,
        });
    }
}

/// Tells the ledger of a request that is refused within an answer that is none by its status.
pub fn tell_of(ledger: &Ledger, reason: Reason, asks: &Requester, request: Option<&Extensions>) {
    ledger.refused(Refused {
        reason,
        tenant: Some(asks.tenant.clone()),
        caller: Some(asks.caller.clone()),
        peer: request.and_then(peer),
    });
}

/// Where a request came from, by its extensions.
pub fn peer(request: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address): &ConnectInfo<SocketAddr> = request.get()?;
    Some(address.ip().to_canonical())
}
