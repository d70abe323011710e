//! A call of a component with bare wasmtime: a new instance, the call, and nothing around it.

use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Result, ensure};
use sandglass::sandbox::bindings::{CallRequest, Outcome, tools};
use sandglass_manifest::{Engine as EngineLimits, Limits};
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// A component, ready to be instantiated for a call.
pub struct Bare {
    engine: wasmtime::Engine,
    pre: InstancePre<State>,
    tools: tools::GuestIndices,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl Bare {
    /// Compiles and links a component; fails where the engine is configured in another way than `host`.
    pub fn load(
        component: &[u8],
        limits: &EngineLimits,
        host: &sandglass::sandbox::Engine,
    ) -> Result<Self> {
        let bare = Self::link(component, limits).map_err(plain)?;
        let mut hasher = DefaultHasher::new();
        bare.engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        ensure!(
            hasher.finish() == host.compatibility_hash() && host.is_pooling(),
            "bare wasmtime is configured in another way than the host's engine: make bench/src/native/wasmtime.rs as host/src/sandbox/engine.rs again"
        );
        Ok(bare)
    }

    fn link(component: &[u8], limits: &EngineLimits) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(limits)?)?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // The contract's types, which have no functions; `echo` calls nothing of its host.
        for (name, _) in component.component_type().imports(&engine) {
            if !name.starts_with("wasi:") {
                linker.instance(name)?;
            }
        }
        let pre = linker.instantiate_pre(&component)?;
        let tools = tools::GuestIndices::new(&pre)?;
        Ok(Self { engine, pre, tools })
    }

    /// Calls it in a new instance.
    pub async fn call(&self, request: &CallRequest) -> Result<Outcome> {
        self.try_call(request).await.map_err(plain)
    }

    async fn try_call(&self, request: &CallRequest) -> wasmtime::Result<Outcome> {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.set_fuel(Limits::DEFAULT.fuel.get())?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        let tools = self.tools.load(&mut store, &instance)?;
        tools.call_call_tool(&mut store, request).await
    }
}

/// wasmtime's errors are of a type of their own.
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}

/// The same as in the host's `sandbox::engine`, which shows no wasmtime type to the outside.
fn config(limits: &EngineLimits) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    #[cfg(target_arch = "x86_64")]
    {
        config.target("x86_64-unknown-linux-gnu")?;
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
    config.consume_fuel(true);
    config.concurrency_support(false);
    config.native_unwind_info(false);
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    config.memory_init_cow(true);
    config.max_wasm_stack(1 << 20);
    config.async_stack_size(3 << 20);
    let instances = limits.max_instances.get();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(16))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .max_core_instances_per_component(64)
        .max_memories_per_component(8)
        .max_tables_per_component(32)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(65_536)
        .max_memory_size(usize::try_from(limits.max_memory.get()).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}
