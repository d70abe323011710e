//! Each call leaves one record, however it ends, and no record holds anything up. What is refused before it is a call is counted, and
//! leaves a record of its kind.

use std::path::Path;
use std::process::Command;

use reqwest::{Method, RequestBuilder};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sandglass_tests::mcp::{ACCEPT, message, send};
use sandglass_tests::{Answer, Host, Launch, Server, eventually, guest, raw_post, sha256, tool};
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

/// The calls that these files have records of, and those that they say are lost.
fn calls(folder: &Path, names: &[&str]) -> (usize, u64) {
    let all = names.iter().flat_map(|name| records(&folder.join(name)));
    let (lost, calls): (Vec<_>, Vec<_>) = all.partition(|record| !record["lost"].is_null());
    let lost = lost.iter().filter_map(|record| record["lost"].as_u64());
    (calls.len(), lost.sum())
}

#[tokio::test]
async fn a_file_that_is_moved_away_is_replaced() {
    let host = start("to: file, path: audit.jsonl, max_size: 1KiB, keep: 2").await;
    let at = |name: &str| host.folder().join(name);
    host.call("print", json!({})).await;
    eventually("the first record is written", async || {
        (std::fs::metadata(at("audit.jsonl")).ok()?.len() > 0).then_some(())
    })
    .await;
    std::fs::rename(at("audit.jsonl"), at("mine.jsonl")).expect("the folder is ours");
    eventually("another file is there", async || {
        host.call("print", json!({})).await;
        at("audit.jsonl").exists().then_some(())
    })
    .await;
    for _ in 0..6 {
        host.call("print", json!({})).await;
    }
    let folder = end(host).await;
    let (kept, lost) = calls(
        folder.path(),
        &["audit.jsonl", "audit.jsonl.1", "mine.jsonl"],
    );
    assert!(kept >= 3 && lost == 0, "{kept}");
}

#[tokio::test]
async fn a_file_that_cannot_be_rotated_costs_nothing_that_is_kept() {
    let host = start("to: file, path: audit.jsonl, max_size: 1KiB, keep: 2").await;
    let print = async |times: usize| {
        for _ in 0..times {
            let answer = host.call("print", json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    let lost = async || {
        let metrics = host.manage("/metrics").await.body;
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("sandglass_audit_lost_total "));
        lost.expect("it is counted")
            .parse::<u64>()
            .expect("a number")
    };
    let at = |name: &str| host.folder().join(name);
    let read = |name: &str| std::fs::read(at(name)).expect("it is kept");
    print(12).await;
    eventually("two files are full", async || {
        at("audit.jsonl.2").exists().then_some(())
    })
    .await;
    // A folder in the place of the new file, which may be there for a moment.
    eventually("its place is free", async || {
        std::fs::create_dir(at("audit.jsonl.new")).ok()
    })
    .await;
    eventually("it is said that it cannot be rotated", async || {
        print(1).await;
        let ready = host.manage("/ready").await.json();
        assert!(ready["status"] == "ready" || ready["audit"]["problem"].is_string());
        (ready["status"] == "degraded").then_some(())
    })
    .await;
    let kept = [read("audit.jsonl.1"), read("audit.jsonl.2")];
    eventually("records are lost", async || {
        print(1).await;
        (lost().await > 0).then_some(())
    })
    .await;
    print(5).await;
    assert_eq!([read("audit.jsonl.1"), read("audit.jsonl.2")], kept);
    let size = std::fs::metadata(at("audit.jsonl"))
        .expect("it is there")
        .len();
    assert!(size <= 2_048, "{size}");

    std::fs::remove_dir(at("audit.jsonl.new")).expect("it is empty");
    print(1).await;
    eventually("all is well again", async || {
        let ready = host.manage("/ready").await.json();
        (ready["status"] == "ready").then_some(())
    })
    .await;
    assert_eq!(read("audit.jsonl.2"), kept[0], "shifted once");
    let counted = lost().await;
    let folder = end(host).await;
    let (_, told) = calls(folder.path(), &["audit.jsonl", "audit.jsonl.1"]);
    assert_eq!(told, counted);
}

#[tokio::test]
async fn an_audit_that_can_open_no_file_keeps_what_it_has() {
    let host = start("to: file, path: audit.jsonl, max_size: 1KiB, keep: 5").await;
    // On a connection that is there already.
    let print = async |times: usize| {
        for _ in 0..times {
            let answer = host.call("print", json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    let at = |name: &str| host.folder().join(name);
    print(12).await;
    eventually("two files are full", async || {
        at("audit.jsonl.2").exists().then_some(())
    })
    .await;
    let pid = Pid::from_raw(host.pid().cast_signed());
    let limit = |current| {
        let few = Rlimit {
            current,
            maximum: Some(1_024),
        };
        prlimit(pid, Resource::Nofile, few).expect("the process is ours")
    };
    limit(Some(3));
    let kept = std::fs::read(at("audit.jsonl.1")).expect("it is kept");
    print(20).await;
    limit(Some(1_024));
    print(1).await;
    let folder = end(host).await;
    let names = ["", ".1", ".2", ".3", ".4", ".5"].map(|number| format!("audit.jsonl{number}"));
    let names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| folder.path().join(name).exists())
        .collect();
    let files: Vec<_> = names
        .iter()
        .map(|name| std::fs::read(folder.path().join(name)).expect("it is kept"))
        .collect();
    assert!(files.contains(&kept), "what was kept is kept still");
    let (_, lost) = calls(folder.path(), &names);
    assert!(lost > 0, "and what was lost is told");
}

const TOKEN: &str = "nobody-else-may-read-this-token";

/// Two tenants with a tool each, and a token for one of them.
async fn with_a_token() -> Host {
    let echo = tool("echo");
    let yaml = format!(
        "version: 1
tools: [\"file:{echo}\"]
tenants:
  zoo: {{ tools: [\"file:{echo}\"] }}
identity:
  tokens:
    - {{ sha256: {}, name: ann, tenant: default, scopes: [\"tools:none\"] }}
audit: {{ to: file, path: audit.jsonl }}
",
        sha256(TOKEN)
    );
    let launch = Launch::manifest(&yaml);
    launch.arg("--management-port").arg("0").start().await
}

fn post(host: &Host, path: &str, body: impl Into<String>) -> RequestBuilder {
    host.request(Method::POST, path)
        .header("content-type", "application/json")
        .header("accept", ACCEPT)
        .body(body.into())
}

#[tokio::test]
async fn what_is_refused_before_it_is_a_call_is_counted_and_leaves_a_record() {
    let host = with_a_token().await;
    let get = |path: &str| host.request(Method::GET, path);
    let list = message("tools/list", json!({})).to_string();
    let mcp = |params: Value| post(&host, "/mcp", message("tools/call", params).to_string());
    let refusals = [
        (401, "no_credential", get("/mcp/tools")),
        (
            401,
            "invalid_credential",
            get("/mcp/tools").bearer_auth(format!("{TOKEN}-not")),
        ),
        (
            400,
            "malformed_credential",
            get(&format!("/mcp/tools?access_token={TOKEN}")),
        ),
        (
            404,
            "foreign_tenant",
            get("/t/zoo/mcp/tools").bearer_auth(TOKEN),
        ),
        (
            404,
            "foreign_tenant",
            get("/t/nobody/mcp/tools").bearer_auth(TOKEN),
        ),
        (
            403,
            "host_or_origin",
            get("/mcp/tools").header("host", "evil.example"),
        ),
        (
            403,
            "host_or_origin",
            get("/mcp/tools").header("origin", "null"),
        ),
        (
            404,
            "unknown_session",
            post(&host, "/mcp", list)
                .header("mcp-session-id", "x")
                .bearer_auth(TOKEN),
        ),
        (
            400,
            "unreadable",
            post(&host, "/mcp/tools", "{").bearer_auth(TOKEN),
        ),
        (
            400,
            "unreadable",
            post(&host, "/mcp/tools", r#"{"tool":"echo","tool":"echo"}"#).bearer_auth(TOKEN),
        ),
        (
            400,
            "unreadable",
            post(&host, "/mcp", "{").bearer_auth(TOKEN),
        ),
    ];
    let mut expected = std::collections::BTreeMap::<_, u64>::new();
    for (status, reason, request) in refusals {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{reason}: {answer:?}");
        *expected.entry(reason).or_default() += 1;
    }
    let bearer = format!("Bearer {TOKEN}");
    let large = " ".repeat(5 << 20);
    let answer = raw_post(&host, "/mcp/tools", &[("Authorization", &bearer)], &large).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    expected.insert("too_large", 1);
    // Within a success of HTTP.
    let answer = send(mcp(json!({ "arguments": {} })).bearer_auth(TOKEN)).await;
    assert_eq!(answer.refusal()["code"], -32602, "{answer:?}");
    *expected.entry("unreadable").or_default() += 1;
    for _ in 0..30 {
        send(get("/mcp/tools")).await;
        *expected.entry("no_credential").or_default() += 1;
    }
    let metrics = host.manage("/metrics").await.body;
    for (reason, count) in &expected {
        let line = format!("sandglass_refused_requests_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let log = host.log();
    let folder = end(host).await;
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).expect("it is there");
    assert!(!text.contains(TOKEN) && !log.contains(TOKEN), "{text}");
    let records = records_of(&text);
    for (reason, count) in &expected {
        let of_reason: Vec<_> = records
            .iter()
            .filter(|record| record["refused"] == *reason)
            .collect();
        let told: u64 = of_reason
            .iter()
            .filter_map(|record| record["count"].as_u64())
            .sum();
        assert_eq!(told, *count, "{reason}: {text}");
        assert!(of_reason.len() <= 4, "few records stand for many: {text}");
    }
    let foreign = records.iter().find(|record| record["tenant"] == "zoo");
    assert_eq!(foreign.expect("a record")["caller"], "ann", "{text}");
}

fn records_of(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect()
}

#[tokio::test]
async fn a_call_with_arguments_that_are_none_is_a_call_and_needs_its_scope() {
    let host = with_a_token().await;
    for arguments in [json!(null), json!([]), json!("text")] {
        let rest = json!({ "tool": "echo", "arguments": arguments }).to_string();
        let mcp = message(
            "tools/call",
            json!({ "name": "echo", "arguments": arguments }),
        );
        for request in [
            post(&host, "/mcp/tools", rest),
            post(&host, "/mcp/tools/echo", arguments.to_string()),
            post(&host, "/mcp", mcp.to_string()),
        ] {
            let answer = send(request.bearer_auth(TOKEN)).await;
            assert_eq!(answer.status, 403, "{arguments}: {answer:?}");
        }
    }
    let folder = end(host).await;
    let forbidden = records(&folder.path().join("audit.jsonl"));
    assert_eq!(forbidden.len(), 9);
    assert!(
        forbidden
            .iter()
            .all(|record| record["outcome"] == "forbidden")
    );

    let host = start("to: file, path: audit.jsonl").await;
    let mcp = message("tools/call", json!({ "name": "print", "arguments": [] }));
    let answers = [
        send(post(
            &host,
            "/mcp/tools",
            r#"{"tool":"print","arguments":[]}"#,
        ))
        .await,
        send(post(&host, "/mcp", mcp.to_string())).await,
    ];
    assert_eq!(answers[0].status, 400, "{answers:?}");
    assert_eq!(answers[1].result()["isError"], true, "{answers:?}");
    let folder = end(host).await;
    let records = records(&folder.path().join("audit.jsonl"));
    assert_eq!(records.len(), 2, "{records:?}");
    for record in records {
        assert_eq!(
            (&record["tool"], &record["outcome"]),
            (&json!("print"), &json!("invalid_arguments"))
        );
        assert!(record["component"].is_string(), "{record}");
    }
}

#[tokio::test]
async fn a_call_that_comes_too_late_is_written_down() {
    let server = Server::start().await;
    let host = start_asking(&server).await;
    let gate = json!({ "url": server.url("/gate") });
    let running = tokio::spawn(host.prepare("http", &gate).send());
    host.calls_running(1).await;
    host.terminate();
    eventually("calls are refused", async || {
        let answer = host.prepare("print", &json!({})).send().await.ok()?;
        (answer.status() == 503).then_some(())
    })
    .await;
    server.open();
    let answer = running.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 200);
    let folder = end(host).await;
    let records = records(&folder.path().join("audit.jsonl"));
    let refused = records
        .iter()
        .find(|record| record["refused"] == "draining");
    assert_eq!(
        refused.expect("a record")["tenant"],
        "default",
        "{records:?}"
    );
}
