//! The resolved manifest, and the way to it from a document.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::Location;

use crate::{
    ByteSize, Engine, Limits, ManifestError, Origin, SourceName, SourceRef, Surroundings,
    ToolFilter, ToolPrefix,
    document::{Document, DocumentBody, Short, ToolBody, ToolDocument},
    engine::EngineDocument,
    limits::LimitsPatch,
    scalar::{self, InvalidValue, Scalar},
    yaml,
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
    /// Where the component lies.
    pub source: SourceRef,
    /// The source's name in logs, audit and status, if it was given one; unique in the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<SourceName>,
    /// What stands before the names of its tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<ToolPrefix>,
    /// Which of its tools are served.
    #[serde(flatten, skip_serializing_if = "ToolFilter::is_all")]
    pub filter: ToolFilter,
    /// Limits of each call of its tools.
    pub limits: Limits,
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

/// WebAssembly's page size: no memory is smaller.
const PAGE: ByteSize = ByteSize::kib(64);

/// What 32-bit addresses reach: no memory is larger.
const LARGEST_MEMORY: ByteSize = ByteSize::mib(4096);

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
            },
            tools: None,
        }
    }

    /// Reads a manifest from a file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let origin = Origin::File(path.to_owned());
        let mut text = String::new();
        // One byte more than a manifest may have: a device that never ends is refused, not read.
        File::open(path)
            .and_then(|file| file.take(yaml::LONGEST.get() + 1).read_to_string(&mut text))
            .map_err(|error| ManifestError::whole(&origin, format!("cannot be read: {error}")))?;
        Self::parse(&text, &origin)
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
            Document::Reference(source) => DocumentBody::of_one(source),
        };
        let resolver = Resolver {
            base: surroundings.base(origin),
            origin,
            surroundings,
        };
        resolver.manifest(&document)
    }

    /// The manifest as a YAML document.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("a manifest holds only numbers, text, lists and maps")
    }
}

/// Turns a document into a manifest; its errors carry the place of the value at fault.
struct Resolver<'a> {
    origin: &'a Origin,
    base: PathBuf,
    surroundings: &'a Surroundings,
}

impl Resolver<'_> {
    fn refuse<T>(&self, place: Location, message: impl Into<String>) -> Result<T, ManifestError> {
        Err(ManifestError::at(place, self.origin, message))
    }

    fn manifest(&self, document: &DocumentBody) -> Result<Manifest, ManifestError> {
        self.require_version(document)?;
        let absent = Manifest::absent(self.surroundings);
        let engine = match document.engine.value() {
            Some(engine) => self.engine(engine, absent.engine)?,
            None => absent.engine,
        };
        let patch = document
            .defaults
            .value()
            .and_then(|defaults| defaults.limits.value());
        let limits = match patch {
            Some(patch) => self.limits(patch, absent.defaults.limits, &engine)?,
            None => absent.defaults.limits,
        };
        self.check_inherited_memory(document, limits, &engine)?;
        let tools = match document.tools.value() {
            Some(tools) => {
                let mut names = BTreeMap::new();
                let mut resolved = Vec::with_capacity(tools.len());
                for (tool, place) in tools.iter().filter_map(|tool| tool.get()) {
                    let tool = self.tool(tool, place, limits, &engine, &mut names)?;
                    resolved.push(tool);
                }
                Some(resolved)
            }
            None => None,
        };
        Ok(Manifest {
            version: Version,
            defaults: Defaults { limits },
            engine,
            tools,
        })
    }

    fn require_version(&self, document: &DocumentBody) -> Result<(), ManifestError> {
        let more = document
            .defaults
            .get()
            .map(|(_, place)| place)
            .or(document.engine.get().map(|(_, place)| place));
        match more {
            Some(place) if !document.version.is_present() => self.refuse(
                place,
                format!(
                    "the key `version` is missing; write `version: {}` at the beginning",
                    Version::NUMBER
                ),
            ),
            _ => Ok(()),
        }
    }

    fn engine(&self, document: &EngineDocument, absent: Engine) -> Result<Engine, ManifestError> {
        if let Some((memory, place)) = document.max_memory.get() {
            self.check_page("engine.max_memory", *memory, place)?;
            if *memory > LARGEST_MEMORY {
                return self.refuse(
                    place,
                    format!(
                        "engine.max_memory {memory} is over {LARGEST_MEMORY}, the most that a \
                         32-bit WebAssembly memory can have"
                    ),
                );
            }
        }
        let cache_dir = match document.cache_dir.get() {
            None => absent.cache_dir,
            Some((path, place)) => Some(self.cache_dir(path, place)?),
        };
        Ok(Engine {
            max_memory: document
                .max_memory
                .value()
                .copied()
                .unwrap_or(absent.max_memory),
            max_instances: document
                .max_instances
                .value()
                .copied()
                .unwrap_or(absent.max_instances),
            cache_dir,
        })
    }

    fn cache_dir(&self, path: &str, place: Location) -> Result<PathBuf, ManifestError> {
        if path.is_empty() || path.contains(char::is_control) {
            let shown = scalar::quoted(path);
            return self.refuse(place, format!("engine.cache_dir {shown} is not a path"));
        }
        self.path(Path::new(path), place)
    }

    fn path(&self, path: &Path, place: Location) -> Result<PathBuf, ManifestError> {
        self.surroundings
            .locate(path, &self.base)
            .or_else(|problem| {
                let shown = scalar::quoted(&path.display().to_string());
                self.refuse(
                    place,
                    format!("the path {shown} cannot be found: {problem}"),
                )
            })
    }

    fn limits(
        &self,
        patch: &LimitsPatch,
        inherited: Limits,
        engine: &Engine,
    ) -> Result<Limits, ManifestError> {
        if let Some((memory, place)) = patch.memory.get() {
            self.check_page("limits.memory", *memory, place)?;
            if *memory > engine.max_memory {
                let most = engine.max_memory;
                return self.refuse(
                    place,
                    format!(
                        "limits.memory {memory} is over engine.max_memory {most}; \
                         lower the one or raise the other"
                    ),
                );
            }
        }
        if let Some((output, place)) = patch.output.get()
            && output.get() == 0
        {
            return self.refuse(
                place,
                "limits.output 0 leaves no room for any result; raise it",
            );
        }
        Ok(inherited.with(patch))
    }

    fn check_page(&self, key: &str, size: ByteSize, place: Location) -> Result<(), ManifestError> {
        if size < PAGE {
            return self.refuse(
                place,
                format!("{key} {size} is less than {PAGE}, one WebAssembly page; raise it"),
            );
        }
        Ok(())
    }

    /// A lowered `engine.max_memory` can fall below the built-in `limits.memory`, which no block holds.
    fn check_inherited_memory(
        &self,
        document: &DocumentBody,
        limits: Limits,
        engine: &Engine,
    ) -> Result<(), ManifestError> {
        let lowered = document
            .engine
            .value()
            .and_then(|engine| engine.max_memory.get());
        match lowered {
            Some((most, place)) if limits.memory > engine.max_memory => self.refuse(
                place,
                format!(
                    "engine.max_memory {most} is under the default limits.memory {}; \
                     set defaults.limits.memory to {most} or less",
                    limits.memory
                ),
            ),
            _ => Ok(()),
        }
    }

    fn tool<'d>(
        &self,
        document: &'d ToolDocument,
        place: Location,
        inherited: Limits,
        engine: &Engine,
        names: &mut BTreeMap<&'d str, Location>,
    ) -> Result<Tool, ManifestError> {
        let body = match document {
            Short::Full(body) => body,
            Short::Reference(source) => {
                return Ok(Tool {
                    source: self.source(source, place)?,
                    name: None,
                    prefix: None,
                    filter: ToolFilter::All,
                    limits: inherited,
                });
            }
        };
        let (source, source_place) = body
            .source
            .get()
            .expect("a tool without the key `source` does not deserialize");
        if let Some((name, place)) = body.name.get()
            && let Some(first) = names.insert(name.as_str(), place)
        {
            let line = first.line();
            return self.refuse(
                place,
                format!("the name `{name}` is given in line {line} already; choose another"),
            );
        }
        Ok(Tool {
            source: self.source(source, source_place)?,
            name: body.name.value().cloned(),
            prefix: body.prefix.value().cloned(),
            filter: self.filter(body)?,
            limits: match body.limits.value() {
                Some(patch) => self.limits(patch, inherited, engine)?,
                None => inherited,
            },
        })
    }

    fn source(&self, source: &SourceRef, place: Location) -> Result<SourceRef, ManifestError> {
        match source {
            SourceRef::File(path) => self.path(path, place).map(SourceRef::File),
        }
    }

    fn filter(&self, tool: &ToolBody) -> Result<ToolFilter, ManifestError> {
        let (names, place, filter): (_, _, fn(_) -> _) =
            match (tool.include.get(), tool.exclude.get()) {
                (None, None) => return Ok(ToolFilter::All),
                (Some((names, place)), None) => (names, place, ToolFilter::Include),
                (None, Some((names, place))) => (names, place, ToolFilter::Exclude),
                (Some(_), Some((_, place))) => {
                    return self.refuse(
                        place,
                        "`include` and `exclude` cannot stand together; keep one of them",
                    );
                }
            };
        if names.is_empty() {
            return self.refuse(place, "the list names no tool; name one or remove the key");
        }
        Ok(filter(names.clone()))
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
pub(crate) mod tests;
