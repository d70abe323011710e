//! The host that the component runs in.

use std::time::Duration;

use wasip2::cli::environment::get_environment;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::StreamError;
use wasip2::random::random::get_random_u64;

use super::{Level, Request, Response};
use crate::component::bindings::sandglass::tool::{host, types::LogLevel};

/// Bytes that a stream takes at once.
const CHUNK: usize = 4096;

/// A timer, or a request whose answer is to come.
pub struct Pending {
    // Before its source: the host refuses to drop a source that is still waited for.
    ready: Pollable,
    response: Option<FutureIncomingResponse>,
}

impl Pending {
    /// What came of it; it must be ready. None of a timer.
    pub fn finish(self) -> Result<Option<Response>, String> {
        let Self { ready, response } = self;
        drop(ready);
        let Some(response) = response else {
            return Ok(None);
        };
        match response.get() {
            Some(Ok(Ok(response))) => read(&response).map(Some),
            Some(Ok(Err(code))) => Err(told(&code)),
            Some(Err(())) | None => Err("the answer was read before".to_owned()),
        }
    }
}

pub fn sleep(time: Duration) -> Pending {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Pending {
        ready: subscribe_duration(nanoseconds),
        response: None,
    }
}

/// Starts a request.
pub fn send(request: &Request) -> Result<Pending, String> {
    let (outgoing, body) = prepare(request)?;
    let response = handle(outgoing, None).map_err(|code| told(&code))?;
    write(body, &request.body)?;
    Ok(Pending {
        ready: response.subscribe(),
        response: Some(response),
    })
}

/// Waits until one of them is done; which one.
pub fn first_ready(pending: &[&Pending]) -> Option<usize> {
    let pollables: Vec<&Pollable> = pending.iter().map(|pending| &pending.ready).collect();
    if pollables.is_empty() {
        return None;
    }
    poll(&pollables).first().map(|&index| index as usize)
}

pub fn log(level: Level, text: &str) {
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warning => LogLevel::Warning,
        Level::Error => LogLevel::Error,
    };
    host::log(level, &serde_json::Value::from(text).to_string(), None);
}

pub fn random() -> u64 {
    get_random_u64()
}

pub fn environment() -> Vec<(String, String)> {
    get_environment()
}

/// The request as WASI has it, and its body, which is still to be written.
fn prepare(request: &Request) -> Result<(OutgoingRequest, OutgoingBody), String> {
    let url = &request.url;
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| format!("`{url}` is no address: it begins with http:// or https://"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            return Err(format!(
                "`{other}:` cannot be fetched: only http: and https:"
            ));
        }
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = match path {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| format!("the header `{name}`: {error}"))?;
    }
    let refused = |what: &str| format!("the host refuses the {what} of `{url}`");
    let outgoing = OutgoingRequest::new(fields);
    outgoing
        .set_method(&method(&request.method))
        .map_err(|()| refused("method"))?;
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| refused("scheme"))?;
    outgoing
        .set_authority(Some(authority))
        .map_err(|()| refused("host"))?;
    outgoing
        .set_path_with_query(Some(&path))
        .map_err(|()| refused("path"))?;
    let body = outgoing.body().map_err(|()| refused("body"))?;
    Ok((outgoing, body))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "the request has no body")?;
    for chunk in bytes.chunks(CHUNK) {
        stream
            .blocking_write_and_flush(chunk)
            .map_err(|error| format!("the body could not be sent: {error}"))?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| told(&code))
}

fn read(response: &IncomingResponse) -> Result<Response, String> {
    let headers = response.headers().entries();
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    Ok(Response {
        status: response.status(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect(),
        body: read_body(response)?,
    })
}

fn read_body(response: &IncomingResponse) -> Result<Vec<u8>, String> {
    let body = response
        .consume()
        .map_err(|()| "the body was read before")?;
    let stream = body.stream().map_err(|()| "the body was read before")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let told = error.to_debug_string();
                // wasmtime 48 gives no code for what ends an answer's body, only words.
                return Err(if told.contains("response body size exceeds limit") {
                    over("all the bytes that it may receive", "received")
                } else {
                    format!("the answer was cut off: {told}")
                });
            }
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(bytes)
}

/// A limit of the call's.
fn over(had: &str, limit: &str) -> String {
    format!(
        "this call has had {had}: raise it at this tool's source, `limits: {{ http: {{ {limit}: .. }} }}`"
    )
}

/// The host's reason in words.
fn told(code: &ErrorCode) -> String {
    match code {
        ErrorCode::HttpRequestDenied => "it is not granted".to_owned(),
        ErrorCode::InternalError(Some(reason)) => reason.clone(),
        ErrorCode::ConnectionLimitReached => over("as many requests as it may", "requests"),
        other => other.to_string(),
    }
}
