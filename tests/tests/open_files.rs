//! A host that may open few files answers, however many components it is to serve, and whatever these open.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use sandglass_tests::flood::Flood;
use sandglass_tests::{Folder, Launch, manifest, raw};
use serde_json::json;

/// Half of them are for components.
const FILES: usize = 100;

/// What somebody who connects waits at most.
const PROMPT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn components_leave_files_to_those_who_call_them() {
    let folder = Folder::default();
    for number in 0..2 * FILES {
        let text = format!(
            r#"(component
                (core module $module (func (export "number") (result i32) i32.const {number}))
                (core instance $instance (instantiate $module))
                (func (export "number-{number}") (result u32)
                    (canon lift (core func $instance "number"))))"#
        );
        let component = wat::parse_str(text).expect("it is a component");
        folder.write(&format!("{number:03}.wasm"), component);
    }
    let limited = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
    let host = Launch::manifest(&manifest(&json!([folder.path()])))
        .through(&["sh", "-c", &limited])
        .start()
        .await;
    let tools = host.tools().await;
    assert_eq!(tools.len(), FILES / 4, "{tools:?}");
    for tool in &tools {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ready = host.get("/ready").await.json();
    assert_eq!(ready["status"], "degraded");
    let reason = "100 files may be open, and those of them that are for components are (25): serve fewer, or lift the limit";
    assert!(ready["failures"].to_string().contains(reason), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_leave_files_to_those_who_connect() {
    // A few of such calls could open them all.
    const CALLS: usize = 4;
    let limits = json!({ "timeout": "5s", "concurrency": CALLS });
    let flood = Flood::launch(&limits, |launch| {
        launch.through(&["sh", "-c", "ulimit -n 1024; exec \"$0\" \"$@\""])
    })
    .await;
    let host = &flood.host;
    let hold = json!({ "kind": "files" });
    let held = join_all((0..CALLS).map(|_| host.call("hold", hold.clone())));
    let connecting = async {
        loop {
            let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let health = tokio::time::timeout(PROMPT, raw(host, request)).await;
            assert_eq!(health.expect("it is answered at once").status, 200);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match select(pin!(held), pin!(connecting)).await {
        Either::Left((answers, _)) => {
            for answer in answers {
                assert_eq!(answer.status, 500, "each ends with its time: {answer:?}");
            }
        }
        Either::Right((never, _)) => never,
    }
}
