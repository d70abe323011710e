//! Tenants: who owns tools, quotas and credentials.

use std::{collections::BTreeMap, num::NonZeroU16, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Count, Fuel, Limits, Tool,
    document::ToolDocument,
    field::Field,
    host::Port,
    limits::LimitsPatch,
    scalar::{self, InvalidValue, Scalar},
};

/// A tenant's name, as it stands in `/t/{tenant}/mcp`: lower-case letters, digits and `-`, at most 63 of
/// them, no `-` at either end (RFC 1123, a label).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TenantName(String);

const DEFAULT: &str = "default";

/// A tenant: its tools and what all of them together may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its sources of tools.
    pub tools: Vec<Tool>,
    /// What holds for its tools that do not say otherwise.
    pub limits: Limits,
    /// What all its calls together may use.
    pub quota: Quota,
    /// The port that is its own: there its endpoints lie at the root, and no other tenant's anywhere.
    pub port: Option<NonZeroU16>,
}

/// What the calls of a tenant may use together; what is not set is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Quota {
    /// Calls that may start within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<Count>,
    /// Fuel that may be burnt within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_per_minute: Option<Fuel>,
    /// Calls at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Count>,
}

impl Quota {
    /// Whether it bounds nothing.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl TenantName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the tenant of the root paths.
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT
    }
}

impl Default for TenantName {
    /// The tenant of the root paths and of the manifest's top-level `tools`.
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl std::fmt::Display for TenantName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant: its tools and what all of them together may use.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tenant")]
pub(crate) struct TenantDocument {
    /// Its sources of tools. Needed, if only as an empty list; not for `default`, whose tools are the
    /// manifest's own `tools`.
    pub tools: Field<Vec<Field<ToolDocument>>>,
    /// What holds for its tools that do not say otherwise.
    pub limits: Field<LimitsPatch>,
    /// What all its calls together may use.
    pub quota: Field<QuotaDocument>,
    /// A port of its own beside the host's: there its endpoints lie at the root, and no other tenant's anywhere. Not for
    /// `default`.
    pub port: Field<Port>,
}

/// What the calls of a tenant may use together; what is not set is not bounded.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Quota", extend("minProperties" = 1))]
pub(crate) struct QuotaDocument {
    /// Calls that may start within a minute.
    pub calls_per_minute: Field<Count>,
    /// Fuel that may be burnt within a minute.
    pub fuel_per_minute: Field<Fuel>,
    /// Calls at once.
    pub concurrency: Field<Count>,
}

/// Writes the tenants as a document has them: `default` without `tools`.
pub(crate) fn as_written<S: Serializer>(
    tenants: &BTreeMap<TenantName, Tenant>,
    output: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        tools: Option<&'a [Tool]>,
        limits: Limits,
        #[serde(skip_serializing_if = "Quota::is_unlimited")]
        quota: Quota,
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<NonZeroU16>,
    }
    output.collect_map(tenants.iter().map(|(name, tenant)| {
        let written = Written {
            tools: (!name.is_default()).then_some(&tenant.tools),
            limits: tenant.limits,
            quota: tenant.quota,
            port: tenant.port,
        };
        (name, written)
    }))
}

impl Scalar for TenantName {
    const EXPECTED: &'static str = "a tenant's name";
}

impl FromStr for TenantName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let problem = if given.is_empty() {
            "it is empty"
        } else if !given.bytes().all(allowed) {
            "use lower-case letters, digits and `-`"
        } else if given.starts_with('-') || given.ends_with('-') {
            "it starts or ends with `-`"
        } else if given.len() > 63 {
            "it is longer than 63 characters"
        } else {
            return Ok(Self(given.to_owned()));
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(TenantName);
