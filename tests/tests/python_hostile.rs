//! Python that tries to get out of its sandbox, or to leave something for the next call.

use std::collections::BTreeSet;

use sandglass_tests::{Host, root};
use serde_json::{Value, json};

async fn host() -> Host {
    let source = root().join("tests/fixtures/python/hostile.py");
    Host::start(&json!({ "version": 1, "tools": [source] }).to_string()).await
}

#[tokio::test]
async fn what_is_not_granted_fails_and_says_so() {
    let host = host().await;
    for (tool, told) in [
        (
            "spin",
            "Fuel limit exceeded: the call used its budget of 2000000000",
        ),
        (
            "eat",
            "Memory limit exceeded: the call needs more than 128MiB",
        ),
        ("recurse", "maximum recursion depth exceeded"),
        ("recurse_without_limit", "Memory limit exceeded"),
        ("deep_result", "call stack exhausted"),
        (
            "big_result",
            "Output limit exceeded: the result is larger than 1MiB",
        ),
        ("shell", "module 'os' has no attribute 'system'"),
        ("process", "does not support processes"),
        ("password_file", "No such file or directory: '/etc/passwd'"),
        ("folder", "No such file or directory"),
        ("write_file", "No such file or directory"),
        ("connect", "[Errno"),
        ("raw_socket", "Permission denied"),
        (
            "request",
            "this tool is not allowed to reach http://127.0.0.1:1",
        ),
        ("native", "there is no module `ctypes` here"),
        ("import_trick", "there is no module `requests` here"),
        ("load_file", "No such file or directory"),
        ("leave", "the tool ended itself with sys.exit(3)"),
        ("leave_hard", "The tool ended itself with exit status"),
        ("abort", "The tool trapped"),
        ("interrupt", "KeyboardInterrupt"),
        ("thread", "can't start new thread"),
        ("forge_result", "not JSON"),
    ] {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(answer.status, 500, "{tool}: {answer:?}");
        assert!(answer.error().contains(told), "{tool}: {answer:?}");
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
        host.call("poison", json!({ "word": word })).await;
    }
}

#[tokio::test]
async fn seeds_and_clocks_differ_between_calls_of_one_snapshot() {
    let host = host().await;
    let mut seen: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 5];
    for _ in 0..20 {
        let seeds = host.call("seeds", json!({})).await.json()["result"].clone();
        let seeds: &Vec<Value> = seeds.as_array().expect("a list");
        for (seen, seed) in seen.iter_mut().zip(seeds) {
            seen.insert(seed.to_string());
        }
    }
    assert_eq!(
        seen.iter().map(BTreeSet::len).collect::<Vec<_>>(),
        [20; 5],
        "{seen:?}"
    );
}
