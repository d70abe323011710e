//! URLs of servers.

use std::{net::IpAddr, str::FromStr};

use http::{Uri, uri::Authority};

use crate::scalar::{self, InvalidValue, Scalar};

/// The URL of an issuer or of its keys: `https`, or `http` on loopback, where nobody listens in.
#[derive(Debug, Clone)]
pub(crate) struct IssuerUrl(pub String);

/// The URL of this server: `https` or `http`.
#[derive(Debug, Clone)]
pub(crate) struct PublicUrl(pub String);

/// The parts of a URL that has a host, and neither user nor fragment; the error completes "this is not
/// a URL: ".
pub(crate) fn parts(given: &str) -> Result<(String, String), &'static str> {
    let uri: Uri = given.parse().map_err(|_| "it cannot be read as a URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("it starts with `https://` and a host");
    };
    if authority.as_str().contains('@') {
        return Err("it has a user; leave it out");
    }
    if !has_valid_port(authority) {
        return Err(BAD_PORT);
    }
    if given.contains('#') {
        return Err("it has a fragment; leave `#` and the rest out");
    }
    Ok((scheme.to_owned(), authority.host().to_owned()))
}

/// Why a port is none.
pub(crate) const BAD_PORT: &str = "the port is no number from 1 to 65535";

/// Whether an authority's port is one, or is left out: the crate takes any digits.
pub(crate) fn has_valid_port(authority: &Authority) -> bool {
    let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
    match host_and_port.strip_prefix(authority.host()) {
        None | Some("") => true,
        Some(_) => authority.port_u16().is_some_and(|port| port > 0),
    }
}

/// Whether the host is this machine.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

impl Scalar for IssuerUrl {
    const EXPECTED: &'static str = "an https URL";
}

impl Scalar for PublicUrl {
    const EXPECTED: &'static str = "the URL of a server";
}

impl FromStr for IssuerUrl {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let problem = match parts(given) {
            Ok((scheme, _)) if scheme == "https" => return Ok(Self(given.to_owned())),
            Ok((scheme, host)) if scheme == "http" && is_loopback(&host) => {
                return Ok(Self(given.to_owned()));
            }
            Ok(_) => {
                "whoever is on the way could give other keys; use `https` (`http` only on loopback)"
            }
            Err(problem) => problem,
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let problem = match parts(given) {
            Ok((scheme, _)) if scheme != "https" && scheme != "http" => {
                "it starts with `https://` or `http://`"
            }
            Ok(_) if given.contains('?') => "it has a query; leave `?` and the rest out",
            Ok(_) => return Ok(Self(given.to_owned())),
            Err(problem) => problem,
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(IssuerUrl, PublicUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for given in [
            "https://login.example/",
            "https://login.example/tenant/v2.0",
            "https://login.example:8443/keys?x=1",
            "http://localhost:8080",
            "http://127.0.0.1:1/x",
            "http://[::1]:1/x",
        ] {
            assert!(given.parse::<IssuerUrl>().is_ok(), "{given}");
        }
        for (given, part) in [
            ("", "cannot be read"),
            ("login.example", "starts with `https://`"),
            ("/keys", "starts with `https://`"),
            ("http://login.example/", "use `https`"),
            ("ftp://login.example/", "use `https`"),
            ("http://localhost.example/", "use `https`"),
            ("https://u:p@login.example/", "it has a user"),
            ("https://login.example/#x", "it has a fragment"),
        ] {
            let error = given.parse::<IssuerUrl>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }

    #[test]
    fn a_server_may_be_reached_by_http() {
        assert!("http://tools.svc:8000/mcp".parse::<PublicUrl>().is_ok());
        for given in ["ftp://a/", "https://a/?x", "https://a/#x", "a"] {
            assert!(given.parse::<PublicUrl>().is_err(), "{given}");
        }
    }
}
