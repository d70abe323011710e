//! A granted folder is all that a guest sees of the host's files, and it does there what the grant says.

use std::os::unix::fs::symlink;

use sandglass_tests::mcp::{Way, text};
use sandglass_tests::{Folder, Host, Reach, tool};
use serde_json::{Value, json};

fn path(path: &str) -> Value {
    json!({ "path": path })
}

/// A folder `data` that is granted, with a file and a folder in it; and a file `secret` beside it that is not.
fn folders() -> Folder {
    let folder = Folder::default();
    std::fs::create_dir_all(folder.path().join("data/inner")).expect("the folder is ours");
    folder.write("secret", "do-not-tell");
    folder.write("data/public", "public text");
    folder.write("data/inner/deep", "deep text");
    folder
}

async fn granted(folder: &Folder, access: &str) -> Reach {
    Reach::start(&format!(
        "{{ files: [ {{ host: '{}', guest: /data, access: {access} }} ] }}",
        folder.path().join("data").display()
    ))
    .await
}

#[tokio::test]
async fn a_folder_to_read_is_read_and_never_written() {
    let folder = folders();
    let reach = granted(&folder, "read").await;
    assert_eq!(reach.ok("preopens", json!({})).await, json!(["/data"]));
    assert_eq!(
        reach.ok("list_folder", path("/data")).await,
        json!(["inner", "public"])
    );
    assert_eq!(
        reach.ok("read_file", path("/data/public")).await,
        "public text"
    );
    assert_eq!(
        reach.ok("read_file", path("/data/inner/deep")).await,
        "deep text"
    );
    for (tool, arguments) in [
        ("write_file", json!({ "path": "/data/new", "text": "x" })),
        ("write_file", json!({ "path": "/data/public", "text": "x" })),
        (
            "write_file",
            json!({ "path": "/data/inner/new", "text": "x" }),
        ),
        ("make_folder", path("/data/folder")),
        ("remove_file", path("/data/public")),
        ("touch", path("/data/public")),
        (
            "symlink",
            json!({ "path": "/data/link", "target": "public" }),
        ),
        (
            "link",
            json!({ "path": "/data/public", "to": "/data/link" }),
        ),
        (
            "rename",
            json!({ "path": "/data/public", "to": "/data/moved" }),
        ),
        (
            "rename",
            json!({ "path": "/data/inner/deep", "to": "/data/inner/moved" }),
        ),
    ] {
        reach.refused(tool, arguments).await;
    }
    let attempts = reach
        .ok(
            "write_through_reader",
            json!({ "path": "/data/public", "text": "x" }),
        )
        .await;
    for (way, error) in attempts.as_object().expect("an object") {
        assert!(error.is_string(), "{way} was not refused: {attempts}");
    }
    assert_eq!(
        reach.ok("list_folder", path("/data")).await,
        json!(["inner", "public"])
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is there");
    assert_eq!(
        (
            read("data/public").as_str(),
            read("data/inner/deep").as_str()
        ),
        ("public text", "deep text")
    );
}

#[tokio::test]
async fn a_folder_to_write_is_written() {
    let folder = folders();
    let reach = granted(&folder, "read-write").await;
    reach
        .ok("write_file", json!({ "path": "/data/new", "text": "kept" }))
        .await;
    assert_eq!(reach.ok("read_file", path("/data/new")).await, "kept");
    reach.ok("make_folder", path("/data/folder")).await;
    reach
        .ok(
            "rename",
            json!({ "path": "/data/new", "to": "/data/folder/new" }),
        )
        .await;
    reach.ok("remove_file", path("/data/public")).await;
    assert_eq!(
        reach.ok("list_folder", path("/data")).await,
        json!(["folder", "inner"])
    );
    let kept = std::fs::read_to_string(folder.path().join("data/folder/new"));
    assert_eq!(kept.expect("the guest wrote it"), "kept");
}

/// Ways out of `/data`: to the file beside it, and to the system's.
const ESCAPES: [&str; 8] = [
    "/data/../secret",
    "/data/inner/../../secret",
    "/data/./../secret",
    "/data//etc/passwd",
    "/data/..",
    "/data/../../../../../../etc/passwd",
    "/data/inner/../../../../../../../etc/passwd",
    "/data/\0/../../secret",
];

#[tokio::test]
async fn dots_and_absolute_paths_lead_nowhere_else() {
    for access in ["read", "read-write"] {
        let folder = folders();
        let reach = granted(&folder, access).await;
        for escape in ESCAPES {
            for tool in [
                "read_file",
                "list_folder",
                "write_file",
                "make_folder",
                "remove_file",
                "touch",
            ] {
                reach
                    .refused(tool, json!({ "path": escape, "text": "escaped" }))
                    .await;
            }
        }
        for (tool, arguments) in [
            (
                "rename",
                json!({ "path": "/data/../secret", "to": "/data/stolen" }),
            ),
            (
                "rename",
                json!({ "path": "/data/public", "to": "/data/../moved" }),
            ),
            (
                "link",
                json!({ "path": "/data/../secret", "to": "/data/stolen" }),
            ),
            (
                "link",
                json!({ "path": "/data/public", "to": "/data/../linked" }),
            ),
            (
                "symlink",
                json!({ "path": "/data/../link", "target": "secret" }),
            ),
        ] {
            reach.refused(tool, arguments).await;
        }
        assert_untouched(&folder);
    }
}

#[tokio::test]
async fn links_lead_nowhere_else() {
    for access in ["read", "read-write"] {
        let folder = folders();
        let data = folder.path().join("data");
        let secret = folder.path().join("secret");
        for (name, target) in [
            ("relative", "../secret"),
            (
                "absolute",
                secret.to_str().expect("temporary paths are UTF-8"),
            ),
            ("folder", ".."),
            ("twice", "relative"),
            ("new", "../new"),
            ("proc", "/proc/self/environ"),
            ("loop", "loop"),
        ] {
            symlink(target, data.join(name)).expect("the folder is ours");
        }
        let reach = granted(&folder, access).await;
        for name in [
            "relative",
            "absolute",
            "folder/secret",
            "folder",
            "twice",
            "new",
            "proc",
            "loop",
        ] {
            for tool in ["read_file", "list_folder", "write_file", "touch"] {
                let arguments = json!({ "path": format!("/data/{name}"), "text": "escaped" });
                reach.refused(tool, arguments).await;
            }
        }
        reach
            .refused(
                "rename",
                json!({ "path": "/data/folder/secret", "to": "/data/stolen" }),
            )
            .await;
        reach
            .refused(
                "link",
                json!({ "path": "/data/folder/secret", "to": "/data/stolen" }),
            )
            .await;
        assert_untouched(&folder);
    }
}

#[tokio::test]
async fn a_guests_own_links_lead_nowhere_else() {
    let folder = folders();
    let reach = granted(&folder, "read-write").await;
    let absolute = folder.path().join("secret");
    for (n, target) in [
        "../secret",
        absolute.to_str().expect("UTF-8"),
        "inner/../../secret",
    ]
    .into_iter()
    .enumerate()
    {
        let link = format!("/data/link{n}");
        let arguments = json!({ "path": link, "target": target });
        let answer = reach.host.call("symlink", arguments).await.json();
        if !answer["result"]["error"].is_null() {
            // Refused at once. Else nothing follows it.
            continue;
        }
        reach.refused("read_file", path(&link)).await;
        reach
            .refused("write_file", json!({ "path": link, "text": "escaped" }))
            .await;
    }
    reach
        .ok(
            "symlink",
            json!({ "path": "/data/inside", "target": "public" }),
        )
        .await;
    assert_eq!(
        reach.ok("read_file", path("/data/inside")).await,
        "public text"
    );
    assert_untouched(&folder);
}

#[tokio::test]
async fn a_folder_that_is_swapped_for_a_link_leads_nowhere_else() {
    let folder = folders();
    let reach = granted(&folder, "read-write").await;
    let inner = folder.path().join("data/inner");
    std::fs::create_dir(folder.path().join("elsewhere")).expect("the folder is ours");
    folder.write("elsewhere/deep", "do-not-tell");
    std::fs::remove_dir_all(&inner).expect("the folder is ours");
    symlink(folder.path().join("elsewhere"), &inner).expect("the folder is ours");
    reach.refused("read_file", path("/data/inner/deep")).await;
    reach
        .refused(
            "write_file",
            json!({ "path": "/data/inner/deep", "text": "escaped" }),
        )
        .await;
    let deep = std::fs::read_to_string(folder.path().join("elsewhere/deep"));
    assert_eq!(deep.expect("it is there"), "do-not-tell");
}

/// Nothing came into being beside the granted folder, and what lies there is as it was.
fn assert_untouched(folder: &Folder) {
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder is ours")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "secret"]);
    let secret = std::fs::read_to_string(folder.path().join("secret"));
    assert_eq!(secret.expect("it is there"), "do-not-tell");
    assert!(!folder.path().join("data/stolen").exists());
}

#[tokio::test]
async fn two_folders_have_each_their_access() {
    let folder = folders();
    let reach = Reach::start(&format!(
        "{{ files: [ {{ host: '{0}/data', guest: /in, access: read }}, {{ host: '{0}/data/inner', guest: /out, access: read-write }} ] }}",
        folder.path().display()
    ))
    .await;
    reach
        .ok("write_file", json!({ "path": "/out/new", "text": "kept" }))
        .await;
    assert_eq!(reach.ok("read_file", path("/in/inner/new")).await, "kept");
    for (tool, arguments) in [
        (
            "write_file",
            json!({ "path": "/in/inner/new", "text": "x" }),
        ),
        (
            "rename",
            json!({ "path": "/in/public", "to": "/out/public" }),
        ),
        ("rename", json!({ "path": "/out/new", "to": "/in/new" })),
        ("link", json!({ "path": "/in/public", "to": "/out/public" })),
    ] {
        reach.refused(tool, arguments).await;
    }
}

#[tokio::test]
async fn the_knowledge_base_is_a_granted_file() {
    let kb = sandglass_tests::root().join("tools/knowledge-base");
    let yaml = format!(
        "version: 1\ntools:\n  - source: file:{}\n    allow: {{ files: [ {{ host: '{}', guest: /data }} ] }}\n",
        tool("knowledge_base"),
        kb.display()
    );
    let host = Host::start(&yaml).await;
    let answer = host.call("get_knowledge_base", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json()["result"].clone();
    let told = told.as_str().expect("a text");
    assert!(
        told.starts_with("Here is the retrieved knowledge base:\n\nQ1: What is our company's vacation policy?\nA1: "),
        "{told}"
    );
    for way in Way::ALL {
        let result = way.call(&host, "get_knowledge_base", json!({})).await;
        assert_eq!(text(&result), told, "{way:?}");
    }
}
