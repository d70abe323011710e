//! Traces: one span a call, sent over OTLP (gRPC) where the environment asks for it.
//!
//! Without the exporter nobody is interested in the spans, and none is made.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use sandglass_text::Line;
use tracing::{Span, Subscriber, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::invoke::{Caller, Outcome, TenantId};
use crate::sandbox::Usage;

/// What the spans are called by in filters: nothing else has this target, and the log leaves it out.
const TARGET: &str = "trace";

/// How long the last spans may take to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Where a caller stands in a trace (W3C Trace Context, "traceparent").
#[derive(Clone, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

/// A text that is no `traceparent`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// The header's, where there is one that can be read; else the caller has no trace.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get("traceparent")?.to_str().ok()?.parse().ok()
    }

    /// 32 hex digits.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut part = |length| {
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            parts
                .next()
                .filter(|part| part.len() == length && part.bytes().all(is_hex))
                .ok_or(InvalidTraceParent)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        // Later versions may add parts, this one may not.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(InvalidTraceParent);
        }
        let context = SpanContext::new(
            TraceId::from_hex(trace).map_err(|_| InvalidTraceParent)?,
            SpanId::from_hex(span).map_err(|_| InvalidTraceParent)?,
            TraceFlags::new(u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceParent)?),
            true,
            TraceState::default(),
        );
        if context.is_valid() {
            Ok(Self(context))
        } else {
            Err(InvalidTraceParent)
        }
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({}-{})", self.0.trace_id(), self.0.span_id())
    }
}

/// A call's span; none where nobody exports it.
pub fn call_span(
    tool: &str,
    tenant: &TenantId,
    caller: &Caller,
    parent: Option<&TraceParent>,
) -> Span {
    if !tracing::span_enabled!(target: TARGET, tracing::Level::INFO) {
        return Span::none();
    }
    let (tool, caller) = (
        Line::name(tool),
        Line::name(caller.name().unwrap_or_default()),
    );
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "call",
        otel.name = format!("tools/call {tool}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        sandglass.tenant = %tenant,
        sandglass.tool = &*tool,
        sandglass.caller = &*caller,
        sandglass.fuel = field::Empty,
        sandglass.peak_memory = field::Empty,
        sandglass.outcome = field::Empty,
    );
    if let Some(TraceParent(parent)) = parent {
        let context = opentelemetry::Context::new().with_remote_span_context(parent.clone());
        _ = span.set_parent(context);
    }
    span
}

/// Says in a call's span how it ended; the span ends when it is dropped.
pub fn close(span: &Span, outcome: Outcome, usage: &Usage) {
    if span.is_disabled() {
        return;
    }
    span.record("sandglass.outcome", outcome.as_str());
    span.record("sandglass.fuel", usage.fuel);
    span.record("sandglass.peak_memory", usage.peak_memory);
    let status = if outcome == Outcome::Ok {
        "ok"
    } else {
        "error"
    };
    span.record("otel.status_code", status);
}

/// Sends spans away.
pub struct Export(SdkTracerProvider);

impl Export {
    /// As the environment asks for it (`OTEL_*`, OpenTelemetry, "Environment Variable Specification"). Must be
    /// called within a runtime, in which the connection lives.
    pub fn from_environment() -> Result<Option<Self>, String> {
        if !is_asked_for() {
            return Ok(None);
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .build()
            .map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
        // A thread of its own sends batches, and drops spans that it can't keep.
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What hears of the spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("sandglass"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.target() == TARGET))
    }

    /// Sends what is left, for a short while.
    pub fn finish(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// As the Python runtime decides it: both names set, and not switched off.
fn is_asked_for() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let disabled = std::env::var("OTEL_SDK_DISABLED")
        .is_ok_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1" | "yes"));
    !disabled && is_set("OTEL_SERVICE_NAME") && is_set("OTEL_EXPORTER_OTLP_ENDPOINT")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_traceparent_is_read() {
        for text in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings"),
        ] {
            let parent: TraceParent = text.parse().unwrap();
            assert_eq!(parent.trace_id(), TRACE);
            assert!(parent.0.is_sampled() && parent.0.is_remote());
        }
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            "",
            "00",
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("00-{TRACE}-00f067aa0ba902b7-0"),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{TRACE}-+0f067aa0ba902b7-01"),
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
    }

    #[test]
    fn without_an_exporter_no_span_is_made() {
        let span = call_span("echo", &TenantId::default(), &Caller::Anonymous, None);
        assert!(span.is_none());
    }
}
