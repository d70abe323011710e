//! A manifest as it is written, before it is resolved.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    Language, SourceName, SourceRef, StoreName, TenantName, ToolPrefix, Version,
    allow::AllowDocument,
    audit::AuditDocument,
    engine::EngineDocument,
    field::Field,
    identity::IdentityDocument,
    limits::LimitsPatch,
    parts::WholeOrParts,
    store::StoreDocument,
    tasks::TasksDocument,
    tenant::TenantDocument,
    verify::{SignatureRuleDocument, VerifyDocument},
};

/// A sandglass manifest, or, in short, one source of tools.
pub(crate) type Document = Short<SourceRef, DocumentBody>;

/// A source of tools: its reference, or an object with the reference and more.
pub(crate) type ToolDocument = Short<SourceRef, ToolBody>;

/// Something that is written as one text if there is no more to say about it.
#[derive(Debug, Clone)]
pub(crate) enum Short<S, T> {
    Text(S),
    Full(T),
}

/// What a sandglass host serves, and under which limits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Manifest")]
#[schemars(extend("dependentRequired" = {
    "defaults": ["version"],
    "engine": ["version"],
    "stores": ["version"],
    "tasks": ["version"],
    "identity": ["version"],
    "tenants": ["version"],
    "audit": ["version"],
    "require_signature": ["version"],
}))]
pub(crate) struct DocumentBody {
    /// The format's version. Only a manifest that has nothing but `tools` may leave it out.
    pub version: Field<Version>,
    /// What holds for every tool that does not say otherwise.
    pub defaults: Field<DefaultsDocument>,
    /// Settings of the engine that all tools share.
    pub engine: Field<EngineDocument>,
    /// The sources of tools. Without this key the host's own tools are served; with an empty list
    /// none is.
    pub tools: Field<Vec<Field<ToolDocument>>>,
    /// Key-value stores that tools may be granted, by name.
    pub stores: Field<BTreeMap<StoreName, Field<StoreDocument>>>,
    /// Where calls that go on as tasks are kept. Without this key: in the memory of the host that began them.
    pub tasks: Field<TasksDocument>,
    /// Who may call. Without this key: anybody who reaches the host.
    pub identity: Field<IdentityDocument>,
    /// The tenants beside the default one, by name; and, as `default`, limits and quota of that one.
    pub tenants: Field<BTreeMap<TenantName, Field<TenantDocument>>>,
    /// Where the audit records go. Without this key: nowhere.
    pub audit: Field<AuditDocument>,
    /// Sources that must be signed, whether or not they say `verify`. Each rule that matches a source must be met.
    #[schemars(extend("minItems" = 1))]
    pub require_signature: Field<Vec<Field<SignatureRuleDocument>>>,
}

/// What holds for every tool that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Defaults")]
pub(crate) struct DefaultsDocument {
    /// Limits of each call.
    pub limits: Field<LimitsPatch>,
}

/// A source of tools with what is said about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tool")]
#[schemars(extend("allOf" = [
    { "oneOf": [{ "required": ["source"] }, { "required": ["python"] }, { "required": ["javascript"] }] },
    { "not": { "required": ["python", "language"] } },
    { "not": { "required": ["javascript", "language"] } },
    { "not": { "required": ["include", "exclude"] } },
    { "not": { "required": ["allow", "policy"] } },
]))]
pub(crate) struct ToolBody {
    /// Where the component, or a file of source text, lies; a list joins a component's parts in order.
    #[serde(default)]
    pub source: Field<WholeOrParts>,
    /// Python source, in the place of `source`: each of its functions is a tool, unless its name starts with `_`.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub python: Field<String>,
    /// JavaScript source, in the place of `source`: each function that it exports is a tool.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub javascript: Field<String>,
    /// What the text at `source` is written in, unless the file's or key's name says so. A component needs none.
    #[serde(default)]
    pub language: Field<Language>,
    /// Of source text, leave out the functions that cannot be tools, and serve the others; else one such function
    /// leaves out all.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub partial: Field<bool>,
    /// The source's name in logs, audit and status; no other source may have it.
    #[serde(default)]
    pub name: Field<SourceName>,
    /// Stands, followed by `_`, before the names of the source's tools.
    #[serde(default)]
    pub prefix: Field<ToolPrefix>,
    /// Serve only the tools of these names (without prefix). Not together with `exclude`.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub include: Field<BTreeSet<String>>,
    /// Serve all tools but those of these names (without prefix). Not together with `include`.
    #[serde(default)]
    #[schemars(extend("minItems" = 1))]
    pub exclude: Field<BTreeSet<String>>,
    /// Refuse the component if what its tools say of themselves (names, descriptions, schemas) is not what they said
    /// when this host first saw them behind the same reference.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub pin: Field<bool>,
    /// The signature that the source's components must carry; without it they are left out. Only with `oci://`.
    #[serde(default)]
    pub verify: Field<VerifyDocument>,
    /// Limits of each call of the source's tools.
    #[serde(default)]
    pub limits: Field<LimitsPatch>,
    /// What the source's tools may reach; nothing without this key.
    #[serde(default)]
    pub allow: Field<AllowDocument>,
    /// A policy file of Wassette, in the place of `allow`.
    #[serde(default)]
    #[schemars(extend("minLength" = 1))]
    pub policy: Field<String>,
}

impl DocumentBody {
    /// The document that a lone reference stands for.
    pub(crate) fn of_one(source: SourceRef) -> Self {
        Self {
            tools: Field::unplaced(vec![Field::unplaced(Short::Text(source))]),
            ..Self::default()
        }
    }
}

/// What to call the two forms in an error.
pub(crate) trait Forms {
    const EXPECTED: &'static str;
}

impl Forms for DocumentBody {
    const EXPECTED: &'static str = "a manifest: an object with `tools`, or one source";
}

impl Forms for ToolBody {
    const EXPECTED: &'static str =
        "a tool: a source, or an object with `source`, `python` or `javascript`";
}

impl<'de, S, T> Deserialize<'de> for Short<S, T>
where
    S: FromStr<Err: fmt::Display>,
    T: Deserialize<'de> + Forms,
{
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Not an untagged enum: that would lose the places, and which form's error to show.
        input.deserialize_any(ShortVisitor(PhantomData))
    }
}

struct ShortVisitor<S, T>(PhantomData<(S, T)>);

impl<'de, S, T> Visitor<'de> for ShortVisitor<S, T>
where
    S: FromStr<Err: fmt::Display>,
    T: Deserialize<'de> + Forms,
{
    type Value = Short<S, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(Short::Text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Short::Full)
    }
}
