//! Bytes over HTTP: bounded, and checked while they come in.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::Url;
use reqwest::redirect::Policy;
use sandglass_manifest::ByteSize;
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::attempt::{self, FetchError, Problem};

/// What the host calls itself.
pub const USER_AGENT: &str = concat!("sandglass/", env!("CARGO_PKG_VERSION"));

/// Until a connection stands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two pieces of an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// For one answer as a whole, however steadily it drips.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Bytes a second on average, after the first seconds: a start waits for an answer that drips.
const SLOWEST: u64 = 16 << 10;

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
        attempt::repeat(&host(request.url), || self.attempt(request)).await
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
        let response = builder.send().await.map_err(|error| {
            let reason = reason(&error);
            match error.is_redirect() {
                true => Problem::LedAstray { reason },
                false => Problem::Unreachable { reason },
            }
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
        let too_large = || match expected.size {
            Some(expected) => Problem::Longer { expected },
            None => Problem::TooLarge {
                limit: expected.at_most,
            },
        };
        let announced = response.content_length();
        if announced.is_some_and(|size| size > expected.at_most) {
            return Err(too_large());
        }
        let began = Instant::now();
        let mut bytes = Vec::new();
        let mut hash = Sha256::new();
        while let Some(piece) = response.chunk().await.map_err(|error| Problem::BrokenOff {
            reason: reason(&error),
        })? {
            let size = bytes.len().saturating_add(piece.len()) as u64;
            if size > expected.at_most {
                return Err(too_large());
            }
            hash.update(&piece);
            bytes.extend_from_slice(&piece);
            if is_too_slow(size, began.elapsed()) {
                return Err(Problem::BrokenOff {
                    reason: format!("it sends less than {} a second", ByteSize::bytes(SLOWEST)),
                });
            }
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

fn is_too_slow(size: u64, time: Duration) -> bool {
    time > READ_TIMEOUT && size < SLOWEST.saturating_mul(time.as_secs())
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
    if matches!(tls_error(error), Some(rustls::Error::InvalidMessage(_))) {
        return "it does not speak TLS; name it in SANDGLASS_INSECURE_REGISTRIES if it may be spoken to without".to_owned();
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
    fn an_answer_that_drips_is_broken_off() {
        assert!(is_too_slow(2, Duration::from_secs(11)));
        assert!(!is_too_slow(2, Duration::from_secs(5)));
        assert!(!is_too_slow(1 << 20, Duration::from_secs(60)));
        assert!(is_too_slow(1 << 20, Duration::from_secs(120)));
    }

    #[test]
    fn a_redirect_does_not_leave_tls() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (tls, plain) = (url("https://a.io/"), url("http://a.io/"));
        assert!(leaves_tls(std::slice::from_ref(&tls), &plain));
        assert!(leaves_tls(&[plain.clone(), tls.clone()], &plain));
        assert!(!leaves_tls(&[tls.clone(), plain.clone()], &tls));
        assert!(!leaves_tls(std::slice::from_ref(&plain), &plain));
    }
}
