//! Who may call: bearer tokens and issuers of JSON web tokens.

use std::{path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    JwtIssuer, Placed, Scope, SecretRef, TenantName,
    field::Field,
    jwt::JwtDocument,
    scalar::{self, InvalidValue, Scalar},
    secret::SecretDocument,
    url::PublicUrl,
};

/// Who may call. Where it is there, a call without a credential is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Identity {
    /// Static bearer tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenEntry>,
    /// Issuers of JSON web tokens (OAuth 2.1 resource server).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt: Vec<JwtIssuer>,
    /// The public URL of this server, as clients and gateways reach it; it stands in the protected resource metadata
    /// (RFC 9728). Where it is not given, a request's own `Host` is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// A static bearer token, or a file of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TokenEntry {
    /// A token.
    Token(Token),
    /// A YAML file that holds a list of tokens; read again when it changes.
    File {
        /// The file.
        file: Placed<PathBuf>,
    },
}

/// A static bearer token and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// What it is compared with.
    #[serde(flatten)]
    pub value: TokenValue,
    /// The caller's name in log and audit; without one, the beginning of the hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose token it is.
    pub tenant: TenantName,
    /// What it may do.
    pub scopes: Vec<Placed<Scope>>,
}

/// What a bearer token is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenValue {
    /// The SHA-256 of the token's bytes.
    Sha256(#[serde(serialize_with = "hex")] [u8; 32]),
    /// The token itself lies in a secret; a file is read again when it changes.
    Secret(Placed<SecretRef>),
}

fn hex<S: serde::Serializer>(hash: &[u8; 32], output: S) -> Result<S::Ok, S::Error> {
    output.collect_str(&hex::encode(hash))
}

/// Who may call. With this key a call without a credential is refused.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Identity")]
#[schemars(extend("anyOf" = [{ "required": ["tokens"] }, { "required": ["jwt"] }]))]
pub(crate) struct IdentityDocument {
    /// Static bearer tokens.
    #[schemars(extend("minItems" = 1))]
    pub tokens: Field<Vec<Field<TokenDocument>>>,
    /// Issuers of JSON web tokens (OAuth 2.1 resource server).
    #[schemars(extend("minItems" = 1))]
    pub jwt: Field<Vec<Field<JwtDocument>>>,
    /// The public URL of this server, as clients and gateways reach it; it stands in the protected resource
    /// metadata (RFC 9728). Without it a request's own `Host` is used.
    pub resource: Field<PublicUrl>,
}

/// A static bearer token, or a file with a list of them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Token")]
#[schemars(extend("oneOf" = [
    { "required": ["sha256", "scopes"], "properties": { "file": false, "secret": false } },
    { "required": ["secret", "scopes"], "properties": { "file": false, "sha256": false } },
    { "required": ["file"], "maxProperties": 1 },
]))]
pub(crate) struct TokenDocument {
    /// A YAML file that holds a list of tokens; read again when it changes.
    #[schemars(extend("minLength" = 1))]
    pub file: Field<String>,
    /// The SHA-256 of the token's bytes, in 64 hex digits.
    pub sha256: Field<TokenHash>,
    /// Where the token itself lies; a file is read again when it changes.
    pub secret: Field<SecretDocument>,
    /// The caller's name in log and audit.
    pub name: Field<CallerName>,
    /// Whose token it is.
    #[schemars(extend("default" = TenantName::default()))]
    pub tenant: Field<TenantName>,
    /// What it may do.
    #[schemars(extend("minItems" = 1))]
    pub scopes: Field<Vec<Field<Scope>>>,
}

/// A SHA-256.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenHash(pub [u8; 32]);

/// A caller's name.
#[derive(Debug, Clone)]
pub(crate) struct CallerName(pub String);

impl Scalar for CallerName {
    const EXPECTED: &'static str = "a caller's name";
}

impl FromStr for CallerName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        const LONGEST: usize = 64;
        let problem = if given.trim().is_empty() {
            "it is empty"
        } else if given.contains(char::is_control) {
            "it has control characters"
        } else if given.chars().nth(LONGEST).is_some() {
            "it is longer than 64 characters"
        } else {
            return Ok(Self(given.to_owned()));
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

/// Why a hash is none; what was given is not shown, for it may be the token itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAHash {
    #[error("the SHA-256 of a token is 64 hex digits; `printf %s TOKEN | sha256sum` prints it")]
    Malformed,
    #[error(
        "this is the SHA-256 of nothing, and no token is empty; `printf %s TOKEN | sha256sum` prints that of a token"
    )]
    OfNothing,
}

/// The SHA-256 of no bytes.
const OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl FromStr for TokenHash {
    type Err = NotAHash;

    fn from_str(given: &str) -> Result<Self, NotAHash> {
        match scalar::sha256(given) {
            None => Err(NotAHash::Malformed),
            Some(OF_NOTHING) => Err(NotAHash::OfNothing),
            Some(hash) => Ok(Self(hash)),
        }
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

scalar::read_as_text!(CallerName);
