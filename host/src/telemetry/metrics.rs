//! Metrics, in Prometheus' text format.
//!
//! Calls are counted where their usage is ([`TenantCounters`](crate::invoke::TenantCounters)), and
//! copied from there when somebody asks. Only how long they took is recorded with each call.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::catalog::Snapshot;
use crate::invoke::{Ledger, Outcome, TenantId};
use crate::sandbox::Engine;
use crate::supervise::Supervisor;

const CALLS: &str = "sandglass_calls_total";
const DURATION: &str = "sandglass_call_duration_seconds";
const FUEL: &str = "sandglass_fuel_total";
const RUNNING: &str = "sandglass_calls_running";
const WAITING: &str = "sandglass_queue_waiting";
const REQUESTS: &str = "sandglass_requests_total";
const IN_FLIGHT: &str = "sandglass_bytes_in_flight";
const LOST: &str = "sandglass_audit_lost_total";
const REFUSED: &str = "sandglass_refused_requests_total";
const SOURCES: &str = "sandglass_sources";
const INSTANCES: &str = "sandglass_instances_in_use";
const TASK_FAILURES: &str = "sandglass_task_failures_total";
const BUILD: &str = "sandglass_build_info";
const START: &str = "process_start_time_seconds";

/// Upper ends of the buckets, in seconds: from a small tool's call to the deadline.
const BUCKETS: [f64; 13] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0,
];

/// How often what was recorded is sorted into buckets; until then it takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

const METADATA: Metadata<'static> = Metadata::new("sandglass", Level::INFO, None);

/// The metrics of this process.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

/// How long calls take, by tenant and tool.
#[derive(Clone)]
pub struct Histograms(Arc<PrometheusRecorder>);

impl Histograms {
    /// The histogram of a tool that the tenant has.
    pub fn of(&self, tenant: &TenantId, tool: &str) -> Histogram {
        let labels = [("tenant", tenant.to_string()), ("tool", tool.to_owned())];
        self.0.register_histogram(&key(DURATION, labels), &METADATA)
    }
}

impl Metrics {
    /// Metrics without any calls.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        describe(&recorder);
        let metrics = Self {
            handle: recorder.handle(),
            recorder: Arc::new(recorder),
        };
        metrics.gauge(
            BUILD,
            [("version", env!("CARGO_PKG_VERSION").to_owned())],
            1.0,
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        metrics.gauge(START, [], now.unwrap_or_default().as_secs_f64());
        metrics
    }

    /// Where calls record how long they took.
    pub fn histograms(&self) -> Histograms {
        Histograms(Arc::clone(&self.recorder))
    }

    /// Everything, as text.
    pub fn render(&self, ledger: &Ledger, snapshot: &Snapshot, engine: &Engine) -> String {
        for (tenant, account) in ledger.tenants() {
            let of = |tool: &str| [("tenant", tenant.to_string()), ("tool", tool.to_owned())];
            account.counters().each(|tool, counters| {
                for outcome in Outcome::ALL {
                    let calls = counters.calls(*outcome);
                    if calls > 0 {
                        let [tenant, tool] = of(tool);
                        let outcome = ("outcome", outcome.as_str().to_owned());
                        self.counter(CALLS, [tenant, tool, outcome], calls);
                    }
                }
                // Calls that reached no tool burnt nothing.
                if !tool.is_empty() {
                    self.counter(FUEL, of(tool), counters.fuel());
                }
            });
            let tenant_label = || [("tenant", tenant.to_string())];
            self.gauge(RUNNING, tenant_label(), f64::from(account.running()));
            let waiting = snapshot.tenant(tenant).waiting();
            self.gauge(WAITING, tenant_label(), waiting as f64);
            self.counter(REQUESTS, tenant_label(), account.requests());
            let in_flight = account.in_flight().used();
            self.gauge(IN_FLIGHT, tenant_label(), in_flight as f64);
        }
        let mut sources = BTreeMap::from([("loaded", 0), ("stale", 0), ("failed", 0)]);
        for source in snapshot.sources() {
            *sources.entry(source.state.as_str()).or_default() += 1;
        }
        for (state, count) in sources {
            self.gauge(SOURCES, [("state", state.to_owned())], f64::from(count));
        }
        if let Some(audit) = ledger.audit() {
            self.counter(LOST, [], audit.lost());
        }
        for (reason, count) in ledger.refusals().counts() {
            self.counter(REFUSED, [("reason", reason.as_str().to_owned())], count);
        }
        self.gauge(INSTANCES, [], f64::from(engine.instances()));
        for (task, failures) in Supervisor::get().failures() {
            self.counter(TASK_FAILURES, [("task", task)], failures);
        }
        self.handle.render()
    }

    /// Sorts what was recorded into buckets, now and then, without end.
    pub async fn keep_up(self: Arc<Self>) -> Infallible {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }

    fn counter<const N: usize>(
        &self,
        name: &'static str,
        labels: [(&'static str, String); N],
        value: u64,
    ) {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
            .absolute(value);
    }

    fn gauge<const N: usize>(
        &self,
        name: &'static str,
        labels: [(&'static str, String); N],
        value: f64,
    ) {
        self.recorder
            .register_gauge(&key(name, labels), &METADATA)
            .set(value);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn key<const N: usize>(name: &'static str, labels: [(&'static str, String); N]) -> Key {
    let labels: Vec<Label> = labels
        .into_iter()
        .map(|(name, value)| Label::new(name, value))
        .collect();
    Key::from_parts(name, labels)
}

fn describe(recorder: &PrometheusRecorder) {
    let counter = |name: &'static str, unit, text: &'static str| {
        recorder.describe_counter(KeyName::from(name), unit, text.into());
    };
    let gauge = |name: &'static str, unit, text: &'static str| {
        recorder.describe_gauge(KeyName::from(name), unit, text.into());
    };
    counter(CALLS, Some(Unit::Count), "Calls that ended, by how.");
    counter(FUEL, Some(Unit::Count), "Fuel that calls burnt.");
    counter(
        REQUESTS,
        Some(Unit::Count),
        "Requests that came, of any kind.",
    );
    counter(LOST, Some(Unit::Count), "Audit records that were lost.");
    counter(
        REFUSED,
        Some(Unit::Count),
        "Requests that were refused before they were calls, by why.",
    );
    gauge(RUNNING, Some(Unit::Count), "Calls that run.");
    gauge(WAITING, Some(Unit::Count), "Calls that wait in a queue.");
    gauge(
        IN_FLIGHT,
        Some(Unit::Bytes),
        "What requests and answers in flight hold.",
    );
    gauge(SOURCES, Some(Unit::Count), "Sources of tools, by state.");
    gauge(INSTANCES, Some(Unit::Count), "Instance slots in use.");
    counter(
        TASK_FAILURES,
        Some(Unit::Count),
        "Panics of the host's own tasks.",
    );
    gauge(BUILD, None, "The version that runs.");
    gauge(
        START,
        Some(Unit::Seconds),
        "When the process started, since 1970.",
    );
    recorder.describe_histogram(
        KeyName::from(DURATION),
        Some(Unit::Seconds),
        "From a call's arrival to its end, queue included.".into(),
    );
}
