//! A manifest as it is written, before it is resolved.

use std::{collections::BTreeSet, fmt, marker::PhantomData};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    SourceName, SourceRef, ToolPrefix, Version, engine::EngineDocument, field::Field,
    limits::LimitsPatch,
};

/// A sandglass manifest, or, in short, one source of tools.
pub(crate) type Document = Short<DocumentBody>;

/// A source of tools: its reference, or an object with the reference and more.
pub(crate) type ToolDocument = Short<ToolBody>;

/// Something that is written as a reference if there is no more to say about it.
#[derive(Debug, Clone)]
pub(crate) enum Short<T> {
    Reference(SourceRef),
    Full(T),
}

/// What a sandglass host serves, and under which limits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Manifest")]
#[schemars(extend("dependentRequired" = { "defaults": ["version"], "engine": ["version"] }))]
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
#[schemars(extend("not" = { "required": ["include", "exclude"] }))]
pub(crate) struct ToolBody {
    /// Where the component lies.
    pub source: Field<SourceRef>,
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
    /// Limits of each call of the source's tools.
    #[serde(default)]
    pub limits: Field<LimitsPatch>,
}

impl DocumentBody {
    /// The document that a lone reference stands for.
    pub(crate) fn of_one(source: SourceRef) -> Self {
        Self {
            tools: Field::unplaced(vec![Field::unplaced(Short::Reference(source))]),
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
    const EXPECTED: &'static str = "a tool: a source, or an object with `source`";
}

impl<'de, T: Deserialize<'de> + Forms> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Not an untagged enum: that would lose the places, and which form's error to show.
        input.deserialize_any(ShortVisitor(PhantomData))
    }
}

struct ShortVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Forms> Visitor<'de> for ShortVisitor<T> {
    type Value = Short<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, reference: &str) -> Result<Self::Value, E> {
        reference.parse().map(Short::Reference).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Short::Full)
    }
}
