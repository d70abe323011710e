//! A call ends when nobody waits for it any more, and until then it holds nobody else up.

use std::time::Duration;

use sandglass_tests::mcp::{self, Session, Way};
use sandglass_tests::{Held, Host, eventually, guest};
use serde_json::{Value, json};

/// One call at a time, which may go on for ten minutes: what stops it earlier is what the test does.
fn one_long_call() -> String {
    let limits =
        "fuel: 1_000_000_000_000, timeout: 10m, concurrency: 1, queue: { length: 0, wait: 10ms }";
    format!(
        "version: 1\ndefaults: {{ limits: {{ {limits} }} }}\ntools:\n  - file:{}\n  - file:{}\n",
        guest("hostile"),
        guest("plain")
    )
}

#[tokio::test]
async fn others_are_served_while_eight_calls_spin() {
    // Each of the eight is a source of its own, so that each is seen to have its place.
    let sources: String = (0..8)
        .map(|n| {
            let hostile = guest("hostile");
            format!("  - {{ source: 'file:{hostile}', prefix: p{n}, include: [spin_forever] }}\n")
        })
        .collect();
    let yaml = one_long_call() + &sources;
    let host = Host::start(&yaml).await;
    let mut spinning = Vec::new();
    for n in 0..8 {
        let tool = format!("p{n}_spin_forever");
        let request = host.prepare(&tool, &json!({}));
        spinning.push(Held::new(&host, request, &tool, &json!({ "rounds": 1 })).await);
    }
    assert_eq!(host.get("/health").await.status, 200);
    assert_eq!(host.get("/ready").await.status, 200);
    assert_eq!(host.get("/mcp/tools").await.status, 200);
    assert_eq!(host.call("echo", json!({ "text": "hi" })).await.status, 200);
    for way in Way::ALL {
        assert_eq!(
            way.request(&host, "tools/list", json!({})).await.status,
            200,
            "{way:?}"
        );
        assert_eq!(
            mcp::text(&way.call(&host, "echo", json!({ "text": "hi" })).await),
            "hi",
            "{way:?}"
        );
    }
    assert!(
        spinning.iter().all(|call| !call.is_answered()),
        "answered while they spun, not after"
    );
}

/// Waits until the place is free again: long before the call's own deadline of ten minutes.
async fn free(host: &Host, tool: &str, quick: Value) {
    eventually("the place is free again", async || {
        let answer = host.call(tool, quick.clone()).await;
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    let before = host.processor_time();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let burnt = host.processor_time() - before;
    assert!(
        burnt < Duration::from_millis(250),
        "nothing runs on: {burnt:?} of processor time in half a second"
    );
}

/// The calls that the cancellation tests stop: one that burns, one that waits. Each with arguments that make it short.
fn endless() -> [(&'static str, Value, Value); 2] {
    [
        ("spin_forever", json!({}), json!({ "rounds": 1 })),
        ("slow", json!({ "ms": 3_600_000 }), json!({ "ms": 0 })),
    ]
}

#[tokio::test]
async fn a_rest_client_that_disconnects_stops_its_call() {
    let host = Host::start(&one_long_call()).await;
    for (tool, endless, quick) in endless() {
        let call = Held::new(&host, host.prepare(tool, &endless), tool, &quick).await;
        drop(call);
        free(&host, tool, quick).await;
    }
}

#[tokio::test]
async fn a_modern_or_bare_client_that_disconnects_stops_its_call() {
    let host = Host::start(&one_long_call()).await;
    for (tool, endless, quick) in endless() {
        for prepare in [mcp::modern, mcp::bare] {
            let params = json!({ "name": tool, "arguments": endless });
            let call = Held::new(&host, prepare(&host, "tools/call", params), tool, &quick).await;
            drop(call);
            free(&host, tool, quick.clone()).await;
        }
    }
}

#[tokio::test]
async fn a_cancelled_notification_stops_its_call() {
    let host = Host::start(&one_long_call()).await;
    for (tool, endless, quick) in endless() {
        let session = Session::open(&host).await;
        let message = mcp::message("tools/call", json!({ "name": tool, "arguments": endless }));
        let call = Held::new(&host, session.prepare(&message), tool, &quick).await;
        let params = json!({ "requestId": message["id"], "reason": "the test" });
        assert_eq!(
            session
                .notify("notifications/cancelled", params)
                .await
                .status,
            202
        );
        free(&host, tool, quick).await;
        drop(call);
        session.end().await;
    }
}

#[tokio::test]
async fn a_session_that_is_ended_stops_its_calls() {
    let host = Host::start(&one_long_call()).await;
    for (tool, endless, quick) in endless() {
        let session = Session::open(&host).await;
        let message = mcp::message("tools/call", json!({ "name": tool, "arguments": endless }));
        let _call = Held::new(&host, session.prepare(&message), tool, &quick).await;
        session.end().await;
        free(&host, tool, quick).await;
    }
}

#[tokio::test]
async fn a_foreign_session_cannot_cancel_a_call() {
    let host = Host::start(&one_long_call()).await;
    let mine = Session::open(&host).await;
    let theirs = Session::open(&host).await;
    let quick = json!({ "ms": 0 });
    let message = mcp::message(
        "tools/call",
        json!({ "name": "slow", "arguments": { "ms": 3_600_000 } }),
    );
    let call = Held::new(&host, mine.prepare(&message), "slow", &quick).await;
    theirs
        .notify(
            "notifications/cancelled",
            json!({ "requestId": message["id"] }),
        )
        .await;
    assert_eq!(
        host.call("slow", quick).await.status,
        429,
        "the call goes on"
    );
    assert!(!call.is_answered());
}
