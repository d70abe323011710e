//! The commands beside `serve`: for people, and with `--json` for programs.

use sandglass_tests::{Finished, Folder, Launch, core_module, guest};
use serde_json::{Value, json};

#[tokio::test]
async fn call_prints_the_result() {
    let finished = Launch::command(&["call", &guest("plain"), "echo", r#"{"text":"hi there"}"#])
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("hi there"), "{finished:?}");
}

#[tokio::test]
async fn call_prints_json_for_programs() {
    let finished = Launch::command(&["call", "--json", &guest("plain"), "returns_object"])
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let printed = finished.json();
    assert_eq!(printed["result"], json!({ "b": 1, "a": [2] }));
    assert!(
        printed["usage"]["fuel"]
            .as_u64()
            .is_some_and(|fuel| fuel > 0),
        "{printed}"
    );
    assert!(
        printed["usage"]["peak_memory_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes >= 65_536),
        "{printed}"
    );
}

#[tokio::test]
async fn call_fails_as_the_tool_does() {
    let finished = Launch::command(&[
        "call",
        &guest("plain"),
        "fail",
        r#"{"message":"the kettle is empty"}"#,
    ])
    .run()
    .await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("the kettle is empty"),
        "{finished:?}"
    );
    let finished = Launch::command(&["call", "--json", &guest("hostile"), "panic_message"])
        .run()
        .await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let error = finished.json()["error"].to_string();
    assert!(
        error.contains("The tool trapped: ") && error.contains("boom: the reason"),
        "{error}"
    );
    let finished = Launch::command(&["call", &guest("hostile"), "spin_forever"])
        .run()
        .await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("limit exceeded"), "{finished:?}");
}

#[tokio::test]
async fn call_names_what_is_wrong_with_the_arguments() {
    for (arguments, code, told) in [
        ("{", 2, "JSON"),
        ("[]", 2, "object"),
        ("{}", 1, "text"),
        (r#"{"text":1}"#, 1, "text"),
    ] {
        let finished = Launch::command(&["call", &guest("plain"), "echo", arguments])
            .run()
            .await;
        assert_eq!(finished.code, Some(code), "{arguments}: {finished:?}");
        assert!(finished.stderr.contains(told), "{arguments}: {finished:?}");
    }
    let finished = Launch::command(&["call", &guest("plain"), "nope"])
        .run()
        .await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("nope") && finished.stderr.contains("echo"),
        "it names what there is: {finished:?}"
    );
}

/// A manifest of tenants; the default one has nothing.
async fn call_of(manifest: &str, words: &[&str]) -> Finished {
    let launch = Launch::command(&["call", "--config", "manifest.yaml"]);
    launch.write("manifest.yaml", manifest);
    let launch = words.iter().fold(launch, |launch, word| launch.arg(word));
    launch.run().await
}

#[tokio::test]
async fn call_finds_a_tenants_tool() {
    let manifest = format!(
        "version: 1\ntools: []\ntenants:\n  acme: {{ tools: [\"file:{}\"] }}\n  zoo: {{ tools: [\"file:{}\"] }}\n  idle: {{ tools: [] }}\n",
        guest("plain"),
        guest("bad_list"),
    );
    let hi = r#"{"text":"hi there"}"#;
    let called = call_of(&manifest, &["--tenant", "acme", "echo", hi]).await;
    assert_eq!(called.code, Some(0), "{called:?}");
    assert!(called.stdout.starts_with("hi there\n"), "{called:?}");
    for (words, code, parts) in [
        (
            &["echo", hi][..],
            2,
            &["the tenant `default` has no tools", "--tenant: acme, zoo"][..],
        ),
        (
            &["--tenant", "idle", "echo"],
            2,
            &["the tenant `idle` has no tools", "--tenant: acme, zoo"],
        ),
        (
            &["--tenant", "nobody", "echo"],
            2,
            &["no tenant `nobody`", "--tenant: acme, zoo"],
        ),
        (&["--tenant", "acme", "nope"], 2, &["there is ", "echo"]),
        (
            &["--tenant", "zoo", "echo"],
            3,
            &["1 of 1 components could not be loaded"],
        ),
    ] {
        let refused = call_of(&manifest, words).await;
        assert_eq!(refused.code, Some(code), "{words:?}: {refused:?}");
        for part in parts {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn inspect_shows_what_a_component_has_and_needs() {
    let finished = Launch::command(&["inspect", &guest("plain")]).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.contains("echo") && finished.stdout.contains("wasi:"),
        "{finished:?}"
    );
    let finished = Launch::command(&["inspect", "--json", &guest("plain")])
        .run()
        .await;
    let printed = finished.json();
    assert_eq!(
        printed["tools"].as_array().map(Vec::len),
        Some(25),
        "{printed}"
    );
    let digest = printed["digest"].as_str().unwrap_or_default();
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
    let size = std::fs::metadata(guest("plain"))
        .expect("it is built")
        .len();
    assert_eq!(printed["size"], size);
    let imports = printed["imports"].as_array().expect("a list");
    assert!(
        imports.iter().any(|import| import
            .as_str()
            .is_some_and(|name| name.starts_with("wasi:clocks/"))),
        "{printed}"
    );
}

#[tokio::test]
async fn inspect_gives_no_escape_sequence_of_a_guest_to_the_terminal() {
    for name in ["bad_names", "trap_list", "unknown_import"] {
        let finished = Launch::command(&["inspect", &guest(name)]).run().await;
        assert_ne!(finished.code, Some(0), "{name}: {finished:?}");
        assert!(
            !finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'),
            "{name}: {finished:?}"
        );
        assert!(!finished.stderr.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_component_is_refused_with_its_reason() {
    let folder = Folder::default();
    for file in [
        folder.write("module.wasm", core_module()),
        folder.write("text.wasm", "no component"),
        folder.path().join("missing.wasm").display().to_string(),
    ] {
        for command in [vec!["inspect", &file], vec!["call", &file, "echo"]] {
            let finished = Launch::command(&command).run().await;
            assert!(
                matches!(finished.code, Some(1..=3)),
                "{command:?}: {finished:?}"
            );
            assert!(finished.stderr.contains(&file), "{command:?}: {finished:?}");
            assert!(
                !finished.stderr.contains("panicked"),
                "{command:?}: {finished:?}"
            );
        }
    }
}

#[tokio::test]
async fn check_prints_the_resolved_manifest() {
    let folder = Folder::default();
    let good = folder.write(
        "good.yaml",
        format!("version: 1\ntools: [ file:{} ]\n", guest("plain")),
    );
    let finished = Launch::command(&["check", &good]).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for default in ["2_000_000_000", "2000000000"] {
        if finished.stdout.contains(default) {
            return;
        }
    }
    panic!("the default fuel is not in {finished:?}");
}

#[tokio::test]
async fn what_check_prints_is_a_manifest_again() {
    let folder = Folder::default();
    let good = folder.write(
        "good.yaml",
        format!("version: 1\ntools: [ file:{} ]\n", guest("plain")),
    );
    let first = Launch::command(&["check", &good]).run().await;
    let again = folder.write("again.yaml", &first.stdout);
    let second = Launch::command(&["check", &again]).run().await;
    assert_eq!(
        (second.code, &second.stdout),
        (Some(0), &first.stdout),
        "{second:?}"
    );
    let as_json = Launch::command(&["check", "--json", &good]).run().await;
    assert_eq!(as_json.code, Some(0), "{as_json:?}");
    assert_eq!(as_json.json()["version"], 1);
    let again = folder.write("again.json", &as_json.stdout);
    assert_eq!(
        Launch::command(&["check", &again]).run().await.code,
        Some(0)
    );
}

#[tokio::test]
async fn check_names_the_place_of_an_error() {
    let folder = Folder::default();
    let bad = folder.write("bad.yaml", "version: 1\ntools: []\nlimts: {}\n");
    let finished = Launch::command(&["check", &bad]).run().await;
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(2), ""),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("bad.yaml:3") && finished.stderr.contains("limts"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn schema_is_a_json_schema() {
    let finished = Launch::command(&["schema"]).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let schema: Value = finished.json();
    assert!(schema["$schema"].is_string(), "{schema}");
    for key in ["fuel", "include", "max_instances", "prefix", "source"] {
        assert!(
            finished.stdout.contains(&format!("\"{key}\"")),
            "editors learn of `{key}`"
        );
    }
}

#[tokio::test]
async fn help_and_version_are_for_people() {
    for arguments in [
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["call", "--help"],
        vec!["--version"],
    ] {
        let finished = Launch::command(&arguments).run().await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        assert!(!finished.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn seed_writes_machine_code_and_says_where() {
    let folder = Folder::default();
    let out = folder.path().join("seed");
    let finished = Launch::command(&["seed"])
        .arg(&out)
        .arg(guest("plain"))
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let written: Vec<_> = std::fs::read_dir(&out)
        .expect("it was made")
        .flatten()
        .collect();
    assert!(!written.is_empty(), "{finished:?}");
    let finished = Launch::command(&["seed"])
        .arg(&out)
        .arg("/no/such/component.wasm")
        .run()
        .await;
    assert_ne!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("/no/such/component.wasm"),
        "{finished:?}"
    );
}
