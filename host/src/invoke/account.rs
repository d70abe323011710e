//! One call's account: opened when it comes in, charged when its guest ends, closed with its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use super::admission::Places;
use super::call::{Completed, ToolOutput};
use super::error::InvokeError;
use super::ledger::{Ledger, TenantAccount};
use super::outcome::Outcome;
use super::tenant::{Caller, TenantId};
use super::usage::Counters;
use crate::audit::{Moment, Record};
use crate::catalog::Tool;
use crate::sandbox::{Lane, Payer, Trail, Usage};
use crate::telemetry::trace::{self, TraceParent};

/// Bytes of an unknown tool's name that are kept.
const MAX_UNKNOWN_NAME: usize = 128;

/// A call's account. Wherever it is dropped, the call is over: then it is written down. Dropped
/// before it was closed, the call was cancelled.
pub(super) struct Account {
    ledger: Arc<Ledger>,
    tenant: TenantId,
    of_tenant: Arc<TenantAccount>,
    caller: Caller,
    trace: Option<TraceParent>,
    span: Span,
    opened: Instant,
    at: Option<Moment>,
    tool: Option<(Arc<Tool>, Arc<Counters>)>,
    unknown: String,
    arguments: Option<[u8; 32]>,
    outcome: Option<Outcome>,
    usage: Usage,
    trail: Option<Trail>,
    places: Option<Places>,
    _open: TaskTrackerToken,
}

impl Account {
    pub(super) fn open(
        ledger: Arc<Ledger>,
        tenant: TenantId,
        of_tenant: Arc<TenantAccount>,
        caller: Caller,
        trace: Option<TraceParent>,
        open: TaskTrackerToken,
    ) -> Self {
        Self {
            at: ledger.audit().map(|_| Moment::now()),
            ledger,
            tenant,
            of_tenant,
            caller,
            trace,
            span: Span::none(),
            opened: Instant::now(),
            tool: None,
            unknown: String::new(),
            arguments: None,
            outcome: None,
            usage: Usage::default(),
            trail: None,
            places: None,
            _open: open,
        }
    }

    /// The call is for this tool.
    pub(super) fn of(&mut self, tool: &Arc<Tool>) {
        let counters = self.of_tenant.counters.tool(&tool.name);
        self.span = trace::call_span(&tool.name, &self.tenant, &self.caller, self.trace.as_ref());
        self.tool = Some((Arc::clone(tool), counters));
    }

    /// The call is for a tool that is not there, or not for its caller.
    pub(super) fn of_no_tool(&mut self, name: &str) {
        let end = name.floor_char_boundary(MAX_UNKNOWN_NAME);
        name[..end].clone_into(&mut self.unknown);
    }

    /// What the tool is given: the audit has its hash.
    pub(super) fn arguments(&mut self, text: &str) {
        if let Some(audit) = self.ledger.audit() {
            self.arguments = Some(audit.hash(text));
        }
    }

    /// The same where no text of it is needed else.
    pub(super) fn refused_arguments(&mut self, arguments: &Value) {
        if self.ledger.audit().is_some() {
            self.arguments(&arguments.to_string());
        }
    }

    /// Waits for the call's places; it has them until it is over.
    pub(super) async fn admit(&mut self, tool: &Tool) -> Result<(), InvokeError> {
        let places = tool.admission.enter(&self.of_tenant.gate).await?;
        self.places = Some(places);
        Ok(())
    }

    /// The call's share of the CPU.
    pub(super) fn lane(&self) -> Lane {
        self.of_tenant.gate.lane.clone()
    }

    /// The call is over.
    pub(super) fn close(mut self, result: Result<ToolOutput, InvokeError>) -> Completed {
        self.outcome = Some((&result).into());
        Completed {
            result,
            usage: self.usage,
        }
    }

    fn record(&mut self, at: Moment, outcome: Outcome, duration: Duration) -> Record {
        let (tool, source, digest, signed_by) = match &self.tool {
            Some((tool, _)) => (
                tool.name.clone(),
                Some(tool.component.name().to_owned()),
                Some(tool.component.digest().clone()),
                Arc::clone(&tool.signed_by),
            ),
            None => (
                std::mem::take(&mut self.unknown),
                None,
                None,
                Arc::default(),
            ),
        };
        Record {
            at,
            tenant: self.tenant.clone(),
            caller: self.caller.clone(),
            tool,
            source,
            digest,
            signed_by,
            arguments: self.arguments,
            outcome,
            usage: self.usage,
            duration,
            trail: self.trail.take().unwrap_or_default(),
            trace: self.trace.clone(),
        }
    }
}

impl Payer for Account {
    fn charge(&mut self, usage: Usage, trail: Trail) {
        self.usage = usage;
        self.trail = Some(trail);
        self.of_tenant.gate.charge(usage.fuel);
        if let Some((tool, _)) = &self.tool {
            tool.admission.charge(usage.fuel);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(if std::thread::panicking() {
            Outcome::Internal
        } else {
            Outcome::Cancelled
        });
        let duration = self.opened.elapsed();
        match &self.tool {
            Some((_, counters)) => counters.add(outcome, &self.usage, duration),
            None => {
                let counters = self.of_tenant.counters.no_tool();
                counters.add(outcome, &self.usage, duration);
            }
        }
        trace::close(&self.span, outcome, &self.usage);
        if let Some(at) = self.at.take() {
            let record = self.record(at, outcome, duration);
            if let Some(audit) = self.ledger.audit() {
                audit.write(record);
            }
        }
    }
}
