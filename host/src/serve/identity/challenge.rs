//! What a caller is told whose credential does not do (RFC 6750, section 3; RFC 9728, section 5.1).

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sandglass_manifest::Scope;

use super::Identity;
use crate::audit::Reason;
use crate::serve::door::{is_tenant_name, tenant_of};
use crate::serve::refused::mark;
use crate::serve::rest::ErrorBody;

/// Why a credential does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("A credential is needed: send Authorization: Bearer with a token")]
    Missing,
    /// What is there is no bearer token, or is where it must not be.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is not accepted (any more).
    #[error("The token is not accepted: {0}")]
    Invalid(&'static str),
}

/// In a response's extensions: the scope that the caller's credential would have needed.
#[derive(Debug, Clone)]
pub struct MissingScope(pub Scope);

/// Where a request came in.
#[derive(Debug, Clone)]
pub struct Entrance {
    host: Option<HeaderValue>,
    tenant: Option<String>,
}

impl Entrance {
    /// Where this request came in.
    pub fn of(request: &Request) -> Self {
        Self {
            host: request.headers().get(header::HOST).cloned(),
            tenant: tenant_of(request.uri().path())
                .filter(|name| is_tenant_name(name))
                .map(str::to_owned),
        }
    }
}

impl Identity {
    /// The answer to a request whose credential does not do.
    pub fn refuse(&self, entrance: &Entrance, refusal: &Refusal) -> Response {
        let (status, code, reason) = match refusal {
            Refusal::Missing => (StatusCode::UNAUTHORIZED, None, Reason::NoCredential),
            Refusal::Malformed(_) => (
                StatusCode::BAD_REQUEST,
                Some("invalid_request"),
                Reason::MalformedCredential,
            ),
            Refusal::Invalid(_) => (
                StatusCode::UNAUTHORIZED,
                Some("invalid_token"),
                Reason::InvalidCredential,
            ),
        };
        let error = code.map(|code| format!("error=\"{code}\", error_description=\"{refusal}\""));
        let mut response = (status, ErrorBody::new(refusal.to_string())).into_response();
        self.challenge(&mut response, entrance, error);
        mark(response, reason)
    }

    /// Adds to an answer which scope it takes.
    pub fn ask_for_scope(&self, response: &mut Response, entrance: &Entrance, scope: &Scope) {
        let error = format!("error=\"insufficient_scope\", scope=\"{scope}\"");
        self.challenge(response, entrance, Some(error));
    }

    fn challenge(&self, response: &mut Response, entrance: &Entrance, error: Option<String>) {
        let path = match &entrance.tenant {
            Some(tenant) => format!("/t/{tenant}/mcp"),
            None => "/mcp".to_owned(),
        };
        let metadata = self.url(
            entrance.host.as_ref(),
            &format!("{}{path}", super::metadata::WELL_KNOWN),
        );
        let parameters = [error, Some(format!("resource_metadata=\"{metadata}\""))];
        let parameters: Vec<String> = parameters.into_iter().flatten().collect();
        let value = HeaderValue::try_from(format!("Bearer {}", parameters.join(", ")))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, value);
    }
}
