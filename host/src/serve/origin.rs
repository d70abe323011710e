//! The address of a web page's site, as browsers send it.

use std::str::FromStr;

use axum::http::HeaderValue;
use axum::http::uri::{Authority, Scheme};

/// A value of the `Origin` header: `https://app.example.com` (RFC 6454, section 6.2). `null` is none: every sandboxed
/// page sends it, so that it names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// Why a text is no [`Origin`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "browsers send no such origin: it must be scheme://host or scheme://host:port in lower case, without a path or the scheme's own port, such as https://app.example.com"
)]
pub struct InvalidOrigin;

impl Origin {
    /// As it is in the header.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, host) = text.split_once("://").ok_or(InvalidOrigin)?;
        let authority: Authority = host.parse().map_err(|_| InvalidOrigin)?;
        let own_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let port = authority.port_u16();
        let written = match port {
            Some(port) => format!("{scheme}://{}:{port}", authority.host()),
            None => format!("{scheme}://{}", authority.host()),
        };
        let is_other = |letter: char| letter.is_ascii_uppercase() || "@*".contains(letter);
        let is_sent = scheme.parse::<Scheme>().is_ok()
            && written == text
            && !text.contains(is_other)
            && (port.is_none() || port != own_port);
        match HeaderValue::from_str(text) {
            Ok(value) if is_sent => Ok(Self(value)),
            _ => Err(InvalidOrigin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_send_is_an_origin_and_nothing_else() {
        for origin in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://[::1]:3000",
            "http://app.example:443",
            "chrome-extension://abcdefgh",
        ] {
            assert!(origin.parse::<Origin>().is_ok(), "{origin}");
        }
        for other in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/page",
            "https://app.example.com?a",
            "https://APP.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "http://app.example.com:",
            "https://me@app.example.com",
            "https://*.example.com",
            "https://app.example.com:x",
            "https://app.example.com:0080",
            "https://",
            "https://a b",
        ] {
            assert_eq!(other.parse::<Origin>(), Err(InvalidOrigin), "{other}");
        }
    }
}
