//! Calls over a quota are refused with the time to wait, in the same words over every protocol.

use sandglass_tests::mcp::{Way, failure};
use sandglass_tests::{Answer, Held, Host, Launch, guest, tool};
use serde_json::json;

fn manifest(limits: &str, quota: &str) -> String {
    let (echo, hostile, plain) = (tool("echo"), guest("hostile"), guest("plain"));
    format!(
        "version: 1
tools:
  - source: file:{echo}
    limits: {{ {limits} }}
  - file:{hostile}
  - source: file:{plain}
    include: [slow]
    limits: {{ timeout: 60s, queue: {{ length: 0, wait: 10ms }} }}
tenants:
  default: {{ limits: {{ fuel: 50_000_000 }}, quota: {{ {quota} }} }}
"
    )
}

async fn echo(host: &Host) -> Answer {
    host.call("echo", json!({ "text": "hi" })).await
}

/// Without the time to wait, which passes.
fn words(text: &str) -> &str {
    let (words, seconds) = text.rsplit_once("try again in ").expect("a time to wait");
    assert!(seconds.ends_with(" s"), "{text}");
    words
}

async fn assert_over(host: &Host, expected: &str, seconds: std::ops::RangeInclusive<u64>) {
    let answer = echo(host).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!(seconds.contains(&wait), "{answer:?}");
    assert_eq!(words(&answer.error()), expected);
    for way in Way::ALL {
        let result = way.call(host, "echo", json!({ "text": "hi" })).await;
        assert_eq!(words(failure(&result)), expected, "{way:?}");
    }
}

#[tokio::test]
async fn a_source_has_so_many_calls_a_minute() {
    let host = Host::start(&manifest("calls_per_minute: 2", "concurrency: 9")).await;
    for _ in 0..2 {
        assert_eq!(echo(&host).await.status, 200);
    }
    let expected = "Over quota: this component's tools may start 2 calls a minute; ";
    assert_over(&host, expected, 1..=30).await;
    // Another source's calls are its own.
    let other = host.call("print", json!({})).await;
    assert_eq!(other.status, 200, "{other:?}");
}

#[tokio::test]
async fn a_tenant_has_so_many_calls_a_minute() {
    let host = Host::start(&manifest("timeout: 60s", "calls_per_minute: 2")).await;
    assert_eq!(echo(&host).await.status, 200);
    assert_eq!(host.call("print", json!({})).await.status, 200);
    let expected = "Over quota: the tenant may start 2 calls a minute; ";
    assert_over(&host, expected, 1..=30).await;
}

#[tokio::test]
async fn calls_whose_arguments_are_wrong_do_not_count() {
    let host = Host::start(&manifest("calls_per_minute: 1", "concurrency: 9")).await;
    for _ in 0..3 {
        assert_eq!(host.call("echo", json!({})).await.status, 400);
    }
    assert_eq!(echo(&host).await.status, 200);
}

#[tokio::test]
async fn fuel_is_paid_back_before_the_next_call() {
    let host = Host::start(&manifest("timeout: 60s", "fuel_per_minute: 6_000_000")).await;
    // It burns its whole budget of 50 million: 44 more than there are.
    let answer = host.call("spin_forever", json!({})).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let expected = "Over quota: the tenant may burn 6000000 fuel a minute; ";
    assert_over(&host, expected, 1..=440).await;
}

#[tokio::test]
async fn a_call_that_was_cancelled_is_paid_for() {
    let launch = Launch::manifest(&manifest("timeout: 60s", "fuel_per_minute: 1_000"));
    let host = launch.arg("--management-port").arg("0").start().await;
    let call = tokio::spawn(host.prepare("slow", &json!({ "ms": 3_600_000 })).send());
    host.calls_running(1).await;
    call.abort();
    host.calls_running(0).await;
    let answer = echo(&host).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.error().contains("1000 fuel"), "{answer:?}");
}

#[tokio::test]
async fn a_tenants_sources_share_its_places() {
    let host = Host::start(&manifest(
        "queue: { length: 0, wait: 10ms }",
        "concurrency: 1",
    ))
    .await;
    let slow = host.prepare("slow", &json!({ "ms": 3_600_000 }));
    let _held = Held::new(&host, slow, "slow", &json!({ "ms": 0 })).await;
    let expected = "Over quota: the tenant may run 1 calls at once; ";
    assert_over(&host, expected, 1..=1).await;
}
