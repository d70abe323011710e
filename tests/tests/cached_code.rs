//! Compiled components in the cache run for what they were compiled from, on the host that compiled them: all else is compiled again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sandglass_tests::{Folder, Host, guest, tool};
use serde_json::json;

/// A manifest of two components, with a cache of its own.
fn manifest(cache: &Path) -> String {
    json!({
        "version": 1,
        "engine": { "cache_dir": cache },
        "tools": [tool("echo"), { "source": guest("plain"), "include": ["returns_number"] }],
    })
    .to_string()
}

/// The files of machine code, in the order of their names.
fn code(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).expect("the folder is ours").flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "cwasm"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    files
}

/// Starts a host, which says that it uses neither file, and that both components are what they are.
async fn assert_compiled_again(cache: &Path) {
    let host = Host::start(&manifest(cache)).await;
    let log = host.log();
    let told = log.matches("compiled component not used").count();
    assert!(told >= 2, "{log}");
    assert_eq!(log.matches("fresh").count(), 2, "{log}");
    assert_tools(&host).await;
}

async fn assert_tools(host: &Host) {
    let answer = host.call("echo", json!({ "text": "hi" })).await;
    assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
    let answer = host.call("returns_number", json!({})).await;
    assert_eq!(answer.json(), json!({ "result": 42 }));
}

#[tokio::test]
async fn code_under_the_name_of_another_component_is_not_run() {
    let cache = Folder::default();
    drop(Host::start(&manifest(cache.path())).await);
    let files = code(cache.path());
    let aside = cache.path().join("aside");
    fs::rename(&files[0], &aside).expect("the folder is ours");
    fs::rename(&files[1], &files[0]).expect("the folder is ours");
    fs::rename(&aside, &files[1]).expect("the folder is ours");
    assert_compiled_again(cache.path()).await;
    // What is compiled again is kept again.
    let host = Host::start(&manifest(cache.path())).await;
    assert!(!host.log().contains("fresh"), "{}", host.log());
    assert_tools(&host).await;
}

#[tokio::test]
async fn code_of_another_hosts_cache_is_not_run() {
    let (theirs, ours) = (Folder::default(), Folder::default());
    drop(Host::start(&manifest(theirs.path())).await);
    for file in code(theirs.path()) {
        let name = file.file_name().expect("a file has a name");
        fs::copy(&file, ours.path().join(name)).expect("the folder is ours");
    }
    assert_compiled_again(ours.path()).await;
}

#[tokio::test]
async fn code_is_not_run_once_others_could_know_the_key() {
    let cache = Folder::default();
    drop(Host::start(&manifest(cache.path())).await);
    let key = cache
        .path()
        .join(format!("key-{}", rustix::process::geteuid().as_raw()));
    let mode = || key.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert_compiled_again(cache.path()).await;
    assert_eq!(mode(), 0o600, "there is a new one");
}
