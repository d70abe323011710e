//! One call's account: opened when it comes in, charged when its guest ends, closed with its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use super::admission::Places;
use super::call::{Completed, Step};
use super::error::InvokeError;
use super::ledger::{Ledger, TenantAccount};
use super::operation::Target;
use super::outcome::{Ending, Outcome};
use super::tenant::{Caller, TenantId};
use super::updates::Updates;
use super::usage::Counters;
use crate::audit::{Moment, Record};
use crate::catalog::Guest;
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
    /// What is called, by its name or the one it was asked for by.
    label: String,
    of: Option<(Arc<Guest>, Arc<Counters>)>,
    updates: Updates,
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
        updates: Updates,
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
            label: String::new(),
            of: None,
            updates,
            arguments: None,
            outcome: None,
            usage: Usage::default(),
            trail: None,
            places: None,
            _open: open,
        }
    }

    /// The call is for this.
    pub(super) fn of(&mut self, target: &impl Target) {
        let label = target.label();
        let counters = self.of_tenant.counters.tool(&label);
        self.span = trace::call_span(&label, &self.tenant, &self.caller, self.trace.as_ref());
        self.label = label.into_owned();
        self.of = Some((Arc::clone(target.guest()), counters));
    }

    /// The call is for what is not there, or not for its caller.
    pub(super) fn of_nothing(&mut self, name: &str) {
        let end = name.floor_char_boundary(MAX_UNKNOWN_NAME);
        name[..end].clone_into(&mut self.label);
    }

    /// What it is given: the audit has its hash.
    pub(super) fn arguments(&mut self, text: impl FnOnce() -> String) {
        if let Some(audit) = self.ledger.audit() {
            self.arguments = Some(audit.hash(&text()));
        }
    }

    /// Waits for the call's places, unless it has them; it has them until it is over.
    pub(super) async fn admit(&mut self, guest: &Guest) -> Result<(), InvokeError> {
        if self.places.is_some() {
            return Ok(());
        }
        let places = guest.admission.enter(&self.of_tenant.gate).await?;
        self.places = Some(places);
        Ok(())
    }

    /// Others may have its places while it waits for answers.
    pub(super) fn leave(&mut self) {
        self.places = None;
    }

    /// Room for a call with so many bytes of arguments that waits for answers; none where too many wait.
    pub(super) fn wait_with(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.of_tenant.gate.wait_with(bytes)
    }

    /// The call's share of the CPU.
    pub(super) fn lane(&self) -> Lane {
        self.of_tenant.gate.lane.clone()
    }

    /// The call is over.
    pub(super) fn close<T: Ending>(
        mut self,
        result: Result<Step<T>, InvokeError>,
    ) -> Completed<Step<T>> {
        self.outcome = Some(Outcome::of(&result));
        Completed {
            result,
            usage: self.usage,
        }
    }

    fn record(&mut self, at: Moment, outcome: Outcome, duration: Duration) -> Record {
        let (source, digest, signed_by) = match &self.of {
            Some((guest, _)) => (
                Some(guest.component.name().to_owned()),
                Some(guest.component.digest().clone()),
                Arc::clone(&guest.signed_by),
            ),
            None => (None, None, Arc::default()),
        };
        Record {
            at,
            tenant: self.tenant.clone(),
            caller: self.caller.clone(),
            tool: std::mem::take(&mut self.label),
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
        self.usage.add(usage);
        self.updates.tell(&self.tenant, trail.take_updated());
        match &self.trail {
            Some(before) => before.extend(&trail),
            None => self.trail = Some(trail),
        }
        self.of_tenant.gate.charge(usage.fuel);
        if let Some((guest, _)) = &self.of {
            guest.admission.charge(usage.fuel);
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
        match &self.of {
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
