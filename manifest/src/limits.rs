//! Limits of calls: what a document says, and what results from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Count, Duration, Fuel, field::Field};

/// What a call may use, and how many calls there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// WebAssembly instructions of a call.
    pub fuel: Fuel,
    /// All linear memories and tables of a call's instance.
    pub memory: ByteSize,
    /// What the host holds for a call: requests, streams, listings of folders.
    pub host_memory: ByteSize,
    /// Wall clock of a call, host calls included.
    pub timeout: Duration,
    /// Calls of a tool at once.
    pub concurrency: Count,
    /// Calls that wait for one of the places.
    pub queue: Queue,
    /// A call's result; also bounds what the host copies for the guest.
    pub output: ByteSize,
    /// The guest's log and standard output of a call.
    pub log: ByteSize,
    /// Outbound HTTP of a call, where `allow.http` grants it.
    pub http: HttpLimits,
    /// Calls of the source's tools that may start within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<Count>,
    /// Fuel that the source's tools may burn within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_per_minute: Option<Fuel>,
}

/// Outbound HTTP of one call. Its time counts against the call's `timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HttpLimits {
    /// Requests.
    pub requests: Count,
    /// Bytes of all request bodies.
    pub sent: ByteSize,
    /// Bytes of all response bodies.
    pub received: ByteSize,
}

/// Calls that wait because `concurrency` is used up; a call beyond them is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// How many may wait; with 0 none does.
    pub length: u32,
    /// How long one waits at most.
    pub wait: Duration,
}

impl Limits {
    /// What holds where no document says otherwise.
    pub const DEFAULT: Self = Self {
        fuel: Fuel::new(2_000_000_000).expect("more than zero"),
        memory: ByteSize::mib(128),
        host_memory: ByteSize::mib(16),
        // Below the 30 s after which gateways give up.
        timeout: Duration::secs(10),
        concurrency: Count::new(32).expect("more than zero"),
        queue: Queue {
            length: 64,
            wait: Duration::secs(2),
        },
        output: ByteSize::mib(1),
        log: ByteSize::kib(256),
        http: HttpLimits {
            requests: Count::new(64).expect("more than zero"),
            sent: ByteSize::mib(1),
            received: ByteSize::mib(8),
        },
        calls_per_minute: None,
        fuel_per_minute: None,
    };

    /// These limits with what a block of a document changes.
    pub(crate) fn with(self, patch: &LimitsPatch) -> Self {
        fn or<T: Copy>(field: &Field<T>, inherited: T) -> T {
            field.value().copied().unwrap_or(inherited)
        }
        Self {
            fuel: or(&patch.fuel, self.fuel),
            memory: or(&patch.memory, self.memory),
            host_memory: or(&patch.host_memory, self.host_memory),
            timeout: or(&patch.timeout, self.timeout),
            concurrency: or(&patch.concurrency, self.concurrency),
            queue: match patch.queue.value() {
                None => self.queue,
                Some(queue) => Queue {
                    length: or(&queue.length, self.queue.length),
                    wait: or(&queue.wait, self.queue.wait),
                },
            },
            output: or(&patch.output, self.output),
            log: or(&patch.log, self.log),
            http: match patch.http.value() {
                None => self.http,
                Some(http) => HttpLimits {
                    requests: or(&http.requests, self.http.requests),
                    sent: or(&http.sent, self.http.sent),
                    received: or(&http.received, self.http.received),
                },
            },
            calls_per_minute: patch
                .calls_per_minute
                .value()
                .copied()
                .or(self.calls_per_minute),
            fuel_per_minute: patch
                .fuel_per_minute
                .value()
                .copied()
                .or(self.fuel_per_minute),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Limits of calls. What is left out is inherited: a tool's from its tenant's `limits`, those from
/// `defaults.limits`, those from the built-in defaults.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub(crate) struct LimitsPatch {
    /// WebAssembly instructions that a call may execute; two billion are about a second of CPU.
    #[schemars(extend("default" = Limits::DEFAULT.fuel))]
    pub fuel: Field<Fuel>,
    /// All linear memories and tables of a call's instance: at least 64KiB, at most
    /// `engine.max_memory`.
    #[schemars(extend("default" = Limits::DEFAULT.memory))]
    pub memory: Field<ByteSize>,
    /// What the host holds for a call beside its instance: open files, requests, streams, listings of folders; at least 1MiB.
    #[schemars(extend("default" = Limits::DEFAULT.host_memory))]
    pub host_memory: Field<ByteSize>,
    /// Wall clock of a call, host calls included.
    #[schemars(extend("default" = Limits::DEFAULT.timeout))]
    pub timeout: Field<Duration>,
    /// Calls of a tool at once.
    #[schemars(extend("default" = Limits::DEFAULT.concurrency))]
    pub concurrency: Field<Count>,
    /// Calls that wait because `concurrency` is used up; a call beyond them is refused.
    pub queue: Field<QueuePatch>,
    /// The largest result of a call.
    #[schemars(extend("default" = Limits::DEFAULT.output))]
    pub output: Field<ByteSize>,
    /// Log and standard output that a call may write; the rest is dropped.
    #[schemars(extend("default" = Limits::DEFAULT.log))]
    pub log: Field<ByteSize>,
    /// Outbound HTTP of a call, where `allow.http` grants it.
    pub http: Field<HttpLimitsPatch>,
    /// Calls of the source's tools that may start within a minute; not bounded without this key.
    pub calls_per_minute: Field<Count>,
    /// Fuel that the source's tools may burn within a minute; not bounded without this key.
    pub fuel_per_minute: Field<Fuel>,
}

/// Outbound HTTP of one call. Its time counts against the call's `timeout`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HttpLimits")]
pub(crate) struct HttpLimitsPatch {
    /// Requests.
    #[schemars(extend("default" = Limits::DEFAULT.http.requests))]
    pub requests: Field<Count>,
    /// Bytes of all request bodies.
    #[schemars(extend("default" = Limits::DEFAULT.http.sent))]
    pub sent: Field<ByteSize>,
    /// Bytes of all response bodies.
    #[schemars(extend("default" = Limits::DEFAULT.http.received))]
    pub received: Field<ByteSize>,
}

/// The calls that wait.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Queue")]
pub(crate) struct QueuePatch {
    /// How many calls may wait; with 0 none does.
    #[schemars(extend("default" = Limits::DEFAULT.queue.length))]
    pub length: Field<u32>,
    /// How long a call waits at most.
    #[schemars(extend("default" = Limits::DEFAULT.queue.wait))]
    pub wait: Field<Duration>,
}
