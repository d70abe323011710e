//! What a running instance can reach: the data of its store.

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::sandglass::tool::{host, resource_updates, types};
use super::capability::http::Outbound;
use super::capability::keyvalue::KeyValueView;
use super::capability::{Files, KeyValue, Trail};
use super::component::Run;
use super::dialogue::Dialogue;
use super::file_share::{FileShare, Opened};
use super::linked::{Folders, Streams};
use super::memory::{HostMemory, MemoryCap, Reserved};
use super::meter::Meter;
use super::origin::{Clock, Random};
use super::output::{GuestOutput, Observer, Pipe, Severity, Stream};
use super::script;

/// Bytes of the headers of a request, as the host holds them.
const MAX_FIELDS: usize = 14 << 10;

/// Bytes of randomness that a guest gets in one host call.
const MAX_RANDOM: u64 = 64 << 10;

/// Everything that belongs to one call.
pub struct CallState {
    wasi: Wasi,
    http: Outbound,
    http_context: WasiHttpCtx,
    pub(super) config: Arc<WasiConfigVariables>,
    /// Bytes of the variables that it is granted.
    environment: usize,
    keyvalue: KeyValue,
    folders: Files,
    pub(super) meter: Meter,
    pub(super) memory: MemoryCap,
    pub(super) host_memory: HostMemory,
    /// What listings of folders hold, by their handles.
    listings: HashMap<u32, Reserved>,
    /// The files that it has open, by their handles.
    opened: HashMap<u32, Arc<Opened>>,
    /// Its tenant's share.
    files: FileShare,
    pub(super) output: Arc<GuestOutput>,
    pub(super) trail: Trail,
    /// The text that its component is bound to, if it is.
    pub(super) script: Option<script::View>,
    pub(super) dialogue: Dialogue,
    observer: Arc<dyn Observer>,
}

/// WASI's own part, and what the guest has handles of.
struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl CallState {
    /// Clocks, randomness and captured output, and what is granted.
    pub(super) fn new(
        name: &Arc<str>,
        run: Run<'_>,
        script: Option<script::View>,
        files: FileShare,
    ) -> Self {
        let Run {
            limits,
            grants,
            observer,
            dialogue,
            secret,
        } = run;
        let meter = Meter::new(limits.fuel.get());
        let bill = &meter.bill;
        let output = GuestOutput::new(Arc::clone(name), limits.log.get(), bill.clone());
        let output = Arc::new(output);
        let host_memory = HostMemory::new(limits.host_memory.get());
        let Dialogue { origin, course, .. } = &dialogue;
        let random = |stream| Random::new(origin, course, secret, stream, bill.clone());
        let pipe = |stream| Pipe {
            output: Arc::clone(&output),
            stream,
        };
        let mut wasi = WasiCtx::builder();
        wasi.stdout(pipe(Stream::Stdout))
            .stderr(pipe(Stream::Stderr))
            .secure_random(random(0))
            .insecure_random(random(1))
            .insecure_random_seed(origin.insecure_seed(secret))
            .wall_clock(Clock::new(origin, course))
            .max_random_size(MAX_RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let trail = Trail::default();
        let (config, http) = grants.prepare(&limits.http, &host_memory, &files, &trail, &mut wasi);
        let mut table = ResourceTable::new();
        table.set_max_capacity(host_memory.handles());
        let mut http_context = WasiHttpCtx::new();
        http_context.set_field_size_limit(MAX_FIELDS);
        Self {
            wasi: Wasi {
                context: wasi.build(),
                table,
            },
            http,
            http_context,
            config,
            environment: grants.env.bytes(),
            keyvalue: grants.keyvalue.clone(),
            folders: grants.files.clone(),
            memory: MemoryCap::new(limits.memory.get()),
            host_memory,
            listings: HashMap::new(),
            opened: HashMap::new(),
            files,
            meter,
            output,
            trail,
            script,
            dialogue,
            observer,
        }
    }
}

impl CallState {
    /// Charges for the variables that the guest was granted, all of which it gets at once.
    pub(super) fn charge_environment(&self) {
        self.meter.bill.bytes(self.environment);
    }

    pub(super) fn streams(&mut self) -> Streams<'_> {
        Streams {
            table: &mut self.wasi.table,
            bill: &self.meter.bill,
        }
    }

    pub(super) fn folders(&mut self) -> Folders<'_> {
        Folders {
            wasi: self.wasi.filesystem(),
            granted: &self.folders,
            bill: &self.meter.bill,
            share: &self.files,
            opened: &mut self.opened,
            memory: &self.host_memory,
            listings: &mut self.listings,
        }
    }

    pub(super) fn keyvalue(&mut self) -> KeyValueView<'_> {
        KeyValueView {
            granted: &self.keyvalue,
            table: &mut self.wasi.table,
            trail: &mut self.trail,
            bill: &self.meter.bill,
        }
    }

    pub(super) fn source(&mut self) -> script::Host<'_> {
        script::Host {
            view: self.script.as_mut(),
            bill: &self.meter.bill,
        }
    }
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http,
            table: &mut self.wasi.table,
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
        self.meter.bill.bytes(bytes);
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
        self.meter.bill.bytes(bytes);
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
        self.meter
            .bill
            .bytes(questions.iter().map(question_size).sum());
        Ok(self.dialogue.ask(questions)?)
    }
}

impl resource_updates::Host for CallState {
    fn updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.meter.bill.bytes(uri.len());
        self.trail.updated(uri);
        Ok(())
    }
}

/// Bytes of a question.
fn question_size(question: &types::Question) -> usize {
    use types::QuestionKind;
    let asked = match &question.ask {
        QuestionKind::ElicitForm(form) => form.message.len() + form.requested_schema.len(),
        QuestionKind::ElicitUrl(page) => page.message.len() + page.url.len(),
        QuestionKind::Sample(parameters) => parameters.len(),
        QuestionKind::ListRoots => 0,
    };
    question.key.len() + asked
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
