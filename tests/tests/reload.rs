//! What is served changes while the host runs, and no call is lost over it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::{Method, RequestBuilder, Response};
use sandglass_manifest::Digest;
use sandglass_tests::mcp::{Session, modern, read_until};
use sandglass_tests::{
    Fake, Folder, Held, Host, Launch, Mounted, Reach, Registry, RegistryKind, Server, Stdio,
    degraded, eventually, guest, manifest, replace, reply, serves, tool, well,
};
use serde_json::json;

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM: &str = "application/wasm";

fn bytes(component: &str) -> Vec<u8> {
    std::fs::read(component).expect("it is built")
}

#[tokio::test]
async fn a_file_that_is_replaced_is_served_without_a_restart() {
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&tool("echo")));
    let host = Host::start(&manifest(&json!([file]))).await;
    serves(&host, &["echo"]).await;
    replace(Path::new(&file), bytes(&tool("calculator")));
    serves(&host, &["add", "divide", "multiply", "subtract"]).await;
    // Written over in place, as `cp` does it.
    folder.write("tool.wasm", bytes(&tool("echo")));
    serves(&host, &["echo"]).await;
    well(&host).await;
}

#[tokio::test]
async fn a_file_that_comes_into_a_folder_or_leaves_it_counts() {
    let folder = Folder::default();
    folder.write("echo.wasm", bytes(&tool("echo")));
    let host = Host::start(&manifest(&json!([folder.path()]))).await;
    serves(&host, &["echo"]).await;
    let time = folder.write("time.wasm", bytes(&tool("time")));
    serves(&host, &["convert_time", "echo", "get_current_time"]).await;
    std::fs::remove_file(time).expect("it is ours");
    serves(&host, &["echo"]).await;
    well(&host).await;
}

#[tokio::test]
async fn a_bad_new_version_leaves_the_old_one_serving_and_says_so() {
    let folder = Folder::default();
    let echo = bytes(&tool("echo"));
    let file = folder.write("tool.wasm", &echo);
    let host = Host::start(&manifest(&json!([file]))).await;
    replace(Path::new(&file), &echo[..echo.len() / 2]);
    let reason = degraded(&host).await;
    assert!(reason.contains("\"source\":\"tool\""), "{reason}");
    let answer = host.call("echo", json!({ "text": "hi" })).await;
    assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
    let metrics = host.manage("/metrics").await.body;
    assert!(
        metrics.contains("sandglass_sources{state=\"stale\"} 1\n"),
        "{metrics}"
    );
    let source = &host.manage("/ready").await.json()["sources"][0];
    assert_eq!(source["state"], "stale", "{source}");
    assert!(source["digest"].is_string(), "{source}");
    eventually("it is in the log", async || {
        let log = host.log();
        log.contains("the version before is still served")
            .then_some(())
    })
    .await;
    // Gone altogether, and good again.
    std::fs::remove_file(&file).expect("it is ours");
    eventually("the file is missed", async || {
        degraded(&host).await.contains("no such file").then_some(())
    })
    .await;
    assert_eq!(host.tools().await, ["echo"]);
    std::fs::write(&file, &echo).expect("it is ours");
    well(&host).await;
}

#[tokio::test]
async fn a_manifest_that_is_broken_shows_where_its_owner_asks() {
    let folder = Folder::default();
    let text = manifest(&json!([tool("echo")]));
    let file = folder.write("sandglass.yaml", &text);
    let host = Launch::serve().arg("--config").arg(&file).start().await;
    replace(Path::new(&file), "version: 1\ntool: []\n");
    let ready = eventually("it is degraded", async || {
        let ready = host.get("/ready").await.json();
        (ready["status"] == "degraded").then_some(ready)
    })
    .await;
    let problem = ready["manifest"]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("2:1: unknown key `tool`"), "{ready}");
    assert_eq!(ready["tools"], json!(["echo"]), "{ready}");
    replace(Path::new(&file), &text);
    eventually("it is well", async || {
        (host.get("/ready").await.json()["status"] == "ready").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_version_that_takes_anothers_name_is_the_one_that_is_refused() {
    let folder = Folder::default();
    let first = folder.write("first.wasm", bytes(&tool("time")));
    let second = folder.write("second.wasm", bytes(&tool("echo")));
    let host = Host::start(&manifest(&json!([first, second]))).await;
    replace(Path::new(&first), bytes(&tool("echo")));
    let reason = degraded(&host).await;
    assert!(
        reason.contains("\"source\":\"first\"") && reason.contains("of `second`"),
        "{reason}"
    );
    assert_eq!(
        host.tools().await,
        ["convert_time", "echo", "get_current_time"]
    );
}

#[tokio::test]
async fn a_mounted_configmap_that_is_swapped_is_served() {
    let mut mounted = Mounted::default();
    mounted.set(&[("tool.wasm", &bytes(&tool("echo")))]);
    for source in [mounted.key("tool.wasm"), mounted.path().to_owned()] {
        let host = Host::start(&manifest(&json!([source]))).await;
        serves(&host, &["echo"]).await;
        for (component, tools) in [
            ("calculator", &["add", "divide", "multiply", "subtract"][..]),
            ("echo", &["echo"]),
        ] {
            mounted.set(&[("tool.wasm", &bytes(&tool(component)))]);
            serves(&host, tools).await;
        }
    }
}

#[tokio::test]
async fn a_call_in_flight_ends_as_it_began() {
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&guest("reach")));
    let server = Server::start().await;
    let rule = json!({ "host": "127.0.0.1", "port": server.port(), "private": true });
    let host = Host::start(
        &json!({
            "version": 1,
            "defaults": { "limits": { "timeout": "10m", "concurrency": 1, "queue": { "length": 0, "wait": "10ms" } } },
            "tools": [{ "source": file, "allow": { "http": [rule] } }],
        })
        .to_string(),
    )
    .await;
    let request = host.prepare("http", &json!({ "url": server.url("/gate") }));
    let quick = json!({ "url": server.url("/") });
    let running = Held::new(&host, request, "http", &quick).await;
    replace(Path::new(&file), bytes(&tool("echo")));
    serves(&host, &["echo"]).await;
    assert!(!running.is_answered(), "it was cut");
    server.open();
    let answer = running.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_tag_that_moves_is_followed_and_the_change_is_told() {
    let registry = Registry::start(RegistryKind::Open).await;
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("echo")))])
        .await;
    let cache = Folder::default();
    let reference = format!("oci://{}/acme/tool:1", registry.authority());
    let host = Host::start(
        &json!({
            "version": 1,
            "engine": { "cache_dir": cache.path(), "tag_interval": "100ms" },
            "tools": [reference],
        })
        .to_string(),
    )
    .await;
    serves(&host, &["echo"]).await;
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("time")))])
        .await;
    serves(&host, &["convert_time", "get_current_time"]).await;
    let notice = host.manage("/ready").await.json()["sources"][0]["notice"].to_string();
    assert!(
        notice.contains("`echo` is gone; `convert_time` is new; `get_current_time` is new"),
        "the change is told: {notice}"
    );
}

#[tokio::test]
async fn pinned_tools_stay_what_they_were_also_over_a_restart() {
    let registry = Registry::start(RegistryKind::Open).await;
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("echo")))])
        .await;
    let cache = Folder::default();
    let reference = format!("oci://{}/acme/tool:1", registry.authority());
    let manifest = |reference: &str| {
        json!({
            "version": 1,
            "engine": { "cache_dir": cache.path(), "tag_interval": "100ms" },
            "tools": [{ "source": reference, "pin": true }, tool("calculator")],
        })
        .to_string()
    };
    let host = Host::start(&manifest(&reference)).await;
    let moved = registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("time")))])
        .await;
    let reason = degraded(&host).await;
    assert!(
        reason.contains("`pin: true`")
            && reason.contains("`echo` is gone; `convert_time` is new; `get_current_time` is new"),
        "{reason}"
    );
    assert!(host.tools().await.contains(&"echo".to_owned()));
    drop(host);
    let host = Host::start(&manifest(&reference)).await;
    assert!(degraded(&host).await.contains("`pin: true`"));
    assert!(!host.tools().await.contains(&"convert_time".to_owned()));
    drop(host);
    // As the error says: whoever has looked at them names their digest.
    let host = Host::start(&manifest(&format!("{reference}@{moved}"))).await;
    assert!(host.tools().await.contains(&"convert_time".to_owned()));
}

#[tokio::test]
async fn the_manifest_is_read_again_and_a_bad_one_changes_nothing() {
    let launch = Launch::manifest(&manifest(&json!([tool("echo")])));
    let file = launch.folder().join("manifest.yaml");
    let host = launch.start().await;
    replace(&file, manifest(&json!([tool("echo"), tool("time")])));
    serves(&host, &["convert_time", "echo", "get_current_time"]).await;
    replace(&file, "version: 1\ntoools: []\n");
    let problem = eventually("the manifest is refused", async || {
        let ready = host.manage("/ready").await.json();
        ready["manifest"]["problem"].as_str().map(str::to_owned)
    })
    .await;
    assert!(
        problem.contains("manifest.yaml") && problem.contains("tools"),
        "{problem}"
    );
    assert_eq!(
        host.tools().await,
        ["convert_time", "echo", "get_current_time"]
    );
    replace(
        &file,
        manifest(&json!([{ "source": tool("echo"), "prefix": "acme" }])),
    );
    serves(&host, &["acme_echo"]).await;
    well(&host).await;
    replace(
        &file,
        json!({ "version": 1, "engine": { "max_instances": 7 }, "tools": [tool("echo")] })
            .to_string(),
    );
    serves(&host, &["echo"]).await;
    eventually("it says what waits for a restart", async || {
        host.log()
            .contains("after a restart what has changed in: engine")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_is_renewed_reaches_the_tool() {
    let folder = Folder::default();
    let secret = folder.write("key", "one");
    let reach = Reach::start(&format!(
        "{{ env: {{ API_KEY: {{ secret: {{ file: {secret} }} }} }} }}"
    ))
    .await;
    let value = async || reach.ok("environment", json!({})).await["variables"]["API_KEY"].clone();
    assert_eq!(value().await, "one");
    replace(Path::new(&secret), "two");
    eventually("the new one is delivered", async || {
        (value().await == "two").then_some(())
    })
    .await;
    assert!(!reach.host.log().contains("two"), "{}", reach.host.log());
}

#[tokio::test]
async fn sources_of_one_reference_stay_two() {
    let registry = Registry::start(RegistryKind::Open).await;
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("echo")))])
        .await;
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&tool("echo")));
    let reference = format!("oci://{}/acme/tool:1", registry.authority());
    let host = Host::start(&manifest(&json!([
        { "source": reference, "prefix": "one" },
        { "source": reference, "prefix": "two" },
        file,
    ])))
    .await;
    for (content, tools) in [
        (
            "time",
            vec!["convert_time", "get_current_time", "one_echo", "two_echo"],
        ),
        ("echo", vec!["echo", "one_echo", "two_echo"]),
    ] {
        replace(Path::new(&file), bytes(&tool(content)));
        eventually("the file is served", async || {
            let mut served = host.tools().await;
            served.sort();
            (served == tools).then_some(())
        })
        .await;
    }
    let ready = host.manage("/ready").await.json();
    assert_eq!(ready["status"], "ready", "{ready}");
    assert_eq!(
        ready["sources"].as_array().map(Vec::len),
        Some(3),
        "{ready}"
    );
}

#[tokio::test]
async fn what_could_not_be_had_is_tried_again() {
    let registry = Registry::start(RegistryKind::Open).await;
    let echo = bytes(&tool("echo"));
    let digest = registry
        .push("acme/elsewhere", "1", CONFIG, &[(WASM, &echo)])
        .await;
    let host = Host::start(
        &json!({
            "version": 1,
            "engine": { "cache_dir": Folder::default().path(), "tag_interval": "100ms" },
            "tools": [format!("oci://{}/acme/tool@{digest}", registry.authority()), tool("calculator")],
        })
        .to_string(),
    )
    .await;
    assert!(degraded(&host).await.contains("acme/tool"));
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &echo)])
        .await;
    well(&host).await;
    assert!(host.tools().await.contains(&"echo".to_owned()));
}

#[tokio::test]
async fn an_operator_can_ask_for_it() {
    let registry = Registry::start(RegistryKind::Open).await;
    let echo = bytes(&tool("echo"));
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &echo)])
        .await;
    let cache = Folder::default();
    let host = Host::start(
        &json!({
            "version": 1,
            "engine": { "cache_dir": cache.path() },
            "tools": [format!("oci://{}/acme/tool:1", registry.authority())],
        })
        .to_string(),
    )
    .await;
    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &bytes(&tool("time")))])
        .await;
    let reload = || Launch::command(&["reload", "--url"]).arg(host.management(""));
    let finished = reload().run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("loaded"), "{finished:?}");
    assert_eq!(
        host.tools().await,
        ["convert_time", "get_current_time"],
        "it was there when the command ended"
    );

    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &echo)])
        .await;
    host.hang_up();
    serves(&host, &["echo"]).await;

    registry
        .push("acme/tool", "1", CONFIG, &[(WASM, &echo[..100])])
        .await;
    let finished = reload().arg("--json").run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.json()["sources"][0]["state"], "stale");

    let nobody = Launch::command(&["reload", "--url", "http://127.0.0.1:1"])
        .run()
        .await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("nobody listens there"), "{nobody:?}");
}

/// What a registry that is not well asks for: first to be asked again soon, then not before the end of time.
fn busy(asked: usize) -> Vec<u8> {
    let wait = match asked % 2 {
        0 => "retry-after: 1".to_owned(),
        _ => format!("retry-after: {}", u64::MAX),
    };
    reply("503 Service Unavailable", &[&wait], "")
}

#[tokio::test]
async fn whatever_a_registry_asks_for_is_its_own_source_s_affair() {
    // What it answers: nothing that can be had, or a component.
    let offered: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let (answers, count) = (Arc::clone(&offered), AtomicUsize::new(0));
    let registry = Fake::start(move |asked, _| {
        let offered = answers.lock().expect("no panic").clone();
        let Some(component) = offered else {
            return busy(count.fetch_add(1, Ordering::SeqCst));
        };
        if asked.line.contains("/blobs/") {
            return reply("200 OK", &[], component);
        }
        let layer =
            json!({ "mediaType": WASM, "digest": Digest::of(&component), "size": component.len() });
        let config = json!({ "mediaType": CONFIG, "digest": Digest::of(b"{}"), "size": 2 });
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        reply("200 OK", &[], manifest.to_string())
    })
    .await;
    let offer = |name: Option<&str>| {
        *offered.lock().expect("no panic") = name.map(|name| bytes(&tool(name)));
    };
    let (folder, cache) = (Folder::default(), Folder::default());
    folder.write("calculator.wasm", bytes(&tool("calculator")));
    let host = Host::start(
        &json!({
            "version": 1,
            "engine": { "cache_dir": cache.path() },
            "tools": [format!("oci://{}/x:1", registry.authority()), folder.path()],
        })
        .to_string(),
    )
    .await;
    let reload = async || {
        let answer = reqwest::Client::new().post(host.management("/reload"));
        let answer = answer.send().await.expect("it answers");
        assert_eq!(answer.status(), 200);
        let ready: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(ready.get("tasks"), None, "{ready}");
        ready
    };
    let sum = &["add", "divide", "multiply", "subtract"][..];
    let time = &["convert_time", "get_current_time"][..];
    let with = |more: &[&'static str]| {
        let mut all = [sum, more].concat();
        all.sort_unstable();
        all
    };
    // At the start.
    assert!(degraded(&host).await.contains("503 Service Unavailable"));
    assert_eq!(host.tools().await, sum);
    assert_eq!(reload().await["status"], "degraded");
    offer(Some("echo"));
    assert_eq!(reload().await["status"], "ready");
    assert_eq!(host.tools().await, with(&["echo"]));
    // While it runs.
    offer(None);
    reload().await;
    let file = folder.write("time.wasm", bytes(&tool("time")));
    serves(&host, &with(&[time, &["echo"]].concat())).await;
    std::fs::remove_file(file).expect("it is ours");
    serves(&host, &with(&["echo"])).await;
    offer(Some("time"));
    assert_eq!(reload().await["status"], "ready");
    assert_eq!(host.tools().await, with(time));
}

async fn open(request: RequestBuilder) -> Response {
    let response = request.send().await.expect("the host answers");
    assert_eq!(response.status(), 200);
    response
}

#[tokio::test]
async fn clients_of_both_eras_are_told() {
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&tool("echo")));
    let host = Host::start(&manifest(&json!([file]))).await;
    let session = Session::open(&host).await;
    assert_eq!(
        session.initialized["capabilities"]["tools"]["listChanged"],
        true
    );
    let get = host.request(Method::GET, "/mcp");
    let mut legacy = open(session.with_headers(get)).await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut listening = open(modern(&host, "subscriptions/listen", wanted)).await;
    let acknowledged = "notifications/subscriptions/acknowledged";
    read_until(&mut listening, acknowledged).await;

    replace(Path::new(&file), bytes(&tool("time")));
    let changed = "notifications/tools/list_changed";
    for stream in [&mut legacy, &mut listening] {
        read_until(stream, changed).await;
    }
    let listed = session.request("tools/list", json!({})).await;
    assert_eq!(listed.result()["tools"][0]["name"], "convert_time");
}

#[tokio::test]
async fn a_client_on_stdio_is_told() {
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&tool("echo")));
    let mut client = Stdio::open(&manifest(&json!([file]))).await;
    client.request("tools/list", json!({})).await;
    replace(Path::new(&file), bytes(&tool("time")));
    let told = client.receive().await.expect("stdout is open");
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(
        listed["result"]["tools"][0]["name"], "convert_time",
        "{listed}"
    );
}
