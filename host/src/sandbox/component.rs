//! A loaded component, and one call of it in an instance of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sandglass_manifest::Limits;
use sandglass_text::Line;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use super::bindings::Question;
use super::cache::Origin;
use super::capability::{Grants, Trail};
use super::compiled::{Compiled, Inspection, LoadError, check_kind};
use super::dialogue::{Asked, Dialogue};
use super::engine::{Engine, YIELD_INTERVAL};
use super::fault::{Fault, OutputExceeded};
use super::kind::Kind;
use super::lanes::Lane;
use super::meter::{Settle, noted};
use super::origin::Secret;
use super::output::{Observer, Silent};
use super::provided::Provided;
use super::reflect::LeftOut;
use super::request::Request;
use super::script::{Bound, Script, View};
use super::state::CallState;
use crate::source::Digest;
use crate::turns::Share;

/// Handles that the parts of a component have, to what the host and what one another made.
const MAX_HANDLES: usize = 10_000;

/// How long listing a component's tools waits for an instance slot.
const DESCRIBE_WAIT: Duration = Duration::from_secs(60);

/// A component that is compiled, linked and ready to be instantiated for a call.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    compiled: Arc<Compiled>,
    origin: Origin,
    name: Arc<str>,
    script: Option<Arc<Bound>>,
}

/// What a component says of itself.
pub struct Listed {
    /// What it has.
    pub provided: Provided,
    /// The functions of a [`Script`] that cannot be tools.
    pub left_out: Vec<LeftOut>,
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

impl Usage {
    /// Counts another run of the same call.
    pub fn add(&mut self, other: Self) {
        self.fuel += other.fuel;
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.duration += other.duration;
    }
}

/// What a call is run with.
pub struct Run<'a> {
    /// What it may use.
    pub limits: &'a Limits,
    /// What it may reach.
    pub grants: &'a Grants,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Whom it can ask, and what was answered before.
    pub dialogue: Dialogue,
    /// What its randomness is made of.
    pub secret: &'a Secret,
}

/// A call that is over.
pub struct Ran<T> {
    /// What came of it.
    pub ended: Result<Ended<T>, Fault>,
    /// What was asked and answered.
    pub dialogue: Dialogue,
}

/// How a guest ended that did nothing wrong.
pub enum Ended<T> {
    /// It returned.
    Returned(T),
    /// It asks, and is to be run again with the answers.
    Asked(Vec<Question>),
}

impl<T> Ran<T> {
    fn never(fault: Fault, dialogue: Dialogue) -> Self {
        Self {
            ended: Err(fault),
            dialogue,
        }
    }
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

/// Why a component's tools are not known.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The sandbox ended `list-tools`.
    #[error("listing its tools failed: {0}")]
    Fault(#[from] Fault),
    /// The component reported an error itself.
    #[error("the component cannot list its tools: {0}")]
    Guest(Line),
}

impl Component {
    /// Loads a component for the host itself. `name` is for the log.
    pub async fn load(engine: &Engine, name: &str, bytes: Bytes) -> Result<Self, LoadError> {
        Self::load_for(&Share::HOST, engine, name, bytes).await
    }

    /// Loads a component; one that is in memory already is shared. Where it has to be compiled it waits for a turn of this share,
    /// or of another that waits for the same bytes.
    pub async fn load_for(
        share: &Share,
        engine: &Engine,
        name: &str,
        bytes: Bytes,
    ) -> Result<Self, LoadError> {
        check_kind(&bytes)?;
        let digest = Digest::of(&bytes);
        let shared = engine.shared.get_or_load(
            &digest,
            || Compiled::find(engine, &digest, &bytes),
            || engine.compiling.wait(share),
            || Compiled::make(engine, &digest, bytes.clone()),
        );
        let (compiled, is_new) = shared.await?;
        let origin = match is_new {
            true => compiled.origin,
            false => Origin::Memory,
        };
        Ok(Self {
            engine: engine.clone(),
            compiled,
            origin,
            name: name.into(),
            script: None,
        })
    }

    /// The same component, as one that was in memory already.
    pub fn again(&self) -> Self {
        Self {
            origin: Origin::Memory,
            ..self.clone()
        }
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

    /// Where its machine code came from when it was loaded.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The component's name in the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has. A component is asked the first time only, but for source text, which is read each time.
    pub async fn list(&self, limits: &Limits) -> Result<Listed, DescribeError> {
        if self.script.is_some() {
            return self.ask_what_it_has(limits).await;
        }
        if let Some(provided) = self.compiled.listed(&self.engine, limits).await {
            return Ok(Listed {
                provided,
                left_out: Vec::new(),
            });
        }
        let listed = self.ask_what_it_has(limits).await?;
        self.compiled
            .keep(&self.engine, limits, &listed.provided)
            .await;
        Ok(listed)
    }

    /// A guest call as any other, with nobody listening.
    async fn ask_what_it_has(&self, limits: &Limits) -> Result<Listed, DescribeError> {
        let kind = self.kind().await?.clone();
        let _slot = self.engine.slot(DESCRIBE_WAIT).await.ok_or(Fault::Busy)?;
        let script = self.script.as_ref().map(View::reading);
        let run = Run {
            limits,
            grants: &Grants::default(),
            observer: Arc::new(Silent),
            dialogue: Dialogue::default(),
            secret: &Secret::new(b"what lists has no secrets"),
        };
        let lane = self.engine.lane();
        let mut store = self.store(&kind, run, script, &lane);
        let limits = *limits;
        let listing = async move {
            let bill = store.data().meter.bill.clone();
            let listing = noted(bill, kind.list(&mut store));
            let listed = tokio::time::timeout(limits.timeout.get(), listing).await;
            store.data().output.finish();
            match listed {
                Ok(Ok(_)) if used(&store, &limits) > limits.fuel.get() => {
                    Err(out_of_fuel(&limits).into())
                }
                Ok(Ok(Ok(provided))) => {
                    let script = store.data_mut().script.as_mut();
                    let left_out = script.map(View::finish).unwrap_or_default();
                    Ok(Listed { provided, left_out })
                }
                Ok(Ok(Err(problem))) => Err(DescribeError::Guest(Line::excerpt(problem))),
                Ok(Err(error)) => Err(fault(&error, &store, &limits).into()),
                Err(_) => Err(Fault::Time {
                    limit: limits.timeout,
                }
                .into()),
            }
        };
        lane.run(listing).await
    }

    async fn kind(&self) -> Result<&Kind, Fault> {
        self.compiled.kind(&self.engine).await.map_err(|error| {
            tracing::error!(source = &*self.name, "{error}");
            Fault::Host
        })
    }

    /// Calls it in an instance of its own: made now, dropped before this returns.
    ///
    /// Dropping the returned future stops the guest at its next yield and frees its slot.
    pub async fn call<R: Request, P: Payer>(
        &self,
        request: R,
        run: Run<'_>,
        lane: &Lane,
        payer: P,
    ) -> (Ran<R::Reply>, P) {
        let kind = match self.kind().await {
            Ok(kind) => kind.clone(),
            Err(fault) => return (Ran::never(fault, run.dialogue), payer),
        };
        let limits = *run.limits;
        let Some(slot) = self.engine.slot(limits.queue.wait.get()).await else {
            return (Ran::never(Fault::Busy, run.dialogue), payer);
        };
        let mut running = Running {
            store: self.store(&kind, run, self.script.as_ref().map(View::of), lane),
            started: Instant::now(),
            limits,
            payer: Some(payer),
            _slot: slot,
        };
        lane.run(async move {
            let store = &mut running.store;
            let bill = store.data().meter.bill.clone();
            let calling = noted(bill, request.call(&kind, store, limits.output.get()));
            let called = tokio::time::timeout(limits.timeout.get(), calling).await;
            store.data().output.finish();
            let mut dialogue = std::mem::take(&mut store.data_mut().dialogue);
            let ended = match called {
                Ok(Ok(_)) if used(store, &limits) > limits.fuel.get() => Err(out_of_fuel(&limits)),
                Ok(Ok(reply)) => Ok(Ended::Returned(reply)),
                Ok(Err(error)) if error.is::<Asked>() => {
                    Ok(Ended::Asked(std::mem::take(&mut dialogue.asked)))
                }
                Ok(Err(error)) => Err(fault(&error, store, &limits)),
                Err(_) => Err(Fault::Time {
                    limit: limits.timeout,
                }),
            };
            let payer = running.settle().expect("it was not settled yet");
            (Ran { ended, dialogue }, payer)
        })
        .await
    }

    fn store(
        &self,
        kind: &Kind,
        run: Run<'_>,
        script: Option<View>,
        lane: &Lane,
    ) -> Store<CallState> {
        let limits = run.limits;
        let state = CallState::new(&self.name, run, script, lane.files());
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        store.call_hook_async(Settle);
        store
            .set_fuel(limits.fuel.get())
            .expect("the engine is configured to consume fuel");
        store
            .fuel_async_yield_interval(Some(YIELD_INTERVAL))
            .expect("the engine is configured to consume fuel");
        store.set_hostcall_fuel(kind.lift_budget(limits.output.get()));
        store.set_max_component_handles(MAX_HANDLES);
        store
    }
}

/// Units of fuel that a call has used, those that it has not paid yet included.
fn used(store: &Store<CallState>, limits: &Limits) -> u64 {
    let left = store.get_fuel().unwrap_or(0);
    let burnt = limits.fuel.get().saturating_sub(left);
    burnt.saturating_add(store.data().meter.bill.owed())
}

fn out_of_fuel(limits: &Limits) -> Fault {
    Fault::Fuel {
        budget: limits.fuel.get(),
    }
}

/// A guest that runs. However its call ends, it is charged.
struct Running<P: Payer> {
    store: Store<CallState>,
    started: Instant,
    limits: Limits,
    payer: Option<P>,
    /// Free once the store is dropped.
    _slot: OwnedSemaphorePermit,
}

impl<P: Payer> Running<P> {
    fn settle(&mut self) -> Option<P> {
        let mut payer = self.payer.take()?;
        let usage = Usage {
            fuel: used(&self.store, &self.limits).min(self.limits.fuel.get()),
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

/// From what wasmtime says to what a person needs to know.
fn fault(error: &wasmtime::Error, store: &Store<CallState>, limits: &Limits) -> Fault {
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return out_of_fuel(limits);
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
    let cause = error.downcast_ref::<ResourceTableError>();
    if matches!(cause, Some(ResourceTableError::Full)) {
        return Fault::HostMemory {
            limit: limits.host_memory,
        };
    }
    let reason = error.root_cause().to_string();
    if error.is::<OutputExceeded>() || reason.contains("allocated for hostcalls has been exhausted")
    {
        return Fault::Output {
            limit: limits.output,
        };
    }
    Fault::Trap {
        reason: Line::excerpt(reason.trim_start_matches("wasm trap: ")),
        message: store.data().output.panic_message(),
    }
}
