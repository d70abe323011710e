//! The process that compiles: it has a protocol of its own with the host.

use std::process::Stdio;

use sandglass_tests::{Launch, PATIENCE, foreign};
use tokio::io::AsyncWriteExt;

/// As when the host was killed: nothing of it is left to end its children.
#[tokio::test]
async fn it_ends_with_whoever_started_it() {
    // Large: it would be compiled for seconds.
    let component = std::fs::read(foreign("words")).expect("it is built");
    let mut child = Launch::command(&["compile-component"])
        .as_command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let length = (component.len() as u64).to_le_bytes();
    stdin.write_all(&length).await.expect("it reads");
    stdin.write_all(&component).await.expect("it reads");
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let ended = ended.expect("it ends").expect("it can be waited for");
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(ended.stdout.is_empty(), "it was compiled to the end");
}
