//! What the host says of itself: the log, on stderr; [`metrics`]; [`trace`]s.

mod metrics;
pub mod trace;

use std::any::Any;
use std::io::{self, IsTerminal};

pub use metrics::{Histograms, Metrics};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// From which severity on the log is written. Names as the Python runtime takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    #[value(alias = "critical")]
    Error,
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

/// Starts the log, and the export of traces where there is one. Libraries are heard from warnings on only.
pub fn start(level: LogLevel, traces: Option<&trace::Export>) {
    let own = match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    };
    let others = if level == LogLevel::Error {
        "error"
    } else {
        "warn"
    };
    // The Kubernetes client logs what our errors say too, and an answer that it cannot read, which may be a Secret.
    let filter = EnvFilter::new(format!(
        "{others},kube_client=off,kube_runtime=off,sandglass={own},guest={own},access={own}"
    ));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(log)
        .with(traces.map(trace::Export::layer))
        .init();
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
