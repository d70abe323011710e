//! From flags, environment and manifest to what the host is started with.

pub mod drop_in;
mod own_files;

use std::env::VarError;
use std::path::{Path, PathBuf};

use sandglass_manifest::{
    Inline, Language, Manifest, ManifestError, Origin, SourceRef, Surroundings, TenantName, Tool,
    unreadable,
};

use crate::catalog::Source;
use crate::invoke::{TenantId, Tenants};
use crate::sandbox::cache::CodeCache;
use crate::sandbox::compile::Compiler;
use crate::sandbox::{EngineSettings, GrantedFolders, OwnFile};
use crate::source::FetchSettings;
use crate::source::verify::NO_KEYLESS;

/// The manifest as a document in the environment; on Kubernetes the CRD's `params`.
const PARAMS: &str = "MCP_PARAMS";

/// Registries that are spoken to without TLS, as `host` or `host:port`, separated by commas.
const INSECURE_REGISTRIES: &str = "SANDGLASS_INSECURE_REGISTRIES";

/// A docker `config.json` or Kubernetes `.dockerconfigjson` with the credentials of registries.
const REGISTRY_AUTH_FILE: &str = "SANDGLASS_REGISTRY_AUTH_FILE";

/// Inline Python of the runtime that this host replaces.
const TOOLS_STRING: &str = "MCP_TOOLS_STRING";

/// Why the host does not start. One line: what was wrong, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is no manifest.
    #[error("--config: {} {problem}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The manifest in the environment is no text.
    #[error("{PARAMS} is not UTF-8: write the manifest to a file and name it in --config")]
    NotText,
    /// There is a Python source where a manifest should be.
    #[error(
        "{PARAMS} holds Python source, and no manifest: put it into {TOOLS_STRING}, or write `tools: [{{ python: .. }}]` around it ({0})"
    )]
    PythonInPlace(ManifestError),
    /// Nor is the inline Python.
    #[error(
        "{TOOLS_STRING} is not UTF-8: write the Python source to a file and name it in the manifest"
    )]
    ToolsStringNotText,
    /// The manifest names no tools and the first-party ones are not there.
    #[error("no tools: the manifest names none, and the first-party tools are not in {}; name tools in --config, or set --tools-dir", .0.display())]
    NoTools(PathBuf),
    /// Grants in the environment.
    #[error("{variable}: {problem}")]
    DropIn {
        /// The variable that grants.
        variable: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Our own binary can't be found.
    #[error("the path of this program is not known: {0}")]
    Program(std::io::Error),
}

/// The manifest that counts: `--config`, else `MCP_PARAMS`, else none.
pub fn manifest(config: Option<&PathBuf>) -> Result<Manifest, ConfigError> {
    if let Some(path) = config {
        std::fs::File::open(path).map_err(|error| ConfigError::Unreadable {
            path: path.clone(),
            problem: unreadable(&error),
        })?;
        return Ok(Manifest::read(path)?);
    }
    match std::env::var(PARAMS) {
        Ok(text) if !text.trim().is_empty() => params(&text),
        Err(VarError::NotUnicode(_)) => Err(ConfigError::NotText),
        Ok(_) | Err(VarError::NotPresent) => Ok(Manifest::absent(&Surroundings::of_process())),
    }
}

/// The manifest in the environment. Whoever comes from a runtime that takes Python there is told where that goes.
fn params(text: &str) -> Result<Manifest, ConfigError> {
    Manifest::parse(text, &Origin::Environment(PARAMS)).map_err(|error| {
        let code = text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let begins = ["def ", "async def ", "import ", "from ", "@"];
        match code {
            Some(line) if begins.iter().any(|begin| line.starts_with(begin)) => {
                ConfigError::PythonInPlace(error)
            }
            _ => error.into(),
        }
    })
}

/// Where a server's manifest and tools come from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The folder of the first-party tools.
    pub first_party: PathBuf,
    /// What the host needs beside what the manifest names, the environment and the installation: files that flags name.
    pub own: Vec<OwnFile>,
    /// The folders that the manifest grants, open since it was read.
    pub folders: GrantedFolders,
}

impl Setup {
    /// No file is the host's own by a flag's word, and no folder is open yet.
    pub fn new(config: Option<PathBuf>, first_party: PathBuf) -> Self {
        Self {
            config,
            first_party,
            own: Vec::new(),
            folders: GrantedFolders::default(),
        }
    }

    /// Opens the folders that the manifest grants, unless one leads where it must not. Blocks on files.
    pub fn open_folders(&self, manifest: &Manifest) -> Result<(), ManifestError> {
        let own = own_files::of(self, manifest);
        self.folders.replace(own_files::grants(manifest), own)
    }

    /// The manifest, and the sources that it names, with what the environment grants. Blocks on files.
    pub fn read(&self) -> Result<(Manifest, Vec<Source>), ConfigError> {
        let manifest = manifest(self.config.as_ref())?;
        self.open_folders(&manifest)?;
        refuse_keyless(&manifest, cfg!(feature = "keyless"))?;
        let inline = tools_string()?;
        let mut sources = sources(&manifest, inline, self.first_party.clone())?;
        drop_in::grant(&mut sources)?;
        Ok((manifest, sources))
    }

    /// The files that it was read from.
    pub fn files(&self, manifest: &Manifest) -> impl Iterator<Item = PathBuf> + use<> {
        let policies = manifest.policies().map(Path::to_owned);
        let policies: Vec<PathBuf> = policies.collect();
        self.config.clone().into_iter().chain(policies)
    }
}

/// Where things lie relative to the program: `bin/sandglass` beside `share/sandglass`.
#[derive(Debug, Clone)]
pub struct Installation {
    /// This program, which is also the compiler.
    pub program: PathBuf,
    share: PathBuf,
}

impl Installation {
    /// Finds the running program.
    pub fn find() -> Result<Self, ConfigError> {
        std::env::current_exe()
            .map(Self::of)
            .map_err(ConfigError::Program)
    }

    /// That of this program.
    pub fn of(program: PathBuf) -> Self {
        let share = program
            .parent()
            .and_then(|folder| folder.parent())
            .map(|prefix| prefix.join("share/sandglass"))
            .unwrap_or_default();
        Self { program, share }
    }

    /// The first-party tools.
    pub fn tools(&self) -> PathBuf {
        self.share.join("tools")
    }

    /// The interpreters of source text.
    pub fn interpreters(&self) -> PathBuf {
        self.share.join("interpreters")
    }

    /// Machine code that was compiled when the image was built.
    pub fn seed(&self) -> PathBuf {
        self.share.join("seed")
    }

    /// The engine that a manifest asks for.
    pub fn engine(&self, manifest: &Manifest) -> EngineSettings {
        EngineSettings {
            max_memory: manifest.engine.max_memory.get(),
            max_instances: manifest.engine.max_instances.get(),
            compiler: Compiler::Process(self.program.clone()),
            cache: CodeCache::new(Some(self.seed()), manifest.engine.cache_dir.clone()),
        }
    }
}

/// How components are fetched.
pub fn fetching(manifest: &Manifest) -> FetchSettings {
    let insecure = std::env::var(INSECURE_REGISTRIES).unwrap_or_default();
    FetchSettings {
        cache: manifest.engine.cache_dir.clone(),
        cache_size: manifest.engine.cache_size.get(),
        insecure_registries: insecure
            .split(',')
            .map(|registry| registry.trim().to_owned())
            .collect(),
        registry_auth: std::env::var_os(REGISTRY_AUTH_FILE)
            .filter(|file| !file.is_empty())
            .map(PathBuf::from),
    }
}

/// The tenants that a manifest names, and the default one.
pub fn tenants(manifest: &Manifest) -> Tenants {
    Tenants::new(manifest.tenants.keys().map(TenantId::from))
}

/// What asks for keyless signatures is refused by a program that cannot verify them.
fn refuse_keyless(manifest: &Manifest, is_built_in: bool) -> Result<(), ManifestError> {
    match manifest.keyless().next() {
        Some(keyless) if !is_built_in => Err(keyless.error(format!("keyless: {NO_KEYLESS}"))),
        _ => Ok(()),
    }
}

/// The Python source in the environment.
fn tools_string() -> Result<Option<Inline>, ConfigError> {
    match std::env::var(TOOLS_STRING) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(Inline {
            language: Language::Python,
            text: text.into(),
        })),
        Err(VarError::NotUnicode(_)) => Err(ConfigError::ToolsStringNotText),
        Ok(_) | Err(VarError::NotPresent) => Ok(None),
    }
}

/// The tool sources that a manifest names, and the inline one of the environment; without a word about the default
/// tenant's tools in either, the first-party ones.
pub fn sources(
    manifest: &Manifest,
    inline: Option<Inline>,
    first_party: PathBuf,
) -> Result<Vec<Source>, ConfigError> {
    let of_default = |reference| Source {
        limits: manifest
            .tenants
            .get(&TenantName::default())
            .map_or(manifest.defaults.limits, |tenant| tenant.limits),
        ..Source::new(reference)
    };
    let inline = inline.map(|inline| Source {
        name: Some(TOOLS_STRING.to_owned()),
        ..of_default(SourceRef::Inline(inline))
    });
    let mut sources = Vec::new();
    match &manifest.tools {
        Some(_) => sources.extend(sources_of_default(manifest)),
        None if inline.is_some() => {}
        None if first_party.is_dir() => sources.push(of_default(SourceRef::File(first_party))),
        None => return Err(ConfigError::NoTools(first_party)),
    }
    sources.extend(inline);
    sources.extend(sources_of_tenants(manifest));
    Ok(sources)
}

/// The sources that a manifest itself names.
fn sources_of(manifest: &Manifest) -> impl Iterator<Item = Source> {
    sources_of_default(manifest).chain(sources_of_tenants(manifest))
}

fn sources_of_default(manifest: &Manifest) -> impl Iterator<Item = Source> {
    let tools = manifest.tools.iter().flatten();
    tools.map(move |tool| source(TenantId::default(), tool, manifest))
}

fn sources_of_tenants(manifest: &Manifest) -> impl Iterator<Item = Source> {
    manifest.tenants.iter().flat_map(move |(name, tenant)| {
        let tools = tenant.tools.iter();
        tools.map(move |tool| source(name.into(), tool, manifest))
    })
}

fn source(tenant: TenantId, tool: &Tool, manifest: &Manifest) -> Source {
    Source {
        tenant,
        reference: tool.source.clone(),
        language: tool.language,
        partial: tool.partial,
        name: tool.name.as_ref().map(|name| name.as_str().to_owned()),
        prefix: tool.prefix.clone(),
        signatures: manifest.signatures(tool),
        filter: tool.filter.clone(),
        pin: tool.pin,
        limits: tool.limits,
        allow: tool.allow.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_in_the_place_of_a_manifest_is_told_where_it_goes() {
        for source in [
            "def add(a: int, b: int) -> int:\n    return a + b\n",
            "\n# tools\nimport json\n\ndef a():\n    return json.dumps({})\n",
            "from os import environ\n",
        ] {
            let error = params(source).unwrap_err().to_string();
            let expected = "MCP_PARAMS holds Python source, and no manifest: put it into MCP_TOOLS_STRING, or write `tools: [{ python: .. }]`";
            assert!(error.starts_with(expected), "{error}");
        }
        let error = params("toools: []").unwrap_err().to_string();
        assert!(error.starts_with("MCP_PARAMS:1:1: unknown key"), "{error}");
        assert!(params("tools: []").is_ok());
    }

    #[test]
    fn what_cannot_be_verified_is_refused_with_its_place() {
        let text = "version: 1
require_signature:
  - source: 'oci://*'
    cosign: { keyless: { identity: a@b.c, issuer: 'https://d.e', trust_root: /f } }
";
        let manifest = Manifest::parse(text, &Origin::File("sandglass.yaml".into())).unwrap();
        assert!(refuse_keyless(&manifest, true).is_ok());
        let error = refuse_keyless(&manifest, false).unwrap_err().to_string();
        let expected = "sandglass.yaml:4:24: keyless: this build has no keyless verification: build with `--features keyless`";
        assert!(error.starts_with(expected), "{error}");
    }
}
