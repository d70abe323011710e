//! What the host says of itself: the log, on stderr.

use std::any::Any;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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

/// Starts the log. Libraries are heard from warnings on only.
pub fn start_log(level: LogLevel) {
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
    let filter = EnvFilter::new(format!("{others},sandglass={own},guest={own},access={own}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    if tracing_export_is_asked_for() {
        tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT is set: exporting traces is not supported yet");
    }
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

/// As the Python runtime decides it: both names set, and not switched off.
fn tracing_export_is_asked_for() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let disabled = std::env::var("OTEL_SDK_DISABLED")
        .is_ok_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1" | "yes"));
    !disabled && is_set("OTEL_SERVICE_NAME") && is_set("OTEL_EXPORTER_OTLP_ENDPOINT")
}
