//! Outbound HTTP, as `wasi:http` has it.

use std::collections::BTreeMap;

use guest_support::{Value, json};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::{Answer, number, text, told};

/// `{url, method, headers, body, read_limit, timeout_ms}`: one request. The answer's body is text, or the error that cut it
/// off with how much came before. Without `read_limit` it is read to its end.
pub fn request(arguments: &Value) -> Answer {
    let (request, body) = prepare(arguments)?;
    let pending = handle(request, options(arguments)).map_err(told)?;
    let sent = send(body, text(arguments, "body").as_bytes());
    let response = wait(&pending)?;
    let limit = number(arguments, "read_limit", u64::MAX) as usize;
    let (status, headers) = (response.status(), headers_of(&response));
    let (read, cut) = read(&response, limit);
    Ok(json!({
        "status": status,
        "headers": headers,
        "body": String::from_utf8_lossy(&read),
        "read": read.len(),
        "cut": cut,
        "send_error": sent.err(),
    }))
}

/// `{url, times, ..}`: the same request again and again; how many had each outcome.
pub fn many(arguments: &Value) -> Answer {
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..number(arguments, "times", 1) {
        let outcome = match request(arguments) {
            Ok(answer) => answer["status"].to_string(),
            Err(error) => error,
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    Ok(json!(outcomes))
}

/// `{url, times, ..}`: sends all requests, waits for each answer, and holds all answers without reading them.
pub fn open(arguments: &Value) -> Answer {
    let mut pending = Vec::new();
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..number(arguments, "times", 1) {
        let (request, body) = prepare(arguments)?;
        match handle(request, options(arguments)) {
            Ok(response) => pending.push(response),
            Err(code) => *outcomes.entry(told(code)).or_default() += 1,
        }
        // Ends the request's body; a failure of that shows in the answer.
        let _ = send(body, text(arguments, "body").as_bytes());
    }
    let mut held = Vec::new();
    for response in &pending {
        let outcome = match wait(response) {
            Ok(response) => {
                let status = response.status().to_string();
                held.push(response);
                status
            }
            Err(error) => error,
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    Ok(json!({ "outcomes": outcomes, "held": held.len() }))
}

/// `{url, bytes, ..}`: streams so many bytes; how many the host took, and its answer.
pub fn upload(arguments: &Value) -> Answer {
    let (request, body) = prepare(arguments)?;
    let pending = handle(request, options(arguments)).map_err(told)?;
    let stream = body.write().map_err(|()| "no stream for the body")?;
    let chunk = vec![b'x'; 4_096];
    let (mut sent, bytes) = (0, number(arguments, "bytes", 0));
    let mut error = None;
    while sent < bytes {
        let size = chunk.len().min((bytes - sent) as usize);
        match stream.blocking_write_and_flush(&chunk[..size]) {
            Ok(()) => sent += size as u64,
            Err(failure) => {
                error = Some(stream_error(failure));
                break;
            }
        }
    }
    drop(stream);
    let finished = OutgoingBody::finish(body, None).map_err(told);
    let response = wait(&pending);
    Ok(json!({
        "sent": sent,
        "send_error": error.or(finished.err()),
        "status": response.as_ref().ok().map(IncomingResponse::status),
        "error": response.err(),
    }))
}

/// The request as the arguments have it, and its body, which is still to be written.
fn prepare(arguments: &Value) -> Result<(OutgoingRequest, OutgoingBody), String> {
    let fields = Fields::new();
    for (name, value) in arguments["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        fields
            .append(name, value.as_bytes())
            .map_err(|error| format!("header {name}: {error:?}"))?;
    }
    let url = text(arguments, "url");
    let (scheme, rest) = url.split_once("://").ok_or("a URL has ://")?;
    let (authority, path) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let method = match text(arguments, "method") {
        "" | "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(fields);
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| "the host refused the scheme")?;
    request
        .set_authority(Some(authority))
        .map_err(|()| "the host refused the authority")?;
    request
        .set_path_with_query(Some(path))
        .map_err(|()| "the host refused the path")?;
    request
        .set_method(&method)
        .map_err(|()| "the host refused the method")?;
    let body = request.body().map_err(|()| "the request has no body")?;
    Ok((request, body))
}

fn options(arguments: &Value) -> Option<RequestOptions> {
    let nanoseconds = Some(arguments["timeout_ms"].as_u64()? * 1_000_000);
    let options = RequestOptions::new();
    // A host need not have each of these timeouts.
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let _ = options.set_between_bytes_timeout(nanoseconds);
    Some(options)
}

fn send(body: OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream for the body")?;
    for chunk in bytes.chunks(4_096) {
        stream
            .blocking_write_and_flush(chunk)
            .map_err(stream_error)?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(told)
}

fn wait(pending: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(answer)) => answer.map_err(told),
        Some(Err(())) | None => Err("the response vanished".to_owned()),
    }
}

fn headers_of(response: &IncomingResponse) -> Vec<Value> {
    response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(&value)]))
        .collect()
}

/// The body up to a limit, and what cut it off before its end.
fn read(response: &IncomingResponse, limit: usize) -> (Vec<u8>, Option<String>) {
    let Ok(body) = response.consume() else {
        return (Vec::new(), Some("no body".to_owned()));
    };
    let mut read = Vec::new();
    let cut = match body.stream() {
        Err(()) => Some("no stream of the body".to_owned()),
        Ok(stream) => loop {
            let room = limit - read.len();
            if room == 0 {
                break Some("the guest had enough".to_owned());
            }
            match stream.blocking_read(room.min(1 << 16) as u64) {
                Ok(bytes) => read.extend(bytes),
                Err(StreamError::Closed) => break None,
                Err(error) => break Some(stream_error(error)),
            }
        },
    };
    // The trailers say whether the body came whole.
    let trailers = IncomingBody::finish(body);
    if cut.is_none() {
        trailers.subscribe().block();
        if let Some(Ok(Err(code))) = trailers.get() {
            return (read, Some(told(code)));
        }
    }
    (read, cut)
}

fn stream_error(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => {
            match wasip2::http::types::http_error_code(&error) {
                Some(code) => told(code),
                None => error.to_debug_string(),
            }
        }
    }
}
