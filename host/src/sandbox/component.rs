//! A loaded component, and one call of it in an instance of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandglass_manifest::Limits;
use wasmtime::component::types::ComponentItem;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use super::bindings::{self, CallRequest, Content, Outcome, ProviderPre, ResourceBody, Success};
use super::cache::Origin;
use super::compile::{self, CompileError};
use super::engine::{Engine, YIELD_INTERVAL};
use super::fault::Fault;
use super::memory::MemoryCap;
use super::output::{GuestOutput, Observer, Silent};
use super::state::CallState;
use crate::source::Digest;

/// Beside the bytes of a result, what its records and lists may cost the host
/// while they are copied out of the guest.
const LIFT_OVERHEAD: usize = 64 << 10;

/// How long listing a component's tools waits for an instance slot.
const DESCRIBE_WAIT: Duration = Duration::from_secs(60);

/// The exported interface that makes a component a tool provider.
const TOOLS_INTERFACE: &str = "sandglass:tool/tools";

/// A component that is compiled, linked and ready to be instantiated for a call.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    pre: ProviderPre<CallState>,
    name: Arc<str>,
    inspection: Arc<Inspection>,
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
    /// Where its machine code came from.
    pub compiled: Origin,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Units of fuel: wasm instructions, and bytes of bulk memory operations.
    pub fuel: u64,
    /// Bytes of linear memories and tables.
    pub peak_memory: u64,
    /// Wall-clock time from instantiation to the guest's return.
    pub duration: Duration,
}

/// Why a component cannot be loaded. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error(
        "not a WebAssembly file (it does not start with `\\0asm`): build a component, for example with `cargo build --target wasm32-wasip2`"
    )]
    NotWasm,
    /// A core module.
    #[error(
        "a core WebAssembly module, not a component: build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// An import that this host does not offer.
    #[error(
        "imports `{0}`, which this host does not offer: it offers WASI 0.2 (cli, clocks, random, io, filesystem, sockets, http), wasi:config and sandglass:tool/host@0.1.0"
    )]
    UnknownImport(String),
    /// WASI 0.3.
    #[error(
        "imports `{0}`: WASI 0.3 and async component functions are not supported; build for WASI 0.2 (wasm32-wasip2)"
    )]
    Wasi03(String),
    /// The component has no tools.
    #[error(
        "exports no `sandglass:tool/tools@0.1.0`, so it provides no tools: make it with the Sandglass SDK (`export!`), or export the interface of wit/tools.wit"
    )]
    NotAProvider,
    /// The linker refuses it.
    #[error("cannot be linked: {0}")]
    Link(String),
    /// It could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Why a component's tools are not known.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The sandbox ended `list-tools`.
    #[error("listing its tools failed: {0}")]
    Fault(#[from] Fault),
    /// The component reported an error itself.
    #[error("the component cannot list its tools: {0}")]
    Guest(String),
}

impl Component {
    /// Loads a component. `name` is for the log.
    pub async fn load(engine: &Engine, name: &str, bytes: Bytes) -> Result<Self, LoadError> {
        check_kind(&bytes)?;
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let (component, compiled) = compile::compile(engine, &digest, bytes).await?;
        let types = component.component_type();
        let imports: Vec<String> = types
            .imports(&engine.wasmtime)
            .map(|(name, _)| name.to_owned())
            .collect();
        let exports: Vec<String> = types
            .exports(&engine.wasmtime)
            .map(|(name, _)| name.to_owned())
            .collect();
        if let Some(import) = imports.iter().find(|name| is_wasi_03(name)) {
            return Err(LoadError::Wasi03(import.clone()));
        }
        let pre = engine
            .linker
            .instantiate_pre(&component)
            .map_err(|error| link_error(engine, &component, &error))?;
        if !exports.iter().any(|name| name.starts_with(TOOLS_INTERFACE)) {
            return Err(LoadError::NotAProvider);
        }
        let pre = ProviderPre::new(pre).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        Ok(Self {
            engine: engine.clone(),
            pre,
            name: name.into(),
            inspection: Arc::new(Inspection {
                digest,
                size,
                imports,
                exports,
                compiled,
            }),
        })
    }

    /// What is known of it without running it.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// The component's name in the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the component for its tools: a guest call as any other, with nobody listening.
    pub async fn list_tools(&self, limits: &Limits) -> Result<Vec<bindings::Tool>, DescribeError> {
        let _slot = self.engine.slot(DESCRIBE_WAIT).await.ok_or(Fault::Busy)?;
        let mut store = self.store(limits, Arc::new(Silent));
        let listed = tokio::time::timeout(limits.timeout.get(), async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            instance
                .sandglass_tool_tools()
                .call_list_tools(&mut store)
                .await
        })
        .await;
        store.data().output.finish();
        match listed {
            Ok(Ok(tools)) => tools.map_err(DescribeError::Guest),
            Ok(Err(error)) => Err(fault(&error, &store, limits).into()),
            Err(_) => Err(Fault::Time {
                limit: limits.timeout,
            }
            .into()),
        }
    }

    /// Calls a tool in an instance of its own: made now, dropped before this returns.
    ///
    /// Dropping the returned future stops the guest at its next yield and frees its slot.
    pub async fn call(
        &self,
        request: &CallRequest,
        limits: &Limits,
        observer: Arc<dyn Observer>,
    ) -> (Result<Outcome, Fault>, Usage) {
        let Some(_slot) = self.engine.slot(limits.queue.wait.get()).await else {
            return (Err(Fault::Busy), Usage::default());
        };
        let started = Instant::now();
        let mut store = self.store(limits, observer);
        let called = tokio::time::timeout(limits.timeout.get(), async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            instance
                .sandglass_tool_tools()
                .call_call_tool(&mut store, request)
                .await
        })
        .await;
        let usage = Usage {
            fuel: limits
                .fuel
                .get()
                .saturating_sub(store.get_fuel().unwrap_or(0)),
            peak_memory: store.data().memory.peak(),
            duration: started.elapsed(),
        };
        store.data().output.finish();
        let outcome = match called {
            Ok(Ok(outcome)) if size(&outcome) > limits.output.get() => Err(Fault::Output {
                limit: limits.output,
            }),
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(fault(&error, &store, limits)),
            Err(_) => Err(Fault::Time {
                limit: limits.timeout,
            }),
        };
        (outcome, usage)
    }

    fn store(&self, limits: &Limits, observer: Arc<dyn Observer>) -> Store<CallState> {
        let output = Arc::new(GuestOutput::new(Arc::clone(&self.name), limits.log.get()));
        let state = CallState::new(MemoryCap::new(limits.memory.get()), output, observer);
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        store
            .set_fuel(limits.fuel.get())
            .expect("the engine is configured to consume fuel");
        store
            .fuel_async_yield_interval(Some(YIELD_INTERVAL))
            .expect("the engine is configured to consume fuel");
        let output = usize::try_from(limits.output.get()).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(output.saturating_add(LIFT_OVERHEAD));
        store
    }
}

/// Bytes of what the guest handed over.
fn size(outcome: &Outcome) -> u64 {
    let bytes = match outcome {
        Outcome::Done(Success {
            content,
            value,
            meta,
            ..
        }) => {
            let blocks: usize = content.iter().flatten().map(block_size).sum();
            blocks + text_size(value.as_ref()) + text_size(meta.as_ref())
        }
        // Errors and questions are text that was bounded when it left the guest.
        Outcome::Failed(_) | Outcome::InputRequired(_) => 0,
    };
    bytes as u64
}

fn block_size(block: &Content) -> usize {
    match block {
        Content::Text(text) => text.text.len() + text_size(text.meta.as_ref()),
        Content::Image(media) | Content::Audio(media) => {
            media.data.len() + text_size(media.meta.as_ref())
        }
        Content::EmbeddedResource(embedded) => {
            let body = match &embedded.resource.body {
                ResourceBody::Text(text) => text.len(),
                ResourceBody::Blob(blob) => blob.len(),
            };
            body + text_size(embedded.meta.as_ref())
        }
        Content::ResourceLink(link) => {
            link.uri.len() + link.name.len() + text_size(link.description.as_ref())
        }
    }
}

fn text_size(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

/// A core module and a component share the magic number and differ in the version
/// field (component model, "Binary": version and layer).
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
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

/// From what wasmtime says to what a person needs to know.
fn fault(error: &wasmtime::Error, store: &Store<CallState>, limits: &Limits) -> Fault {
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return Fault::Fuel {
            budget: limits.fuel.get(),
        };
    }
    // A guest that is refused memory fails in ways of its own (`abort`, `unreachable`,
    // an exception): the refusal is the reason.
    if store.data().memory.refused() {
        return Fault::Memory {
            limit: limits.memory,
        };
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Fault::Exit { status: *status };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::Busy;
    }
    let reason = error.root_cause().to_string();
    if reason.contains("allocated for hostcalls has been exhausted") {
        return Fault::Output {
            limit: limits.output,
        };
    }
    Fault::Trap {
        reason: reason.trim_start_matches("wasm trap: ").to_owned(),
        message: store.data().output.panic_message(),
    }
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
}
