//! What a manifest refers to and cannot be used stops the start, with the place where the manifest names it.

use sandglass_tests::{Finished, Host, Launch, tool};

/// The calculator, and what follows from line 3 on.
fn manifest(rest: &str) -> String {
    format!(
        "version: 1\ntools: [\"file:{}\"]\n{rest}\n",
        tool("calculator")
    )
}

/// The start ends with 2 and, last, one line that begins with the place and has these parts.
fn assert_refused(finished: &Finished, place: &str, parts: &[&str]) {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let error = finished.stderr.lines().last().unwrap_or_default();
    assert!(error.starts_with("sandglass: "), "{finished:?}");
    let place = format!("manifest.yaml:{place}: ");
    assert!(error.contains(&place), "{place} is not in {error}");
    for part in parts {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

async fn refused(rest: &str, place: &str, parts: &[&str]) {
    let launch = Launch::manifest(&manifest(rest))
        .env("EMPTY", "")
        .env("BAD_URL", "redis://:hunter2@host:99999")
        .env("BLANK", "to ken");
    launch.write("no.database", "something else\n".repeat(1_000));
    launch.write("empty", "");
    let finished = launch.run().await;
    assert_refused(&finished, place, parts);
    for secret in ["hunter2", "to ken"] {
        assert!(!finished.stderr.contains(secret), "{finished:?}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened() {
    for (store, column, parts) in [
        (
            "{ kind: embedded, path: no/folder/x.redb }",
            39,
            &[
                "stores.kv.path: ",
                "No such file or directory",
                "name a file",
            ][..],
        ),
        (
            "{ kind: embedded, path: no.database }",
            39,
            &["stores.kv.path: ", "it is no store"],
        ),
        (
            "{ kind: redis, url: { secret: { env: NOWHERE } } }",
            35,
            &["stores.kv.url: ", "has no `NOWHERE`"],
        ),
        (
            "{ kind: redis, url: { secret: { env: EMPTY } } }",
            35,
            &["stores.kv.url: ", "`EMPTY`", "is empty"],
        ),
        (
            "{ kind: redis, url: { secret: { env: BAD_URL } } }",
            35,
            &[
                "stores.kv.url: ",
                "no URL of a Redis server",
                "write redis://",
            ],
        ),
    ] {
        refused(
            &format!("stores: {{ kv: {store} }}"),
            &format!("3:{column}"),
            parts,
        )
        .await;
    }
}

#[tokio::test]
async fn a_store_that_another_host_has() {
    let yaml = manifest("stores:\n  kv: { kind: embedded, path: kv.redb }");
    let host = Host::start(&yaml).await;
    let file = host.folder().join("kv.redb");
    let other = yaml.replace("kv.redb", &file.display().to_string());
    let finished = Launch::manifest(&other).run().await;
    assert_refused(&finished, "4:31", &["stores.kv.path: ", "it is in use"]);
}

#[tokio::test]
async fn an_audit_that_cannot_be_written() {
    refused(
        "audit:\n  to: file\n  path: no/folder/audit.log",
        "5:9",
        &["audit.path: ", "cannot be written", "name another"],
    )
    .await;
    refused(
        "audit: { to: stdout, key: { secret: { env: NOWHERE } } }",
        "3:44",
        &["audit.key: ", "has no `NOWHERE`"],
    )
    .await;
}

#[tokio::test]
async fn tokens_that_cannot_be_read() {
    for (token, place, parts) in [
        (
            "{ file: none.yaml }",
            "5:15",
            &[
                "identity.tokens: the file ",
                "cannot be read",
                "correct the path",
            ][..],
        ),
        (
            "{ secret: { env: NOWHERE }, name: ann, scopes: [\"tools:*\"] }",
            "5:24",
            &["the secret of `ann`: ", "has no `NOWHERE`"],
        ),
        (
            "{ secret: { file: empty }, scopes: [\"tools:*\"] }",
            "5:25",
            &["the token's secret: ", "is empty"],
        ),
        (
            "{ secret: { env: BLANK }, scopes: [\"tools:*\"] }",
            "5:24",
            &["the token's secret: ", "is there a blank"],
        ),
    ] {
        let identity = format!("identity:\n  tokens:\n    - {token}");
        refused(&identity, place, parts).await;
    }
    let launch = Launch::manifest(&manifest("identity: { tokens: [ { file: tokens.yaml } ] }"));
    launch.write("tokens.yaml", "\n");
    let finished = launch.run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("tokens.yaml: the file is empty"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn an_issuer_whose_keys_cannot_be_had() {
    refused(
        "identity:\n  jwt:\n    - { issuer: \"http://127.0.0.1:1\", audience: a }",
        "5:17",
        &["identity.jwt.issuer: ", "cannot be had", "`jwks`"],
    )
    .await;
    refused(
        "identity:\n  jwt:\n    - issuer: \"https://login.example\"\n      audience: a\n      jwks: \"http://127.0.0.1:1/keys\"",
        "7:13",
        &["identity.jwt.jwks: ", "cannot be had"],
    )
    .await;
    for ca in ["none.pem", "empty"] {
        refused(
            &format!("identity:\n  jwt:\n    - {{ issuer: \"https://127.0.0.1:1\", audience: a, ca: {ca} }}"),
            "5:57",
            &["identity.jwt.ca: ", ca, "cannot be used", "PEM"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_grant_that_cannot_be_given_leaves_its_tools_out() {
    let yaml = format!(
        "version: 1\ntools:\n  - source: \"file:{}\"\n    allow:\n      http: [ {{ host: a.example, ca: none.pem }} ]\n",
        tool("calculator")
    );
    let finished = Launch::manifest(&yaml).run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    for part in ["manifest.yaml:5:38: allow.http[0].ca: ", "none.pem", "PEM"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
}

#[tokio::test]
async fn a_scope_for_a_tool_that_is_not_served_is_a_warning() {
    let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let host = Host::start(&manifest(&format!(
        "identity: {{ tokens: [ {{ sha256: {sha256}, scopes: [\"tools:add\", \"tools:nosuch\"] }} ] }}"
    )))
    .await;
    let log = host.log();
    assert!(log.contains("manifest.yaml:3:"), "{log}");
    assert!(
        log.contains("the scope `tools:nosuch` allows nothing"),
        "{log}"
    );
    assert!(!log.contains("`tools:add`"), "{log}");
}
