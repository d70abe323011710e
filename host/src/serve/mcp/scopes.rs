//! What a caller's scopes do not cover.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rmcp::model::ErrorCode;

use super::message::{Asks, Malformed, Message};
use super::refusal::Refusal;
use crate::invoke::{Call, CallTool, Caller, GetPrompt, InvokeError, Operation, ReadResource};
use crate::sandbox::Silent;
use crate::serve::App;
use crate::serve::identity::MissingScope;
use crate::serve::requester::Requester;
use crate::telemetry::trace::TraceParent;

/// What the caller's scopes do not cover is refused as OAuth has it, with HTTP 403 (MCP, "Authorization:
/// Scope Challenge Handling"): once rmcp has it, it would be 200.
pub async fn forbidden(
    app: &App,
    asks: &Requester,
    headers: &HeaderMap,
    message: &Message<'_>,
) -> Option<Response> {
    let Caller::Known(_) = asks.caller else {
        return None;
    };
    let visible = app.invoker.visible(&asks.tenant, &asks.caller);
    let error = match message.asks()? {
        Asks::Tool(name) => {
            let found = visible.tool(&name).map(drop);
            let call = || CallTool {
                name: name.into_owned(),
                arguments: message.arguments(),
                meta: None,
            };
            refused(app, found, call, asks, headers).await
        }
        Asks::Prompt(name) => {
            let found = visible.prompt(&name).map(drop);
            let get = || GetPrompt {
                name: name.into_owned(),
                arguments: message.arguments(),
            };
            refused(app, found, get, asks, headers).await
        }
        Asks::Resource(uri) => {
            let found = visible.reader(&uri).map(drop);
            let read = || ReadResource {
                uri: uri.into_owned(),
            };
            refused(app, found, read, asks, headers).await
        }
    }?;
    let malformed = Malformed::new(ErrorCode::INVALID_REQUEST, error.to_string());
    let refusal = Refusal::new(StatusCode::FORBIDDEN, malformed.to(message.id()));
    let mut response = refusal.into_response();
    if let InvokeError::Forbidden { scope, .. } = error {
        response.extensions_mut().insert(MissingScope(scope));
    }
    Some(response)
}

/// Why the caller may not do this; asked for as anything else, so that it is written down.
async fn refused<O: Operation>(
    app: &App,
    found: Result<(), InvokeError>,
    operation: impl FnOnce() -> O,
    asks: &Requester,
    headers: &HeaderMap,
) -> Option<InvokeError> {
    let Err(InvokeError::Forbidden { .. }) = found else {
        return None;
    };
    let completed = app.invoker.run(Call {
        tenant: asks.tenant.clone(),
        caller: asks.caller.clone(),
        operation: operation(),
        observer: Arc::new(Silent),
        trace: TraceParent::of(headers),
    });
    completed.await.result.err()
}
