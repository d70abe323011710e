//! How many calls may start within a minute, and how much fuel they may burn.
//!
//! Both are buckets that hold the amount of a minute and fill up evenly. A call takes one from the
//! first when it starts. What it burns is known only when it ends: so the second may fall below
//! zero, and no call starts until it has filled up again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sandglass_manifest::{Count, Fuel};

const MINUTE: Duration = Duration::from_secs(60);

/// What calls may use within a minute: those of a source, or those of a tenant.
#[derive(Debug)]
pub struct Budget {
    calls: Option<CallBucket>,
    fuel: Option<FuelBucket>,
}

/// What is used up, and when there is some again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Of what.
    pub amount: Amount,
    /// From now on.
    pub retry_after: Duration,
}

/// What a quota bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Calls that start within a minute.
    Calls(u32),
    /// Fuel that is burnt within a minute.
    Fuel(u64),
    /// Calls at once.
    Concurrency(u32),
}

impl Budget {
    /// A budget of these amounts; what is not given is not bounded.
    pub fn new(calls_per_minute: Option<Count>, fuel_per_minute: Option<Fuel>) -> Self {
        Self {
            calls: calls_per_minute.map(CallBucket::new),
            fuel: fuel_per_minute.map(FuelBucket::new),
        }
    }

    /// Takes one call, unless calls or fuel are used up.
    pub fn take_call(&self) -> Result<(), Exceeded> {
        if let Some(fuel) = &self.fuel {
            fuel.check(Instant::now())?;
        }
        match &self.calls {
            Some(calls) => calls.take(),
            None => Ok(()),
        }
    }

    /// Takes what a call has burnt, be it there or not.
    pub fn charge(&self, fuel: u64) {
        if let Some(bucket) = &self.fuel {
            bucket.charge(Instant::now(), fuel);
        }
    }
}

#[derive(Debug)]
struct CallBucket {
    per_minute: u32,
    limiter: DefaultDirectRateLimiter,
}

impl CallBucket {
    fn new(per_minute: Count) -> Self {
        let calls = per_minute
            .get()
            .try_into()
            .expect("a count is more than zero");
        Self {
            per_minute: per_minute.get(),
            limiter: RateLimiter::direct(Quota::per_minute(calls)),
        }
    }

    fn take(&self) -> Result<(), Exceeded> {
        self.limiter.check().map_err(|later| Exceeded {
            amount: Amount::Calls(self.per_minute),
            retry_after: later.wait_time_from(DefaultClock::default().now()),
        })
    }
}

/// A bucket with debts, which governor's have not.
#[derive(Debug)]
struct FuelBucket {
    per_minute: u64,
    start: Instant,
    /// The moment at which the bucket is full again, in nanoseconds from `start`. It is a minute
    /// away when the bucket is empty, and farther when it owes.
    full_at: AtomicU64,
}

impl FuelBucket {
    fn new(per_minute: Fuel) -> Self {
        Self {
            per_minute: per_minute.get(),
            start: Instant::now(),
            full_at: AtomicU64::new(0),
        }
    }

    fn check(&self, now: Instant) -> Result<(), Exceeded> {
        let full_at = Duration::from_nanos(self.full_at.load(Ordering::Relaxed));
        let until_full = full_at.saturating_sub(now - self.start);
        match until_full.checked_sub(MINUTE) {
            None => Ok(()),
            Some(retry_after) => Err(Exceeded {
                amount: Amount::Fuel(self.per_minute),
                retry_after,
            }),
        }
    }

    fn charge(&self, now: Instant, fuel: u64) {
        let now = nanoseconds(now - self.start);
        let filling = u128::from(fuel) * MINUTE.as_nanos() / u128::from(self.per_minute);
        let filling = u64::try_from(filling).unwrap_or(u64::MAX);
        self.full_at
            .update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                full_at.max(now).saturating_add(filling)
            });
    }
}

/// Enough for five centuries.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fuel(per_minute: &str) -> FuelBucket {
        FuelBucket::new(per_minute.parse().unwrap())
    }

    #[test]
    fn a_minutes_calls_may_start_at_once_and_the_next_one_when_its_time_has_come() {
        let budget = Budget::new(Some("6".parse().unwrap()), None);
        for _ in 0..6 {
            assert_eq!(budget.take_call(), Ok(()));
        }
        let exceeded = budget.take_call().unwrap_err();
        assert_eq!(exceeded.amount, Amount::Calls(6));
        let wait = exceeded.retry_after.as_secs_f64();
        assert!(
            (9.0..=10.0).contains(&wait),
            "one every ten seconds: {wait}"
        );
    }

    #[test]
    fn fuel_is_charged_afterwards_and_a_debt_is_waited_for() {
        let bucket = fuel("600");
        let now = bucket.start;
        assert!(bucket.check(now).is_ok());
        bucket.charge(now, 599);
        assert!(bucket.check(now).is_ok(), "something is left");
        // More than there is: ten a second fill up again, and it owes 299.
        bucket.charge(now, 300);
        let exceeded = bucket.check(now).unwrap_err();
        assert_eq!(exceeded.amount, Amount::Fuel(600));
        assert_eq!(exceeded.retry_after, Duration::from_millis(29_900));
        let later = now + Duration::from_millis(29_899);
        assert!(bucket.check(later).is_err());
        assert!(bucket.check(later + Duration::from_millis(2)).is_ok());
    }

    #[test]
    fn a_bucket_holds_no_more_than_a_minutes_fuel() {
        let bucket = fuel("600");
        let after_an_hour = bucket.start + Duration::from_secs(3_600);
        bucket.charge(after_an_hour, 600);
        assert!(bucket.check(after_an_hour).is_err());
    }

    #[test]
    fn no_amount_of_fuel_overflows() {
        let bucket = fuel("1");
        bucket.charge(bucket.start, u64::MAX);
        bucket.charge(bucket.start, u64::MAX);
        assert!(bucket.check(bucket.start).is_err());
    }
}
