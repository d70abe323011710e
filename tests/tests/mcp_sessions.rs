//! A session goes on with another replica that has the same key, and with a host that has forgotten it.

use reqwest::Method;
use sandglass_tests::mcp::{Session, post, send, text};
use sandglass_tests::{Answer, Folder, Host, Launch, guest, manifest};
use serde_json::{Value, json};

fn launch() -> Launch {
    Launch::manifest(&manifest(&json!([format!("file:{}", guest("plain"))])))
}

/// A message in a session of this id, whichever host made it.
async fn ask(host: &Host, id: &str, method: &str) -> Answer {
    let message = sandglass_tests::mcp::message(method, json!({"name": "returns_number"}));
    let request = post(host, &message)
        .header("accept", sandglass_tests::mcp::ACCEPT)
        .header("mcp-session-id", id)
        .header("mcp-protocol-version", "2025-11-25");
    send(request).await
}

async fn end(host: &Host, id: &str) -> u16 {
    let request = host.request(Method::DELETE, "/mcp");
    send(request.header("mcp-session-id", id)).await.status
}

#[tokio::test]
async fn replicas_with_the_same_key_share_sessions() {
    let folder = Folder::default();
    let key = folder.write("key", "a secret of thirty-two bytes, or more");
    let with_key = || launch().arg("--state-key-file").arg(&key);
    let (one, other, stranger) = (
        with_key().start().await,
        with_key().start().await,
        launch().start().await,
    );
    let session = Session::open(&one).await;
    for host in [&other, &one, &other] {
        let result = ask(host, session.id(), "tools/call").await.result();
        assert_eq!(text(&result), "42");
    }
    assert_eq!(ask(&stranger, session.id(), "tools/call").await.status, 404);
    // The standalone stream, too, is answered where the session was not made.
    let fourth = with_key().start().await;
    let stream = session.with_headers(fourth.request(Method::GET, "/mcp"));
    let stream = stream.send().await.expect("an answer");
    assert_eq!(stream.status(), 200);
}

#[tokio::test]
async fn an_ended_session_stays_ended() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    let id = session.id().to_owned();
    assert_eq!(end(&host, &id).await, 200);
    assert_eq!(end(&host, &id).await, 404);
    let answer = ask(&host, &id, "ping").await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn what_is_no_id_of_ours_is_unknown() {
    let host = launch().start().await;
    let id = Session::open(&host).await.id().to_owned();
    for other in [
        format!("{id}x"),
        "nonsense".to_owned(),
        id[..id.len() / 2].to_owned(),
    ] {
        assert_eq!(ask(&host, &other, "ping").await.status, 404, "{other}");
    }
    let known: Value = ask(&host, &id, "ping").await.result();
    assert_eq!(known, json!({}));
}
