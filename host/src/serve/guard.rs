//! Which `Host` and `Origin` may come in.
//!
//! A page in a browser can reach a server on loopback by a name that it makes
//! resolve to 127.0.0.1 (DNS rebinding); its requests then carry that name as
//! `Host`, and the page's own address as `Origin` (MCP, "Streamable HTTP: Security Warning").
//! What a gateway before us could read in another way than we do does not come in at all.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};

use sandglass_text::Line;

use super::origin::Origin;
use super::refused::mark;
use super::rest::ErrorBody;
use crate::audit::Reason;

/// Whom the server lets in.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Accepted `Host` values.
    pub hosts: Hosts,
    /// Accepted `Origin` values.
    pub origins: Vec<Origin>,
}

/// Accepted `Host` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Only names and addresses of this machine's loopback interface.
    Loopback,
    /// Only these, with or without a port.
    Listed(Vec<String>),
    /// Any: the server is reached by names that it does not know.
    Any,
}

/// Why a request does not come in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    /// Whom it is for is not said, or could be read in two ways (RFC 9112, section 3.2).
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{name} \"{value}\" is not allowed; list it with {flag}")]
    NotListed {
        name: &'static str,
        value: Line,
        flag: &'static str,
    },
}

impl Guard {
    /// The answer to a request that does not come in: 400 or 403.
    pub fn refuse(&self, request: &Request) -> Option<Response> {
        let refused = self.check(request).err()?;
        let status = match refused {
            Refused::Malformed(_) => StatusCode::BAD_REQUEST,
            Refused::NotListed { .. } => StatusCode::FORBIDDEN,
        };
        let response = (status, ErrorBody::new(refused.to_string())).into_response();
        Some(mark(response, Reason::HostOrOrigin))
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        let host = host_of(request)?;
        for origin in request.headers().get_all(header::ORIGIN) {
            if !self.accepts_origin(origin, host.as_ref()) {
                return Err(Refused::NotListed {
                    name: "Origin",
                    value: Line::name(String::from_utf8_lossy(origin.as_bytes())),
                    flag: "--allowed-origins",
                });
            }
        }
        let accepted = match &host {
            Some(host) => self.accepts_host(host),
            None => self.hosts == Hosts::Any,
        };
        if accepted {
            return Ok(());
        }
        Err(Refused::NotListed {
            name: "Host",
            value: host.map(Line::name).unwrap_or_default(),
            flag: "--allowed-hosts",
        })
    }

    /// On loopback the server's own origin is no stranger's: its host is checked, and nobody else serves pages there.
    fn accepts_origin(&self, origin: &HeaderValue, host: Option<&Authority>) -> bool {
        let is_own = || {
            let origin = origin.to_str().unwrap_or_default();
            let mut schemes = ["http://", "https://"].iter();
            let authority = schemes.find_map(|scheme| origin.strip_prefix(scheme));
            authority.is_some() && authority == host.map(Authority::as_str)
        };
        self.origins.iter().any(|known| known.header() == origin)
            || (self.hosts == Hosts::Loopback && is_own())
    }

    fn accepts_host(&self, host: &Authority) -> bool {
        match &self.hosts {
            Hosts::Any => true,
            Hosts::Loopback => is_loopback(host.host()),
            Hosts::Listed(known) => known.iter().any(|known| {
                known.eq_ignore_ascii_case(host.as_str()) || known.eq_ignore_ascii_case(host.host())
            }),
        }
    }
}

/// Whom a request is for: its `Host`, or the authority of an absolute request target, or both where they are the same.
fn host_of(request: &Request) -> Result<Option<Authority>, Refused> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(Refused::Malformed("There is more than one Host header"));
    }
    let header = match header {
        None => None,
        Some(value) => Some(
            Authority::try_from(value.as_bytes())
                .ok()
                .filter(has_no_user)
                .ok_or(Refused::Malformed("The Host header holds no host"))?,
        ),
    };
    let target = request.uri().authority();
    if !target.is_none_or(has_no_user) {
        return Err(Refused::Malformed(
            "The request target names a user: leave it out",
        ));
    }
    match (header, target) {
        (Some(host), Some(target)) if !is_same(&host, target, request.uri().scheme()) => Err(
            Refused::Malformed("The request target and the Host header name different hosts"),
        ),
        (Some(host), _) => Ok(Some(host)),
        (None, _) if request.version() == Version::HTTP_11 => Err(Refused::Malformed(
            "There is no Host header: HTTP/1.1 requires one",
        )),
        (None, target) => Ok(target.cloned()),
    }
}

/// `Host` is a host and a port (RFC 9110, section 7.2).
fn has_no_user(authority: &Authority) -> bool {
    !authority.as_str().contains('@')
}

fn is_same(one: &Authority, other: &Authority, scheme: Option<&Scheme>) -> bool {
    let own = if scheme == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(own);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}

/// Whether a host name or address is this machine's loopback interface.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    use axum::body::Body;

    fn request(target: &str, headers: &[(&str, &str)]) -> Request {
        let request = Request::builder().uri(target);
        headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .body(Body::empty())
            .unwrap()
    }

    fn check(guard: &Guard, headers: &[(&str, &str)]) -> bool {
        guard.check(&request("/mcp", headers)).is_ok()
    }

    const LOOPBACK: Guard = Guard {
        hosts: Hosts::Loopback,
        origins: vec![],
    };

    const ANY: Guard = Guard {
        hosts: Hosts::Any,
        origins: vec![],
    };

    #[test]
    fn what_names_no_host_or_two_or_a_user_is_malformed_wherever_the_server_is_bound() {
        for (target, hosts) in [
            ("/", &["a@localhost"][..]),
            ("/", &["@localhost"]),
            ("/", &["localhost", "localhost"]),
            ("/", &["localhost", "evil.example"]),
            ("/", &["localhost, evil.example"]),
            ("/", &["localhost/"]),
            ("http://evil.example/", &["localhost"]),
            ("http://localhost/", &["evil.example"]),
            ("http://localhost:81/", &["localhost"]),
            ("https://localhost/", &["localhost:80"]),
            ("http://a@localhost/", &["localhost"]),
            ("http://a@localhost/", &[]),
            ("/", &[]),
            ("http://localhost/", &[]),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            for guard in [LOOPBACK, ANY] {
                let refused = guard.check(&request(target, &headers)).unwrap_err();
                assert!(
                    matches!(refused, Refused::Malformed(_)),
                    "{target} {hosts:?}"
                );
            }
        }
    }

    #[test]
    fn an_absolute_target_comes_in_where_its_host_does() {
        for (target, headers) in [
            ("http://localhost/", &[("host", "LOCALHOST:80")][..]),
            ("http://localhost:8000/", &[("host", "localhost:8000")]),
        ] {
            assert_eq!(
                LOOPBACK.check(&request(target, headers)),
                Ok(()),
                "{target}"
            );
        }
        let elsewhere = request("http://evil.example/", &[("host", "evil.example")]);
        assert!(LOOPBACK.check(&elsewhere).is_err());
        assert_eq!(ANY.check(&elsewhere), Ok(()));
    }

    #[test]
    fn on_loopback_only_loopback_hosts_come_in() {
        let guard = LOOPBACK;
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:80",
        ] {
            assert!(check(&guard, &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "a b",
        ] {
            assert!(!check(&guard, &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn a_request_of_http_1_0_may_name_no_host_and_comes_in_where_any_may() {
        let mut request = request("/mcp", &[]);
        *request.version_mut() = Version::HTTP_10;
        assert!(matches!(
            LOOPBACK.check(&request),
            Err(Refused::NotListed { .. })
        ));
        assert_eq!(ANY.check(&request), Ok(()));
    }

    #[test]
    fn listed_hosts_come_in_with_any_port_or_theirs() {
        let guard = Guard {
            hosts: Hosts::Listed(vec!["mcp.example.com".into(), "other:81".into()]),
            origins: vec![],
        };
        for host in ["mcp.example.com", "MCP.example.com:443", "other:81"] {
            assert!(check(&guard, &[("host", host)]), "{host}");
        }
        for host in ["other:82", "localhost"] {
            assert!(!check(&guard, &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn on_loopback_the_servers_own_origin_comes_in() {
        let host = ("host", "127.0.0.1:8000");
        for (guard, origin, comes_in) in [
            (LOOPBACK, "http://127.0.0.1:8000", true),
            (LOOPBACK, "http://127.0.0.1:8001", false),
            (LOOPBACK, "http://localhost:8000", false),
            (LOOPBACK, "null", false),
            (ANY, "http://127.0.0.1:8000", false),
        ] {
            assert_eq!(
                check(&guard, &[host, ("origin", origin)]),
                comes_in,
                "{origin}"
            );
        }
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert!(!check(&LOOPBACK, &rebound));
    }

    #[test]
    fn a_present_origin_must_be_listed() {
        let guard = Guard {
            hosts: Hosts::Any,
            origins: vec!["https://app.example".parse().unwrap()],
        };
        let host = ("host", "mcp.example.com");
        assert!(check(&guard, &[host]));
        assert!(check(&guard, &[host, ("origin", "https://app.example")]));
        for origin in ["null", "https://app.example.evil", "http://app.example"] {
            assert!(!check(&guard, &[host, ("origin", origin)]), "{origin}");
        }
    }
}
