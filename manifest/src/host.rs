//! Which hosts a rule of outbound HTTP means.

use std::{fmt, net::IpAddr, num::NonZeroU16, str::FromStr};

use serde::{Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// A host's name or address, or all names below a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This name (lower case, without a dot at its end) or address (without brackets).
    Exact(String),
    /// `*.example.com`: every name that ends with `.example.com`, and not `example.com` itself.
    Below(String),
}

/// A host, and its port if one is written: `api.example.com` or `api.example.com:8080`.
#[derive(Debug, Clone)]
pub(crate) struct HostAndPort {
    pub host: HostPattern,
    pub port: Option<Port>,
}

/// A TCP port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port(pub NonZeroU16);

impl HostPattern {
    /// Whether it covers a host as it stands in a URL: in any case, an IPv6 address in brackets, a dot at the end ignored.
    pub fn covers(&self, host: &str) -> bool {
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match self {
            Self::Exact(name) => *name == host,
            Self::Below(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        }
    }
}

impl Scalar for HostPattern {
    const EXPECTED: &'static str = "a host";
}

impl Scalar for HostAndPort {
    const EXPECTED: &'static str = "a host";
}

impl Scalar for Port {
    const EXPECTED: &'static str = "a port";
}

impl FromStr for HostPattern {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        host(given).map_err(|problem| InvalidValue::new::<Self>(given, problem))
    }
}

impl FromStr for HostAndPort {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let (host, port) = match given.rsplit_once(':') {
            // The colons of an IPv6 address without brackets are its own.
            Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
            _ => (given, None),
        };
        if given.contains("://") {
            return Err(InvalidValue::new::<Self>(given, HAS_SCHEME));
        }
        Ok(Self {
            host: self::host(host).map_err(|problem| InvalidValue::new::<Self>(given, problem))?,
            port: port.map(Port::from_str).transpose()?,
        })
    }
}

impl FromStr for Port {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let digits = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| given.parse().ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| InvalidValue::new::<Self>(given, "it is a number from 1 to 65535"))
    }
}

const HAS_SCHEME: &str =
    "it has a scheme; write the name alone, such as `api.example.com`, and `port` beside it";

/// Reads a host; the error completes "this is not a host: ".
fn host(given: &str) -> Result<HostPattern, &'static str> {
    let plain = given
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(given);
    if let Ok(address) = plain.parse::<IpAddr>() {
        return Ok(HostPattern::Exact(address.to_string()));
    }
    if given.contains("://") {
        return Err(HAS_SCHEME);
    }
    if given.contains('@') {
        return Err("it has a user; write the name alone");
    }
    if given.contains(['/', '?', '#']) {
        return Err("it has a path; write the name alone, and the path's beginning in `path`");
    }
    if given.contains(':') {
        return Err("it has a port; write the name alone, and `port` beside it");
    }
    if !given.is_ascii() {
        return Err("write it as the name system has it, in ASCII (`xn--..`)");
    }
    let name = given.to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    match name.strip_prefix("*.") {
        Some(domain) => check_name(domain).map(|()| HostPattern::Below(domain.to_owned())),
        None if name == "*" => Err("it would be every host; name it, or a domain: `*.example.com`"),
        None => check_name(name).map(|()| HostPattern::Exact(name.to_owned())),
    }
}

/// RFC 1123, section 2.1, and `_`, which some names in clusters have.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.contains('*') {
        return Err("`*` stands only at the beginning, for a whole label: `*.example.com`");
    }
    let well_formed = name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        });
    if !well_formed {
        return Err("a name has letters, digits and `-` between its dots");
    }
    // Some programs read `127.1` and `0x7f000001` as addresses (WHATWG URL, "ends in a number").
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it ends in a number and is no address; write four numbers, `10.0.0.1`");
    }
    Ok(())
}

scalar::read_as_text!(HostPattern);

impl<'de> serde::Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_an_address_or_all_names_below_a_domain() {
        for (given, shown) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.com.", "api.example.com"),
            ("localhost", "localhost"),
            ("my_service", "my_service"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("*.example.com", "*.example.com"),
        ] {
            let host: HostPattern = given.parse().expect(given);
            assert_eq!(host.to_string(), shown);
            assert_eq!(shown.parse(), Ok(host));
        }
        for (given, part) in [
            ("", "it is empty"),
            ("*", "every host"),
            ("*.", "every host"),
            ("a.*.com", "only at the beginning"),
            ("*.*.com", "only at the beginning"),
            ("*x.com", "only at the beginning"),
            ("https://a.com", "it has a scheme"),
            ("a.com/x", "it has a path"),
            ("a.com?x", "it has a path"),
            ("u:p@a.com", "it has a user"),
            ("a.com:443", "it has a port"),
            ("bücher.example", "in ASCII"),
            ("a..b", "letters, digits"),
            ("-a.com", "letters, digits"),
            ("a b", "letters, digits"),
            ("127.1", "ends in a number"),
            ("0x7f000001", "ends in a number"),
            ("*.0.0.1", "ends in a number"),
        ] {
            let error = given.parse::<HostPattern>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }

    #[test]
    fn a_port_may_follow_a_host() {
        for (given, host, port) in [
            ("a.com", "a.com", None),
            ("a.com:8080", "a.com", Some(8080)),
            ("*.a.com:1", "*.a.com", Some(1)),
            ("[::1]:8080", "::1", Some(8080)),
            ("::1", "::1", None),
        ] {
            let found: HostAndPort = given.parse().expect(given);
            assert_eq!(found.host.to_string(), host, "{given}");
            assert_eq!(found.port.map(|port| port.0.get()), port, "{given}");
        }
        for given in [
            "a.com:",
            "a.com:0",
            "a.com:65536",
            "a.com:+1",
            "http://a.com",
        ] {
            assert!(given.parse::<HostAndPort>().is_err(), "{given}");
        }
    }
}
