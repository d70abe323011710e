//! Tries over the network: again where that can help, and why there was no success.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use http::StatusCode;
use sandglass_manifest::ByteSize;
use tokio::time::Instant;

use super::Digest;

/// No try begins later than this after the first one: a host that starts does not wait long for a registry.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// Three pauses that double, each lengthened at random so that many hosts do not return at once.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_times(3)
    .with_jitter();

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
    /// From one place to the next, and to none in the end.
    LedAstray { reason: String },
    /// The answer ended in the middle.
    BrokenOff { reason: String },
    /// An answer that is no success.
    Status {
        status: StatusCode,
        /// What it asks for (`WWW-Authenticate`), where it is the server that was asked, and not one that this has led to.
        challenge: Option<String>,
        /// When to ask again (`Retry-After` in seconds).
        retry_after: Option<Duration>,
    },
    /// More bytes than are taken.
    TooLarge { limit: u64 },
    /// More bytes than the manifest says.
    Longer { expected: u64 },
    /// Fewer bytes than the manifest says.
    Size { expected: u64, got: u64 },
    /// Other bytes than were asked for.
    Digest { expected: Digest, got: Digest },
}

impl FetchError {
    /// Of a request that is not made again.
    pub fn once(host: String, problem: Problem) -> Self {
        Self {
            host,
            problem,
            tries: 1,
        }
    }

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
            Problem::LedAstray { reason } => write!(
                f,
                "{host} leads elsewhere, and that is not followed ({reason}): check its name, and whatever stands before it"
            ),
            Problem::Status {
                status,
                retry_after,
                ..
            } => {
                write!(f, "{host} answered {status} ({tried}): ")?;
                match *status {
                    StatusCode::TOO_MANY_REQUESTS => {
                        match retry_after {
                            Some(wait) => write!(f, "wait {} s", wait.as_secs())?,
                            None => f.write_str("wait a while")?,
                        }
                        f.write_str(", ask less often, or log in: who is known may often ask more")
                    }
                    StatusCode::REQUEST_TIMEOUT => f.write_str("try again later"),
                    status if status.is_server_error() => f.write_str(
                        "the fault is there; try again later, or ask who runs it",
                    ),
                    status if status.is_redirection() => {
                        f.write_str("it names no place to go on to; check its name, and whatever stands before it")
                    }
                    _ => f.write_str("it does not take the request; check the reference, or ask who runs it"),
                }
            }
            Problem::TooLarge { limit } => write!(
                f,
                "{host} has more than {} for it: that is not accepted; is it the right one?",
                ByteSize::bytes(*limit)
            ),
            Problem::Longer { expected } => write!(
                f,
                "{host} has more than the {expected} bytes that are due: it is damaged there, or another; push it again"
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

/// Tries until there is success, or another try cannot help, or has no time left.
pub async fn repeat<T, F>(host: &str, attempt: impl Fn() -> F) -> Result<T, FetchError>
where
    F: Future<Output = Result<T, Problem>>,
{
    let started = Instant::now();
    let mut pauses = PAUSES.build();
    let mut tries = 1;
    loop {
        let problem = match attempt().await {
            Ok(success) => return Ok(success),
            Err(problem) => problem,
        };
        let wish = match problem {
            Problem::Status { retry_after, .. } => retry_after,
            _ => None,
        };
        let error = FetchError {
            host: host.to_owned(),
            problem,
            tries,
        };
        let Some(pause) = pauses.next().filter(|_| error.may_pass()) else {
            return Err(error);
        };
        let pause = pause.max(wish.unwrap_or_default());
        if started.elapsed().saturating_add(pause) > RETRY_FOR {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        tries = tries.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_says_what_to_do() {
        let status = |code, retry_after| Problem::Status {
            status: StatusCode::from_u16(code).unwrap(),
            challenge: None,
            retry_after,
        };
        let reason = String::new;
        let minute = Some(Duration::from_secs(60));
        for (problem, mend) in [
            (
                status(429, minute),
                "(tried once): wait 60 s, ask less often, or log in",
            ),
            (status(429, None), "wait a while"),
            (status(408, None), "try again later"),
            (
                status(503, None),
                "the fault is there; try again later, or ask who runs it",
            ),
            (
                status(302, None),
                "it names no place to go on to; check its name",
            ),
            (status(418, None), "check the reference, or ask who runs it"),
            (
                Problem::Longer { expected: 7 },
                "more than the 7 bytes that are due",
            ),
            (
                Problem::Size {
                    expected: 7,
                    got: 6,
                },
                "push it again",
            ),
            (Problem::LedAstray { reason: reason() }, "check its name"),
            (Problem::Unreachable { reason: reason() }, "check its name"),
            (Problem::BrokenOff { reason: reason() }, "check the network"),
            (Problem::TooLarge { limit: 7 }, "is it the right one?"),
        ] {
            let error = FetchError {
                host: "a.io".to_owned(),
                problem,
                tries: 1,
            };
            let error = error.to_string();
            assert!(
                error.starts_with("a.io ") && error.contains(mend),
                "{error}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_wait_for_ever_is_not_granted() {
        for seconds in [6, u64::MAX] {
            let busy = || async {
                // To the time that has passed the wish is added.
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err::<(), _>(Problem::Status {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    challenge: None,
                    retry_after: Some(Duration::from_secs(seconds)),
                })
            };
            let error = repeat("a.io", busy).await.unwrap_err();
            assert_eq!(error.tries, 1, "{error}");
        }
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
