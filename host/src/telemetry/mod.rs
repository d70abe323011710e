//! What the host says of itself: the log, on stderr; [`metrics`]; [`trace`]s.

mod metrics;
pub mod trace;

use std::any::Any;
use std::io::{self, IsTerminal};

pub use metrics::{Histograms, Metrics};
use sandglass_text::log;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The log's target for calls.
pub const CALLS: &str = "sandglass::call";

/// From which severity on the log is written. Names as the Python runtime takes them. A level is greater than those that
/// let less through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    #[value(alias = "critical")]
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `LOG_LEVEL` wins over `MCP_LOG_LEVEL`; without either, `default`.
pub fn level_from_environment(default: LogLevel) -> Result<LogLevel, String> {
    for name in ["LOG_LEVEL", "MCP_LOG_LEVEL"] {
        if let Some(value) = std::env::var_os(name)
            && !value.is_empty()
        {
            let value = value.to_string_lossy();
            return <LogLevel as clap::ValueEnum>::from_str(&value, true).map_err(|_| {
                format!(
                    "{name}: `{value}` is no log level: use TRACE, DEBUG, INFO, WARNING or ERROR"
                )
            });
        }
    }
    Ok(default)
}

/// Starts the log, and the export of traces where there is one. `calls` is the level of what is logged of each call.
/// Libraries are heard from warnings on only.
pub fn start(level: LogLevel, calls: LogLevel, traces: Option<&trace::Export>) {
    let (own, calls) = (level.as_str(), calls.as_str());
    let others = level.min(LogLevel::Warning).as_str();
    // The Kubernetes client logs what our errors say too, and an answer that it cannot read, which may be a Secret.
    // Folders that are gone are no news to notify's user: a mounted ConfigMap is renewed by that.
    // rmcp repeats in its warnings what clients send, in full.
    let filter = EnvFilter::new(format!(
        "{others},rmcp=off,notify=error,kube_client=off,kube_runtime=off,sandglass={own},guest={own},access={own},{CALLS}={calls}"
    ));
    let log = tracing_subscriber::fmt::layer()
        .fmt_fields(log::Fields)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(log)
        .with(traces.map(trace::Export::layer))
        .init();
    log::take_panics();
}

/// Logs a panic that was caught: its message is for the operator, not for the caller.
pub fn log_panic(panic: &(dyn Any + Send), what: &str) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    tracing::error!(message, "{what} panicked");
}
