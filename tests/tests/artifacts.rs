//! `sandglass push`, `pull` and `cache`, with a real registry.

use sandglass_manifest::Digest;
use sandglass_tests::{Folder, Host, Launch, Registry, RegistryKind, core_module, tool};
use serde_json::json;

fn echo() -> Vec<u8> {
    std::fs::read(tool("echo")).expect("it is built")
}

/// A command with a home and a cache of its own.
fn command(home: &Folder, arguments: &[&str]) -> Launch {
    Launch::command(arguments)
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
}

#[tokio::test]
async fn what_was_pushed_is_pulled_and_served() {
    let registry = Registry::start(RegistryKind::Open).await;
    let home = Folder::default();
    let target = format!("{}/acme/echo:1", registry.authority());
    let version = "org.opencontainers.image.version=1";
    let pushed = command(
        &home,
        &["push", &tool("echo"), &target, "--annotation", version],
    )
    .run()
    .await;
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    let pinned = pushed.stdout.trim_end();
    assert!(
        pinned.starts_with(&format!("oci://{target}@sha256:")),
        "{pushed:?}"
    );

    let manifest = registry.manifest("acme/echo", "1").await;
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(
        manifest["layers"][0]["annotations"]["org.opencontainers.image.title"],
        "echo.wasm"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.version"],
        "1"
    );
    let digest = manifest["config"]["digest"].as_str().expect("a digest");
    let config = registry.blob("acme/echo", digest).await;
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("wasm"), &json!("wasip2"))
    );
    assert_eq!(config["layerDigests"], json!([Digest::of(&echo())]));
    let exports = &config["component"]["exports"];
    assert!(
        exports.to_string().contains("sandglass:tool/tools"),
        "{config}"
    );

    let output = home.path().join("pulled.wasm");
    let pulled = command(&home, &["pull", "--json", &target])
        .arg("-o")
        .arg(&output)
        .run()
        .await;
    assert_eq!(pulled.json()["reference"], pinned, "{pulled:?}");
    assert_eq!(pulled.json()["digest"], Digest::of(&echo()).to_string());
    assert_eq!(std::fs::read(&output).expect("it was pulled"), echo());

    let host = Host::start(&json!({ "version": 1, "tools": [pinned] }).to_string()).await;
    assert_eq!(host.tools().await, ["echo"]);
    let called = command(&home, &["call", pinned, "echo", r#"{"text": "hi"}"#])
        .run()
        .await;
    assert!(called.stdout.contains("Echo: hi"), "{called:?}");
}

#[tokio::test]
async fn a_private_registry_takes_what_is_pushed_with_credentials() {
    let registry = Registry::start(RegistryKind::Private).await;
    let home = Folder::default();
    let target = format!("{}/echo:1", registry.authority());
    let refused = command(&home, &["push", &tool("echo"), &target])
        .run()
        .await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("refuses whoever is not logged in (401)"),
        "{refused:?}"
    );
    let login = json!({ "auths": { registry.authority(): { "auth": "YWRhOnNlY3JldA==" } } });
    home.write("config.json", login.to_string());
    let pushed = command(&home, &["push", &tool("echo"), &target])
        .env("DOCKER_CONFIG", home.path())
        .run()
        .await;
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
}

#[tokio::test]
async fn a_registry_with_tls_is_trusted_by_its_authority_only() {
    let registry = Registry::start(RegistryKind::Tls).await;
    let home = Folder::default();
    let port = registry.authority().rsplit(':').next().expect("a port");
    let target = format!("localhost:{port}/echo:1");
    let refused = command(&home, &["push", &tool("echo"), &target])
        .run()
        .await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    let pushed = command(&home, &["push", &tool("echo"), &target])
        .env("SSL_CERT_FILE", registry.ca())
        .run()
        .await;
    assert_eq!(pushed.code, Some(0), "{pushed:?}");

    // A blob's URL is a file on a web server.
    let digest = Digest::of(&echo());
    let url = format!("https://localhost:{port}/v2/echo/blobs/{digest}");
    for (reference, code) in [
        (format!("oci://{target}"), 0),
        (format!("{url}@{digest}"), 0),
        (format!("{url}@{}", Digest::of(b"else")), 3),
    ] {
        let inspected = command(&Folder::default(), &["inspect", &reference])
            .env("SSL_CERT_FILE", registry.ca())
            .run()
            .await;
        assert_eq!(inspected.code, Some(code), "{inspected:?}");
        assert_eq!(inspected.stderr.contains("sent other bytes"), code == 3);
    }
}

#[tokio::test]
async fn what_cannot_be_pushed_is_said() {
    let home = Folder::default();
    let module = home.write("module.wasm", core_module());
    let digest = Digest::of(b"");
    for (file, reference, code, part) in [
        (&*module, "localhost:1/x:1", 1, "not a component"),
        ("/nowhere.wasm", "localhost:1/x:1", 1, "no such file"),
        (&tool("echo"), "localhost:1/x:1", 1, "cannot be reached"),
        (
            &tool("echo"),
            &format!("localhost:1/x@{digest}"),
            1,
            "push to a tag",
        ),
        (&tool("echo"), "localhost:1/x", 2, "neither tag nor digest"),
    ] {
        let finished = command(&home, &["push", file, reference]).run().await;
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(part), "{finished:?}");
    }
}

#[tokio::test]
async fn the_cache_is_listed_and_pruned() {
    let registry = Registry::start(RegistryKind::Open).await;
    let home = Folder::default();
    let target = format!("{}/echo:1", registry.authority());
    command(&home, &["push", &tool("echo"), &target])
        .run()
        .await;
    let reference = format!("oci://{target}");
    let inspected = command(&home, &["inspect", &reference]).run().await;
    assert_eq!(inspected.code, Some(0), "{inspected:?}");

    let listed = command(&home, &["cache", "ls", "--json"])
        .run()
        .await
        .json();
    let kinds = |kind: &str| {
        let entries = listed.as_array().expect("a list").iter();
        entries.filter(|entry| entry["kind"] == kind).count()
    };
    let counted = ["blob", "code", "tools"].map(kinds);
    assert_eq!(counted, [2, 1, 1], "{listed}");
    let table = command(&home, &["cache", "ls"]).run().await.stdout;
    assert!(table.contains(&Digest::of(&echo()).hex()), "{table}");
    assert!(table.contains("4 files"), "{table}");

    let pruned = command(&home, &["cache", "prune", "--size", "0"])
        .run()
        .await;
    assert!(pruned.stdout.contains("removed 4 files"), "{pruned:?}");
    let left = command(&home, &["cache", "ls", "--json"])
        .run()
        .await
        .json();
    assert_eq!(left, json!([]));
}
