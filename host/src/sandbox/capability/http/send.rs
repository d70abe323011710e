//! One request of a guest, from the check to the response's body.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, Uri, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::super::super::file_share::FileShare;
use super::super::super::memory::HostMemory;
use super::super::trail::Trail;
use super::Http;
use super::budget::{Budgets, Received, Sent};
use super::head::{Allowance, Bounded, TooMuch};
use super::rule::{Rule, Target, strip};
use crate::address::Kind;

/// Bytes that a connection holds of what was received and not read.
const MAX_BUFFER: usize = 64 << 10;

/// Bytes of the head of a response.
const MAX_HEAD: usize = 24 << 10;

/// Bytes that the host holds of a connection: both directions, and TLS.
const CONNECTION: u64 = 128 << 10;

/// Headers of a response.
const MAX_HEADERS: usize = 128;

/// Bytes of a request's body that the host takes from the guest at once.
const BODY_CHUNK: usize = 16 << 10;

/// Addresses of a name that are tried, and how long each but the last.
const MAX_ADDRESSES: usize = 8;
const ATTEMPT: Duration = Duration::from_secs(2);

/// The outbound HTTP of one call: the hooks of `wasi:http`. Everything it starts is aborted when the guest's resources
/// are dropped, which is at the end of the call.
#[derive(Clone)]
pub(in crate::sandbox) struct Outbound {
    pub(super) http: Http,
    pub(super) budgets: Arc<Budgets>,
    pub(super) host_memory: HostMemory,
    pub(super) files: FileShare,
    pub(super) trail: Trail,
}

/// The rest of the connection's work.
type Work = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _received: Work,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Work), Error>> + Send> {
        let outbound = self.clone();
        Box::new(async move { outbound.send(request, options.unwrap_or_default()).await })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }
}

impl Outbound {
    async fn send(
        self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Work), Error> {
        let target = Target::of(request.uri()).inspect_err(|_| {
            self.trail
                .denied("http: a URL that could be read in two ways".to_owned());
        })?;
        let rule = self.permit(request.method(), &target)?;
        let request = self.prepare(request, rule, &target)?;
        let too_many = |why| {
            self.trail.denied(format!("http {target}: {why}"));
            Error::ConnectionLimitReached
        };
        let reserved = self.host_memory.reserve(CONNECTION);
        let reserved = reserved.ok_or_else(|| too_many("limits.host_memory is used up"))?;
        let opened = self.files.open();
        let opened = opened.ok_or_else(|| {
            too_many("the tenant's share of the host's open files and sockets is used up")
        })?;
        let (stream, allowance) =
            within(options.connect_timeout, Error::ConnectionTimeout, async {
                let addresses = self.addresses(&target, rule).await?;
                self.connect(&addresses, &target, rule).await
            })
            .await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| sent_error(&error))?;
        let connection = spawn(connection);
        let response = within(
            options.first_byte_timeout,
            Error::ConnectionReadTimeout,
            async {
                sender
                    .send_request(request)
                    .await
                    .map_err(|error| sent_error(&error))
            },
        )
        .await?;
        allowance.lift();
        let response = response.map(|body| {
            Received::new(
                body,
                self.budgets,
                self.trail,
                options.between_bytes_timeout,
            )
            .boxed_unsync()
        });
        // What fails here is told by the response's body.
        let work = async move {
            let _held = (reserved, opened);
            _ = connection.await;
            Ok(())
        };
        Ok((response, Box::new(work)))
    }

    /// The rule that lets a request pass.
    fn permit(&self, method: &Method, target: &Target) -> Result<&Rule, Error> {
        let refuse = |why: &str| {
            self.trail.denied(format!("http {method} {target}: {why}"));
            Error::HttpRequestDenied
        };
        // CONNECT makes a tunnel; TRACE would show the guest the headers that were injected.
        if ["CONNECT", "TRACE", "TRACK"]
            .iter()
            .any(|never| method.as_str().eq_ignore_ascii_case(never))
        {
            return Err(refuse("this method never passes"));
        }
        let rule = self
            .http
            .rules
            .iter()
            .find(|rule| rule.covers(method, target))
            .ok_or_else(|| refuse("no rule allows it"))?;
        if rule.secret && !target.tls && !rule.private {
            return Err(refuse(
                "the rule's secret headers would go over the internet in plain text; use https",
            ));
        }
        self.budgets
            .requests
            .take(1, &self.trail)
            .map_err(|_| Error::ConnectionLimitReached)?;
        Ok(rule)
    }

    /// The request as it is sent: in origin form, with the rule's headers, its body counted.
    fn prepare(
        &self,
        request: Request<WasiBody>,
        rule: &Rule,
        target: &Target,
    ) -> Result<Request<Sent>, Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = Uri::builder()
            .path_and_query(path)
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        strip(&mut parts.headers);
        rule.inject(&mut parts.headers);
        parts.headers.insert(header::HOST, target.host_header()?);
        let body = Sent {
            body,
            budgets: Arc::clone(&self.budgets),
            trail: self.trail.clone(),
        };
        Ok(Request::from_parts(parts, body))
    }

    /// The addresses of a host that the rule allows. This is the only look-up: the connection goes to one of these.
    pub(super) async fn addresses(
        &self,
        target: &Target,
        rule: &Rule,
    ) -> Result<Vec<IpAddr>, Error> {
        let mut addresses = match target.address() {
            Some(address) => vec![address],
            None => self
                .http
                .resolver
                .resolve(&target.host)
                .await
                .map_err(|_| Error::DnsError {
                    rcode: None,
                    info_code: None,
                })?,
        };
        if addresses.is_empty() {
            return Err(Error::DestinationNotFound);
        }
        addresses.retain(|address| match Kind::of(*address) {
            Kind::Public => true,
            Kind::Private => rule.private,
            Kind::Unusable => false,
        });
        if addresses.is_empty() {
            let why = if rule.private {
                "it has no address that one can connect to"
            } else {
                "its address is private, and the rule does not say `private: true`"
            };
            self.trail.denied(format!("http {target}: {why}"));
            return Err(Error::DestinationIpProhibited);
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }

    async fn connect(
        &self,
        addresses: &[IpAddr],
        target: &Target,
        rule: &Rule,
    ) -> Result<(Box<dyn Stream>, Allowance), Error> {
        let stream = first(addresses, target.port).await?;
        self.trail.reached(target.to_string());
        // Small requests go out at once; a failure to say so costs time only.
        _ = stream.set_nodelay(true);
        // Beneath TLS, which has messages of its own.
        let (stream, allowance) = Bounded::new(stream);
        if !target.tls {
            return Ok((Box::new(stream), allowance));
        }
        let name =
            ServerName::try_from(target.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
        let stream = TlsConnector::from(Arc::clone(&rule.tls))
            .connect(name, stream)
            .await
            .map_err(|error| tls_error(&error))?;
        Ok((Box::new(stream), allowance))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to the first address that answers.
async fn first(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Error> {
    let mut failure = Error::DestinationNotFound;
    for (index, address) in addresses.iter().enumerate() {
        let last = index + 1 == addresses.len();
        let attempt = within(
            (!last).then_some(ATTEMPT),
            Error::ConnectionTimeout,
            async {
                TcpStream::connect(SocketAddr::new(*address, port))
                    .await
                    .map_err(|error| connect_error(&error))
            },
        );
        match attempt.await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Runs the work, for as long as the guest wants to wait for it. The call's own deadline holds anyway.
async fn within<T>(
    limit: Option<Duration>,
    late: Error,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or(Err(late)),
    }
}

fn connect_error(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        _ => Error::DestinationUnavailable,
    }
}

fn tls_error(error: &io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some((*alert).into()),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

/// Why no response came. Not `Error::Hyper`: the bindings would write each of those to the host's log.
fn sent_error(error: &hyper::Error) -> Error {
    let own = error
        .source()
        .and_then(|cause| cause.downcast_ref::<Error>());
    if let Some(Error::HttpRequestBodySize(limit)) = own {
        return Error::HttpRequestBodySize(*limit);
    }
    received_error(error)
}

/// Why a response did not come to its end.
pub(super) fn received_error(error: &hyper::Error) -> Error {
    let io = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    let is_too_much = io
        .and_then(io::Error::get_ref)
        .is_some_and(|cause| cause.is::<TooMuch>());
    let io = io.map(io::Error::kind);
    if error.is_parse_too_large() || is_too_much {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() || io == Some(io::ErrorKind::UnexpectedEof) {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_canceled() || error.is_closed() || io.is_some() {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}
