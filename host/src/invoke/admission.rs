//! How many calls run at once, and how many may wait for that.
//!
//! A call needs a place of its source and one of its tenant, and takes them in this order, before
//! the instance slot that all tenants share: so whoever waits holds nothing that others could use.

use std::sync::Arc;
use std::time::Duration;

use sandglass_manifest::{Limits, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::error::{InvokeError, Owner};
use super::quota::{Amount, Budget};
use crate::sandbox::Lane;

/// Bytes of arguments that count as one more call that waits for answers.
const WAITING_UNIT: usize = 64 << 10;

/// Calls of a tenant that wait for answers at once, if their arguments are small.
const WAITING: usize = 1_000;

/// The gate before a source's calls.
#[derive(Debug)]
pub struct Admission {
    limit: u32,
    length: u32,
    wait: sandglass_manifest::Duration,
    running: Arc<Semaphore>,
    /// Places in the queue.
    waiting: Semaphore,
    budget: Budget,
}

/// The gate before a tenant's calls, whichever source's they are.
#[derive(Debug)]
pub struct TenantGate {
    limit: u32,
    running: Arc<Semaphore>,
    budget: Budget,
    /// Room for what waits for answers, in units of [`WAITING_UNIT`].
    answers: Arc<Semaphore>,
    /// Its share of the CPU.
    pub lane: Lane,
}

/// A call runs for as long as it has these.
#[derive(Debug)]
pub struct Places {
    _source: OwnedSemaphorePermit,
    _tenant: OwnedSemaphorePermit,
}

impl TenantGate {
    /// A gate for a tenant with this quota. `share`: the calls at once of a tenant that has none of its own.
    pub fn new(quota: &Quota, share: u32, lane: Lane) -> Self {
        let limit = quota.concurrency.map_or(share, |count| count.get());
        Self {
            limit,
            running: Arc::new(Semaphore::new(limit as usize)),
            budget: Budget::new(quota.calls_per_minute, quota.fuel_per_minute),
            answers: Arc::new(Semaphore::new(WAITING)),
            lane,
        }
    }

    /// Room for a call that waits for answers: each takes some memory, and more with large arguments.
    pub fn wait_with(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(1 + bytes / WAITING_UNIT).ok()?;
        Arc::clone(&self.answers).try_acquire_many_owned(units).ok()
    }

    /// Takes what a call has burnt from the minute's fuel.
    pub fn charge(&self, fuel: u64) {
        self.budget.charge(fuel);
    }

    /// Calls that run.
    pub fn running(&self) -> u32 {
        let free = u32::try_from(self.running.available_permits()).unwrap_or(u32::MAX);
        self.limit.saturating_sub(free)
    }
}

impl Admission {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        let (limit, length) = (limits.concurrency.get(), limits.queue.length);
        Self {
            limit,
            length,
            wait: limits.queue.wait,
            running: Arc::new(Semaphore::new(limit as usize)),
            waiting: Semaphore::new(length as usize),
            budget: Budget::new(limits.calls_per_minute, limits.fuel_per_minute),
        }
    }

    /// Calls in the queue.
    pub fn waiting(&self) -> usize {
        self.length as usize - self.waiting.available_permits()
    }

    /// Takes what a call has burnt from the minute's fuel.
    pub fn charge(&self, fuel: u64) {
        self.budget.charge(fuel);
    }

    /// Lets a call in now, or after a wait in the queue, or not.
    pub async fn enter(&self, tenant: &TenantGate) -> Result<Places, InvokeError> {
        for (owner, budget) in [
            (Owner::Tenant, &tenant.budget),
            (Owner::Component, &self.budget),
        ] {
            budget
                .take_call()
                .map_err(|exceeded| InvokeError::OverQuota {
                    owner,
                    amount: exceeded.amount,
                    retry_after: exceeded.retry_after,
                })?;
        }
        let source = try_acquire(&self.running);
        if let Some(source) = source {
            return match try_acquire(&tenant.running) {
                Some(tenant) => Ok(Places {
                    _source: source,
                    _tenant: tenant,
                }),
                None => self.queue(tenant, Some(source)).await,
            };
        }
        self.queue(tenant, None).await
    }

    async fn queue(
        &self,
        tenant: &TenantGate,
        source: Option<OwnedSemaphorePermit>,
    ) -> Result<Places, InvokeError> {
        let over_tenants = || InvokeError::OverQuota {
            owner: Owner::Tenant,
            amount: Amount::Concurrency(tenant.limit),
            retry_after: self.retry_after(),
        };
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(match source {
                Some(_) => over_tenants(),
                None => InvokeError::QueueFull {
                    limit: self.limit,
                    length: self.length,
                    retry_after: self.retry_after(),
                },
            });
        };
        let mut has_source = source.is_some();
        let places = async {
            let source = match source {
                Some(source) => source,
                None => acquire(&self.running).await,
            };
            has_source = true;
            Places {
                _source: source,
                _tenant: acquire(&tenant.running).await,
            }
        };
        match tokio::time::timeout(self.wait.get(), places).await {
            Ok(places) => Ok(places),
            Err(_) if has_source => Err(over_tenants()),
            Err(_) => Err(InvokeError::NoPlace {
                limit: self.limit,
                wait: self.wait,
                retry_after: self.retry_after(),
            }),
        }
    }

    /// Not at once: calls that are running need some time to end.
    fn retry_after(&self) -> Duration {
        self.wait.get().max(Duration::from_secs(1))
    }
}

fn try_acquire(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    match Arc::clone(places).try_acquire_owned() {
        Ok(permit) => Some(permit),
        Err(TryAcquireError::NoPermits) => None,
        Err(TryAcquireError::Closed) => unreachable!("the semaphore is never closed"),
    }
}

async fn acquire(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(concurrency: u32, length: u32, wait: &str) -> Admission {
        Admission {
            limit: concurrency,
            length,
            wait: wait.parse().unwrap(),
            running: Arc::new(Semaphore::new(concurrency as usize)),
            waiting: Semaphore::new(length as usize),
            budget: Budget::new(None, None),
        }
    }

    fn tenant(quota: Quota) -> TenantGate {
        TenantGate::new(&quota, 100, Lane::default())
    }

    fn at_once(concurrency: &str) -> TenantGate {
        tenant(Quota {
            concurrency: Some(concurrency.parse().unwrap()),
            ..Quota::default()
        })
    }

    fn is_over_tenants(result: &Result<Places, InvokeError>) -> bool {
        matches!(
            result,
            Err(InvokeError::OverQuota {
                owner: Owner::Tenant,
                ..
            })
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_limit_waits_for_its_turn() {
        let (gate, tenant) = (gate(1, 1, "60s"), at_once("9"));
        let first = gate.enter(&tenant).await.unwrap();
        let mut second = Box::pin(gate.enter(&tenant));
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(gate.waiting(), 1);
        drop(first);
        assert!(second.await.is_ok());
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_queue_is_refused_at_once() {
        let (gate, tenant) = (gate(1, 0, "60s"), at_once("9"));
        let _first = gate.enter(&tenant).await.unwrap();
        assert!(matches!(
            gate.enter(&tenant).await,
            Err(InvokeError::QueueFull { .. })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waited_too_long_is_refused() {
        let (gate, tenant) = (gate(1, 1, "2s"), at_once("9"));
        let _first = gate.enter(&tenant).await.unwrap();
        assert!(matches!(
            gate.enter(&tenant).await,
            Err(InvokeError::NoPlace { .. })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenants_calls_share_its_places_over_all_sources() {
        let (one, other, tenant) = (gate(9, 1, "2s"), gate(9, 0, "2s"), at_once("1"));
        let first = one.enter(&tenant).await.unwrap();
        assert!(is_over_tenants(&one.enter(&tenant).await), "waits in vain");
        assert!(is_over_tenants(&other.enter(&tenant).await), "has no queue");
        let mut waiting = Box::pin(one.enter(&tenant));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(first);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_source_holds_no_place_of_the_tenant() {
        let (full, free, tenant) = (gate(1, 9, "60s"), gate(1, 0, "60s"), at_once("2"));
        let _first = full.enter(&tenant).await.unwrap();
        let mut waiting = Box::pin(full.enter(&tenant));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(free.enter(&tenant).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_calls_of_a_minute_are_the_tenants_too() {
        let gate = gate(9, 9, "2s");
        let tenant = tenant(Quota {
            calls_per_minute: Some("1".parse().unwrap()),
            ..Quota::default()
        });
        assert!(gate.enter(&tenant).await.is_ok());
        assert!(is_over_tenants(&gate.enter(&tenant).await));
        assert!(gate.enter(&at_once("9")).await.is_ok(), "another's are not");
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_starts_while_fuel_is_owed() {
        let gate = gate(9, 9, "2s");
        let tenant = tenant(Quota {
            fuel_per_minute: Some("1000".parse().unwrap()),
            ..Quota::default()
        });
        assert!(gate.enter(&tenant).await.is_ok());
        tenant.charge(2_000);
        assert!(is_over_tenants(&gate.enter(&tenant).await));
    }
}
