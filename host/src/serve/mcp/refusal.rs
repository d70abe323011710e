//! What is answered to a message before rmcp sees it: a status, and a JSON-RPC error.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rmcp::model::{ErrorCode, ProtocolVersion};
use sandglass_text::Line;
use serde_json::Value;

use super::handshake::MAX_HANDSHAKE;
use super::message::Malformed;
use crate::audit::Reason;
use crate::serve::body::BodyError;
use crate::serve::refused::{mark, reason_of, reason_of_body};

/// An answer that is given before rmcp sees the request.
pub struct Refusal {
    status: StatusCode,
    malformed: Malformed,
    reason: Option<Reason>,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::new(StatusCode::BAD_REQUEST, malformed)
    }
}

impl Refusal {
    /// Says what is malformed with this status.
    pub fn new(status: StatusCode, malformed: Malformed) -> Self {
        Self {
            status,
            malformed,
            reason: reason_of(status),
        }
    }

    /// 415
    pub fn content_type() -> Self {
        let malformed = Malformed::request("the Content-Type must be application/json");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, malformed)
    }

    /// 400: the version's header is there twice.
    pub fn doubled_version() -> Self {
        Malformed::new(
            ErrorCode::HEADER_MISMATCH,
            "Header mismatch: MCP-Protocol-Version is there more than once",
        )
        .into()
    }

    /// 400: the header's version is none.
    pub fn unknown_version() -> Self {
        let known: Vec<_> = ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .map(ProtocolVersion::as_str)
            .collect();
        let known = known.join(", ");
        Malformed::request(&format!(
            "MCP-Protocol-Version is none of those that are served: {known}"
        ))
        .into()
    }

    /// 400: a header says other than the body.
    pub fn mismatch(header: &str, expected: &str) -> Self {
        let expected = Line::name(expected);
        let text = format!("Header mismatch: {header} is not `{expected}`, as the body has it");
        Malformed::new(ErrorCode::HEADER_MISMATCH, text).into()
    }

    /// 406
    pub fn not_acceptable(types: &str) -> Self {
        let malformed = Malformed::request(&format!("the client must accept {types}"));
        Self::new(StatusCode::NOT_ACCEPTABLE, malformed)
    }

    /// 400: no session is named.
    pub fn session_missing() -> Self {
        Malformed::request("Missing session ID").into()
    }

    /// The body was not read.
    pub fn body(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge | BodyError::TooManyValues { .. } => ErrorCode::INVALID_REQUEST,
            BodyError::Broken | BodyError::TooSlow => ErrorCode::PARSE_ERROR,
            BodyError::Full(_) => ErrorCode::INTERNAL_ERROR,
        };
        Self {
            reason: Some(reason_of_body(error)),
            ..Self::new(error.status(), Malformed::new(code, error.to_string()))
        }
    }

    /// 404: there is no `initialize` in revisions without handshake.
    pub fn no_handshake() -> Self {
        let malformed = Malformed::new(ErrorCode::METHOD_NOT_FOUND, "Method not found: initialize");
        Self::new(StatusCode::NOT_FOUND, malformed)
    }

    /// 413
    pub fn large_handshake() -> Self {
        let text = format!(
            "Invalid Request: `initialize` is larger than {} KiB",
            MAX_HANDSHAKE >> 10
        );
        let malformed = Malformed::new(ErrorCode::INVALID_REQUEST, text);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, malformed)
    }

    /// 404: there is no such session for who asks.
    pub fn session_not_found() -> Self {
        let malformed = Malformed::new(ErrorCode(-32001), "Session not found");
        Self {
            reason: Some(Reason::UnknownSession),
            ..Self::new(StatusCode::NOT_FOUND, malformed)
        }
    }

    /// 503: a tenant's share is used up, by calls.
    pub fn too_many_sessions() -> Self {
        let malformed = Malformed::new(
            ErrorCode::INTERNAL_ERROR,
            "Too many sessions with calls in flight; try again later",
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, malformed)
    }

    /// The answer to the request with this id.
    pub fn to(self, id: Value) -> Self {
        Self {
            malformed: self.malformed.to(id),
            ..self
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let response = (self.status, axum::Json(self.malformed.answer())).into_response();
        mark(response, self.reason)
    }
}
