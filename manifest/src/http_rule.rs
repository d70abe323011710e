//! A rule of outbound HTTP: which requests pass.

use std::{collections::BTreeMap, num::NonZeroU16, path::PathBuf, str::FromStr};

use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    HostPattern, PathPrefix, Placed, TextOrSecret,
    document::{Forms, Short},
    field::Field,
    host::{HostAndPort, Port},
    scalar::{self, InvalidValue, Scalar},
    secret::TextOrSecretDocument,
};

/// Which outbound requests pass, and what the host adds to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpRule {
    /// The host.
    pub host: HostPattern,
    /// The port.
    pub port: NonZeroU16,
    /// The methods, in capitals; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// What the path starts with, by whole segments: `/v1` covers `/v1` and `/v1/x`, not `/v10`.
    pub path: PathPrefix,
    /// Whether the host may have a private address (loopback, RFC 1918, link-local, ..).
    pub private: bool,
    /// Headers that the host sets on each request that this rule allows; they replace the guest's own,
    /// and the guest never sees them. The names are in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Placed<TextOrSecret>>,
    /// Certificates (PEM) that are trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Placed<PathBuf>>,
}

impl HttpRule {
    /// The port where none is written.
    pub(crate) const PORT: NonZeroU16 = NonZeroU16::new(443).expect("more than zero");

    /// The rule that says no more than this.
    pub(crate) fn to(host: HostPattern, port: NonZeroU16) -> Self {
        Self {
            host,
            port,
            methods: Vec::new(),
            path: PathPrefix::default(),
            private: false,
            headers: BTreeMap::new(),
            ca: None,
        }
    }

    /// Whether one of the headers is a secret.
    pub fn has_secret(&self) -> bool {
        self.headers
            .values()
            .any(|value| matches!(**value, TextOrSecret::Secret { .. }))
    }
}

/// The short form of a rule: `api.example.com`, or `api.example.com:8080`.
impl FromStr for HttpRule {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        given.parse().map(|short: HostAndPort| Self::from(&short))
    }
}

impl From<&HostAndPort> for HttpRule {
    fn from(short: &HostAndPort) -> Self {
        let port = short.port.map_or(Self::PORT, |port| port.0);
        Self::to(short.host.clone(), port)
    }
}

/// A rule as it is written: a host, with a port or not, or an object.
pub(crate) type HttpRuleDocument = Short<HostAndPort, HttpRuleBody>;

/// Which requests pass, and what the host adds to them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpRule")]
pub(crate) struct HttpRuleBody {
    /// The host's name or address, or `*.example.com` for all names below a domain.
    pub host: Field<HostPattern>,
    /// The port.
    #[serde(default)]
    #[schemars(extend("default" = HttpRule::PORT))]
    pub port: Field<Port>,
    /// The methods; any without this key.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub methods: Field<Vec<Field<MethodName>>>,
    /// What the path starts with, by whole segments.
    #[serde(default)]
    #[schemars(extend("default" = PathPrefix::default()))]
    pub path: Field<PathPrefix>,
    /// Whether the host may have a private address: loopback, RFC 1918, link-local and the like.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub private: Field<bool>,
    /// Headers that the host sets on each request; the tools never see them.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1))]
    pub headers: Field<BTreeMap<HeaderKey, Field<TextOrSecretDocument>>>,
    /// A file of certificates (PEM) that are trusted beside the system's.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub ca: Field<String>,
}

impl Forms for HttpRuleBody {
    const EXPECTED: &'static str = "a rule: a host, or an object with `host`";
}

/// A method (RFC 9110, section 9.1), in capitals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MethodName(pub String);

/// A header's name that a rule may set, as it is written: two spellings of one name are two keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeaderKey(pub String);

/// What frames or routes a message is the HTTP client's own (RFC 9110, section 7.6.1).
const NOT_TO_SET: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Scalar for MethodName {
    const EXPECTED: &'static str = "a method such as GET";
}

impl Scalar for HeaderKey {
    const EXPECTED: &'static str = "a header that can be set";
}

impl FromStr for MethodName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let name = given.to_ascii_uppercase();
        let problem = match Method::from_bytes(name.as_bytes()) {
            Err(_) => "a method is one word",
            // No request with one of these passes.
            Ok(_) if matches!(&*name, "CONNECT" | "TRACE" | "TRACK") => {
                "tunnels and traces are not offered; remove it"
            }
            Ok(_) => return Ok(Self(name)),
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

impl FromStr for HeaderKey {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let Ok(name) = HeaderName::from_bytes(given.as_bytes()) else {
            let problem = "a name has letters, digits and `-`";
            return Err(InvalidValue::new::<Self>(given, problem));
        };
        if NOT_TO_SET.contains(&name.as_str()) {
            let problem = "the HTTP client sets it itself; remove it";
            return Err(InvalidValue::new::<Self>(given, problem));
        }
        Ok(Self(given.to_owned()))
    }
}

scalar::read_as_text!(MethodName, HeaderKey);
