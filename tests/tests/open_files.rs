//! A host that may open few files answers, however many components it is to serve.

use sandglass_tests::{Folder, Launch, manifest};
use serde_json::json;

/// Half of them are for components.
const FILES: usize = 100;

#[tokio::test]
async fn components_leave_files_to_those_who_call_them() {
    let folder = Folder::default();
    for number in 0..2 * FILES {
        let text = format!(
            r#"(component
                (core module $module (func (export "number") (result i32) i32.const {number}))
                (core instance $instance (instantiate $module))
                (func (export "number-{number}") (result u32)
                    (canon lift (core func $instance "number"))))"#
        );
        let component = wat::parse_str(text).expect("it is a component");
        folder.write(&format!("{number:03}.wasm"), component);
    }
    let limited = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
    let host = Launch::manifest(&manifest(&json!([folder.path()])))
        .through(&["sh", "-c", &limited])
        .start()
        .await;
    let tools = host.tools().await;
    assert_eq!(tools.len(), FILES / 4, "{tools:?}");
    for tool in &tools {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ready = host.get("/ready").await.json();
    assert_eq!(ready["status"], "degraded");
    let reason = "100 files may be open, and those of them that are for components are (25): serve fewer, or lift the limit";
    assert!(ready["failures"].to_string().contains(reason), "{ready}");
}
