//! What commands say when something is wrong: one line that names the thing and what to do.

use sandglass_tests::{Fake, Folder, Launch, Registry, RegistryKind, eventually, reply, tool};

/// Runs a command that fails; its one line.
async fn refused(arguments: &[&str], code: i32) -> String {
    let home = Folder::default();
    let finished = Launch::command(arguments)
        .env("XDG_CACHE_HOME", home.path())
        .run()
        .await;
    assert_eq!(finished.code, Some(code), "{arguments:?} {finished:?}");
    assert_eq!(finished.stdout, "", "{arguments:?}");
    let line = finished.stderr.trim_end();
    assert_eq!(line.lines().count(), 1, "{arguments:?} {line}");
    line.to_owned()
}

#[tokio::test]
async fn each_says_what_is_wrong_and_what_to_do() {
    let registry = Registry::start(RegistryKind::Open).await;
    let reference = format!("{}/acme/echo:1", registry.authority());
    let pushed = Launch::command(&["push", &tool("echo"), &reference])
        .run()
        .await;
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    let folder = Folder::default();
    let text = folder.write("notes.txt", "hello");
    let taken = folder.path().join("taken.wasm");
    std::fs::create_dir(&taken).expect("the folder is ours");
    std::fs::write(taken.join("full"), "").expect("the folder is ours");
    let taken = taken.to_str().expect("a path of ours");
    // Somebody else, who answers everything.
    let other = Fake::start(|_, _| reply("200 OK", &[], "hello")).await;
    let other = format!("http://{}", other.authority());
    let nobody = Fake::start(|_, _| reply("404 Not Found", &[], "")).await;
    let nobody = format!("http://{}", nobody.authority());
    let not_ours = "that is no management port of Sandglass; --url names the one that the host logs at its start";

    for (arguments, code, parts) in [
        (
            &["push", &text, &reference][..],
            1,
            [text.as_str(), "build a component"],
        ),
        (
            &[
                "push",
                &text,
                &reference,
                "--annotation",
                "a=1",
                "--annotation",
                "a=2",
            ],
            2,
            ["--annotation a is given twice", "leave one out"],
        ),
        (
            &["pull", &reference, "-o", "/no/such/x.wasm"],
            1,
            ["/no/such/x.wasm: its folder is not there", "with -o"],
        ),
        (
            &["pull", &reference, "-o", taken],
            1,
            [taken, "it is a folder: name a file in it with -o"],
        ),
        (
            &["serve", "--config", "/no/such.yaml"],
            2,
            [
                "--config: /no/such.yaml cannot be read: there is no such file",
                "correct the path",
            ],
        ),
        (
            &["verify", &reference, "--key", "/tmp"],
            2,
            [
                "the key /tmp cannot be read",
                "it is a folder; name a file in it",
            ],
        ),
        (
            &["reload", "--token-file", "/no/such"],
            2,
            ["--token-file: /no/such cannot be read", "correct the path"],
        ),
        (&["reload", "--url", &other], 1, [&other, not_ours]),
        (&["reload", "--url", &nobody], 1, ["404", not_ours]),
        (
            &["call", &tool("echo"), "echo", r#"{"text": 1}"#],
            1,
            [
                "Invalid arguments: `text`: the value is not of type",
                "string",
            ],
        ),
    ] {
        let line = refused(arguments, code).await;
        for part in parts {
            assert!(line.contains(part), "{arguments:?} {part}: {line}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_leads_in_a_circle_is_not_called_unreachable() {
    let fake =
        Fake::start(|_, own| reply("302 Found", &[&format!("location: http://{own}/again")], ""))
            .await;
    let reference = format!("oci://{}/acme/echo:1", fake.authority());
    let line = refused(&["inspect", &reference], 3).await;
    assert!(
        line.contains(
            "leads elsewhere, and that is not followed (too many redirects): check its name"
        ),
        "{line}"
    );
}

/// A mounted ConfigMap that is renewed: the folder with the version before is gone then.
#[tokio::test]
async fn a_volume_that_is_renewed_is_no_reason_to_warn() {
    use std::os::unix::fs::symlink;
    let folder = Folder::default();
    let path = |name: &str| folder.path().join(name);
    let version = |name: &str, component: &str| {
        std::fs::create_dir(path(name)).expect("the folder is ours");
        std::fs::copy(tool(component), path(name).join("tool.wasm")).expect("the folder is ours");
    };
    version("..1", "echo");
    symlink("..1", path("..data")).expect("the folder is ours");
    symlink("..data/tool.wasm", path("tool.wasm")).expect("the folder is ours");
    let manifest = serde_json::json!({ "version": 1, "tools": [path("tool.wasm")] }).to_string();
    let host = sandglass_tests::Host::start(&manifest).await;
    for (before, now, component, first) in [
        ("..1", "..2", "time", "convert_time"),
        ("..2", "..3", "echo", "echo"),
    ] {
        version(now, component);
        symlink(now, path("..data_tmp")).expect("the folder is ours");
        std::fs::rename(path("..data_tmp"), path("..data")).expect("the folder is ours");
        std::fs::remove_dir_all(path(before)).expect("the folder is ours");
        eventually("the new version is served", async || {
            (host.tools().await.first().map(String::as_str) == Some(first)).then_some(())
        })
        .await;
    }
    assert!(!host.log().contains("WARN"), "{}", host.log());
}
