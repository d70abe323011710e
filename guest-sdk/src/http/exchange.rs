//! A request and its answer over `wasi:http`.

use ::http::{HeaderMap, Method, Request, Response, StatusCode, uri::Scheme};
use wasip2::{
    http::{
        outgoing_handler,
        types::{
            self, ErrorCode, Fields, IncomingBody, IncomingResponse, OutgoingBody, OutgoingRequest,
        },
    },
    io::{poll::Pollable, streams::StreamError},
};

use super::{Error, Limit, Target};
use crate::executor;

/// Bytes of a body that are read at once.
const CHUNK: u64 = 64 << 10;

/// Waits where it stands.
pub fn blocking(target: &Target, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Error> {
    let block = async |pollable: Pollable| pollable.block();
    executor::now(exchange(request, block)).map_err(|failure| failure.explain(target))
}

/// Lets other futures go on while it waits.
pub async fn waiting(
    target: &Target,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Error> {
    exchange(request, executor::wait)
        .await
        .map_err(|failure| failure.explain(target))
}

enum Failure {
    /// The host says why.
    Code(ErrorCode),
    /// What stands in the way otherwise.
    Other(String),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

async fn exchange(
    request: Request<Vec<u8>>,
    wait: impl AsyncFn(Pollable),
) -> Result<Response<Vec<u8>>, Failure> {
    let (outgoing, bytes) = outgoing(request)?;
    let body = outgoing
        .body()
        .map_err(|()| Failure::Other("the request has no body".to_owned()))?;
    let pending = outgoing_handler::handle(outgoing, None)?;
    let sent = send(body, &bytes, &wait).await;
    wait(pending.subscribe()).await;
    // A server may answer before it has read all, and a refusal ends the body too: the answer says more than that end.
    match pending.get() {
        Some(Ok(Ok(response))) => receive(&response, &wait).await,
        Some(Ok(Err(code))) => Err(code.into()),
        Some(Err(())) | None => Err(sent
            .err()
            .unwrap_or(Failure::Other("the host gave no answer".to_owned()))),
    }
}

fn outgoing(request: Request<Vec<u8>>) -> Result<(OutgoingRequest, Vec<u8>), Failure> {
    let (parts, bytes) = request.into_parts();
    let fields = Fields::new();
    for (name, value) in &parts.headers {
        fields
            .append(name.as_str(), value.as_bytes())
            .map_err(|_| Failure::Other("a header is not the tool's to set".to_owned()))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let method = match parts.method {
        Method::GET => types::Method::Get,
        Method::HEAD => types::Method::Head,
        Method::POST => types::Method::Post,
        Method::PUT => types::Method::Put,
        Method::DELETE => types::Method::Delete,
        Method::CONNECT => types::Method::Connect,
        Method::OPTIONS => types::Method::Options,
        Method::TRACE => types::Method::Trace,
        Method::PATCH => types::Method::Patch,
        other => types::Method::Other(other.to_string()),
    };
    let scheme = if parts.uri.scheme() == Some(&Scheme::HTTP) {
        types::Scheme::Http
    } else {
        types::Scheme::Https
    };
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(parts.uri.authority().map(|host| host.as_str())))
        .and_then(|()| {
            outgoing.set_path_with_query(parts.uri.path_and_query().map(|path| path.as_str()))
        })
        .map_err(|()| Failure::Other("the host takes no such method or URL".to_owned()))?;
    Ok((outgoing, bytes))
}

async fn send(
    body: OutgoingBody,
    mut bytes: &[u8],
    wait: &impl AsyncFn(Pollable),
) -> Result<(), Failure> {
    let stream = body
        .write()
        .map_err(|()| Failure::Other("the request has no body".to_owned()))?;
    while !bytes.is_empty() {
        let room = stream.check_write().map_err(cut)?;
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if room == 0 {
            wait(stream.subscribe()).await;
            continue;
        }
        let (chunk, rest) = bytes.split_at(room);
        stream.write(chunk).map_err(cut)?;
        bytes = rest;
    }
    drop(stream);
    Ok(OutgoingBody::finish(body, None)?)
}

async fn receive(
    response: &IncomingResponse,
    wait: &impl AsyncFn(Pollable),
) -> Result<Response<Vec<u8>>, Failure> {
    let status = StatusCode::from_u16(response.status())
        .map_err(|_| Failure::Other("the answer has no valid status".to_owned()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers().entries() {
        if let (Ok(name), Ok(value)) = (
            ::http::HeaderName::try_from(name),
            ::http::HeaderValue::try_from(value),
        ) {
            headers.append(name, value);
        }
    }
    let body = response
        .consume()
        .map_err(|()| Failure::Other("the answer has no body".to_owned()))?;
    let mut answer = Response::new(read(&body, wait).await?);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

async fn read(body: &IncomingBody, wait: &impl AsyncFn(Pollable)) -> Result<Vec<u8>, Failure> {
    let stream = body
        .stream()
        .map_err(|()| Failure::Other("the answer has no body".to_owned()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.read(CHUNK) {
            Ok(chunk) if chunk.is_empty() => wait(stream.subscribe()).await,
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(cut(error)),
        }
    }
}

/// Why a body was cut off.
fn cut(error: StreamError) -> Failure {
    let StreamError::LastOperationFailed(cause) = error else {
        return Failure::Other("the connection was cut off".to_owned());
    };
    let told = cause.to_debug_string();
    match types::http_error_code(&cause) {
        Some(code) => Failure::Code(code),
        // wasmtime 48 gives no code for what ends an answer's body, only words.
        None if told.contains("response body size exceeds limit") => {
            Failure::Code(ErrorCode::HttpResponseBodySize(None))
        }
        None => Failure::Other(format!("the connection was cut off: {told}")),
    }
}

impl Failure {
    fn explain(self, target: &Target) -> Error {
        let target = target.clone();
        let over = |target, limit| Error::OverLimit { target, limit };
        let code = match self {
            Self::Code(ErrorCode::HttpRequestDenied) => return Error::NotGranted(target),
            Self::Code(ErrorCode::DestinationIpProhibited) => return Error::Private(target),
            Self::Code(ErrorCode::ConnectionLimitReached) => return over(target, Limit::Requests),
            Self::Code(ErrorCode::HttpRequestBodySize(_)) => return over(target, Limit::Sent),
            Self::Code(ErrorCode::HttpResponseBodySize(_)) => return over(target, Limit::Received),
            Self::Code(code) => code,
            Self::Other(reason) => {
                return Error::Unreachable { target, reason };
            }
        };
        let reason = match code {
            ErrorCode::DnsError(_) => "the host's name cannot be resolved".to_owned(),
            ErrorCode::DestinationNotFound => "the host has no address".to_owned(),
            ErrorCode::ConnectionRefused => "the connection was refused".to_owned(),
            ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout => {
                "no answer in time".to_owned()
            }
            ErrorCode::TlsCertificateError => "the server's certificate is not trusted".to_owned(),
            ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
                "the connection was cut off".to_owned()
            }
            ErrorCode::InternalError(Some(reason)) => reason,
            other => other.to_string(),
        };
        Error::Unreachable { target, reason }
    }
}
