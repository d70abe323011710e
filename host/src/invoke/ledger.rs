//! What calls are charged to, and where it is written down: the tenants' quotas and usage, the
//! audit, the metrics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::Histogram;
use sandglass_manifest::{Manifest, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::admission::TenantGate;
use super::room::{Full, Room, RoomShare};
use super::tenant::{Caller, TenantId};
use super::updates::Updates;
use super::usage::{TenantCounters, TenantUsage};
use crate::audit::{Audit, INTERVAL, Refusals, Refused};
use crate::capacity;
use crate::sandbox::{Engine, Lane};
use crate::telemetry::Histograms;
use crate::telemetry::trace::TraceParent;

/// Lists of a tenant that are written at once: each may be large, and is counted only when it is there.
const LISTS: usize = 4;

/// The tenants' accounts, and who hears of each call.
pub struct Ledger {
    tenants: BTreeMap<TenantId, Arc<TenantAccount>>,
    /// Accounts that are not closed yet.
    open: TaskTracker,
    audit: Option<Audit>,
    refusals: Refusals,
}

/// What all calls of a tenant are charged to.
pub struct TenantAccount {
    pub(super) gate: TenantGate,
    pub(super) counters: TenantCounters,
    in_flight: Arc<RoomShare>,
    subscriptions: Arc<RoomShare>,
    /// Places for requests.
    requests: Arc<Semaphore>,
    arrived: AtomicU64,
    /// Places for lists that are being written.
    lists: Arc<Semaphore>,
}

impl TenantAccount {
    /// Lets a request in, if there is room for it; it has its place for as long as this is held.
    pub fn let_in(&self) -> Result<OwnedSemaphorePermit, Full> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.in_flight.check()?;
        let place = Arc::clone(&self.requests).try_acquire_owned();
        place.map_err(|_| Full::OfRequests)
    }

    /// Lets a list be written, as soon as few enough others are, and if there is room for it. What is held ends when the list is
    /// counted among what is in flight.
    pub async fn list(&self) -> Result<OwnedSemaphorePermit, Full> {
        let lists = Arc::clone(&self.lists);
        let list = lists.acquire_owned().await.map_err(|_| Full::OfRequests)?;
        self.in_flight.check()?;
        Ok(list)
    }

    /// Room for requests and answers in flight.
    pub fn in_flight(&self) -> &Arc<RoomShare> {
        &self.in_flight
    }

    /// Room for what sessions subscribe to.
    pub fn subscriptions(&self) -> &Arc<RoomShare> {
        &self.subscriptions
    }

    /// Its share of the CPU.
    pub fn lane(&self) -> &Lane {
        &self.gate.lane
    }
}

impl Ledger {
    /// The accounts of the default tenant and of those of the manifest. `audit` gets a record of each call,
    /// and `durations` how long it took.
    pub fn new(
        engine: &Engine,
        manifest: &Manifest,
        audit: Option<Audit>,
        durations: Option<&Histograms>,
    ) -> Self {
        let mut quotas = BTreeMap::from([(TenantId::default(), Quota::default())]);
        for (name, tenant) in &manifest.tenants {
            quotas.insert(name.into(), tenant.quota);
        }
        Self::of(engine, quotas, audit, durations)
    }

    /// For one caller at this machine, who asks this tenant: no quotas, nothing written down.
    pub fn local(engine: &Engine, tenant: TenantId) -> Self {
        let quotas = BTreeMap::from([(tenant, Quota::default())]);
        Self::of(engine, quotas, None, None)
    }

    fn of(
        engine: &Engine,
        quotas: BTreeMap<TenantId, Quota>,
        audit: Option<Audit>,
        durations: Option<&Histograms>,
    ) -> Self {
        let share = even_part(engine.max_instances(), quotas.len());
        let in_flight = Room::new(capacity::in_flight(), quotas.len());
        // So that others can connect, whatever one has open.
        let requests = match quotas.len() {
            1 => capacity::connections(),
            _ => capacity::connections() / 2,
        };
        let subscriptions = Room::new(capacity::subscriptions(), quotas.len());
        let account = |id: TenantId, quota| {
            let gate = TenantGate::new(&quota, share, engine.lane());
            let durations = durations.cloned();
            let counters = TenantCounters::new({
                let id = id.clone();
                move |tool| match &durations {
                    Some(durations) => durations.of(&id, tool),
                    None => Histogram::noop(),
                }
            });
            let account = TenantAccount {
                gate,
                counters,
                in_flight: in_flight.share(),
                subscriptions: subscriptions.share(),
                requests: Arc::new(Semaphore::new(requests.max(1))),
                arrived: AtomicU64::new(0),
                lists: Arc::new(Semaphore::new(LISTS)),
            };
            (id, Arc::new(account))
        };
        Self {
            tenants: quotas
                .into_iter()
                .map(|(id, quota)| account(id, quota))
                .collect(),
            open: TaskTracker::new(),
            audit,
            refusals: Refusals::default(),
        }
    }

    /// Opens a call's account; none where there is no such tenant.
    pub(super) fn open(
        self: &Arc<Self>,
        tenant: &TenantId,
        caller: &Caller,
        trace: Option<TraceParent>,
        updates: &Updates,
    ) -> Option<Account> {
        let (id, account) = self.tenants.get_key_value(tenant)?;
        Some(Account::open(
            Arc::clone(self),
            id.clone(),
            Arc::clone(account),
            caller.clone(),
            trace,
            updates.clone(),
            self.open.token(),
        ))
    }

    /// Each tenant and what it is charged.
    pub fn tenants(&self) -> impl Iterator<Item = (&TenantId, &TenantAccount)> {
        self.tenants.iter().map(|(id, account)| (id, &**account))
    }

    /// What a tenant is charged; none where there is no such tenant.
    pub fn tenant(&self, tenant: &TenantId) -> Option<&Arc<TenantAccount>> {
        self.tenants.get(tenant)
    }

    /// What a tenant used; none where there is no such tenant.
    pub fn usage(&self, tenant: &TenantId) -> Option<TenantUsage> {
        Some(self.tenants.get(tenant)?.counters.usage())
    }

    /// The audit, where there is one.
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// A request was refused before it was a call.
    pub fn refused(&self, refused: Refused) {
        self.refusals.add(refused, self.audit.as_ref());
    }

    /// The requests that were refused before they were calls.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Writes down the refused requests that were counted together, now and then, without end.
    pub async fn tell_refusals(self: Arc<Self>) -> Infallible {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Some(audit) = &self.audit {
                self.refusals.tell(audit);
            }
        }
    }

    /// Waits until each call's account is closed, then until all that was written down is where it belongs: both
    /// together at most for `patience`. No call must begin any more.
    pub async fn close(&self, patience: Duration) {
        self.open.close();
        let closed = async {
            self.open.wait().await;
            if let Some(audit) = &self.audit {
                self.refusals.tell(audit);
                audit.flush().await;
            }
        };
        if tokio::time::timeout(patience, closed).await.is_err() {
            tracing::warn!(
                "the end of some calls may be missing in the audit: it did not take all records in time"
            );
        }
    }
}

impl TenantAccount {
    /// What was used.
    pub fn counters(&self) -> &TenantCounters {
        &self.counters
    }

    /// Requests that came, of any kind.
    pub fn requests(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Calls that run.
    pub fn running(&self) -> u32 {
        self.gate.running()
    }
}

/// Calls at once of a tenant without `quota.concurrency`: tenants share the engine's instances, and none can
/// take those of the others.
fn even_part(instances: u32, tenants: usize) -> u32 {
    let tenants = u32::try_from(tenants).unwrap_or(u32::MAX);
    (instances / tenants).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_have_an_even_part_of_the_instances_and_one_at_least() {
        assert_eq!(even_part(512, 1), 512);
        assert_eq!(even_part(512, 3), 170);
        assert_eq!(even_part(2, 3), 1);
    }
}
