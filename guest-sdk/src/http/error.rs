//! Why there is no answer, in words for whoever called the tool and for the operator.

use std::fmt;

use ::http::{Method, StatusCode, Uri, uri::Scheme};

/// How much of an answer's body an error shows, in characters.
const SHOWN: usize = 200;

/// Where a request goes, without what may be secret in it: a URL's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    method: Method,
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

/// What bounds the requests of a call; its name in the manifest's `limits: { http: { .. } }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How many requests a call may make.
    Requests,
    /// Bytes of all bodies that a call sends.
    Sent,
    /// Bytes of all bodies that a call receives.
    Received,
}

/// Why a request has no answer, or not the one that was expected. Its words are for whoever called the tool, and for
/// the operator; most tools give it on with `?`.
///
/// ```
/// use sandglass_sdk::http::{self, Error, StatusCode};
///
/// /// A page, if there is one.
/// fn page(url: &str) -> Result<Option<String>, Error> {
///     match http::get(url).send()?.error_for_status() {
///         Ok(response) => Ok(Some(response.text()?)),
///         Err(Error::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
///         Err(error) => Err(error),
///     }
/// }
/// # use sandglass_sdk::testing;
/// # testing::answer_http(|_| testing::HttpAnswer::new(404, ""));
/// # assert_eq!(page("https://example.com/"), Ok(None));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There can't be such a request; says why.
    #[error("{0}")]
    Invalid(String),
    /// No rule of the operator's allows it.
    #[error(
        "{0} is not granted: allow it at this tool's source in the manifest, `allow: {{ http: [ {rule} ] }}`",
        rule = .0.rule("")
    )]
    NotGranted(Target),
    /// The host has a private address (loopback, a local network), which a rule must allow by name.
    #[error(
        "{0} has a private address: if it is to be reached, allow that at this tool's source in the manifest, `allow: {{ http: [ {rule} ] }}`",
        rule = .0.rule(", private: true")
    )]
    Private(Target),
    /// The call has used up what its requests may.
    #[error(
        "{target} is over the limit of this call's requests: raise it at this tool's source in the manifest, `limits: {{ http: {{ {limit}: .. }} }}`"
    )]
    OverLimit {
        /// The request.
        target: Target,
        /// Which limit.
        limit: Limit,
    },
    /// No answer came, or not all of it; says why.
    #[error("{target}: {reason}")]
    Unreachable {
        /// The request.
        target: Target,
        /// Why.
        reason: String,
    },
    /// The server says that the request failed.
    #[error("{target}: the server answered {status}{colon}{shown}", colon = if .shown.is_empty() { "" } else { ": " })]
    Status {
        /// The request.
        target: Target,
        /// The answer's status.
        status: StatusCode,
        /// The beginning of its body.
        shown: String,
    },
    /// The answer is something else than the tool expects.
    #[error("{target}: the answer {reason}")]
    Unexpected {
        /// The request.
        target: Target,
        /// What it is instead.
        reason: String,
    },
}

impl Target {
    /// # Errors
    /// No such URL can be reached.
    pub(super) fn new(method: &Method, uri: &Uri) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Invalid(format!("the URL {reason}"));
        let (scheme, port) = match uri.scheme_str() {
            Some("https") => (Scheme::HTTPS, 443),
            Some("http") => (Scheme::HTTP, 80),
            _ => return Err(invalid("must begin with `http://` or `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid(
                "must not have a user or a password: send them in a header",
            ));
        }
        Ok(Self {
            method: method.clone(),
            scheme,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(port),
            path: uri.path().to_owned(),
        })
    }

    /// The manifest's rule that would allow it; `more` stands at its end.
    fn rule(&self, more: &str) -> String {
        let Self {
            method, host, port, ..
        } = self;
        // An IPv6 address begins with what would be a list in YAML.
        let quote = if host.starts_with('[') { "'" } else { "" };
        format!("{{ host: {quote}{host}{quote}, port: {port}, methods: [{method}]{more} }}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            scheme,
            host,
            port,
            path,
        } = self;
        write!(out, "{method} {scheme}://{host}")?;
        let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        if *port != usual {
            write!(out, ":{port}")?;
        }
        out.write_str(path)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Requests => "requests",
            Self::Sent => "sent",
            Self::Received => "received",
        })
    }
}

impl Error {
    pub(super) fn status(target: Target, status: StatusCode, body: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(body)
            .trim()
            .chars()
            .take(SHOWN)
            .collect();
        Self::Status {
            target,
            status,
            shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Limit, Target};

    fn target(url: &str) -> Target {
        Target::new(&::http::Method::GET, &url.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_refusal_says_what_to_write_and_tells_no_query() {
        assert_eq!(
            Error::NotGranted(target("https://example.com/v1?key=geheim")).to_string(),
            "GET https://example.com/v1 is not granted: allow it at this tool's source in the manifest, \
             `allow: { http: [ { host: example.com, port: 443, methods: [GET] } ] }`"
        );
        let private = Error::Private(target("http://[::1]:8080/")).to_string();
        assert!(
            private.starts_with("GET http://[::1]:8080/ has"),
            "{private}"
        );
        assert!(
            private.contains("{ host: '[::1]', port: 8080, methods: [GET], private: true }"),
            "{private}"
        );
        let limit = Error::OverLimit {
            target: target("http://a/"),
            limit: Limit::Received,
        };
        assert!(
            limit
                .to_string()
                .contains("`limits: { http: { received: .. } }`"),
            "{limit}"
        );
    }

    #[test]
    fn an_answer_is_shown_in_part() {
        let status = ::http::StatusCode::BAD_GATEWAY;
        let empty = Error::status(target("http://a/"), status, b" ");
        assert_eq!(
            empty.to_string(),
            "GET http://a/: the server answered 502 Bad Gateway"
        );
        let long = Error::status(target("http://a/"), status, "ä".repeat(500).as_bytes());
        assert_eq!(long.to_string().matches('ä').count(), super::SHOWN);
    }
}
