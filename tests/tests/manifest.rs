//! A host serves what its manifest says, and refuses a manifest that it cannot keep.

use sandglass_tests::{Finished, Folder, Host, Launch, guest};
use serde_json::{Value, json};

/// A manifest whose tools are these files.
fn files(paths: &[&str]) -> String {
    let list: String = paths
        .iter()
        .map(|path| format!("  - file:{path}\n"))
        .collect();
    format!(
        "version: 1\ndefaults: {{ limits: {{ timeout: 60s, fuel: 100_000_000 }} }}\ntools:\n{list}"
    )
}

fn assert_one_line(finished: &Finished, parts: &[&str]) {
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let error = lines.last().copied().unwrap_or_default();
    assert!(
        parts.iter().all(|part| error.contains(part)),
        "{parts:?} are not in the last line of {finished:?}"
    );
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

#[tokio::test]
async fn a_manifest_error_names_its_place() {
    for (yaml, place, parts) in [
        (
            "version: 1\ntools:\n  - source: ./x.wasm\n    limit: {}\n",
            ":4",
            vec!["limit", "limits"],
        ),
        (
            "version: 1\ndefaults:\n  limits:\n    memory: lots\n",
            ":4",
            vec!["lots"],
        ),
        ("version: 1\ntools: [\n", ":", vec![]),
        ("version: 7\n", ":1", vec!["version"]),
        ("version: 1\nversion: 1\n", ":2", vec!["version"]),
        (
            "version: 1\ntools:\n  - source: ./x.wasm\n    include: [a]\n    exclude: [b]\n",
            ":",
            vec!["include", "exclude"],
        ),
        (
            "version: 1\ntools:\n  - source: gopher:x\n",
            ":3",
            vec!["gopher"],
        ),
        (
            "version: 1\ndefaults: { limits: { timeout: 0s } }\n",
            ":2",
            vec!["0s"],
        ),
        (
            "version: 1\ndefaults: { limits: { memory: 1KiB } }\n",
            ":2",
            vec!["1KiB"],
        ),
    ] {
        let finished = Launch::manifest(yaml).run().await;
        assert_eq!(finished.code, Some(2), "{yaml:?}: {finished:?}");
        let mut parts = parts;
        let place = format!("manifest.yaml{place}");
        parts.push(&place);
        assert_one_line(&finished, &parts);
        assert_eq!(finished.stdout, "", "{yaml:?}");
    }
}

#[tokio::test]
async fn a_missing_manifest_is_a_usage_error() {
    let finished = Launch::serve()
        .arg("--config")
        .arg("/no/such/manifest.yaml")
        .run()
        .await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_one_line(&finished, &["/no/such/manifest.yaml"]);
}

#[tokio::test]
async fn the_environment_may_hold_the_manifest() {
    let yaml = format!(
        "version: 1\ntools:\n  - source: file:{}\n    include: [echo]\n",
        guest("plain")
    );
    let host = Launch::serve().env("MCP_PARAMS", yaml).start().await;
    assert_eq!(host.tools().await, ["echo"]);
    let inline = json!({ "version": 1, "tools": [{ "source": format!("file:{}", guest("plain")), "include": ["fail"] }] });
    let host = Launch::serve()
        .env("MCP_PARAMS", inline.to_string())
        .start()
        .await;
    assert_eq!(host.tools().await, ["fail"], "JSON is YAML");
    let finished = Launch::serve()
        .env("MCP_PARAMS", "version: 1\nnonsense: true\n")
        .run()
        .await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_one_line(&finished, &["MCP_PARAMS", "nonsense"]);
}

#[tokio::test]
async fn a_file_wins_over_the_environment_and_an_empty_manifest_is_none() {
    let yaml = format!(
        "version: 1\ntools:\n  - source: file:{}\n    include: [echo]\n",
        guest("plain")
    );
    let host = Launch::manifest(&yaml)
        .env("MCP_PARAMS", "nonsense: true")
        .start()
        .await;
    assert_eq!(host.tools().await, ["echo"]);
}

#[tokio::test]
async fn without_a_manifest_the_first_party_tools_are_served() {
    for params in [None, Some("")] {
        let mut launch = Launch::serve();
        if let Some(params) = params {
            launch = launch.env("MCP_PARAMS", params);
        }
        let host = launch.start().await;
        let names = host.tools().await;
        for expected in ["get_current_time", "convert_time", "echo"] {
            assert!(
                names.iter().any(|name| name == expected),
                "{names:?} lacks {expected}"
            );
        }
        assert_eq!(host.get("/ready").await.json()["status"], "ready");
    }
}

#[tokio::test]
async fn a_prefix_goes_before_each_name() {
    let yaml = format!(
        "version: 1\ntools:\n  - source: file:{0}\n    prefix: one\n    include: [echo, fail]\n  - source: file:{0}\n    prefix: two\n    include: [echo]\n",
        guest("plain")
    );
    let host = Host::start(&yaml).await;
    let mut names = host.tools().await;
    names.sort();
    assert_eq!(names, ["one_echo", "one_fail", "two_echo"]);
    let answer = host.call("two_echo", json!({ "text": "hi" })).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "result": "hi" }))
    );
    assert_eq!(host.call("echo", json!({ "text": "hi" })).await.status, 404);
}

#[tokio::test]
async fn include_and_exclude_choose_the_tools() {
    let with = |filter: &str| {
        format!(
            "version: 1\ntools:\n  - source: file:{}\n    {filter}\n",
            guest("plain")
        )
    };
    let host = Host::start(&with("include: [echo, clock]")).await;
    let mut names = host.tools().await;
    names.sort();
    assert_eq!(names, ["clock", "echo"]);
    assert_eq!(
        host.call("fail", json!({ "message": "x" })).await.status,
        404,
        "what is left out cannot be called"
    );
    let host = Host::start(&with("exclude: [echo]")).await;
    assert_eq!(host.tools().await.len(), 24);
    assert!(!host.tools().await.contains(&"echo".to_owned()));
    let finished = Launch::manifest(&with("include: [no_such_tool]"))
        .run()
        .await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("no_such_tool"), "{finished:?}");
}

#[tokio::test]
async fn a_folder_is_a_source_of_all_its_components() {
    let folder = Folder::default();
    for name in ["plain", "hostile"] {
        folder.write(
            &format!("{name}.wasm"),
            std::fs::read(guest(name)).expect("it is built"),
        );
    }
    folder.write("README.md", "no component");
    let host = Host::start(&files(&[&folder.path().display().to_string()])).await;
    let names = host.tools().await;
    assert!(
        names.contains(&"echo".to_owned()) && names.contains(&"recurse".to_owned()),
        "{names:?}"
    );
    assert_eq!(host.get("/ready").await.json()["status"], "ready");
}

#[tokio::test]
async fn a_relative_path_starts_at_the_manifest() {
    let launch = Launch::manifest("version: 1\ntools: [ ./plain.wasm ]\n");
    launch.write(
        "plain.wasm",
        std::fs::read(guest("plain")).expect("it is built"),
    );
    assert_eq!(launch.start().await.tools().await.len(), 25);
}

#[tokio::test]
async fn the_resolved_manifest_of_a_running_host_holds_for_its_calls() {
    let yaml = format!(
        "version: 1\ndefaults: {{ limits: {{ fuel: 1_000_000_000_000, timeout: 60s }} }}\ntools:\n  - source: file:{}\n    limits: {{ timeout: 300ms }}\n",
        guest("plain")
    );
    let host = Host::start(&yaml).await;
    let answer = host.call("slow", json!({ "ms": 60_000 })).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let error: Value = answer.json();
    assert_eq!(
        error,
        json!({ "error": "Time limit exceeded: the call did not finish within 300ms" })
    );
}
