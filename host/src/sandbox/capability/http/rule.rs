//! Rules as they are checked at each request.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Uri};
use rustls::ClientConfig;
use sandglass_manifest::{HostPattern, HttpRule, ManifestError, PathPrefix, Placed, TextOrSecret};
use wasmtime_wasi_http::Error;

use super::super::secret::Value;
use super::tls;

/// A rule with its secrets and certificates.
pub(super) struct Rule {
    host: HostPattern,
    port: u16,
    methods: Vec<Method>,
    path: PathPrefix,
    pub private: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether one of the headers is a secret.
    pub secret: bool,
    pub tls: Arc<ClientConfig>,
}

impl Rule {
    /// Reads what the rule refers to. `field` is what the manifest calls it. Blocks on files.
    pub(super) fn compile(rule: &HttpRule, field: &str) -> Result<Self, ManifestError> {
        let methods = rule
            .methods
            .iter()
            .map(|method| {
                Method::from_bytes(method.as_bytes()).map_err(|_| {
                    Placed::from(method).error(format!("{field}.methods: {method:?} is no method"))
                })
            })
            .collect::<Result<_, _>>()?;
        let headers = rule
            .headers
            .iter()
            .map(|(name, value)| injected(name, value, field))
            .collect::<Result<_, _>>()?;
        let tls = match &rule.ca {
            None => tls::plain(),
            Some(ca) => {
                tls::trust(ca).map_err(|problem| ca.error(format!("{field}.ca: {problem}")))?
            }
        };
        Ok(Self {
            host: rule.host.clone(),
            port: rule.port.get(),
            methods,
            path: rule.path.clone(),
            private: rule.private,
            headers,
            secret: rule.has_secret(),
            tls,
        })
    }

    pub(super) fn covers(&self, method: &Method, target: &Target) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.port == target.port
            && self.host.covers(&target.host)
            && self.path.covers(&target.path)
    }

    /// Sets the rule's headers, over the guest's own.
    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }
}

fn injected(
    name: &str,
    given: &Placed<TextOrSecret>,
    field: &str,
) -> Result<(HeaderName, HeaderValue), ManifestError> {
    let field = format!("{field}.headers.{name}");
    let refuse = |problem| given.error(format!("{field}: {problem}"));
    let value = Value::read(given, &field)?;
    let name =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("it is no header's name"))?;
    let mut value = HeaderValue::from_str(&value.0).map_err(|_| {
        refuse(
            "a header's value has no line breaks and only visible ASCII; is it the right secret?",
        )
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Where a request goes: read once, and used for the check and for the connection alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub tls: bool,
    /// In lower case, without brackets, without a dot at its end; an address as its standard text.
    pub host: String,
    pub port: u16,
    path: String,
}

impl Target {
    /// Refuses what could be read in two ways: a user, a port that is none, no host.
    pub(super) fn of(uri: &Uri) -> Result<Self, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let (host, port) = split(authority.as_str()).ok_or(Error::HttpRequestUriInvalid)?;
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or(Error::HttpRequestUriInvalid)?,
            None => host.strip_suffix('.').unwrap_or(host),
        };
        let host = match host.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => host.to_ascii_lowercase(),
        };
        if host.is_empty() {
            return Err(Error::HttpRequestUriInvalid);
        }
        Ok(Self {
            tls,
            host,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path().to_owned(),
        })
    }

    /// The address, where the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// As the `Host` header has it: without the scheme's own port (RFC 9110, section 4.2.3).
    pub(super) fn host_header(&self) -> Result<HeaderValue, Error> {
        let shown = self.to_string();
        let own = if self.tls { ":443" } else { ":80" };
        let text = shown.strip_suffix(own).unwrap_or(&shown);
        HeaderValue::from_str(text).map_err(|_| Error::HttpRequestUriInvalid)
    }
}

/// Host and port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An authority's host and port; `None` for a user, or a port that is no number from 1 to 65535.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_host..].find(':') else {
        return Some((authority, None));
    };
    let (host, port) = authority.split_at(after_host + colon);
    let digits = &port[1..];
    let port: u16 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    (port > 0).then_some((host, Some(port)))
}

/// Takes off what is the connection's own (RFC 9110, section 7.6.1), and what this client does not do: trailers, and to
/// wait for a `100 Continue`.
pub(super) fn strip(headers: &mut HeaderMap) {
    let hop_by_hop: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            matches!(
                **name,
                header::CONNECTION
                    | header::EXPECT
                    | header::HOST
                    | header::TE
                    | header::TRAILER
                    | header::TRANSFER_ENCODING
                    | header::UPGRADE
            ) || name.as_str() == "keep-alive"
                || name.as_str() == "http2-settings"
                || name.as_str().starts_with("proxy-")
        })
        .cloned()
        .collect();
    for name in hop_by_hop {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Option<(String, String)> {
        let target = Target::of(&uri.parse().ok()?).ok()?;
        let host = target.host_header().ok()?;
        Some((target.to_string(), host.to_str().ok()?.to_owned()))
    }

    #[test]
    fn a_target_has_one_reading() {
        for (uri, shown, host) in [
            (
                "https://api.example.com",
                "api.example.com:443",
                "api.example.com",
            ),
            (
                "http://api.example.com/x?y",
                "api.example.com:80",
                "api.example.com",
            ),
            (
                "http://API.Example.com.:8080/",
                "api.example.com:8080",
                "api.example.com:8080",
            ),
            (
                "https://api.example.com:80/",
                "api.example.com:80",
                "api.example.com:80",
            ),
            ("http://[::1]/", "[::1]:80", "[::1]"),
            ("http://[0:0::0:1]:8080/", "[::1]:8080", "[::1]:8080"),
            ("http://127.0.0.1:1/", "127.0.0.1:1", "127.0.0.1:1"),
            ("http://127.0.0.1./", "127.0.0.1:80", "127.0.0.1"),
            ("http://2130706433/", "2130706433:80", "2130706433"),
        ] {
            let expected = Some((shown.to_owned(), host.to_owned()));
            assert_eq!(target(uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_target_with_two_readings_is_refused() {
        for uri in [
            "http://user@example.com/",
            "http://user:password@example.com/",
            "http://a.com:80@b.com/",
            "http://example.com:/",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://example.com:443:80/",
            "http://example.com:+80/",
            "http://[::1]80/",
            "http://[::1/",
            "http://:80/",
            "http://./",
            "/path",
        ] {
            assert_eq!(target(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_belongs_to_the_connection_is_taken_off() {
        let mut headers = HeaderMap::new();
        for name in [
            "connection",
            "expect",
            "host",
            "http2-settings",
            "keep-alive",
            "proxy-authorization",
            "proxy-anything",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "accept",
            "content-length",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "content-length"]);
    }
}
