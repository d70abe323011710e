//! A loaded component, and one call of it in an instance of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandglass_manifest::Limits;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::types::ComponentItem;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use super::bindings::{self, CallRequest, Outcome};
use super::cache::Origin;
use super::capability::{Grants, Trail};
use super::compile::{self, CompileError};
use super::engine::{Engine, YIELD_INTERVAL};
use super::fault::{Fault, OutputExceeded};
use super::kind::{Kind, Provider, TOOLS_INTERFACE};
use super::lanes::Lane;
use super::memory::MemoryCap;
use super::output::{GuestOutput, Observer, Silent};
use super::reflect::{LeftOut, ReflectError, Reflected};
use super::script::{Bound, Script, View};
use super::state::CallState;
use crate::source::Digest;

/// How long listing a component's tools waits for an instance slot.
const DESCRIBE_WAIT: Duration = Duration::from_secs(60);

/// A component that is compiled, linked and ready to be instantiated for a call.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    compiled: Arc<Compiled>,
    name: Arc<str>,
    script: Option<Arc<Bound>>,
}

/// What all who load the same bytes share.
pub(super) struct Compiled {
    kind: Kind,
    inspection: Inspection,
}

/// What a component says of its tools.
pub struct Listed {
    /// The tools.
    pub tools: Vec<bindings::Tool>,
    /// The functions of a [`Script`] that cannot be tools.
    pub left_out: Vec<LeftOut>,
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

/// Whom a call is charged to. It goes with the call, and is dropped when nothing of the guest is
/// left; a call that was cancelled takes it along.
pub trait Payer: Send + 'static {
    /// What the call used, and what it reached and was refused: told once, also of a call that was dropped.
    fn charge(&mut self, usage: Usage, trail: Trail);
}

/// Nobody is charged.
impl Payer for () {
    fn charge(&mut self, _: Usage, _: Trail) {}
}

/// Why a component cannot be loaded. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error(
        "not a WebAssembly file (it does not start with `\\0asm`): build a component, for example with `cargo build --target wasm32-wasip2`; Python source needs a name that ends with .py, or `language: python`"
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
    /// Loads a component; one that is in memory already is shared. `name` is for the log.
    pub async fn load(engine: &Engine, name: &str, bytes: Bytes) -> Result<Self, LoadError> {
        check_kind(&bytes)?;
        let digest = Digest::of(&bytes);
        let load = async || Compiled::load(engine, digest.clone(), bytes).await;
        let compiled = engine.shared.get_or_load(&digest, load).await?;
        Ok(Self {
            engine: engine.clone(),
            compiled,
            name: name.into(),
            script: None,
        })
    }

    /// The same component with a source text for it to interpret. What is compiled is shared.
    pub fn bind(&self, name: &str, script: Script) -> Self {
        Self {
            name: name.into(),
            script: Some(Arc::new(Bound::new(script))),
            ..self.clone()
        }
    }

    /// The source text that it is bound to.
    pub fn script(&self) -> Option<&Script> {
        self.script.as_deref().map(|bound| &bound.script)
    }

    /// SHA-256 of what was loaded: of the source text that it is bound to, else of the component.
    pub fn digest(&self) -> &Digest {
        let script = self.script.as_ref().map(|bound| &bound.digest);
        script.unwrap_or(&self.compiled.inspection.digest)
    }

    /// What is known of it without running it.
    pub fn inspection(&self) -> &Inspection {
        &self.compiled.inspection
    }

    /// The component's name in the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the component for its tools: a guest call as any other, with nobody listening.
    pub async fn list_tools(&self, limits: &Limits) -> Result<Listed, DescribeError> {
        let _slot = self.engine.slot(DESCRIBE_WAIT).await.ok_or(Fault::Busy)?;
        let script = self.script.as_ref().map(View::reading);
        let mut store = self.store(limits, &Grants::default(), script, Arc::new(Silent));
        let (kind, limits) = (self.compiled.kind.clone(), *limits);
        let listing = async move {
            let listed =
                tokio::time::timeout(limits.timeout.get(), kind.list_tools(&mut store)).await;
            store.data().output.finish();
            match listed {
                Ok(Ok(Ok(tools))) => {
                    let script = store.data_mut().script.as_mut();
                    let left_out = script.map(View::finish).unwrap_or_default();
                    Ok(Listed { tools, left_out })
                }
                Ok(Ok(Err(problem))) => Err(DescribeError::Guest(problem)),
                Ok(Err(error)) => Err(fault(&error, &store, &limits).into()),
                Err(_) => Err(Fault::Time {
                    limit: limits.timeout,
                }
                .into()),
            }
        };
        self.engine.lane().run(listing).await
    }

    /// Calls a tool in an instance of its own: made now, dropped before this returns.
    ///
    /// Dropping the returned future stops the guest at its next yield and frees its slot.
    pub async fn call<P: Payer>(
        &self,
        request: CallRequest,
        limits: &Limits,
        grants: &Grants,
        observer: Arc<dyn Observer>,
        lane: &Lane,
        payer: P,
    ) -> (Result<Outcome, Fault>, P) {
        let Some(slot) = self.engine.slot(limits.queue.wait.get()).await else {
            return (Err(Fault::Busy), payer);
        };
        let mut running = Running {
            store: self.store(limits, grants, self.script.as_ref().map(View::of), observer),
            started: Instant::now(),
            fuel: limits.fuel.get(),
            payer: Some(payer),
            _slot: slot,
        };
        let (kind, limits) = (self.compiled.kind.clone(), *limits);
        lane.run(async move {
            let store = &mut running.store;
            let calling = kind.call(store, &request, limits.output.get());
            let called = tokio::time::timeout(limits.timeout.get(), calling).await;
            store.data().output.finish();
            let outcome = match called {
                Ok(Ok(outcome)) => Ok(outcome),
                Ok(Err(error)) => Err(fault(&error, store, &limits)),
                Err(_) => Err(Fault::Time {
                    limit: limits.timeout,
                }),
            };
            (outcome, running.settle().expect("it was not settled yet"))
        })
        .await
    }

    fn store(
        &self,
        limits: &Limits,
        grants: &Grants,
        script: Option<View>,
        observer: Arc<dyn Observer>,
    ) -> Store<CallState> {
        let output = Arc::new(GuestOutput::new(Arc::clone(&self.name), limits.log.get()));
        let state = CallState::new(
            MemoryCap::new(limits.memory.get()),
            output,
            grants,
            &limits.http,
            script,
            observer,
        );
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        store
            .set_fuel(limits.fuel.get())
            .expect("the engine is configured to consume fuel");
        store
            .fuel_async_yield_interval(Some(YIELD_INTERVAL))
            .expect("the engine is configured to consume fuel");
        store.set_hostcall_fuel(self.compiled.kind.lift_budget(limits.output.get()));
        store
    }
}

impl Compiled {
    async fn load(engine: &Engine, digest: Digest, bytes: Bytes) -> Result<Self, LoadError> {
        let size = bytes.len() as u64;
        let (component, compiled) = compile::compile(engine, &digest, bytes.clone()).await?;
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
        let (kind, left_out) = if exports.iter().any(|name| name.starts_with(TOOLS_INTERFACE)) {
            let provider = Provider::new(&component, pre)
                .map_err(|error| LoadError::Link(format!("{error:#}")))?;
            (Kind::Provider(provider), Vec::new())
        } else {
            let (reflected, left_out) = Reflected::new(&component, pre, &bytes)?;
            (Kind::Reflected(Arc::new(reflected)), left_out)
        };
        Ok(Self {
            kind,
            inspection: Inspection {
                digest,
                size,
                imports,
                exports,
                left_out,
                compiled,
            },
        })
    }
}

/// A guest that runs. However its call ends, it is charged.
struct Running<P: Payer> {
    store: Store<CallState>,
    started: Instant,
    /// The budget that it began with.
    fuel: u64,
    payer: Option<P>,
    /// Free once the store is dropped.
    _slot: OwnedSemaphorePermit,
}

impl<P: Payer> Running<P> {
    fn settle(&mut self) -> Option<P> {
        let mut payer = self.payer.take()?;
        let usage = Usage {
            fuel: self.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0)),
            peak_memory: self.store.data().memory.peak(),
            duration: self.started.elapsed(),
        };
        let trail = self.store.data().trail.clone();
        payer.charge(usage, trail);
        Some(payer)
    }
}

impl<P: Payer> Drop for Running<P> {
    fn drop(&mut self) {
        self.settle();
    }
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
    if error.is::<OutputExceeded>() || reason.contains("allocated for hostcalls has been exhausted")
    {
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
