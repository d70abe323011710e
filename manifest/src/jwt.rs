//! Issuers of JSON web tokens.

use std::{path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Placed, TenantName,
    field::Field,
    list::OneOrMore,
    scalar::{self, InvalidValue, Scalar},
    url::IssuerUrl,
};

/// An issuer whose JSON web tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JwtIssuer {
    /// The `iss` claim, exactly; an `https` URL, or `http` on loopback.
    pub issuer: Placed<String>,
    /// The `aud` claim must have one of these.
    pub audience: Vec<String>,
    /// Where the keys are; without it they are found by the issuer's metadata (OpenID Connect Discovery, RFC 8414).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Placed<String>>,
    /// Certificates (PEM) that are trusted beside the system's when the keys are fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Placed<PathBuf>>,
    /// Whose tokens these are.
    #[serde(flatten)]
    pub tenant: TenantOf,
    /// The claims that hold scopes: a text with spaces between them, or a list.
    pub scope_claims: Vec<String>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<JwtAlgorithm>,
}

/// Which tenant a JSON web token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TenantOf {
    /// The one that this claim names; a token without it, or with a name that is none of the tenants, is refused.
    #[serde(rename = "tenant_claim")]
    Claim(String),
    /// Always this one.
    #[serde(rename = "tenant")]
    Fixed(TenantName),
}

/// A signature algorithm (RFC 7518, RFC 8037); those with a shared secret, and `none`, are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtIssuer {
    /// `scope_claims` where none are written.
    pub const SCOPE_CLAIMS: [&str; 3] = ["scope", "scp", "roles"];

    /// `algorithms` where none are written.
    pub const ALGORITHMS: [JwtAlgorithm; 2] = [JwtAlgorithm::RS256, JwtAlgorithm::ES256];
}

/// An issuer whose JSON web tokens are accepted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JwtIssuer")]
#[schemars(extend("not" = { "required": ["tenant", "tenant_claim"] }))]
pub(crate) struct JwtDocument {
    /// The `iss` claim, exactly: an `https` URL, or `http` on loopback.
    pub issuer: Field<IssuerUrl>,
    /// The `aud` claim must have this, or one of these.
    pub audience: Field<OneOrMore>,
    /// Where the keys are. Without it they are found by the issuer's metadata (OpenID Connect Discovery,
    /// RFC 8414).
    #[serde(default)]
    pub jwks: Field<IssuerUrl>,
    /// A file of certificates (PEM) that are trusted beside the system's when the keys are fetched.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub ca: Field<String>,
    /// Whose tokens these are. Not together with `tenant_claim`.
    #[serde(default)]
    #[schemars(extend("default" = TenantName::default()))]
    pub tenant: Field<TenantName>,
    /// The claim that names the tenant; a token without it is refused. Not together with `tenant`.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub tenant_claim: Field<String>,
    /// The claims that hold scopes: a text with spaces between them, or a list.
    #[serde(default)]
    #[schemars(extend("minItems" = 1, "default" = JwtIssuer::SCOPE_CLAIMS))]
    pub scope_claims: Field<Vec<Field<String>>>,
    /// The accepted signature algorithms.
    #[serde(default)]
    #[schemars(extend("minItems" = 1, "default" = JwtIssuer::ALGORITHMS))]
    pub algorithms: Field<Vec<Field<JwtAlgorithm>>>,
}

impl Scalar for JwtAlgorithm {
    const EXPECTED: &'static str = "an accepted algorithm";
}

impl JwtAlgorithm {
    pub(crate) const WORDS: [(&str, Self); 9] = [
        ("RS256", Self::RS256),
        ("RS384", Self::RS384),
        ("RS512", Self::RS512),
        ("PS256", Self::PS256),
        ("PS384", Self::PS384),
        ("PS512", Self::PS512),
        ("ES256", Self::ES256),
        ("ES384", Self::ES384),
        ("EdDSA", Self::EdDSA),
    ];
}

impl FromStr for JwtAlgorithm {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        if let Some((_, algorithm)) = Self::WORDS.iter().find(|(word, _)| *word == given) {
            return Ok(*algorithm);
        }
        let problem = match given {
            "HS256" | "HS384" | "HS512" => {
                "who can check its signatures can make them too; use RS256 or ES256".to_owned()
            }
            "none" => "nothing signs such a token; use RS256 or ES256".to_owned(),
            _ => format!("use {}", Self::WORDS.map(|(word, _)| word).join(", ")),
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(JwtAlgorithm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_without_a_public_key_are_refused_with_the_reason() {
        for (given, part) in [
            ("HS256", "can make them too"),
            ("none", "nothing signs"),
            ("rs256", "use RS256, RS384"),
            ("ES512", "use RS256, RS384"),
        ] {
            let error = given.parse::<JwtAlgorithm>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
        for (word, algorithm) in JwtAlgorithm::WORDS {
            assert_eq!(word.parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).expect("text"), word);
        }
    }
}
