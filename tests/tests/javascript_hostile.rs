//! JavaScript that tries to get out of its sandbox, or to leave something for the next call.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use sandglass_tests::{Host, root};
use serde_json::json;

async fn host() -> Host {
    let source = root().join("tests/fixtures/javascript/hostile.js");
    let manifest = json!({
        "version": 1,
        "tools": [{ "source": source, "limits": { "timeout": "5s" } }],
    });
    Host::start(&manifest.to_string()).await
}

#[tokio::test]
async fn what_is_not_granted_fails_and_says_so() {
    let host = host().await;
    let fuel = "Fuel limit exceeded: the call used its budget of 2000000000";
    let memory = "Memory limit exceeded: the call needs more than 128MiB";
    for (tool, told) in [
        ("spin", fuel),
        ("eat", memory),
        ("strings", "string too long"),
        ("recurse", "The tool trapped: call stack exhausted"),
        ("deep_result", fuel),
        (
            "big_result",
            "Output limit exceeded: the result is larger than 1MiB",
        ),
        (
            "cycle",
            "the tool's result can't be written as JSON: circular reference",
        ),
        ("backtrack", fuel),
        ("forever", fuel),
        (
            "never",
            "it waits for a promise that nothing will ever settle",
        ),
        ("late", "Time limit exceeded"),
        ("load", "fs"),
        ("require_it", "require is not defined"),
        (
            "request",
            "cannot fetch http://127.0.0.1:1/: it is not granted; an operator grants it at this tool's source, `allow: { http: [ { host: 127.0.0.1, port: 1 } ] }`",
        ),
        ("scheme", "`file:` cannot be fetched"),
        ("get_out", "not a function"),
        ("bytecode", "bjson is not defined"),
    ] {
        let answer = host.call(tool, json!({})).await;
        assert!(
            answer.status >= 400 && answer.error().contains(told),
            "{tool}: {answer:?}"
        );
        host.assert_well().await;
    }
    let answer = host.call("environment", json!({})).await;
    assert_eq!(answer.json()["result"], json!({}));
}

#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    let host = host().await;
    for word in ["first", "second", "third"] {
        let answer = host.call("remember", json!({ "word": word })).await;
        assert_eq!(answer.json()["result"], json!([1, 1, 1, 1]), "{answer:?}");
        // What it breaks is its own call.
        host.call("poison", json!({})).await;
    }
}

#[tokio::test]
async fn seeds_and_clocks_differ_between_calls_of_one_snapshot() {
    let host = host().await;
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let seeds = host.call("seeds", json!({})).await.json()["result"].take();
        for seed in ["random", "bytes", "uuid"] {
            assert!(
                seen.insert(seeds[seed].to_string()),
                "{seed} again: {seeds}"
            );
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_millis();
        let told = seeds["now"].as_u64().expect("a number");
        assert!(now.abs_diff(told.into()) < 60_000, "{now} {seeds}");
        assert!(seeds["year"].as_u64() >= Some(2024), "{seeds}");
        assert!(seeds["uptime"].as_f64().is_some(), "{seeds}");
    }
}
