//! A session goes on with another replica that has the same key, and with a host that has forgotten it.

use std::path::Path;

use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use sandglass_tests::mcp::{self, Session, post, send, text};
use sandglass_tests::{Answer, Folder, Host, Launch, conformance, guest, manifest, replace, tool};
use serde_json::{Value, json};

fn launch() -> Launch {
    Launch::manifest(&manifest(&json!([format!("file:{}", guest("plain"))])))
}

fn bytes(component: &str) -> Vec<u8> {
    std::fs::read(component).expect("it is built")
}

/// A message in a session of this id, whichever host made it.
async fn ask(host: &Host, id: &str, method: &str) -> Answer {
    let message = mcp::message(method, json!({"name": "returns_number"}));
    let request = post(host, &message)
        .header("accept", mcp::ACCEPT)
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

fn asking() -> Launch {
    let source = json!({"source": format!("file:{}", conformance())});
    Launch::manifest(&manifest(&json!([source]))).arg("--management-port=0")
}

/// A client that can be asked.
fn askable() -> Value {
    let mut params = mcp::initialize("2025-11-25");
    params["capabilities"] = json!({"elicitation": {}});
    params
}

/// The fields of the first event of a stream: its id, and its message.
async fn first_event(stream: &mut Response) -> (String, Value) {
    let text = mcp::read_until(stream, "\n\n").await;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    };
    let message = serde_json::from_str(&field("data:")).expect("JSON");
    (field("id:"), message)
}

fn elicitation() -> Value {
    let arguments = json!({"message": "Who?"});
    mcp::message(
        "tools/call",
        json!({"name": "test_elicitation", "arguments": arguments}),
    )
}

fn answer_to(question: &Value, name: &str) -> Value {
    let content = json!({"username": name, "email": "a@example.org"});
    json!({
        "jsonrpc": "2.0",
        "id": question["id"],
        "result": {"action": "accept", "content": content},
    })
}

#[tokio::test]
async fn an_answer_that_came_while_its_client_was_away_is_read_later() {
    let host = asking().start().await;
    let session = Session::with(&host, askable()).await;
    let call = elicitation();
    let mut stream = session.prepare(&call).send().await.expect("a stream");
    let (last, question) = first_event(&mut stream).await;
    assert_eq!(question["method"], "elicitation/create");
    drop(stream);
    let answered = send(session.prepare(&answer_to(&question, "ann"))).await;
    assert_eq!(answered.status, 202, "{answered:?}");
    host.has_called("test_elicitation").await;
    let resumed = session
        .with_headers(host.request(Method::GET, "/mcp"))
        .header("last-event-id", last);
    let answer = send(resumed).await;
    let message = answer.message();
    assert_eq!(message["id"], call["id"], "{answer:?}");
    assert!(text(&message["result"]).contains("ann"), "{answer:?}");
}

#[tokio::test]
async fn two_calls_of_the_same_id_are_asked_and_answered_each_for_itself() {
    let host = asking().start().await;
    let session = Session::with(&host, askable()).await;
    let call = elicitation();
    let mut streams = Vec::new();
    for name in ["ann", "bob"] {
        let mut stream = session.prepare(&call).send().await.expect("a stream");
        let (_, question) = first_event(&mut stream).await;
        streams.push((name, stream, question));
    }
    assert_ne!(streams[0].2["id"], streams[1].2["id"]);
    for (name, _, question) in streams.iter().rev() {
        send(session.prepare(&answer_to(question, name))).await;
    }
    for (name, mut stream, _) in streams {
        let said = mcp::read_until(&mut stream, "\n\n").await;
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[tokio::test]
async fn what_a_call_says_is_in_its_own_stream_before_its_answer() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    let params = json!({"name": "progress", "_meta": {"progressToken": "p"}});
    let answer = session.request("tools/call", params).await;
    let messages = answer.messages();
    let methods: Vec<_> = messages
        .iter()
        .filter_map(|message| message["method"].as_str())
        .collect();
    let said = ["notifications/progress", "notifications/message"];
    assert_eq!(methods, [said, said, said].concat());
    assert_eq!(text(&messages[6]["result"]), "finished");
    // Where there is nothing but the answer, there is no stream.
    let answer = session
        .request("tools/call", json!({"name": "returns_number"}))
        .await;
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn what_is_not_acceptable_or_of_no_version_is_said_in_json() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    let ping = mcp::message("ping", json!({}));
    let both = mcp::ACCEPT;
    for (accept, version, status) in [
        ("application/json", "2025-11-25", 406),
        ("application/json, text/event-stream;q=0", "2025-11-25", 406),
        (both, "1999-01-01", 400),
        (both, "2025-11-25", 200),
    ] {
        let request = post(&host, &ping).header("mcp-session-id", session.id());
        let request = request.header("mcp-protocol-version", version);
        let answer = send(request.header("accept", accept)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.message()["id"], ping["id"], "{answer:?}");
    }
}

#[tokio::test]
async fn a_session_is_not_offered_what_its_revision_has_not() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    let offered = &session.initialized["capabilities"];
    assert!(offered.get("extensions").is_none(), "{offered}");
}

#[tokio::test]
async fn no_replica_takes_the_question_of_another_for_its_own() {
    let folder = Folder::default();
    let key = folder.write("key", "a secret of thirty-two bytes, or more");
    let with_key = || asking().arg("--state-key-file").arg(&key);
    let (one, other) = (with_key().start().await, with_key().start().await);
    let session = Session::with(&one, askable()).await;
    let mut streams = Vec::new();
    for host in [&one, &other] {
        let call = session.with_headers(post(host, &elicitation()));
        let mut stream = call.send().await.expect("a stream");
        let (id, question) = first_event(&mut stream).await;
        streams.push((stream, id, question));
    }
    let [(_, first, asked), (mut stream, second, question)] =
        <[_; 2]>::try_from(streams).expect("two");
    assert_ne!(first, second);
    assert_ne!(asked["id"], question["id"]);
    // The first one's answer comes to the other host, and answers nothing there.
    for (answered, name) in [(&asked, "ann"), (&question, "bob")] {
        let answer = post(&other, &answer_to(answered, name));
        assert_eq!(send(session.with_headers(answer)).await.status, 202);
    }
    let said = mcp::read_until(&mut stream, "\n\n").await;
    assert!(said.contains("bob"), "{said}");
}

#[tokio::test]
async fn a_session_id_that_is_no_text_is_unknown() {
    let host = launch().start().await;
    let id = HeaderValue::from_bytes(b"\xff\xfe").expect("bytes");
    let ping = post(&host, &mcp::message("ping", json!({}))).header("accept", mcp::ACCEPT);
    let unknown = ping.try_clone().expect("a text");
    let answer = send(unknown.header("mcp-session-id", id)).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    // Nor are two of them.
    let (one, other) = (Session::open(&host).await, Session::open(&host).await);
    let both = ping
        .header("mcp-session-id", one.id())
        .header("mcp-session-id", other.id());
    assert_eq!(send(both).await.status, 404);
}

#[tokio::test]
async fn params_of_another_type_are_told_in_a_session_and_without() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    for method in ["tools/call", "tools/list", "ping"] {
        let message = mcp::message(method, json!([3]));
        for request in [
            post(&host, &message).header("accept", mcp::ACCEPT),
            session.prepare(&message),
        ] {
            let error = send(request).await.message();
            assert_eq!(error["error"]["code"], -32602, "{method}: {error}");
            assert_eq!(error["id"], message["id"], "{error}");
        }
    }
}

#[tokio::test]
async fn a_progress_token_of_any_length_is_not_said_again_and_again() {
    let host = launch().start().await;
    let session = Session::open(&host).await;
    for (length, notices) in [(1_024, 3), (1_025, 0)] {
        let token = "t".repeat(length);
        let params = json!({"name": "progress", "_meta": {"progressToken": token}});
        let messages = session.request("tools/call", params).await.messages();
        let told = messages
            .iter()
            .filter(|message| message["method"] == "notifications/progress");
        assert_eq!(told.count(), notices, "{length}");
    }
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody() {
    let folder = Folder::default();
    let file = folder.write("tool.wasm", bytes(&guest("plain")));
    let large = format!("file:{}", guest("hostile"));
    let large = json!({"source": large, "limits": {"output": "16MiB"}});
    let launch = Launch::manifest(&manifest(&json!([file, large])));
    let host = launch.arg("--management-port=0").start().await;
    // Of each answer the head is read, and no byte of what follows: more than Linux keeps for a socket (4 MiB, tcp_wmem).
    let mut unread = Vec::new();
    for _ in 0..4 {
        let session = Session::open(&host).await;
        let arguments = json!({"bytes": 12_000_000});
        let call = mcp::message(
            "tools/call",
            json!({"name": "big_output", "arguments": arguments}),
        );
        let news = session.with_headers(host.request(Method::GET, "/mcp"));
        unread.push(news.send().await.expect("a stream"));
        unread.push(session.prepare(&call).send().await.expect("a stream"));
    }
    let other = Session::open(&host).await;
    let news = other.with_headers(host.request(Method::GET, "/mcp"));
    let mut news = news.send().await.expect("a stream");
    let answer = other
        .request("tools/call", json!({"name": "returns_number"}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Nor do their own calls wait for them.
    host.has_called("big_output").await;
    replace(Path::new(&file), bytes(&tool("echo")));
    mcp::read_until(&mut news, "notifications/tools/list_changed").await;
    drop(unread);
    host.assert_well().await;
}
