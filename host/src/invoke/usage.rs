//! What was used since the start, by tenant and tool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::Histogram;
use serde::Serialize;

use super::outcome::Outcome;
use crate::sandbox::Usage;

/// Counts of one tool's calls.
pub struct Counters {
    durations: Histogram,
    outcomes: [AtomicU64; Outcome::COUNT],
    fuel: AtomicU64,
    microseconds: AtomicU64,
    /// Peak memory times duration: small enough a unit for small calls, large enough for years.
    kibibyte_milliseconds: AtomicU64,
}

impl Counters {
    fn new(durations: Histogram) -> Self {
        Self {
            durations,
            outcomes: std::array::from_fn(|_| AtomicU64::new(0)),
            fuel: AtomicU64::new(0),
            microseconds: AtomicU64::new(0),
            kibibyte_milliseconds: AtomicU64::new(0),
        }
    }

    /// Adds a call that took so long, queue included.
    pub fn add(&self, outcome: Outcome, usage: &Usage, duration: Duration) {
        self.durations.record(duration);
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if *usage == Usage::default() {
            return;
        }
        let microseconds = u64::try_from(usage.duration.as_micros()).unwrap_or(u64::MAX);
        let memory = u128::from(usage.peak_memory) * u128::from(microseconds) / (1_024 * 1_000);
        self.fuel.fetch_add(usage.fuel, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.kibibyte_milliseconds
            .fetch_add(u64::try_from(memory).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Calls that ended so.
    pub fn calls(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// The fuel of all of them.
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    fn sum(&self) -> Sum {
        let mut sum = Sum {
            fuel: self.fuel(),
            seconds: self.microseconds.load(Ordering::Relaxed) as f64 / 1e6,
            memory_mib_seconds: self.kibibyte_milliseconds.load(Ordering::Relaxed) as f64
                / (1_024.0 * 1_000.0),
            ..Sum::default()
        };
        for outcome in Outcome::ALL {
            let calls = self.calls(*outcome);
            sum.calls += calls;
            if calls > 0 && *outcome != Outcome::Ok {
                sum.errors.insert(outcome.as_str(), calls);
            }
        }
        sum
    }
}

/// What calls used, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sum {
    /// Calls, those that failed too.
    pub calls: u64,
    /// Those that failed, by how.
    pub errors: BTreeMap<&'static str, u64>,
    /// Units of fuel.
    pub fuel: u64,
    /// Wall clock from instantiation to the guest's return.
    pub seconds: f64,
    /// Peak memory of each call times its duration.
    pub memory_mib_seconds: f64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.fuel += other.fuel;
        self.seconds += other.seconds;
        self.memory_mib_seconds += other.memory_mib_seconds;
        for (kind, calls) in &other.errors {
            *self.errors.entry(kind).or_default() += calls;
        }
    }
}

/// What a tenant used, and each of its tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TenantUsage {
    /// All calls together, also those of unknown tools.
    #[serde(flatten)]
    pub total: Sum,
    /// By tool; only tools that were called.
    pub tools: BTreeMap<String, Sum>,
}

/// The counts of a tenant's calls. Only tools that it has, or had, make an entry.
pub struct TenantCounters {
    tools: RwLock<BTreeMap<String, Arc<Counters>>>,
    /// Calls that reached no tool.
    no_tool: Arc<Counters>,
    /// Of a tool.
    durations: Box<dyn Fn(&str) -> Histogram + Send + Sync>,
}

impl TenantCounters {
    /// Nothing counted yet. `durations` gives the histogram of a tool's calls.
    pub fn new(durations: impl Fn(&str) -> Histogram + Send + Sync + 'static) -> Self {
        Self {
            tools: RwLock::default(),
            no_tool: Arc::new(Counters::new(Histogram::noop())),
            durations: Box::new(durations),
        }
    }

    /// The counts of a tool of the catalog.
    pub fn tool(&self, name: &str) -> Arc<Counters> {
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = tools.get(name) {
            return Arc::clone(counters);
        }
        drop(tools);
        let mut tools = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        let counters = tools
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Counters::new((self.durations)(name))));
        Arc::clone(counters)
    }

    /// The counts of calls that reached no tool.
    pub fn no_tool(&self) -> Arc<Counters> {
        Arc::clone(&self.no_tool)
    }

    /// Each tool and its counts; those of no tool have an empty name.
    pub fn each(&self, mut with: impl FnMut(&str, &Counters)) {
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner);
        for (name, counters) in tools.iter() {
            with(name, counters);
        }
        with("", &self.no_tool);
    }

    /// What was used.
    pub fn usage(&self) -> TenantUsage {
        let mut usage = TenantUsage::default();
        self.each(|name, counters| {
            let sum = counters.sum();
            usage.total.add(&sum);
            if !name.is_empty() {
                usage.tools.insert(name.to_owned(), sum);
            }
        });
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_sums_calls_errors_fuel_time_and_memory() {
        let tenant = TenantCounters::new(|_| Histogram::noop());
        let used = Usage {
            fuel: 1_000,
            peak_memory: 2 << 20,
            duration: Duration::from_millis(500),
        };
        tenant.tool("echo").add(Outcome::Ok, &used, used.duration);
        tenant.tool("echo").add(Outcome::Fuel, &used, used.duration);
        let (none, time) = (Usage::default(), Duration::ZERO);
        tenant.tool("time").add(Outcome::OverQuota, &none, time);
        tenant.no_tool().add(Outcome::UnknownTool, &none, time);
        let usage = tenant.usage();
        let echo = &usage.tools["echo"];
        assert_eq!((echo.calls, echo.fuel, echo.seconds), (2, 2_000, 1.0));
        assert_eq!(echo.memory_mib_seconds, 2.0);
        assert_eq!(echo.errors, BTreeMap::from([("fuel", 1)]));
        assert_eq!(usage.tools.len(), 2, "an unknown tool makes no entry");
        assert_eq!((usage.total.calls, usage.total.fuel), (4, 2_000));
        let errors = [("fuel", 1), ("over_quota", 1), ("unknown_tool", 1)];
        assert_eq!(usage.total.errors, BTreeMap::from(errors));
    }

    #[test]
    fn the_memory_of_the_shortest_calls_counts_too() {
        let counters = Counters::new(Histogram::noop());
        let used = Usage {
            fuel: 1,
            peak_memory: 64 << 10,
            duration: Duration::from_micros(20),
        };
        for _ in 0..1_000 {
            counters.add(Outcome::Ok, &used, used.duration);
        }
        let sum = counters.sum().memory_mib_seconds;
        assert!((sum - 0.00125).abs() < 0.0005, "{sum}");
    }
}
