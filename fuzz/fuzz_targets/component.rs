//! Any bytes are a component or an error: parsed, compiled, linked, and its functions made tools; nothing of it runs.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sandglass::sandbox::cache::CodeCache;
use sandglass::sandbox::compile::Compiler;
use sandglass::sandbox::{Component, Engine, EngineSettings};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
});

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(EngineSettings {
        max_memory: 1 << 20,
        max_instances: 1,
        compiler: Compiler::InProcess,
        cache: CodeCache::default(),
    })
    .expect("an engine")
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(component) = RUNTIME.block_on(Component::load(&ENGINE, "fuzz", bytes.to_vec().into()))
    {
        assert_eq!(component.inspection().size, bytes.len() as u64);
    }
});
