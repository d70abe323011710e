//! Granted folders do not lead into one another, nor to the host's own files, whatever tools do with what they may write to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use sandglass_tests::{Folder, Launch, Reach, guest};
use serde_json::{Value, json};

/// `data/public`, and `elsewhere` beside it.
fn folders() -> Folder {
    let folder = Folder::default();
    for path in ["data/public", "elsewhere"] {
        fs::create_dir_all(folder.path().join(path)).expect("the folder is ours");
    }
    folder.write("data/public/file", "public text");
    folder.write("elsewhere/file", "do-not-tell");
    folder
}

fn grant(path: &Path, access: &str) -> Value {
    json!({ "files": [{ "host": path, "guest": "/data", "access": access }] })
}

/// Grants without a folder.
fn nothing() -> Value {
    json!({ "env": { "UNITS": "metric" } })
}

/// A manifest in which the default tenant has the first grants and `beta` the second.
fn of_two_tenants(first: &Value, second: &Value) -> Value {
    let source = |allow: &Value| json!({ "source": guest("reach"), "allow": allow });
    json!({
        "version": 1,
        "tools": [source(first)],
        "tenants": { "beta": { "tools": [source(second)] } },
    })
}

/// What `serve` and `check` say of a manifest that they refuse.
async fn refused(manifest: &Value) -> String {
    let served = Launch::manifest(&manifest.to_string()).run().await;
    assert_eq!(served.code, Some(2), "{served:?}");
    let check = Launch::command(&["check"]);
    let file = check.write("manifest.yaml", manifest.to_string());
    let checked = check.arg(file).run().await;
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:?}");
    assert!(served.stderr.contains("manifest.yaml:1:"), "{served:?}");
    checked.stderr
}

#[tokio::test]
async fn a_grant_within_another_tenants_writable_one_is_refused_with_both_names() {
    let folder = folders();
    let (data, public) = (
        folder.path().join("data"),
        folder.path().join("data/public"),
    );
    let link = folder.path().join("link");
    symlink(&public, &link).expect("the folder is ours");
    for inner in [&public, &link] {
        for access in ["read", "read-write"] {
            let manifest = of_two_tenants(&grant(&data, "read-write"), &grant(inner, access));
            let told = refused(&manifest).await;
            assert!(told.contains("(tenant beta): the folder "), "{told}");
            for path in [inner, &data] {
                assert!(told.contains(path.to_str().expect("UTF-8")), "{told}");
            }
            assert!(told.contains("lies in"), "{told}");
        }
    }
    // The way there counts too: the tool could have it lead anywhere.
    symlink("../elsewhere", data.join("out")).expect("the folder is ours");
    let through = grant(&data.join("out"), "read");
    let told = refused(&of_two_tenants(&grant(&data, "read-write"), &through)).await;
    assert!(told.contains("leads through"), "{told}");
}

#[tokio::test]
async fn a_grant_over_the_hosts_own_files_is_refused() {
    let folder = folders();
    let data = folder.path().join("data");
    let audit = json!({ "to": "file", "path": data.join("audit.jsonl") });
    let store = json!({ "s": { "kind": "embedded", "path": data.join("s.redb") } });
    let tokens = folder.write("data/tokens.yaml", "[]");
    let secret = folder.write("data/public/secret", "s3cret");
    let secret = json!({ "secret": { "file": secret } });
    for (key, value, name) in [
        (
            "engine",
            json!({ "cache_dir": data.join("cache") }),
            "the cache folder",
        ),
        ("engine", json!({ "cache_dir": data }), "the cache folder"),
        (
            "engine",
            json!({ "cache_dir": folder.path() }),
            "the cache folder",
        ),
        ("audit", audit, "the audit's file"),
        ("stores", store, "the store s"),
        (
            "identity",
            json!({ "tokens": [{ "file": tokens }] }),
            "a file of tokens",
        ),
        (
            "identity",
            json!({ "tokens": [{ "secret": secret["secret"], "scopes": ["tools:*"] }] }),
            "a file with a secret",
        ),
    ] {
        for access in ["read", "read-write"] {
            let mut manifest = of_two_tenants(&nothing(), &grant(&data, access));
            manifest[key] = value.clone();
            let told = refused(&manifest).await;
            assert!(told.contains(name), "{told}");
            assert!(told.contains("(tenant beta): the folder "), "{told}");
        }
    }
    for access in ["read", "read-write"] {
        let root = grant("/".as_ref(), access);
        let told = refused(&of_two_tenants(&root, &nothing())).await;
        assert!(told.contains("the host's own process"), "{told}");
    }
    // What only flags name.
    let key = folder.write("data/key", "k".repeat(32));
    let manifest = of_two_tenants(&grant(&data, "read"), &nothing());
    let launch = Launch::manifest(&manifest.to_string());
    let told = launch.arg("--state-key-file").arg(key).run().await;
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(
        told.stderr.contains("the file of --state-key-file"),
        "{told:?}"
    );
    // And the manifest itself.
    let launch = Launch::serve();
    let manifest = of_two_tenants(&grant(launch.folder(), "read"), &nothing());
    let file = launch.write("manifest.yaml", manifest.to_string());
    let told = launch.arg("--config").arg(file).run().await;
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("the manifest ("), "{told:?}");
}

#[tokio::test]
async fn tenants_may_share_the_same_folder() {
    let folder = folders();
    let data = folder.path().join("data");
    let both = grant(&data, "read-write");
    let manifest = of_two_tenants(&both, &both);
    let reach = Reach::launch(Launch::manifest(&manifest.to_string())).await;
    let write = json!({ "path": "/data/new", "text": "shared" });
    reach.ok("write_file", write).await;
    let read = json!({ "tool": "read_file", "arguments": { "path": "/data/new" } });
    let read = reach.host.post("/t/beta/mcp/tools", read.to_string()).await;
    assert_eq!(read.json()["result"]["ok"], "shared", "{read:?}");
}

/// Whatever becomes of the path, also when the manifest is read again.
#[tokio::test]
async fn a_link_that_is_swapped_between_two_loads_leads_where_it_led() {
    let folder = folders();
    let link = folder.path().join("link");
    symlink("data/public", &link).expect("the folder is ours");
    let manifest = of_two_tenants(&grant(&link, "read"), &nothing());
    let launch = Launch::manifest(&manifest.to_string());
    let reach = Reach::launch(launch).await;
    let file = json!({ "path": "/data/file" });
    assert_eq!(reach.ok("read_file", file.clone()).await, "public text");
    fs::remove_file(&link).expect("the folder is ours");
    symlink("elsewhere", &link).expect("the folder is ours");
    assert_eq!(reach.ok("read_file", file.clone()).await, "public text");
    let reload = reach.host.management("/reload");
    let reload = reqwest::Client::new().post(reload).send().await;
    assert!(reload.expect("it is answered").status().is_success());
    assert_eq!(reach.ok("read_file", file).await, "public text");
    let log = reach.host.log();
    assert!(log.contains("another folder is there now"), "{log}");
}

/// More calls than there are threads for a tenant's files, and than there are for all that blocks.
#[tokio::test]
async fn pipes_hold_up_no_thread() {
    const CALLS: usize = 600;
    let folder = folders();
    let data = folder.path().join("data");
    let pipe = data.join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("the folder is ours");
    let allow = grant(&data, "read-write");
    let reach = Reach::start(&allow.to_string()).await;
    let path = json!({ "path": "/data/pipe", "text": "x" });
    for tool in ["read_file", "write_file", "touch", "list_folder"] {
        let told = tokio::time::timeout(Duration::from_secs(60), reach.refused(tool, path.clone()));
        let told = told.await.expect("it is refused at once");
        assert!(
            told.to_lowercase().contains("unsupported"),
            "{tool}: {told}"
        );
    }
    for _ in 0..CALLS {
        reach.refused("read_file", path.clone()).await;
    }
    let file = json!({ "path": "/data/public/file" });
    assert_eq!(reach.ok("read_file", file).await, "public text");
    let threads = fs::read_dir(format!("/proc/{}/task", reach.host.pid()));
    let threads = threads.expect("the host runs").count();
    assert!(threads < CALLS / 4, "{threads} threads");
}
