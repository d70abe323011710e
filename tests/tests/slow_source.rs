//! A source that is slow to be had keeps no other waiting.

use reqwest::Client;
use sandglass_tests::{Folder, Host, Registry, RegistryKind, eventually, tool};
use serde_json::json;

#[tokio::test]
async fn a_registry_that_does_not_answer_keeps_no_file_waiting() {
    let component = |name: &str| std::fs::read(tool(name)).expect("it is built");
    let registry = Registry::start(RegistryKind::Open).await;
    let layers = [("application/wasm", &*component("echo"))];
    let config = "application/vnd.wasm.config.v0+json";
    registry.push("acme/tool", "1", config, &layers).await;
    let (folder, cache) = (Folder::default(), Folder::default());
    let host = Host::start(
        &json!({
            "version": 1,
            "engine": { "cache_dir": cache.path() },
            "tools": [format!("oci://{}/acme/tool:1", registry.authority()), folder.path()],
        })
        .to_string(),
    )
    .await;
    assert_eq!(host.tools().await, ["echo"]);

    registry.freeze();
    let reload = tokio::spawn(Client::new().post(host.management("/reload")).send());
    // Twice: the second comes when a look is surely in progress.
    for (name, tools) in [
        (
            "calculator",
            &["add", "divide", "echo", "multiply", "subtract"][..],
        ),
        ("time", &["convert_time", "echo", "get_current_time"]),
    ] {
        folder.write("tool.wasm", component(name));
        eventually(&format!("{name} is served"), async || {
            (host.tools().await == tools).then_some(())
        })
        .await;
    }
    assert!(!reload.is_finished(), "the registry was waited for");
    registry.thaw();
    let answer = reload.await.expect("it is not aborted").expect("an answer");
    assert_eq!(answer.status(), 200);
}
