//! Policies of [Wassette](https://github.com/microsoft/wassette): what a component may reach there, as
//! grants here.
//!
//! A policy means here what it means there, or it is refused: nothing of it is dropped. What differs in
//! form is said at the field.

use std::{num::NonZeroU16, path::Path, str::FromStr};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use serde_saphyr::Spanned;

use crate::{
    Allow, ByteSize, HostPattern, HttpRule, ManifestError, Origin, SourceRef, Surroundings,
    Version,
    host::HostAndPort,
    resolve::Resolver,
    scalar::{self, InvalidValue, Scalar},
    secret::EnvName,
    yaml,
};

/// What a policy of Wassette grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WassettePolicy {
    /// What the component's tools may reach.
    pub allow: Allow,
    /// All linear memories and tables of an instance.
    pub memory: Option<ByteSize>,
}

impl WassettePolicy {
    /// Reads a policy from a file. Relative folders in it start at the file's own, where Wassette keeps the
    /// component beside it.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let origin = Origin::File(path.to_owned());
        Self::parse(&yaml::text_of(path, &origin)?, &origin)
    }

    /// Reads a policy from YAML text.
    pub fn parse(text: &str, origin: &Origin) -> Result<Self, ManifestError> {
        Self::parse_in(text, origin, &Surroundings::of_process())
    }

    /// A manifest in which the tools of `source` may reach the same.
    pub fn to_manifest(&self, source: &SourceRef) -> String {
        let mut tool = json!({ "source": source.to_string(), "allow": self.allow });
        if let Some(memory) = self.memory {
            tool["limits"] = json!({ "memory": memory });
        }
        let manifest = json!({ "version": Version::NUMBER, "tools": [tool] });
        serde_saphyr::to_string(&manifest).expect("it holds only numbers, text, lists and maps")
    }

    pub(crate) fn parse_in(
        text: &str,
        origin: &Origin,
        surroundings: &Surroundings,
    ) -> Result<Self, ManifestError> {
        let document = yaml::read(text, origin)?;
        Resolver::new(origin, surroundings).policy(&document)
    }
}

/// A key that may be missing. Wassette writes what is not there as `null`.
pub(crate) type Maybe<T> = Option<Spanned<T>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyDocument {
    #[serde(rename = "$schema")]
    _schema: Maybe<IgnoredAny>,
    #[serde(rename = "version")]
    _version: PolicyVersion,
    #[serde(rename = "description")]
    _description: Maybe<IgnoredAny>,
    pub permissions: Option<Permissions>,
}

/// `1.` and a number: Wassette knows no others.
#[derive(Debug)]
pub(crate) struct PolicyVersion;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Permissions {
    pub storage: Option<Rules<StorageRule>>,
    pub network: Option<Rules<NetworkRule>>,
    pub environment: Option<Rules<EnvironmentRule>>,
    pub resources: Option<Resources>,
    pub runtime: Maybe<IgnoredAny>,
    pub ipc: Maybe<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules<T> {
    pub allow: Option<Vec<Spanned<T>>>,
    pub deny: Maybe<Vec<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageRule {
    pub uri: Spanned<String>,
    pub access: Spanned<Vec<StorageAccess>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageAccess {
    Read,
    Write,
}

/// One of `host`, `cidr` and `defaults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkRule {
    pub host: Maybe<PolicyHost>,
    pub cidr: Maybe<IgnoredAny>,
    pub defaults: Maybe<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentRule {
    pub key: EnvName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resources {
    pub limits: Option<ResourceLimits>,
    /// In MiB; the older form of `limits.memory`.
    pub memory: Maybe<u64>,
    pub cpu: Maybe<IgnoredAny>,
    pub io: Maybe<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceLimits {
    pub memory: Maybe<Quantity>,
    pub cpu: Maybe<IgnoredAny>,
}

/// Bytes as Kubernetes writes them, with a unit: `512Mi`, `1G`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity(pub ByteSize);

/// A host, which may have a scheme before it, with the ports that follow.
#[derive(Debug, Clone)]
pub(crate) struct PolicyHost {
    pub host: HostPattern,
    pub ports: Vec<NonZeroU16>,
}

impl Scalar for PolicyVersion {
    const EXPECTED: &'static str = "a version of Wassette's policies";
}

impl Scalar for StorageAccess {
    const EXPECTED: &'static str = "an access";
}

impl Scalar for PolicyHost {
    const EXPECTED: &'static str = "a host";
}

impl Scalar for Quantity {
    const EXPECTED: &'static str = "a quantity such as 512Mi";
}

impl FromStr for PolicyVersion {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        match given.strip_prefix("1.") {
            Some(_) => Ok(Self),
            None => Err(InvalidValue::new::<Self>(given, "it starts with `1.`")),
        }
    }
}

impl FromStr for StorageAccess {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        scalar::word(given, &[("read", Self::Read), ("write", Self::Write)])
    }
}

impl FromStr for PolicyHost {
    type Err = InvalidValue;

    /// Wassette compares host and scheme, and leaves the port open. A rule here has one port: those of both
    /// schemes stand for an open one.
    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        const HTTP: NonZeroU16 = NonZeroU16::new(80).expect("more than zero");
        let (plain, ports): (_, &[NonZeroU16]) = if let Some(rest) = given.strip_prefix("https://")
        {
            (rest, &[HttpRule::PORT])
        } else if let Some(rest) = given.strip_prefix("http://") {
            (rest, &[HTTP])
        } else {
            (given, &[HttpRule::PORT, HTTP])
        };
        let HostAndPort { host, port } = plain.strip_suffix('/').unwrap_or(plain).parse()?;
        Ok(Self {
            host,
            ports: port.map_or(ports.to_vec(), |port| vec![port.0]),
        })
    }
}

impl FromStr for Quantity {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        const UNITS: [(&str, u64); 6] = [
            ("Ki", 1 << 10),
            ("Mi", 1 << 20),
            ("Gi", 1 << 30),
            ("k", 1_000),
            ("M", 1_000_000),
            ("G", 1_000_000_000),
        ];
        let (number, unit) = scalar::number_and_unit::<Self>(given)?;
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let problem = "write it with one of the units Ki, Mi, Gi, k, M, G";
            return Err(InvalidValue::new::<Self>(given, problem));
        };
        number
            .checked_mul(*factor)
            .map(|bytes| Self(ByteSize::bytes(bytes)))
            .ok_or_else(|| scalar::too_large::<Self>(given))
    }
}

scalar::read_as_text!(PolicyVersion, StorageAccess, PolicyHost, Quantity);

#[cfg(test)]
#[path = "wassette_tests.rs"]
mod tests;
