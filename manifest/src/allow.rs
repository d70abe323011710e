//! What a source's tools may reach. Nothing is granted that is not named here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    HttpRule, Placed, StoreName, TextOrSecret,
    field::Field,
    http_rule::HttpRuleDocument,
    scalar::{self, InvalidValue, Scalar},
    secret::{EnvName, TextOrSecretDocument},
};

/// The capabilities that are granted to a source's tools.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Allow {
    /// Environment variables, delivered by `wasi:cli/environment` and `wasi:config/store`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Placed<TextOrSecret>>,
    /// Outbound HTTP requests. A request passes if one of the rules allows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRule>,
    /// Folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FolderGrant>,
    /// Key-value stores of the manifest's `stores`, opened by name through `wasi:keyvalue/store`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyvalue: Vec<StoreName>,
}

impl Allow {
    /// Whether it grants nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The files that its secrets are in.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        let headers = self.http.iter().flat_map(|rule| rule.headers.values());
        self.env.values().chain(headers).filter_map(|value| {
            let TextOrSecret::Secret { secret } = &**value else {
                return None;
            };
            secret.file()
        })
    }

    /// The files of the certificates that its rules trust.
    pub fn authority_files(&self) -> impl Iterator<Item = &Path> {
        let authorities = self.http.iter().filter_map(|rule| rule.ca.as_ref());
        authorities.map(|ca| ca.as_path())
    }
}

/// A folder of the host that a guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FolderGrant {
    /// The folder; absolute in a resolved manifest.
    pub host: Placed<PathBuf>,
    /// Where the guest sees it: absolute, without `.` and `..`.
    pub guest: String,
    /// What may be done in it.
    pub access: Access,
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and list.
    #[default]
    Read,
    /// Read, list, write, create and remove.
    ReadWrite,
}

/// What a source's tools may reach; nothing else.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Allow", extend("minProperties" = 1))]
pub(crate) struct AllowDocument {
    /// Environment variables and their values. The host's own are not passed on.
    #[schemars(extend("minProperties" = 1))]
    pub env: Field<BTreeMap<EnvName, Field<TextOrSecretDocument>>>,
    /// Outbound HTTP requests: a request passes if one of the rules allows it.
    #[schemars(extend("minItems" = 1))]
    pub http: Field<Vec<Field<HttpRuleDocument>>>,
    /// Folders.
    #[schemars(extend("minItems" = 1))]
    pub files: Field<Vec<Field<FolderDocument>>>,
    /// Key-value stores, by their names in `stores`.
    #[schemars(extend("minItems" = 1))]
    pub keyvalue: Field<Vec<Field<StoreName>>>,
}

/// A folder that the tools see.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Folder")]
pub(crate) struct FolderDocument {
    /// The folder; a relative one starts at the manifest's folder.
    #[schemars(extend("minLength" = 1))]
    pub host: Field<String>,
    /// Where the tools see it: an absolute path.
    pub guest: Field<GuestPath>,
    /// What may be done in it.
    #[serde(default)]
    #[schemars(extend("default" = Access::default()))]
    pub access: Field<Access>,
}

/// Where a guest sees a folder: absolute, without `.` and `..`, no `/` at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GuestPath(pub String);

impl Scalar for Access {
    const EXPECTED: &'static str = "an access";
}

impl Scalar for GuestPath {
    const EXPECTED: &'static str = "a guest's path";
}

impl FromStr for Access {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        scalar::word(
            given,
            &[("read", Self::Read), ("read-write", Self::ReadWrite)],
        )
    }
}

impl FromStr for GuestPath {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let problem = if !given.starts_with('/') {
            "it must start with `/`"
        } else if given.contains(char::is_control) {
            "a path has no control characters"
        } else if given
            .split('/')
            .any(|segment| matches!(segment, "." | ".."))
        {
            "it has a `.` or `..`; write the path that they stand for"
        } else if given.contains("//") {
            "it has an empty segment; write one `/`"
        } else {
            let path = given.strip_suffix('/').unwrap_or(given);
            return Ok(Self(if path.is_empty() { "/" } else { path }.to_owned()));
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(Access, GuestPath);
