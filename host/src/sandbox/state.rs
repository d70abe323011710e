//! What a running instance can reach: the data of its store, and the linker that leads there.
//!
//! All of WASI 0.2 that the host offers is linked for every component; a grant
//! lives in the store and is looked at when the guest calls. So an import
//! without a grant is a refused call, never a failed load.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::sandglass::tool::{host, resource_updates, types};
use super::capability::http::Outbound;
use super::capability::keyvalue::{self, KeyValueView};
use super::capability::{KeyValue, Trail};
use super::component::Run;
use super::dialogue::Dialogue;
use super::memory::MemoryCap;
use super::origin::{Clock, Random};
use super::output::{GuestOutput, Observer, Pipe, Severity, Stream};
use super::script;

/// Resources (streams, pollables, requests, ..) that a guest can hold at once. One costs the host up to 64 KiB: a URL,
/// headers, what was written of a body and not sent.
const MAX_RESOURCES: usize = 1_000;

/// Bytes of the headers of a request, as the host holds them.
const MAX_FIELDS: usize = 32 << 10;

/// Bytes of randomness that a guest gets in one host call.
const MAX_RANDOM: u64 = 1 << 20;

/// Everything that belongs to one call.
pub struct CallState {
    wasi: WasiCtx,
    table: ResourceTable,
    http: Outbound,
    http_context: WasiHttpCtx,
    config: Arc<WasiConfigVariables>,
    keyvalue: KeyValue,
    pub(super) memory: MemoryCap,
    pub(super) output: Arc<GuestOutput>,
    pub(super) trail: Trail,
    /// The text that its component is bound to, if it is.
    pub(super) script: Option<script::View>,
    pub(super) dialogue: Dialogue,
    observer: Arc<dyn Observer>,
}

impl CallState {
    /// Clocks, randomness and captured output, and what is granted.
    pub(super) fn new(
        memory: MemoryCap,
        output: Arc<GuestOutput>,
        run: Run<'_>,
        script: Option<script::View>,
    ) -> Self {
        let Run {
            limits,
            grants,
            observer,
            dialogue,
            secret,
        } = run;
        let random = |stream| Random::new(&dialogue.origin, secret, stream);
        let pipe = |stream| Pipe {
            output: Arc::clone(&output),
            stream,
        };
        let mut wasi = WasiCtx::builder();
        wasi.stdout(pipe(Stream::Stdout))
            .stderr(pipe(Stream::Stderr))
            .secure_random(random(0))
            .insecure_random(random(1))
            .insecure_random_seed(dialogue.origin.insecure_seed())
            .wall_clock(Clock::new(&dialogue.origin))
            .max_random_size(MAX_RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let trail = Trail::default();
        let (config, http) = grants.prepare(&limits.http, &trail, &mut wasi);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http_context = WasiHttpCtx::new();
        http_context.set_field_size_limit(MAX_FIELDS);
        Self {
            wasi: wasi.build(),
            table,
            http,
            http_context,
            config,
            keyvalue: grants.keyvalue.clone(),
            memory,
            output,
            trail,
            script,
            dialogue,
            observer,
        }
    }
}

/// A linker with everything that a component may import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut CallState| {
        WasiConfig::from(&*state.config)
    })?;
    keyvalue::add_to_linker(&mut linker, |state: &mut CallState| KeyValueView {
        granted: &state.keyvalue,
        table: &mut state.table,
        trail: &mut state.trail,
    })?;
    script::add_to_linker(&mut linker, |state| script::Host(state.script.as_mut()))?;
    host::add_to_linker::<CallState, HasSelf<CallState>>(&mut linker, |state| state)?;
    resource_updates::add_to_linker::<CallState, HasSelf<CallState>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http,
            table: &mut self.table,
            ctx: &mut self.http_context,
        }
    }
}

impl types::Host for CallState {}

impl host::Host for CallState {
    fn log(
        &mut self,
        level: types::LogLevel,
        data: types::Json,
        logger: Option<String>,
    ) -> wasmtime::Result<()> {
        let bytes = data.len() + logger.as_ref().map_or(0, String::len);
        if self.output.spend(bytes) && self.dialogue.is_news() {
            let severity = severity(level);
            // Guests are not trusted to send JSON: what is none travels as a JSON string.
            let data = match serde_json::from_str::<serde::de::IgnoredAny>(&data) {
                Ok(_) => data,
                Err(_) => serde_json::Value::String(data).to_string(),
            };
            self.output.log(severity, logger.as_deref(), &data);
            self.observer.log(severity, logger.as_deref(), &data);
        }
        Ok(())
    }

    fn progress(
        &mut self,
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    ) -> wasmtime::Result<()> {
        let bytes = message.as_ref().map_or(0, String::len);
        if self.output.spend(bytes) && self.dialogue.is_news() {
            self.observer.progress(progress, total, message.as_deref());
        }
        Ok(())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.observer.cancelled())
    }

    fn ask(
        &mut self,
        questions: Vec<types::Question>,
    ) -> wasmtime::Result<Result<Vec<types::Answer>, host::AskError>> {
        Ok(self.dialogue.ask(questions)?)
    }
}

impl resource_updates::Host for CallState {
    fn updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.trail.updated(uri);
        Ok(())
    }
}

fn severity(level: types::LogLevel) -> Severity {
    use types::LogLevel;
    match level {
        LogLevel::Debug => Severity::Debug,
        LogLevel::Info => Severity::Info,
        LogLevel::Notice => Severity::Notice,
        LogLevel::Warning => Severity::Warning,
        LogLevel::Error => Severity::Error,
        LogLevel::Critical => Severity::Critical,
        LogLevel::Alert => Severity::Alert,
        LogLevel::Emergency => Severity::Emergency,
    }
}
