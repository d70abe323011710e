//! A provider that sends an HTTP request to wherever it is told.

use guest_support::{CallRequest, Outcome, arguments, failed, tool, value};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

const ARGUMENTS: &str = r#"{"type":"object","properties":{"authority":{"type":"string"}},"required":["authority"],"additionalProperties":false}"#;

fn call(request: CallRequest) -> Outcome {
    let arguments = arguments(&request);
    let outgoing = OutgoingRequest::new(Fields::new());
    let authority = arguments["authority"].as_str();
    if outgoing.set_scheme(Some(&Scheme::Http)).is_err()
        || outgoing.set_authority(authority).is_err()
    {
        return failed("the host refused to build the request");
    }
    let response = match handle(outgoing, None) {
        Ok(response) => response,
        Err(code) => return failed(format!("refused: {code:?}")),
    };
    response.subscribe().block();
    match response.get() {
        Some(Ok(Ok(answer))) => value(answer.status().into()),
        Some(Ok(Err(code))) => failed(format!("refused: {code:?}")),
        Some(Err(())) | None => failed("the response vanished"),
    }
}

guest_support::provider!(list: Ok(vec![tool("fetch", ARGUMENTS)]), call: call);
