//! What the engine does for a guest, beside running its instructions, is under the same limits: it ends in time, and
//! nobody else notices.

use std::time::Duration;

use futures::future::join_all;
use sandglass_tests::composed::{Encoding, dropping_resources, passing, repeating};
use sandglass_tests::flood::beside;
use sandglass_tests::{Folder, Host, tool};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One at a time: each looks at what others notice.
static ALONE: Mutex<()> = Mutex::const_new(());

/// More than most machines have processors.
const AT_ONCE: usize = 9;

/// The limit is 2 s. A machine that does much else may take longer.
const IN_TIME: Duration = Duration::from_secs(12);

/// Bytes of a string that is passed on.
const LENGTH: usize = 64 << 20;

/// Many calls of the component's tool end with a limit; meanwhile others are served.
async fn ends(component: Vec<u8>) {
    let _alone = ALONE.lock().await;
    let folder = Folder::default();
    let host = Host::start(
        &json!({
            "version": 1,
            "defaults": { "limits": {
                "fuel": 1_000_000_000_000_u64,
                "timeout": "2s",
                "memory": "256MiB",
            } },
            "tools": [folder.write("component.wasm", component)],
            "tenants": { "quiet": { "tools": [tool("echo")] } },
        })
        .to_string(),
    )
    .await;
    let begin = Instant::now();
    let calls = join_all((0..AT_ONCE).map(|_| host.call("run", json!({}))));
    for answer in beside(&host, calls).await {
        assert_eq!(answer.status, 500, "{answer:?}");
        let told = answer.error();
        assert!(told.contains(" limit exceeded"), "{told}");
    }
    assert!(begin.elapsed() < IN_TIME, "it took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_a_string_as_it_is() {
    ends(passing("string", LENGTH, Encoding::Utf8, Encoding::Utf8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_a_string_in_longer_units() {
    // The other memory holds twice the bytes.
    ends(passing(
        "string",
        LENGTH / 2,
        Encoding::Utf8,
        Encoding::Utf16,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_a_string_in_shorter_units() {
    ends(passing(
        "string",
        LENGTH / 2,
        Encoding::Utf16,
        Encoding::Utf8,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_a_string_in_units_that_depend_on_it() {
    ends(passing(
        "string",
        LENGTH / 2,
        Encoding::Utf8,
        Encoding::Latin1OrUtf16,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_lists_of_lists() {
    ends(passing(
        "(list (list u8))",
        LENGTH / 8,
        Encoding::Utf8,
        Encoding::Utf8,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_memory_by_nothing() {
    ends(repeating("(drop (memory.grow (i32.const 0)))")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_memory_beyond_the_limit() {
    ends(repeating("(drop (memory.grow (i32.const 65535)))")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_a_table_by_nothing() {
    ends(repeating(
        "(drop (table.grow $table (ref.null func) (i32.const 0)))",
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_a_table_beyond_the_limit() {
    ends(repeating(
        "(drop (table.grow $table (ref.null func) (i32.const 0x7fffffff)))",
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_and_dropping_resources_of_its_own() {
    ends(dropping_resources()).await;
}
