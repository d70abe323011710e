//! Bytes over HTTP: bounded, and checked while they come in.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Method, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, Url};
use sandglass_manifest::ByteSize;
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::attempt::{self, FetchError, Problem};
use super::redirect::{self, Depth, FurtherIn, MAX_REDIRECTS, Within};

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
    /// One for each [`Depth`]: what those who are there may lead to. Whom the manifest names may be anywhere.
    clients: [OnceLock<Result<reqwest::Client, String>>; 3],
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

impl Authorization {
    fn add_to(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
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

/// What is sent.
pub struct Sent<'a, H> {
    pub method: Method,
    pub url: &'a Url,
    pub authorization: &'a Authorization,
    pub headers: H,
    pub body: Bytes,
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
            clients: Default::default(),
            progress,
        }
    }

    /// Whether a server speaks TLS on this `host:port`, going by what a handshake meets.
    pub async fn speaks_tls(&self, authority: &str) -> bool {
        let Ok(client) = self.client(Depth::Machine) else {
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

    /// Sends bytes, once: the answer's status, and the place that it names. Redirects are not followed.
    pub async fn send_once<'a, H>(
        &self,
        sent: Sent<'_, H>,
    ) -> Result<(StatusCode, Option<Url>), FetchError>
    where
        H: IntoIterator<Item = &'a (HeaderName, String)>,
    {
        let failed = |problem| FetchError::once(sent.url.authority().to_owned(), problem);
        let client = self.client(Depth::Machine);
        let client = client.map_err(|error| failed(Problem::Client(error)))?;
        let mut builder = client.request(sent.method, sent.url.clone());
        for (name, value) in sent.headers {
            builder = builder.header(name, value);
        }
        builder = sent.authorization.add_to(builder).body(sent.body);
        let response = builder.send().await.map_err(|error| {
            let reason = reason(&error);
            failed(Problem::Unreachable { reason })
        })?;
        Ok((response.status(), place(sent.url, &response)))
    }

    /// Follows redirects. Only the server that is asked is told who asks, and only as long as it leads nowhere else.
    async fn attempt(&self, request: Request<'_>) -> Result<Bytes, Problem> {
        let astray = |reason| Problem::LedAstray { reason };
        let asked = Url::parse(request.url).map_err(|error| astray(error.to_string()))?;
        let (mut url, mut is_own) = (asked.clone(), true);
        // That of the least deep on the way.
        let mut depth = Depth::Machine;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&request, &url, is_own, depth).await?;
            let Some(next) = led_to(&url, &response) else {
                return self.answer(response, request.expected, is_own).await;
            };
            if request.form.is_some() {
                return Err(astray("what is posted goes nowhere else".to_owned()));
            }
            let at = response.remote_addr().and_then(|at| Depth::of(at.ip()));
            depth = depth.min(at.unwrap_or(Depth::Internet));
            redirect::refuse(&url, &next, depth).map_err(astray)?;
            is_own &= next.origin() == asked.origin();
            url = next;
        }
        Err(astray("too many redirects".to_owned()))
    }

    /// One request; `depth` is that of who has led to this URL.
    async fn send(
        &self,
        request: &Request<'_>,
        url: &Url,
        is_own: bool,
        depth: Depth,
    ) -> Result<Response, Problem> {
        let reach = if is_own { Depth::Machine } else { depth };
        let client = self.client(reach).map_err(Problem::Client)?;
        let mut builder = match request.form {
            None => client.get(url.clone()),
            Some(form) => client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.to_owned()),
        };
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, accept);
        }
        if is_own {
            builder = request.authorization.add_to(builder);
        }
        builder.send().await.map_err(|error| {
            let reason = reason(&error);
            match has_cause::<FurtherIn>(&error) {
                true => Problem::LedAstray { reason },
                false => Problem::Unreachable { reason },
            }
        })
    }

    async fn answer(
        &self,
        response: Response,
        expected: Expected<'_>,
        is_own: bool,
    ) -> Result<Bytes, Problem> {
        let status = response.status();
        if status.is_success() {
            return self.body(response, expected).await;
        }
        let header = |name| response.headers().get(name)?.to_str().ok();
        Err(Problem::Status {
            status,
            challenge: header(WWW_AUTHENTICATE)
                .filter(|_| is_own)
                .map(str::to_owned),
            retry_after: header(RETRY_AFTER)
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        })
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
    fn client(&self, reach: Depth) -> Result<&reqwest::Client, String> {
        let client = self.clients[reach as usize].get_or_init(|| {
            let mut builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .timeout(TIMEOUT)
                .redirect(Policy::none());
            if reach < Depth::Machine {
                builder = builder.dns_resolver(Within(reach));
            }
            builder.build().map_err(|error| reason(&error))
        });
        client.as_ref().map_err(Clone::clone)
    }
}

/// Where an answer leads to, if it is a redirect (RFC 9110, section 15.4).
fn led_to(from: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    place(from, response)
}

/// The place that an answer names (`Location`).
fn place(from: &Url, response: &Response) -> Option<Url> {
    let place = response.headers().get(LOCATION)?.to_str().ok()?;
    from.join(place).ok()
}

fn is_too_slow(size: u64, time: Duration) -> bool {
    time > READ_TIMEOUT && size < SLOWEST.saturating_mul(time.as_secs())
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

fn has_cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<E>() {
            return true;
        }
        next = cause.source();
    }
    false
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

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    #[test]
    fn an_answer_that_drips_is_broken_off() {
        assert!(is_too_slow(2, Duration::from_secs(11)));
        assert!(!is_too_slow(2, Duration::from_secs(5)));
        assert!(!is_too_slow(1 << 20, Duration::from_secs(60)));
        assert!(is_too_slow(1 << 20, Duration::from_secs(120)));
    }

    /// A server on loopback that is not served yet, and its URL.
    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    /// Answers each request, one a connection, with the next of these; what was asked, once all of them are used up.
    fn serve(listener: TcpListener, answers: Vec<String>) -> JoinHandle<Vec<String>> {
        tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                asked.push(String::from_utf8(head).unwrap());
                let answer =
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        })
    }

    const UNAUTHORIZED: &str = "401 Unauthorized\r\nwww-authenticate: Basic realm=x";

    fn to(place: &str) -> String {
        format!("302 Found\r\nlocation: {place}")
    }

    async fn fetch(url: &str, form: Option<&str>) -> Result<Bytes, FetchError> {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let request = Request {
            url,
            accept: None,
            authorization: &Authorization::Bearer("secret".to_owned()),
            form,
            expected: Expected {
                digest: None,
                size: None,
                at_most: 10,
            },
        };
        Http::new(None).fetch(request).await
    }

    fn challenge(error: FetchError) -> Option<String> {
        match error.problem {
            Problem::Status { challenge, .. } => challenge,
            _ => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn who_is_led_to_is_not_told_who_asks_and_asks_for_nothing() {
        let ((first, url), (other, other_url)) = (listen().await, listen().await);
        let first = serve(first, vec![to("/here"), to(&other_url)]);
        let other = serve(other, vec![UNAUTHORIZED.to_owned()]);
        assert_eq!(challenge(fetch(&url, None).await.unwrap_err()), None);
        let asked = first.await.unwrap();
        assert!(asked[1].starts_with("GET /here "), "{asked:?}");
        assert!(asked.iter().all(|head| head.contains("Bearer secret")));
        assert!(!other.await.unwrap()[0].contains("secret"));

        let (first, url) = listen().await;
        serve(first, vec![to("/here"), UNAUTHORIZED.to_owned()]);
        assert!(challenge(fetch(&url, None).await.unwrap_err()).is_some());
    }

    #[tokio::test]
    async fn who_is_led_back_is_a_stranger_too() {
        let ((first, url), (other, other_url)) = (listen().await, listen().await);
        let first = serve(first, vec![to(&other_url), UNAUTHORIZED.to_owned()]);
        serve(other, vec![to(&format!("{url}/back"))]);
        assert_eq!(challenge(fetch(&url, None).await.unwrap_err()), None);
        let asked = first.await.unwrap();
        assert!(asked[0].contains("secret") && !asked[1].contains("secret"));
    }

    #[tokio::test]
    async fn what_is_posted_goes_nowhere_else() {
        for status in [301, 302, 303, 307, 308] {
            let (server, url) = listen().await;
            serve(server, vec![format!("{status} x\r\nlocation: /other")]);
            let error = fetch(&url, Some("refresh_token=secret")).await.unwrap_err();
            assert!(
                matches!(error.problem, Problem::LedAstray { .. }),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn redirects_end() {
        let (server, url) = listen().await;
        let around = serve(server, vec![to("/"); MAX_REDIRECTS + 1]);
        let error = fetch(&url, None).await.unwrap_err();
        assert!(error.to_string().contains("too many redirects"), "{error}");
        assert_eq!(around.await.unwrap().len(), MAX_REDIRECTS + 1);
    }
}
