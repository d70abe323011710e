//! The one wasmtime configuration of the host, and the pool of instance slots.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::cache::CodeCache;
use super::compile::Compiler;
use super::compiled::Compiled;
use super::failures::Failures;
use super::lanes::{Lane, Lanes};
use super::linked;
use super::shared::Shared;
use super::state::CallState;
use crate::open_files;
use crate::turns::Turns;

/// Fuel between two yields of a running guest to the scheduler: about half a
/// millisecond of CPU, so one guest holds a serving thread no longer than that.
pub(super) const YIELD_INTERVAL: u64 = 1_000_000;

/// Core module instances, tables and memories that one component may have.
/// Components of interpreters bring 20 to 40 small modules of their own.
const MAX_CORE_INSTANCES: u32 = 64;
const MAX_TABLES: u32 = 32;
const MAX_MEMORIES: u32 = 8;

/// Elements of one table; CPython's function table needs about 20,000.
const MAX_TABLE_ELEMENTS: usize = 65_536;

/// Bytes of a linear memory that stay mapped when its slot goes back to the pool:
/// zeroed instead of unmapped. Unmapping costs page faults and interrupts the other
/// CPUs; zeroing a whole megabyte, which is where a Rust guest's default stack ends,
/// costs more than that. A small tool fits in here whole.
const KEEP_RESIDENT: usize = 256 << 10;

/// Components that are compiled at once, each on as many threads as there are CPUs.
const COMPILES_AT_ONCE: usize = 2;

/// What an operator may set about the engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Size of a pool slot in bytes: no tool's memory limit can be larger.
    pub max_memory: u64,
    /// Instances at once, over all tools.
    pub max_instances: u32,
    /// How components are compiled.
    pub compiler: Compiler,
    /// Where machine code is kept.
    pub cache: CodeCache,
}

/// A configured wasmtime engine with everything that WASI 0.2 and
/// `sandglass:tool/host` offer linked once, for every component.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) linker: Arc<Linker<CallState>>,
    pub(super) compiler: Compiler,
    pub(super) cache: CodeCache,
    pub(super) shared: Arc<Shared<Compiled>>,
    pub(super) compiling: Turns,
    pub(super) failures: Arc<Failures>,
    slots: Arc<Semaphore>,
    /// For each component that is loaded one: its machine code is an open file.
    files: Arc<Semaphore>,
    max_instances: u32,
    lanes: Lanes,
    max_memory: u64,
    pooling: bool,
}

/// The engine cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot start: {0:#}")]
pub struct EngineError(wasmtime::Error);

impl Engine {
    /// Sets up the engine. Where the address space for the pool is not to be had
    /// (`ulimit -v`), instances are allocated on demand instead: slower, as safe.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        let pooled = pooling_config(&settings).and_then(|config| wasmtime::Engine::new(&config));
        let (wasmtime, pooling) = match pooled {
            Ok(engine) => (engine, true),
            Err(error) => {
                tracing::warn!(
                    reason = format!("{error:#}"),
                    "no address space for the instance pool: instances are allocated on demand, which is slower; lift `ulimit -v` or lower engine.max_instances"
                );
                let engine = compile_config()
                    .and_then(|config| wasmtime::Engine::new(&config))
                    .map_err(EngineError)?;
                (engine, false)
            }
        };
        let linker = linked::linker(&wasmtime).map_err(EngineError)?;
        Ok(Self {
            wasmtime,
            linker: Arc::new(linker),
            compiler: settings.compiler,
            cache: settings.cache,
            shared: Arc::default(),
            compiling: Turns::new(COMPILES_AT_ONCE),
            failures: Arc::default(),
            slots: Arc::new(Semaphore::new(settings.max_instances as usize)),
            files: Arc::new(Semaphore::new(
                open_files::for_components()
                    .unwrap_or(Semaphore::MAX_PERMITS)
                    .min(Semaphore::MAX_PERMITS),
            )),
            max_instances: settings.max_instances,
            lanes: Lanes::new(),
            max_memory: settings.max_memory,
            pooling,
        })
    }

    /// Whether instances come from the pool (else they are allocated on demand).
    pub fn is_pooling(&self) -> bool {
        self.pooling
    }

    /// The largest memory limit that a tool can have, in bytes.
    pub fn max_memory(&self) -> u64 {
        self.max_memory
    }

    /// Instances at once, over all tools.
    pub fn max_instances(&self) -> u32 {
        self.max_instances
    }

    /// Instances that run now.
    pub fn instances(&self) -> u32 {
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        self.max_instances.saturating_sub(free)
    }

    /// A lane of its own: calls of different lanes get the same share of the CPU.
    pub fn lane(&self) -> Lane {
        self.lanes.lane()
    }

    /// Has components compiled again whose compiling failed for a reason that may have passed.
    pub fn try_again(&self) {
        self.failures.forget_passing();
    }

    /// Tells machine code made by another engine version or configuration apart from this one's.
    pub fn compatibility_hash(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.wasmtime
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        hasher.finish()
    }

    /// The right to keep a component's file open; none where so many are that no more may be.
    pub(super) fn file(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.files).try_acquire_owned().ok()
    }

    /// Waits for a free instance slot, at most for `wait`.
    pub(super) async fn slot(&self, wait: Duration) -> Option<OwnedSemaphorePermit> {
        // Without a timer where none is needed: this is on each call's way.
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(permit);
        }
        let acquired = tokio::time::timeout(wait, Arc::clone(&self.slots).acquire_owned());
        let permit = acquired.await.ok()?;
        Some(permit.expect("the slot semaphore is never closed"))
    }
}

/// Everything that decides what machine code looks like and how it runs;
/// the same for compiling and for serving, or the code would not fit.
pub(super) fn compile_config() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // A stated CPU baseline instead of the build machine's own flags: code compiled
    // into an image runs wherever the image is scheduled.
    #[cfg(target_arch = "x86_64")]
    {
        config.target("x86_64-unknown-linux-gnu")?;
        // x86-64-v2: every server CPU since 2009.
        for flag in [
            "has_cmpxchg16b",
            "has_sse3",
            "has_ssse3",
            "has_sse41",
            "has_sse42",
            "has_popcnt",
        ] {
            // SAFETY: these only name instructions that the generated code may use;
            // wasmtime checks at load that the running CPU has them.
            unsafe { config.cranelift_flag_enable(flag) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    config.target("aarch64-unknown-linux-gnu")?;
    config.cranelift_opt_level(OptLevel::Speed);
    // The promise of a deterministic budget; the guest yields to the scheduler by fuel too.
    config.consume_fuel(true);
    // WASI 0.3 and async component functions are not offered; their bookkeeping would double a small call.
    config.concurrency_support(false);
    // Unwind tables are registered per module and searched linearly: with 1,000
    // components they made up three quarters of a call. Traps don't need them.
    config.native_unwind_info(false);
    // Backtraces are only in the way of a tool's user, and cost at every trap.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    // A fresh instance maps its initial memory copy-on-write instead of copying it.
    config.memory_init_cow(true);
    // Interpreters recurse deeply; the fiber's stack (2 MiB by default) holds this and the host's frames.
    config.max_wasm_stack(1 << 20);
    config.async_stack_size(3 << 20);
    Ok(config)
}

fn pooling_config(settings: &EngineSettings) -> wasmtime::Result<Config> {
    let instances = settings.max_instances;
    let memories = instances.saturating_mul(2);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        // Small components have a handful of core instances, one or two of them
        // with a memory or table of its own; interpreters have more.
        .total_core_instances(instances.saturating_mul(16))
        .total_memories(memories)
        .total_tables(instances.saturating_mul(4))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(settings.max_memory).unwrap_or(usize::MAX))
        // A free slot keeps the memory of the component that it last held, whose next call is four times as cheap.
        .max_unused_warm_slots(memories)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10);
    let mut config = compile_config()?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}
