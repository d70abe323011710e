//! Bytes over HTTP: bounded, checked while they come in, and asked for again where that can help.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::Url;
use reqwest::redirect::Policy;
use sandglass_manifest::ByteSize;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// What the host calls itself.
pub const USER_AGENT: &str = concat!("sandglass/", env!("CARGO_PKG_VERSION"));

/// Until a connection stands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two pieces of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// For one answer as a whole, however steadily it drips.
const TIMEOUT: Duration = Duration::from_secs(300);

/// No try begins later than this after the first one: a host that starts does not wait long for a registry.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// Three pauses that double, each lengthened at random so that many hosts do not return at once.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_times(3)
    .with_jitter();

/// Hears of bytes that came in or went out: so many of so many, where the whole is known.
pub type Progress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// The client for all sources that come over HTTP.
pub struct Http {
    client: OnceLock<Result<reqwest::Client, String>>,
    progress: Option<Progress>,
}

/// Who asks. It holds secrets, so it has no `Debug`.
#[derive(Clone, Default)]
pub enum Authorization {
    /// Nobody.
    #[default]
    None,
    /// RFC 7617.
    Basic { user: String, password: String },
    /// RFC 6750.
    Bearer(String),
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub url: &'a str,
    pub accept: Option<&'a str>,
    pub authorization: &'a Authorization,
    /// A form to post; without one it is a GET.
    pub form: Option<&'a str>,
    pub expected: Expected<'a>,
}

/// What an answer must be.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub digest: Option<&'a Digest>,
    /// Bytes, where they are known.
    pub size: Option<u64>,
    /// The most bytes that are taken.
    pub at_most: u64,
}

/// Why bytes could not be had.
#[derive(Debug)]
pub struct FetchError {
    host: String,
    /// What went wrong.
    pub problem: Problem,
    tries: u32,
}

/// What can go wrong on the way.
#[derive(Debug)]
pub enum Problem {
    /// No TLS without the system's certificates.
    Client(String),
    /// No connection, or no answer in time.
    Unreachable { reason: String },
    /// The answer ended in the middle.
    BrokenOff { reason: String },
    /// An answer that is no success.
    Status {
        status: StatusCode,
        /// What it asks for (`WWW-Authenticate`).
        challenge: Option<String>,
        /// When to ask again (`Retry-After` in seconds).
        retry_after: Option<Duration>,
    },
    /// More bytes than are taken.
    TooLarge { limit: u64 },
    /// Fewer or more bytes than the manifest says.
    Size { expected: u64, got: u64 },
    /// Other bytes than were asked for.
    Digest { expected: Digest, got: Digest },
}

impl FetchError {
    /// Whether the same request could succeed later.
    pub fn may_pass(&self) -> bool {
        match &self.problem {
            Problem::Unreachable { .. } | Problem::BrokenOff { .. } => true,
            Problem::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            _ => false,
        }
    }

    /// The answer's status, if it was one that is no success.
    pub fn status(&self) -> Option<StatusCode> {
        match self.problem {
            Problem::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl std::error::Error for FetchError {}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            problem,
            tries,
        } = self;
        let tried = match tries {
            1 => "tried once".to_owned(),
            tries => format!("tried {tries} times"),
        };
        match problem {
            Problem::Client(reason) => write!(
                f,
                "TLS cannot be set up ({reason}): install the system's certificates, or name a file of them in SSL_CERT_FILE"
            ),
            Problem::Unreachable { reason } => write!(
                f,
                "{host} cannot be reached ({reason}; {tried}): check its name, its port and the network"
            ),
            Problem::BrokenOff { reason } => write!(
                f,
                "{host} broke off in the middle ({reason}; {tried}): check the network, and whatever stands in between"
            ),
            Problem::Status { status, .. } => write!(f, "{host} answered {status} ({tried})"),
            Problem::TooLarge { limit } => write!(
                f,
                "{host} has more than {} for it: that is not accepted",
                ByteSize::bytes(*limit)
            ),
            Problem::Size { expected, got } => write!(
                f,
                "{host} sent {got} bytes where {expected} are due: it is cut or damaged there; push it again"
            ),
            Problem::Digest { expected, got } => write!(
                f,
                "{host} sent other bytes: {got} came, {expected} is due; they are damaged or forged, and not used"
            ),
        }
    }
}

impl Http {
    /// A client that connects to nothing yet.
    pub fn new(progress: Option<Progress>) -> Self {
        Self {
            client: OnceLock::new(),
            progress,
        }
    }

    /// Whether a server speaks TLS on this `host:port`, going by what a handshake meets.
    pub async fn speaks_tls(&self, authority: &str) -> bool {
        let Ok(client) = self.client() else {
            return true;
        };
        match client.get(format!("https://{authority}/")).send().await {
            Ok(_) => true,
            // A certificate that is refused was shown by somebody who speaks TLS.
            Err(error) => tls_error(&error)
                .is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_))),
        }
    }

    /// The body of a successful answer.
    pub async fn fetch(&self, request: Request<'_>) -> Result<Bytes, FetchError> {
        let started = Instant::now();
        let mut pauses = PAUSES.build();
        let mut tries = 1;
        loop {
            let problem = match self.attempt(request).await {
                Ok(bytes) => return Ok(bytes),
                Err(problem) => problem,
            };
            let wish = match problem {
                Problem::Status { retry_after, .. } => retry_after,
                _ => None,
            };
            let error = FetchError {
                host: host(request.url),
                problem,
                tries,
            };
            let Some(pause) = pauses.next().filter(|_| error.may_pass()) else {
                return Err(error);
            };
            let pause = pause.max(wish.unwrap_or_default());
            if started.elapsed() + pause > RETRY_FOR {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    async fn attempt(&self, request: Request<'_>) -> Result<Bytes, Problem> {
        let client = self.client().map_err(Problem::Client)?;
        let mut builder = match request.form {
            None => client.get(request.url),
            Some(form) => client
                .post(request.url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.to_owned()),
        };
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, accept);
        }
        builder = match request.authorization {
            Authorization::None => builder,
            Authorization::Basic { user, password } => builder.basic_auth(user, Some(password)),
            Authorization::Bearer(token) => builder.bearer_auth(token),
        };
        let response = builder.send().await.map_err(|error| Problem::Unreachable {
            reason: reason(&error),
        })?;
        let status = response.status();
        if !status.is_success() {
            let header = |name| response.headers().get(name)?.to_str().ok();
            return Err(Problem::Status {
                status,
                challenge: header(WWW_AUTHENTICATE).map(str::to_owned),
                retry_after: header(RETRY_AFTER)
                    .and_then(|seconds| seconds.parse().ok())
                    .map(Duration::from_secs),
            });
        }
        self.body(response, request.expected).await
    }

    async fn body(
        &self,
        mut response: reqwest::Response,
        expected: Expected<'_>,
    ) -> Result<Bytes, Problem> {
        let too_large = || Problem::TooLarge {
            limit: expected.at_most,
        };
        let announced = response.content_length();
        if announced.is_some_and(|size| size > expected.at_most) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let mut hash = Sha256::new();
        while let Some(piece) = response.chunk().await.map_err(|error| Problem::BrokenOff {
            reason: reason(&error),
        })? {
            let size = (bytes.len() + piece.len()) as u64;
            if size > expected.at_most {
                return Err(too_large());
            }
            hash.update(&piece);
            bytes.extend_from_slice(&piece);
            if let Some(progress) = &self.progress {
                progress(size, expected.size.or(announced));
            }
        }
        let got = bytes.len() as u64;
        if let Some(size) = expected.size.filter(|size| *size != got) {
            return Err(Problem::Size {
                expected: size,
                got,
            });
        }
        if let Some(digest) = expected.digest {
            let got = Digest::from(<[u8; 32]>::from(hash.finalize()));
            if got != *digest {
                return Err(Problem::Digest {
                    expected: digest.clone(),
                    got,
                });
            }
        }
        Ok(bytes.into())
    }

    /// Built when the first source needs it: reading the system's certificates takes time, and may fail.
    fn client(&self) -> Result<&reqwest::Client, String> {
        let client = self.client.get_or_init(|| {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .timeout(TIMEOUT)
                .redirect(Policy::custom(|redirect| {
                    if leaves_tls(redirect.previous(), redirect.url()) {
                        redirect.error("it leads from https to plain http")
                    } else {
                        Policy::default().redirect(redirect)
                    }
                }))
                .build()
                .map_err(|error| reason(&error))
        });
        client.as_ref().map_err(Clone::clone)
    }
}

fn leaves_tls(from: &[Url], to: &Url) -> bool {
    to.scheme() != "https" && from.iter().any(|url| url.scheme() == "https")
}

fn host(url: &str) -> String {
    Url::parse(url)
        .ok()
        .map_or_else(|| url.to_owned(), |url| url.authority().to_owned())
}

/// The innermost error; the outer ones only say that something failed, and repeat the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref())
            .and_then(|error| error.downcast_ref());
        if inner.is_some() {
            return inner;
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_does_not_leave_tls() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (tls, plain) = (url("https://a.io/"), url("http://a.io/"));
        assert!(leaves_tls(std::slice::from_ref(&tls), &plain));
        assert!(leaves_tls(&[plain.clone(), tls.clone()], &plain));
        assert!(!leaves_tls(&[tls.clone(), plain.clone()], &tls));
        assert!(!leaves_tls(std::slice::from_ref(&plain), &plain));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let error = |problem| FetchError {
            host: "a.io".to_owned(),
            problem,
            tries: 1,
        };
        let status = |code| {
            error(Problem::Status {
                status: StatusCode::from_u16(code).unwrap(),
                challenge: None,
                retry_after: None,
            })
        };
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(status(code).may_pass(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 416] {
            assert!(!status(code).may_pass(), "{code}");
        }
        assert!(!error(Problem::TooLarge { limit: 1 }).may_pass());
    }
}
