//! MCP's official conformance suite, with its fixtures inside the sandbox (`tools/conformance`).

use std::collections::BTreeMap;

use sandglass_tests::{Client, Launch, client_program, conformance, manifest};
use serde_json::json;

/// Runs a revision's requirements; the scenarios that are required, and those that are reported only, with whether
/// they passed.
async fn run(revision: &str) -> (BTreeMap<String, bool>, BTreeMap<String, bool>) {
    // One of its tools computes for a minute, until it is cancelled.
    let source = json!({"source": format!("file:{}", conformance()), "limits": {"timeout": "2m"}});
    let tools = json!([source]);
    let host = Launch::manifest(&manifest(&tools)).start().await;
    let results = tempfile::tempdir().expect("a temporary folder");
    let finished = Client::program("SANDGLASS_NODE")
        .arg(client_program("SANDGLASS_CONFORMANCE"))
        .args(&["server", "--url", &format!("{}/mcp", host.url())])
        .args(&["--requirements", revision, "--output-dir"])
        .arg(results.path())
        .run()
        .await;
    let (_, summary) = finished
        .stdout
        .split_once("=== SUMMARY ===")
        .unwrap_or_else(|| panic!("no summary:\n{}\n{}", finished.stdout, finished.stderr));
    println!("{revision}:{summary}");
    let (all, reported) = summary
        .split_once("Not scored")
        .expect("what is not scored");
    let reported = scenarios(reported, " (");
    let mut required = scenarios(all, ": ");
    required.retain(|name, _| !reported.contains_key(name));
    assert_eq!(
        finished.code == Some(0),
        required.values().all(|passed| *passed),
        "the suite's own verdict\n{}",
        finished.stderr
    );
    (required, reported)
}

/// The lines `✓ name: ..` and `✗ name (..`.
fn scenarios(summary: &str, after_name: &str) -> BTreeMap<String, bool> {
    let lines = summary.lines().filter_map(|line| {
        let line = line.trim();
        let (passed, rest) = match line.strip_prefix("✓ ") {
            Some(rest) => (true, rest),
            None => (false, line.strip_prefix("✗ ")?),
        };
        let (name, _) = rest.split_once(after_name)?;
        Some((name.to_owned(), passed))
    });
    lines.collect()
}

fn check(required: &BTreeMap<String, bool>, reported: &BTreeMap<String, bool>, bar: usize) {
    let failed: Vec<_> = required.iter().filter(|(_, passed)| !**passed).collect();
    assert_eq!(failed, [], "required scenarios");
    assert_eq!(required.len(), bar, "{required:?}");
    // Pending scenarios and those of extensions, tasks among them, are held to the same.
    let failed: Vec<_> = reported.iter().filter(|(_, passed)| !**passed).collect();
    assert_eq!(failed, [], "scenarios that are not scored");
}

#[tokio::test]
async fn all_of_2025_11_25_is_there() {
    let (required, reported) = run("2025-11-25").await;
    check(&required, &reported, 30);
}

#[tokio::test]
async fn all_of_2026_07_28_is_there() {
    let (required, reported) = run("2026-07-28").await;
    check(&required, &reported, 37);
}
