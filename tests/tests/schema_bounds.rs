//! Schemas, patterns and forms of hostile authors cost their own tenant, and neither end the host nor hold up others.

use std::time::Duration;

use sandglass_tests::mcp::{Session, failure, modern, of_client, send, text};
use sandglass_tests::{Host, Launch, guest, manifest};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A generous bound: what is held up by a check waits for much longer.
const SOON: Duration = Duration::from_secs(1);

async fn host() -> Host {
    let sources =
        ["schemas", "plain"].map(|name| json!({"source": format!("file:{}", guest(name))}));
    Launch::manifest(&manifest(&json!(sources))).start().await
}

async fn assert_others_are_served(host: &Host) {
    let begun = Instant::now();
    assert_eq!(host.get("/health").await.status, 200);
    assert_eq!(host.call("echo", json!({"text": "hi"})).await.status, 200);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn arguments_that_are_expensive_to_check_hold_up_nobody() {
    let host = host().await;
    for (tool, bytes) in [
        ("lengths", 3_000_000),
        ("patterns", 3_000_000),
        ("looks", 1_000_000),
    ] {
        let error = host.call(tool, json!({"text": "x".repeat(bytes)})).await;
        assert_eq!(error.status, 400, "{tool}: {error:?}");
        assert!(
            format!("{error:?}").contains("too deep or too large"),
            "{error:?}"
        );
        // Those that are just not too much are checked, each in its turn.
        let calls = (0..12).map(|_| {
            let request = host.prepare(tool, &json!({"text": "x".repeat(20_000)}));
            tokio::spawn(async move { send(request).await.status })
        });
        let calls: Vec<_> = calls.collect();
        assert_others_are_served(&host).await;
        for call in calls {
            call.await.expect("it is answered");
        }
    }
    assert_others_are_served(&host).await;
}

#[tokio::test]
async fn a_form_that_is_none_is_refused_when_it_is_asked() {
    let host = host().await;
    let before = host.peak_memory();
    for kind in ["references", "pattern", "remote", "hidden", "large"] {
        let arguments = json!({"kind": kind});
        for tool in ["ask_bomb", "return_bomb"] {
            let call = json!({"name": tool, "arguments": arguments});
            let params = of_client(json!({"elicitation": {"form": {}}}), call.clone());
            let answer = send(modern(&host, "tools/call", params)).await;
            let mut initialize = sandglass_tests::mcp::initialize("2025-11-25");
            initialize["capabilities"] = json!({"elicitation": {}});
            let session = Session::with(&host, initialize).await;
            let in_session = session.request("tools/call", call).await;
            for result in [answer.result(), in_session.result()] {
                assert!(reason(tool, &result).contains("form"), "{kind}: {result}");
            }
            assert_others_are_served(&host).await;
        }
    }
    assert!(!host.log().contains("panicked"));
    assert!(host.peak_memory() < before + (256 << 20));
}

/// What the tool was told, or the caller where the tool has returned its question.
fn reason(tool: &str, result: &Value) -> String {
    match tool {
        "ask_bomb" => text(result).to_owned(),
        _ => failure(result).to_owned(),
    }
}
