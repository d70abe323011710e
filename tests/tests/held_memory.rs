//! What calls make the host hold for them is bounded, whatever it is made of, and goes with them.

use futures::future::join_all;
use sandglass_tests::flood::Flood;
use sandglass_tests::mcp::{Session, message};
use sandglass_tests::{Host, eventually};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// One test at a time: each looks at what a host does that has nothing else to do.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Calls at once of one tenant.
const CALLS: u64 = 32;

/// What a call may take: memory of its own, and of the host.
const MEMORY: u64 = 8 << 20;
const HOST_MEMORY: u64 = 16 << 20;

/// What a busy host holds beside its calls.
const BESIDE: u64 = 64 << 20;

/// What the guest holds, and the size of one.
const KINDS: [(&str, usize); 6] = [
    ("answers", 100_000),
    ("bodies", 1 << 20),
    ("fields", 0),
    ("files", 0),
    ("listings", 0),
    ("requests", 1 << 20),
];

fn limits() -> Value {
    json!({
        "fuel": 1_000_000_000_000_u64,
        "timeout": "2s",
        "memory": MEMORY,
        "log": "64MiB",
        "concurrency": CALLS,
        "http": { "requests": 1_000, "sent": "1GiB", "received": "1GiB" },
    })
}

/// So many calls hold as much of this kind as they can, then they are over, and then again: what the first ones gave back is
/// enough for the next ones.
async fn hold(calls: u64, kind: &str, size: usize) {
    let flood = Flood::start(&limits()).await;
    let before = flood.host.memory();
    let arguments = json!({ "kind": kind, "size": size });
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let held = (0..calls).map(|_| flood.host.call("hold", arguments.clone()));
        for answer in join_all(held).await {
            assert_eq!(answer.status, 500, "{kind}: {answer:?}");
            let told = answer.error();
            assert!(
                told.contains(" limit exceeded") || told.starts_with("The tool trapped: "),
                "{kind}: {told}"
            );
        }
        assert_bounded(&flood.host, before, calls, kind);
        peaks.push(flood.host.peak_memory());
    }
    assert!(
        peaks[2] < peaks[0] + BESIDE,
        "{calls} calls that hold {kind} took ever more bytes: {peaks:?}"
    );
}

/// It never held more than these calls may take.
fn assert_bounded(host: &Host, before: u64, calls: u64, what: &str) {
    let grown = host.peak_memory().saturating_sub(before);
    let most = calls * (MEMORY + HOST_MEMORY) + BESIDE;
    assert!(
        grown < most,
        "{calls} calls that hold {what} took {grown} bytes, and may take {most}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_holds_no_more_than_its_share() {
    let _alone = ALONE.lock().await;
    for (kind, size) in KINDS {
        hold(1, kind, size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_hold_no_more_than_their_shares() {
    let _alone = ALONE.lock().await;
    for (kind, size) in KINDS {
        hold(CALLS, kind, size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_a_client_that_does_not_read_is_bounded() {
    let _alone = ALONE.lock().await;
    for function in [
        "sandglass:tool/host#log",
        "sandglass:tool/host#log of JSON",
        "sandglass:tool/host#progress",
    ] {
        let flood = Flood::start(&limits()).await;
        let host = &flood.host;
        let session = Session::open(host).await;
        let leveled = session
            .request("logging/setLevel", json!({ "level": "debug" }))
            .await;
        assert_eq!(leveled.status, 200, "{leveled:?}");
        let before = host.memory();
        let call = message(
            "tools/call",
            json!({
                "name": "flood",
                "arguments": { "function": function },
                "_meta": { "progressToken": "told" },
            }),
        );
        // The head of the answer comes with the first of what is told. The rest is left where it is.
        let unread = session
            .prepare(&call)
            .send()
            .await
            .expect("the answer begins");
        call_is_over(host).await;
        assert_bounded(host, before, 1, function);
        drop(unread);
    }
}

/// Waits until the host has counted the end of a call.
async fn call_is_over(host: &Host) {
    eventually("the call is over", async || {
        let usage = host.manage("/usage").await.json();
        (usage["tenants"]["default"]["calls"] == 1).then_some(())
    })
    .await;
}
