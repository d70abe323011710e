//! Which `Host` and `Origin` may come in.
//!
//! A page in a browser can reach a server on loopback by a name that it makes
//! resolve to 127.0.0.1 (DNS rebinding); its requests then carry that name as
//! `Host`, and the page's own address as `Origin` (MCP, "Streamable HTTP: Security Warning").

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::response::{IntoResponse, Response};

use super::rest::ErrorBody;

/// Whom the server lets in.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Accepted `Host` values.
    pub hosts: Hosts,
    /// Accepted `Origin` values, as browsers send them: `https://app.example.com`.
    pub origins: Vec<String>,
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

impl Guard {
    /// The answer to a request that does not come in: 403.
    pub fn refuse(&self, request: &Request) -> Option<Response> {
        let checked = self.check(request.headers(), request.uri().authority());
        let reason = checked.err()?;
        Some((StatusCode::FORBIDDEN, ErrorBody::new(reason)).into_response())
    }

    fn check(&self, headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), String> {
        let origins = headers.get_all(header::ORIGIN);
        for origin in origins {
            let accepted = origin
                .to_str()
                .is_ok_and(|origin| self.origins.iter().any(|known| known == origin));
            if !accepted {
                return Err(format!(
                    "Origin {origin:?} is not allowed; list it with --allowed-origins"
                ));
            }
        }
        if self.hosts == Hosts::Any {
            return Ok(());
        }
        // HTTP/2 sends the authority in the URI.
        let host = match (headers.get(header::HOST), authority) {
            (Some(host), _) => host.to_str().unwrap_or_default().to_owned(),
            (None, Some(authority)) => authority.to_string(),
            (None, None) => String::new(),
        };
        if self.accepts_host(&host) {
            Ok(())
        } else {
            Err(format!(
                "Host {host:?} is not allowed; list it with --allowed-hosts"
            ))
        }
    }

    fn accepts_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        match &self.hosts {
            Hosts::Any => true,
            Hosts::Loopback => is_loopback(authority.host()),
            Hosts::Listed(known) => known.iter().any(|known| {
                known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(authority.host())
            }),
        }
    }
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

    fn check(guard: &Guard, headers: &[(&'static str, &str)]) -> bool {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .map(|(name, value): (header::HeaderName, header::HeaderValue)| (name, value))
            .collect();
        guard.check(&headers, None).is_ok()
    }

    #[test]
    fn on_loopback_only_loopback_hosts_come_in() {
        let guard = Guard {
            hosts: Hosts::Loopback,
            origins: vec![],
        };
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
        assert!(!check(&guard, &[]));
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
    fn a_present_origin_must_be_listed() {
        let guard = Guard {
            hosts: Hosts::Any,
            origins: vec!["https://app.example".into()],
        };
        assert!(check(&guard, &[]));
        assert!(check(&guard, &[("origin", "https://app.example")]));
        for origin in ["null", "https://app.example.evil", "http://app.example"] {
            assert!(!check(&guard, &[("origin", origin)]), "{origin}");
        }
    }
}
