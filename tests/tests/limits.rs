//! Calls over a tool's concurrency wait in a queue, and calls over the queue are told to come back.

use reqwest::Method;
use sandglass_tests::mcp::{Session, Way, failure};
use sandglass_tests::{Answer, Held, Host, PATIENCE, eventually, guest};
use serde_json::json;
use tokio::task::JoinHandle;

fn manifest(limits: &str) -> String {
    format!(
        "version: 1\ntools:\n  - source: file:{}\n    limits: {{ timeout: 10m, {limits} }}\n",
        guest("plain")
    )
}

/// A call of `slow` that goes on in the background.
fn slow(host: &Host, milliseconds: u64) -> JoinHandle<Answer> {
    let body = json!({ "tool": "slow", "arguments": { "ms": milliseconds } }).to_string();
    let request = host.request(Method::POST, "/mcp/tools").body(body);
    tokio::spawn(async move { Answer::read(request.send().await.expect("an answer")).await })
}

/// A call of `slow` that has the only place for ten minutes.
async fn holding(host: &Host) -> Held {
    let request = host.prepare("slow", &json!({ "ms": 3_600_000 }));
    Held::new(host, request, "slow", &json!({ "ms": 0 })).await
}

#[tokio::test]
async fn a_call_over_the_limit_is_told_when_to_come_back() {
    let host = Host::start(&manifest(
        "concurrency: 1, queue: { length: 0, wait: 10ms }",
    ))
    .await;
    let _holding = holding(&host).await;
    let answer = host.call("slow", json!({ "ms": 0 })).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(
        answer
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1),
        "{answer:?}"
    );
    assert!(!answer.error().is_empty());
    for way in Way::ALL {
        let result = way.call(&host, "slow", json!({ "ms": 0 })).await;
        assert!(!failure(&result).is_empty(), "{way:?}");
    }
    // What needs no place is served on.
    host.assert_well().await;
    assert_eq!(host.get("/mcp/tools").await.status, 200);
    assert_eq!(
        Way::Session
            .request(&host, "tools/list", json!({}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_call_in_the_queue_is_served_when_a_place_is_free() {
    let host = Host::start(&manifest("concurrency: 1, queue: { length: 1, wait: 5m }")).await;
    let calls: Vec<_> = (0..2).map(|_| slow(&host, 300)).collect();
    for call in calls {
        let answer = call.await.expect("no panic");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_call_waits_in_the_queue_only_so_long() {
    let host = Host::start(&manifest(
        "concurrency: 1, queue: { length: 64, wait: 100ms }",
    ))
    .await;
    let _holding = holding(&host).await;
    let answer = host.call("slow", json!({ "ms": 0 })).await;
    assert_eq!(answer.status, 429, "{answer:?}");
}

#[tokio::test]
async fn a_full_queue_turns_away_at_once() {
    let host = Host::start(&manifest("concurrency: 1, queue: { length: 1, wait: 9m }")).await;
    // One of the three runs, one waits, and there is no place for the third, whichever that is.
    let calls: Vec<_> = (0..3).map(|_| slow(&host, 3_600_000)).collect();
    let third = futures::future::select_all(calls);
    let (answer, _, others) = tokio::time::timeout(PATIENCE, third)
        .await
        .expect("the third call is answered while the others are not");
    assert_eq!(answer.expect("no panic").status, 429);
    assert!(others.iter().all(|call| !call.is_finished()));
    others.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_makes_room() {
    let host = Host::start(&manifest("concurrency: 1, queue: { length: 1, wait: 9m }")).await;
    let holding = slow(&host, 3_600_000);
    host.calls_running(1).await;
    for _ in 0..20 {
        let waiting = slow(&host, 0);
        tokio::task::yield_now().await;
        waiting.abort();
    }
    holding.abort();
    let answer = eventually("there is room", async || {
        let answer = host.call("slow", json!({ "ms": 0 })).await;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.await.json(), json!({ "result": "done" }));
}

#[tokio::test]
async fn a_session_s_calls_run_side_by_side() {
    let host = Host::start(&manifest("concurrency: 4")).await;
    let session = Session::open(&host).await;
    let call = || {
        session.request(
            "tools/call",
            json!({ "name": "slow", "arguments": { "ms": 3_600_000 } }),
        )
    };
    tokio::select! {
        answers = futures::future::join_all((0..4).map(|_| call())) => panic!("{answers:?}"),
        () = host.calls_running(4) => {}
    }
}

#[tokio::test]
async fn limits_above_the_engine_s_leave_the_tool_out() {
    let yaml = format!(
        "version: 1\nengine: {{ max_memory: 64MiB }}\ntools:\n  - file:{}\n  - source: file:{}\n    limits: {{ memory: 65MiB }}\n",
        guest("plain"),
        guest("hostile"),
    );
    let launch = sandglass_tests::Launch::manifest(&yaml);
    // Refused: as an error of the manifest, or as a source that cannot be loaded. Never cut down in silence.
    let finished = launch.arg("--strict").run().await;
    assert!([Some(2), Some(3)].contains(&finished.code), "{finished:?}");
    assert!(
        finished.stderr.contains("64MiB") || finished.stderr.contains("65MiB"),
        "{finished:?}"
    );
}
