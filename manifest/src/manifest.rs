//! The resolved manifest, and the way to it from a document.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Allow, Audit, Cosign, Engine, Identity, Keyless, Language, Limits, ManifestError, Origin,
    Placed, SignatureRule, SourceName, SourceRef, Store, StoreName, Surroundings, Tasks, Tenant,
    TenantName, Token, ToolFilter, ToolPrefix, Verify,
    document::{Document, DocumentBody},
    resolve::Resolver,
    scalar::{self, InvalidValue, Scalar},
    tenant, yaml,
};

/// What a host serves, and under which limits: validated and with every value in its place.
///
/// Its serialized form is a manifest too, with the same meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// The format's version.
    pub version: Version,
    /// What holds for tools that the manifest does not name.
    pub defaults: Defaults,
    /// Settings of the engine that all tools share.
    pub engine: Engine,
    /// The sources of tools, in the document's order; `None` if it does not speak of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Key-value stores that tools may be granted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stores: BTreeMap<StoreName, Store>,
    /// Where calls that go on as tasks are kept; `None`: in the memory of the host that began them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
    /// Who may call; `None`: anybody who reaches the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The tenants beside the default one, and, under `default`, the limits and quota of that one (its `tools` are the
    /// top-level ones, and empty here).
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "tenant::as_written"
    )]
    pub tenants: BTreeMap<TenantName, Tenant>,
    /// Where the audit records go; `None`: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Sources that must be signed, whether or not they say so themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require_signature: Vec<SignatureRule>,
}

/// What holds for tools that the manifest does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defaults {
    /// Limits of each call.
    pub limits: Limits,
}

/// A source of tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Where the component or the source text lies.
    #[serde(flatten, serialize_with = "SourceRef::as_entry")]
    pub source: SourceRef,
    /// What is written there in, where its name does not say so and it is no component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Whether a source text's functions that cannot be tools are left out, instead of the whole text.
    #[serde(skip_serializing_if = "is_false")]
    pub partial: bool,
    /// The source's name in logs, audit and status, if it was given one; unique in the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<SourceName>,
    /// What stands before the names of its tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<ToolPrefix>,
    /// Which of its tools are served.
    #[serde(flatten, skip_serializing_if = "ToolFilter::is_all")]
    pub filter: ToolFilter,
    /// Whether its tools must stay what they were when they were first seen.
    #[serde(skip_serializing_if = "is_false")]
    pub pin: bool,
    /// The signature that its components must carry by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Limits of each call of its tools.
    pub limits: Limits,
    /// What its tools may reach.
    #[serde(skip_serializing_if = "Allow::is_empty")]
    pub allow: Allow,
    /// The policy file that says what its tools may reach.
    #[serde(skip)]
    pub policy: Option<PathBuf>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The version of the manifest's format: 1 is the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version;

impl Version {
    /// The version's number.
    pub const NUMBER: u64 = 1;
}

impl Scalar for Version {
    const EXPECTED: &'static str = "a version that this program knows";
}

impl std::str::FromStr for Version {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        if given == Self::NUMBER.to_string() {
            return Ok(Self);
        }
        let problem = format!("it knows version {}", Self::NUMBER);
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

impl Manifest {
    /// What holds where there is no document: built-in defaults, and no word about tools.
    pub fn absent(surroundings: &Surroundings) -> Self {
        Self {
            version: Version,
            defaults: Defaults {
                limits: Limits::DEFAULT,
            },
            engine: Engine {
                max_memory: Engine::MAX_MEMORY,
                max_instances: Engine::MAX_INSTANCES,
                cache_dir: surroundings.default_cache_dir(),
                cache_size: Engine::CACHE_SIZE,
                tag_interval: Engine::TAG_INTERVAL,
            },
            tools: None,
            stores: BTreeMap::new(),
            tasks: None,
            identity: None,
            tenants: BTreeMap::new(),
            audit: None,
            require_signature: Vec::new(),
        }
    }

    /// Reads a manifest from a file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let origin = Origin::File(path.to_owned());
        Self::parse(&yaml::text_of(path, &origin)?, &origin)
    }

    /// Reads a manifest from YAML or JSON text, in the surroundings of this process.
    pub fn parse(text: &str, origin: &Origin) -> Result<Self, ManifestError> {
        Self::parse_in(text, origin, &Surroundings::of_process())
    }

    /// Reads a manifest from YAML or JSON text.
    pub fn parse_in(
        text: &str,
        origin: &Origin,
        surroundings: &Surroundings,
    ) -> Result<Self, ManifestError> {
        let document = match yaml::read(text, origin)? {
            Document::Full(document) => document,
            Document::Text(source) => DocumentBody::of_one(source),
        };
        Resolver::new(origin, surroundings).manifest(&document)
    }

    /// Reads a file of tokens that [`identity`](Self::identity) names; they belong to the tenants of this
    /// manifest. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else. A list with nothing in it is none: so the last token is
    /// revoked. A file with nothing in it is: it may be one that is being written.
    pub fn read_tokens(&self, file: &Placed<PathBuf>) -> Result<Vec<Token>, ManifestError> {
        let origin = Origin::File(file.to_path_buf());
        let text = yaml::text_of(file, &origin).map_err(|error| {
            let shown = scalar::quoted(&file.display().to_string());
            file.error(format!(
                "identity.tokens: the file {shown} {}",
                error.message()
            ))
        })?;
        if text.trim().is_empty() {
            return Err(ManifestError::whole(
                &origin,
                "the file is empty; list the tokens in it, or write `[]` if there are none",
            ));
        }
        let tokens: Vec<_> = yaml::read(&text, &origin)?;
        Resolver::new(&origin, &Surroundings::of_process()).token_file(&tokens, &self.tenants)
    }

    /// The policy files that were read for it.
    pub fn policies(&self) -> impl Iterator<Item = &Path> {
        let tenants = self.tenants.values().flat_map(|tenant| &tenant.tools);
        let tools = self.tools.iter().flatten().chain(tenants);
        tools.filter_map(|tool| tool.policy.as_deref())
    }

    /// The keyless signatures that it asks for, of whatever source.
    pub fn keyless(&self) -> impl Iterator<Item = &Placed<Keyless>> {
        let tenants = self.tenants.values().flat_map(|tenant| &tenant.tools);
        let tools = self.tools.iter().flatten().chain(tenants);
        let own = tools
            .flat_map(|tool| &tool.verify)
            .map(|verify| &verify.cosign);
        let rules = self.require_signature.iter().map(|rule| &rule.cosign);
        own.chain(rules).flat_map(|cosign| &cosign.keyless)
    }

    /// The signatures that a tool's components must carry: by its own word, and by each rule that covers it. All of them.
    pub fn signatures(&self, tool: &Tool) -> Vec<Cosign> {
        let own = tool.verify.iter().map(|verify| &verify.cosign);
        let rules = self
            .require_signature
            .iter()
            .filter(|rule| rule.source.covers(&tool.source));
        own.chain(rules.map(|rule| &rule.cosign)).cloned().collect()
    }

    /// The manifest as a YAML document.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("a manifest holds only numbers, text, lists and maps")
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
pub(crate) mod tests;
