//! What a guest writes beside its result: stdout, stderr, log messages, progress.
//!
//! All of it goes to the host's log and, where somebody listens, to the caller.
//! None of it reaches the protocol streams, and all of it together is capped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use sandglass_text::{Line, json};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::meter::Bill;

/// Bytes of a line that are kept while its end has not come yet.
const MAX_LINE: usize = 8 << 10;

/// Bytes of stderr that are kept to find the panic message of a guest that trapped.
const KEPT_STDERR: usize = 4 << 10;

/// Bytes that one log message costs beside its text, so that empty ones are not free.
const MESSAGE_COST: usize = 64;

/// Fuel for a byte that goes to the log: it is checked, escaped and written.
const LOGGED: u64 = 8;

/// Severity of a guest's log message (RFC 5424).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are RFC 5424's")]
pub enum Severity {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// Who listens to a running call beside the log.
pub trait Observer: Send + Sync {
    /// A log message; `data` is JSON text.
    fn log(&self, severity: Severity, logger: Option<&str>, data: &str);
    /// How far the call is.
    fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>);
    /// True once the caller does not want the answer any more.
    fn cancelled(&self) -> bool;
}

/// Nobody listens.
pub struct Silent;

impl Observer for Silent {
    fn log(&self, _: Severity, _: Option<&str>, _: &str) {}
    fn progress(&self, _: f64, _: Option<f64>, _: Option<&str>) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// Collects what one call writes.
pub(super) struct GuestOutput {
    /// The component's name in the log.
    source: Arc<str>,
    bill: Bill,
    state: Mutex<State>,
}

struct State {
    /// Bytes that may still be written.
    budget: usize,
    /// Bytes that were dropped since the budget ran out.
    dropped: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    kept_stderr: Vec<u8>,
}

#[derive(Clone, Copy)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl GuestOutput {
    pub(super) fn new(source: Arc<str>, budget: u64, bill: Bill) -> Self {
        Self {
            source,
            bill,
            state: Mutex::new(State {
                budget: usize::try_from(budget).unwrap_or(usize::MAX),
                dropped: 0,
                stdout: Vec::new(),
                stderr: Vec::new(),
                kept_stderr: Vec::new(),
            }),
        }
    }

    /// Takes `bytes` from the budget; false where it is used up.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let bytes = bytes.saturating_add(MESSAGE_COST);
        let is_left = self.lock().spend(bytes);
        if is_left {
            self.bill.charge(LOGGED.saturating_mul(bytes as u64));
        }
        is_left
    }

    pub(super) fn log(&self, severity: Severity, logger: Option<&str>, data: &str) {
        let source = &*self.source;
        let logger = logger.unwrap_or_default();
        let data = json::OneLine(data);
        match severity {
            Severity::Debug => tracing::debug!(target: "guest", source, logger, "{data}"),
            Severity::Info | Severity::Notice => {
                tracing::info!(target: "guest", source, logger, "{data}");
            }
            Severity::Warning => tracing::warn!(target: "guest", source, logger, "{data}"),
            _ => tracing::error!(target: "guest", source, logger, "{data}"),
        }
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.lock();
        if let Stream::Stderr = stream {
            let kept = &mut state.kept_stderr;
            kept.extend_from_slice(bytes);
            let excess = kept.len().saturating_sub(KEPT_STDERR);
            kept.drain(..excess);
        }
        if !state.spend(bytes.len()) {
            return;
        }
        self.bill.charge(LOGGED.saturating_mul(bytes.len() as u64));
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = state.line(stream);
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() >= MAX_LINE {
                let line = std::mem::take(line);
                self.emit(stream, &line);
            }
        }
    }

    fn emit(&self, stream: Stream, line: &[u8]) {
        let source = &*self.source;
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if !line.is_empty() {
            tracing::info!(target: "guest", source, stream, "{line}");
        }
    }

    /// Writes out what is left without a line's end, and what was dropped.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(state.line(stream));
            self.emit(stream, &rest);
        }
        if state.dropped > 0 {
            tracing::warn!(target: "guest", source = &*self.source, dropped_bytes = state.dropped, "the log limit of this call was reached");
        }
    }

    /// The message of a Rust panic on stderr:
    /// `thread 'main' panicked at src/lib.rs:1:2:` and then the message up to the note on backtraces.
    pub(super) fn panic_message(&self) -> Option<Line> {
        let state = self.lock();
        let text = String::from_utf8_lossy(&state.kept_stderr);
        let panic = &text[text.rfind("panicked at ")?..];
        let (_, message) = panic.split_once('\n')?;
        let message = message.split("\nnote: ").next()?;
        let message = message.trim_end();
        (!message.is_empty()).then(|| Line::excerpt(message))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn spend(&mut self, bytes: usize) -> bool {
        if self.dropped == 0 && bytes <= self.budget {
            self.budget -= bytes;
            true
        } else {
            self.dropped += bytes as u64;
            false
        }
    }

    fn line(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// A guest's stdout or stderr.
#[derive(Clone)]
pub(super) struct Pipe {
    pub(super) output: Arc<GuestOutput>,
    pub(super) stream: Stream,
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.output.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(budget: u64) -> GuestOutput {
        GuestOutput::new("test".into(), budget, Bill::default())
    }

    #[test]
    fn a_panic_message_is_found_on_stderr() {
        let output = output(10_000);
        output.write(
            Stream::Stderr,
            b"\nthread '<unnamed>' (1) panicked at src/lib.rs:3:5:\nboom: the reason\nnote: run with `RUST_BACKTRACE=1`\n",
        );
        assert_eq!(output.panic_message().as_deref(), Some("boom: the reason"));
    }

    #[test]
    fn a_panic_message_is_found_after_the_budget_ran_out() {
        let output = output(0);
        output.write(
            Stream::Stderr,
            b"thread 'main' panicked at a.rs:1:1:\nboom\n",
        );
        assert_eq!(output.panic_message().as_deref(), Some("boom"));
    }

    #[test]
    fn without_a_panic_there_is_no_message() {
        let output = output(10_000);
        output.write(Stream::Stderr, b"just a warning\n");
        assert_eq!(output.panic_message(), None);
    }

    #[test]
    fn what_is_over_the_budget_is_dropped_and_counted() {
        let output = output(100);
        output.write(Stream::Stdout, &[b'x'; 90]);
        assert_eq!(output.lock().stdout.len(), 90);
        output.write(Stream::Stdout, &[b'x'; 90]);
        output.write(Stream::Stdout, b"y");
        assert_eq!(output.lock().stdout.len(), 90);
        assert_eq!(output.lock().dropped, 91);
    }

    #[test]
    fn a_panic_message_is_one_line() {
        let output = output(10_000);
        output.write(
            Stream::Stderr,
            b"thread 'main' panicked at a.rs:1:1:\na\x1b[2Jb\n2026\n",
        );
        let message = output.panic_message();
        assert_eq!(message.as_deref(), Some("a\\u{1b}[2Jb\\n2026"));
    }
}
