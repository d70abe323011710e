//! A component as all who load the same bytes share it: what is known of it, and its machine code.
//!
//! Of a component that was loaded before, the cache has its code and its tools. Its code is checked then, and mapped with
//! the first call: of a thousand tools most are idle, and an idle one takes the memory of its schemas alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sandglass_manifest::Limits;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use wasmtime::component::types::ComponentItem;

use super::cache::{CodeFile, Origin};
use super::compile::{self, CompileError};
use super::engine::Engine;
use super::kind::{Kind, Provider};
use super::listing::Listing;
use super::provided::Provided;
use super::reflect::{Docs, LeftOut, ReflectError, Reflected};
use crate::open_files;
use crate::source::Digest;

/// What all who load the same bytes share.
pub(super) struct Compiled {
    pub inspection: Inspection,
    /// Where its machine code came from.
    pub origin: Origin,
    code: Code,
    /// What was noted of its tools at an earlier start, until it is asked for.
    noted: Mutex<Option<Listing>>,
    _file: OwnedSemaphorePermit,
}

/// What is known of a component without running it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// The interfaces it imports: what it would need to be granted.
    pub imports: Vec<String>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// The exported functions that are no tools. Empty where the component lists its tools itself.
    pub left_out: Vec<LeftOut>,
}

/// Machine code, linked: in memory, or in a checked file.
struct Code {
    linked: OnceCell<Kind>,
    /// Open until it is mapped, so that it is there also when the cache has removed it.
    file: Mutex<Option<Arc<CodeFile>>>,
    docs: Docs,
}

/// Why a component cannot be loaded. Each text says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error(
        "not a WebAssembly file (it does not start with `\\0asm`): build a component, for example with `cargo build --target wasm32-wasip2`; source text needs a name that ends with .py or .js, `language: python`, or `language: javascript`"
    )]
    NotWasm,
    /// A core module.
    #[error(
        "a core WebAssembly module, not a component: build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// An import that this host does not offer.
    #[error(
        "imports `{0}`, which this host does not offer: it offers WASI 0.2 (cli, clocks, random, io, filesystem, sockets, http), wasi:config, wasi:keyvalue@0.2.0-draft and sandglass:tool/host@0.1.0"
    )]
    UnknownImport(String),
    /// WASI 0.3.
    #[error(
        "imports `{0}`: WASI 0.3 and async component functions are not supported; build for WASI 0.2 (wasm32-wasip2)"
    )]
    Wasi03(String),
    /// It does not list tools, and its exports cannot be made some.
    #[error(transparent)]
    Reflect(#[from] ReflectError),
    /// The process may not open more files.
    #[error(
        "{limit} files may be open, and those of them that are for components are ({}): serve fewer, or lift the limit (`ulimit -Hn`, `LimitNOFILE=` of systemd, `--ulimit nofile=` of docker)",
        open_files::for_components().unwrap_or_default()
    )]
    TooManyFiles {
        /// How many may be.
        limit: u64,
    },
    /// The linker refuses it.
    #[error("cannot be linked: {0}")]
    Link(String),
    /// It could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl Compiled {
    /// One that was compiled before; none where it has to be. Errors if that has failed before.
    pub async fn find(
        engine: &Engine,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<Option<Self>, LoadError> {
        let permit = open_file(engine)?;
        if let Some(file) = compile::find(engine, digest).await {
            if let Some(listing) = Listing::find(engine, digest).await {
                let known = Self::known(digest.clone(), bytes, file, listing, permit);
                return Ok(Some(known));
            }
            match compile::map(engine, &file).await {
                Ok(component) => {
                    let digest = digest.clone();
                    let linked = Self::link(engine, digest, bytes, &component, file.origin, permit);
                    return linked.map(Some);
                }
                Err(error) => {
                    tracing::warn!(file = %file, error = format!("{error:#}"), "compiled component not used");
                }
            }
        }
        match engine.failures.of(digest) {
            Some(failure) => Err(failure),
            None => Ok(None),
        }
    }

    /// Compiles it: for whoever's turn it is. A failure is kept in mind.
    pub async fn make(engine: &Engine, digest: &Digest, bytes: Bytes) -> Result<Self, LoadError> {
        let permit = open_file(engine)?;
        let made = match compile::compile(engine, digest, bytes.clone()).await {
            Ok(component) => {
                let digest = digest.clone();
                Self::link(engine, digest, &bytes, &component, Origin::Fresh, permit)
            }
            Err(error) => Err(error.into()),
        };
        made.inspect_err(|failure| engine.failures.keep(digest, failure))
    }

    /// One that was loaded before.
    fn known(
        digest: Digest,
        bytes: &[u8],
        file: CodeFile,
        mut listing: Listing,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            inspection: Inspection {
                digest,
                size: bytes.len() as u64,
                imports: std::mem::take(&mut listing.imports),
                exports: std::mem::take(&mut listing.exports),
                left_out: std::mem::take(&mut listing.left_out),
            },
            origin: file.origin,
            noted: Mutex::new(Some(listing)),
            _file: permit,
            code: Code {
                linked: OnceCell::new(),
                file: Mutex::new(Some(Arc::new(file))),
                docs: Docs::of(bytes),
            },
        }
    }

    fn link(
        engine: &Engine,
        digest: Digest,
        bytes: &[u8],
        component: &wasmtime::component::Component,
        origin: Origin,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, LoadError> {
        let docs = Docs::of(bytes);
        let types = component.component_type();
        let imports = types
            .imports(&engine.wasmtime)
            .map(|(name, _)| name.to_owned());
        let imports: Vec<String> = imports.collect();
        let exports = types
            .exports(&engine.wasmtime)
            .map(|(name, _)| name.to_owned());
        let (kind, left_out) = link(engine, component, &docs)?;
        Ok(Self {
            inspection: Inspection {
                digest,
                size: bytes.len() as u64,
                imports,
                exports: exports.collect(),
                left_out,
            },
            origin,
            noted: Mutex::default(),
            _file: permit,
            code: Code {
                linked: OnceCell::new_with(Some(kind)),
                file: Mutex::default(),
                docs: Docs::default(),
            },
        })
    }

    /// What it has, as it was listed before with these limits.
    pub async fn listed(&self, engine: &Engine, limits: &Limits) -> Option<Provided> {
        let noted = self
            .noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let listing = match noted {
            Some(listing) => listing,
            None => Listing::find(engine, &self.inspection.digest).await?,
        };
        listing.of(limits)
    }

    /// Keeps what it has listed with these limits for the next start.
    pub async fn keep(&self, engine: &Engine, limits: &Limits, provided: &Provided) {
        Listing::new(&self.inspection, limits, provided)
            .keep(engine, &self.inspection.digest)
            .await;
    }

    /// Its machine code, in memory from the first time on.
    pub async fn kind(&self, engine: &Engine) -> Result<&Kind, LoadError> {
        self.code
            .linked
            .get_or_try_init(|| self.code.link(engine))
            .await
    }
}

impl Code {
    async fn link(&self, engine: &Engine) -> Result<Kind, LoadError> {
        let file = self.file().clone().expect("what is not linked has a file");
        let component = compile::map(engine, &file)
            .await
            .map_err(|error| CompileError::Unusable(format!("{error:#}")))?;
        let (kind, _) = link(engine, &component, &self.docs)?;
        // What is mapped has the file open itself.
        *self.file() = None;
        Ok(kind)
    }

    fn file(&self) -> MutexGuard<'_, Option<Arc<CodeFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to keep the component's file open.
fn open_file(engine: &Engine) -> Result<OwnedSemaphorePermit, LoadError> {
    engine.file().ok_or_else(|| LoadError::TooManyFiles {
        limit: open_files::limit().unwrap_or(u64::MAX),
    })
}

/// Links a component, and finds its tools or makes some.
fn link(
    engine: &Engine,
    component: &wasmtime::component::Component,
    docs: &Docs,
) -> Result<(Kind, Vec<LeftOut>), LoadError> {
    let types = component.component_type();
    if let Some((import, _)) = types
        .imports(&engine.wasmtime)
        .find(|(name, _)| is_wasi_03(name))
    {
        return Err(LoadError::Wasi03(import.to_owned()));
    }
    let pre = engine
        .linker
        .instantiate_pre(component)
        .map_err(|error| link_error(engine, component, &error))?;
    if Provider::is_one(types.exports(&engine.wasmtime).map(|(name, _)| name)) {
        let provider =
            Provider::new(component, pre).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        return Ok((Kind::Provider(provider), Vec::new()));
    }
    let (reflected, left_out) = Reflected::new(component, pre, docs)?;
    Ok((Kind::Reflected(Arc::new(reflected)), left_out))
}

/// A core module and a component share the magic number and differ in the version
/// field (component model, "Binary": version and layer).
pub fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

fn is_wasi_03(import: &str) -> bool {
    import.starts_with("wasi:") && import.contains("@0.3")
}

fn link_error(
    engine: &Engine,
    component: &wasmtime::component::Component,
    error: &wasmtime::Error,
) -> LoadError {
    // Each import on its own: the linker's text names the first one that it misses.
    let text = format!("{error:#}");
    component
        .component_type()
        .imports(&engine.wasmtime)
        .find(|(name, item)| {
            matches!(
                item.ty,
                ComponentItem::ComponentInstance(_) | ComponentItem::ComponentFunc(_)
            ) && text.contains(&format!("`{name}`"))
                && text.contains("not found in the linker")
        })
        .map_or_else(
            || LoadError::Link(text.clone()),
            |(name, _)| LoadError::UnknownImport(name.to_owned()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_files_are_told_apart() {
        assert!(check_kind(b"\0asm\x0d\0\x01\0rest").is_ok());
        assert!(matches!(
            check_kind(b"\0asm\x01\0\0\0"),
            Err(LoadError::CoreModule)
        ));
        for bytes in [&b""[..], b"\0asm", b"#!/bin/sh\n"] {
            assert!(matches!(check_kind(bytes), Err(LoadError::NotWasm)));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_component_or_are_refused(mut bytes: Vec<u8>, header: bool) {
            if header {
                bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
            }
            // A component's header alone is not enough to be one: the compiler decides in a process of its own.
            assert_eq!(check_kind(&bytes).is_ok(), bytes.starts_with(b"\0asm") && bytes.len() >= 8 && bytes[6..8] == [1, 0]);
            if header && bytes.len() > 8 {
                let engine = wasmtime::Engine::default();
                _ = wasmtime::component::Component::from_binary(&engine, &bytes);
            }
        }
    }
}
