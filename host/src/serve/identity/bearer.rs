//! The credential in a request: a bearer token in the `Authorization` header (RFC 6750, section 2.1), and nothing else.

use std::fmt;

use axum::extract::{Query, Request};
use axum::http::header;
use sha2::{Digest, Sha256};

use super::challenge::Refusal;

/// A bearer token. It is never written anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

impl Bearer {
    /// Takes the credential out of a request, so that nothing behind sees it.
    pub fn take(request: &mut Request) -> Result<Self, Refusal> {
        let several = request
            .headers()
            .get_all(header::AUTHORIZATION)
            .iter()
            .count()
            > 1;
        let value = request.headers_mut().remove(header::AUTHORIZATION);
        if several {
            return Err(Refusal::Malformed(
                "There is more than one Authorization header",
            ));
        }
        if has_token_in_query(request) {
            return Err(Refusal::Malformed(
                "A token in the query string is not accepted: send it in the Authorization header",
            ));
        }
        let value = value.ok_or(Refusal::Missing)?;
        // One blank (RFC 9110, section 11.4); a tab too is none of the scheme's, so that it is told what is wrong.
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once([' ', '\t']))
            .ok_or(Refusal::Missing)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Refusal::Missing);
        }
        let token = token.trim_matches(' ');
        if !is_token(token) || value.as_bytes()[scheme.len()] != b' ' {
            return Err(Refusal::Malformed(
                "The Authorization header holds no bearer token",
            ));
        }
        Ok(Self(token.to_owned()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of a token, and compared.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

/// RFC 6750's other place for a token: servers and proxies log it there (section 5.3).
fn has_token_in_query(request: &Request) -> bool {
    request.uri().query().is_some()
        && Query::<Vec<(String, String)>>::try_from_uri(request.uri()).is_ok_and(|query| {
            let is_token = |name: &str| name.eq_ignore_ascii_case("access_token");
            query.iter().any(|(name, _)| is_token(name))
        })
}

/// Whether a text can be sent as a bearer token: `b64token`, RFC 6750, section 2.1.
pub(super) fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    use axum::body::Body;

    fn take(uri: &str, authorization: &[&str]) -> Result<String, Refusal> {
        let mut request = Request::builder().uri(uri);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let bearer = Bearer::take(&mut request);
        assert!(!request.headers().contains_key("authorization"));
        bearer.map(|bearer| bearer.0)
    }

    #[test]
    fn the_token_is_taken_from_the_header_and_from_nowhere_else() {
        assert_eq!(
            take("/mcp", &["Bearer abc.d-e_f~/+="]).unwrap(),
            "abc.d-e_f~/+="
        );
        assert_eq!(take("/mcp?a=b", &["bearer  abc"]).unwrap(), "abc");
        for missing in [&[][..], &["Basic YTpi"], &["Bearer"], &["abc"]] {
            assert_eq!(take("/mcp", missing), Err(Refusal::Missing), "{missing:?}");
        }
        for (uri, wrong) in [
            ("/mcp", &["Bearer a", "Bearer a"][..]),
            ("/mcp", &["Bearer "]),
            ("/mcp", &["Bearer a b"]),
            ("/mcp", &["Bearer\ta"]),
            ("/mcp?ACCESS_TOKEN=a", &[]),
            ("/mcp?Access%5fToken=a", &["Bearer a"]),
            ("/mcp?access_token=a", &[]),
            ("/mcp?b=c&access%5Ftoken=a", &["Bearer a"]),
        ] {
            let refusal = take(uri, wrong).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed(_)), "{uri} {wrong:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Bearer("geheim".to_owned())).contains("geheim"));
    }
}
