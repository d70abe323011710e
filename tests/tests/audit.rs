//! Each call leaves one record, however it ends, and no record holds anything up.

use std::path::Path;
use std::process::Command;

use sandglass_tests::{Answer, Host, Launch, Server, eventually, guest, tool};
use serde_json::{Value, json};

/// A text that stands in arguments and must not be in any record.
const PRIVATE: &str = "nobody-else-may-read-this";

fn manifest(audit: &str) -> String {
    let (echo, hostile) = (tool("echo"), guest("hostile"));
    format!(
        "version: 1
defaults:
  limits: {{ fuel: 50_000_000, memory: 16MiB, timeout: 60s, output: 64KiB }}
tools:
  - source: file:{echo}
    limits: {{ calls_per_minute: 2 }}
  - source: file:{hostile}
    exclude: [sleep_forever]
  - source: file:{hostile}
    include: [sleep_forever]
    limits: {{ timeout: 1s }}
audit: {{ {audit} }}
"
    )
}

async fn start(audit: &str) -> Host {
    let launch = Launch::manifest(&manifest(audit));
    launch.arg("--management-port").arg("0").start().await
}

/// The same with a tool that asks this server.
async fn start_asking(server: &Server) -> Host {
    let source = format!(
        "  - source: file:{}\n    name: asks\n    allow: {}\n    limits: {{ timeout: 10m }}\n",
        guest("reach"),
        server.grant()
    );
    let yaml = manifest("to: file, path: audit.jsonl").replace("audit:", &(source + "audit:"));
    let launch = Launch::manifest(&yaml);
    launch.arg("--management-port").arg("0").start().await
}

fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the audit's file");
    assert!(!text.contains(PRIVATE), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

async fn end(mut host: Host) -> tempfile::TempDir {
    host.terminate();
    assert_eq!(host.ended().await, Some(0), "{}", host.log());
    host.into_folder()
}

#[tokio::test]
async fn each_call_leaves_a_record_that_says_how_it_ended() {
    let host = start("to: file, path: audit.jsonl").await;
    let text = json!({ "text": PRIVATE });
    for (name, arguments) in [
        ("echo", &text),
        ("echo", &text),
        ("echo", &text),
        ("echo", &json!({ "txt": PRIVATE })),
        (&"x".repeat(1_000), &text),
        ("spin_forever", &text),
        ("sleep_forever", &json!({})),
        ("allocate_forever", &json!({})),
        ("big_output", &json!({ "bytes": 200_000 })),
        ("trap_unreachable", &json!({})),
        ("invalid_json_value", &json!({})),
    ] {
        host.call(name, arguments.clone()).await;
    }
    let folder = end(host).await;
    let records = records(&folder.path().join("audit.jsonl"));
    let outcomes: Vec<&str> = records
        .iter()
        .map(|record| record["outcome"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        outcomes,
        [
            "ok",
            "ok",
            "over_quota",
            "invalid_arguments",
            "unknown_tool",
            "fuel",
            "time",
            "memory",
            "output",
            "trap",
            "tool_error"
        ]
    );
    let first = &records[0];
    assert_eq!(first["tenant"], "default");
    assert_eq!(first["caller"], Value::Null);
    assert_eq!(first["tool"], "echo");
    assert_eq!(first["source"], "echo");
    assert!(
        first["component"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );
    assert!(first["fuel"].as_u64() > Some(0) && first["peak_memory"].as_u64() > Some(0));
    assert_eq!(first["arguments_hmac"], records[1]["arguments_hmac"]);
    assert_ne!(first["arguments_hmac"], records[3]["arguments_hmac"]);
    assert_eq!(records[2]["fuel"], 0);
    assert_eq!(records[4]["tool"], "x".repeat(128));
    assert_eq!(records[5]["fuel"], 50_000_000);
}

#[tokio::test]
async fn the_same_arguments_have_the_same_hash_under_the_same_key() {
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let launch = Launch::manifest(&manifest(
            "to: file, path: audit.jsonl, key: { secret: { env: AUDIT_KEY } }",
        ));
        let host = launch.env("AUDIT_KEY", "a key").start().await;
        host.call("echo", json!({ "text": "hi" })).await;
        let folder = end(host).await;
        hashes.push(records(&folder.path().join("audit.jsonl"))[0]["arguments_hmac"].take());
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn a_trace_is_named() {
    let host = start("to: stdout").await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let call = host
        .prepare("echo", &json!({ "text": "hi" }))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(
        Answer::read(call.send().await.expect("an answer"))
            .await
            .status,
        200
    );
    let line = eventually("the record is on stdout", async || {
        host.stdout().lines().next().map(str::to_owned)
    });
    let record: Value = serde_json::from_str(&line.await).expect("a line of JSON");
    assert_eq!(record["trace_id"], trace);
}

#[tokio::test]
async fn a_call_whose_client_leaves_is_cancelled() {
    let server = Server::start().await;
    let host = start_asking(&server).await;
    let hanging = json!({ "url": server.url("/hang") });
    let call = tokio::spawn(host.prepare("http", &hanging).send());
    eventually("the guest runs", async || {
        (!server.seen().is_empty()).then_some(())
    })
    .await;
    call.abort();
    host.calls_running(0).await;
    let folder = end(host).await;
    let records = records(&folder.path().join("audit.jsonl"));
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["outcome"], "cancelled");
    assert_eq!(records[0]["source"], "asks");
    assert!(records[0]["fuel"].as_u64() > Some(0), "{records:?}");
}

#[tokio::test]
async fn a_host_that_is_terminated_writes_down_the_calls_in_flight() {
    let server = Server::start().await;
    let host = start_asking(&server).await;
    let call = |path| {
        let arguments = json!({ "url": server.url(path) });
        tokio::spawn(host.prepare("http", &arguments).send())
    };
    let (finishing, hanging) = (call("/gate"), call("/hang"));
    host.calls_running(2).await;
    host.terminate();
    server.open();
    assert_eq!(
        finishing
            .await
            .expect("no panic")
            .expect("an answer")
            .status(),
        200
    );
    // The first signal lets the other one run on; a second one ends it at once.
    let folder = end(host).await;
    hanging.abort();
    let mut outcomes: Vec<_> = records(&folder.path().join("audit.jsonl"))
        .iter()
        .map(|record| record["outcome"].to_string())
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["\"cancelled\"", "\"ok\""]);
}

#[tokio::test]
async fn a_target_that_stalls_holds_no_call_up() {
    let launch = Launch::manifest(&manifest("to: file, path: pipe"));
    let pipe = launch.folder().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo is there").success());
    let mut host = launch.start().await;
    // Nobody opens the pipe.
    for _ in 0..50 {
        let answer = host.call("print", json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    host.terminate();
    // It does not wait for the pipe.
    assert_eq!(host.ended().await, Some(0));
    assert!(host.log().contains("audit"), "{}", host.log());
}

#[tokio::test]
async fn files_that_are_full_are_kept_to_the_number() {
    let host = start("to: file, path: audit.jsonl, max_size: 1KiB, keep: 2").await;
    for _ in 0..12 {
        host.call("print", json!({})).await;
    }
    let folder = end(host).await;
    let sizes = ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"].map(|name| {
        let file = folder.path().join(name);
        assert!(!records(&file).is_empty());
        std::fs::metadata(file).expect("it was read").len()
    });
    assert!(sizes.iter().all(|size| *size <= 1_024), "{sizes:?}");
    assert!(!folder.path().join("audit.jsonl.3").exists());
}

#[tokio::test]
async fn what_cannot_work_stops_the_start() {
    for (audit, stdio, words) in [
        ("to: stdout", true, "--stdio"),
        (
            "to: file, path: /nonexistent/audit",
            false,
            "/nonexistent/audit",
        ),
        (
            "to: stdout, key: { secret: { env: NOT_SET } }",
            false,
            "NOT_SET",
        ),
    ] {
        let mut launch = Launch::manifest(&manifest(audit));
        if stdio {
            launch = launch.arg("--stdio");
        }
        let finished = launch.run().await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(words), "{finished:?}");
    }
}
