//! Callers that flood the host swell and silence it for nobody: what they make it hold is bounded, and others are answered.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures::future::join_all;
use sandglass_tests::flood::beside;
use sandglass_tests::mcp::{Session, message};
use sandglass_tests::{Cgroup, Folder, Host, Launch, eventually, raw, raw_post, tool};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;

/// One test at a time: each looks at what a host does that has nothing else to do.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Bytes of the largest body.
const BODY: usize = 4 << 20;

/// Open files of a host that is to run out of places.
const FILES: usize = 256;

/// Two tenants with a tool each.
fn manifest() -> String {
    json!({
        "version": 1,
        "tools": [tool("echo")],
        "tenants": { "quiet": { "tools": [tool("echo")] } },
    })
    .to_string()
}

/// The same, but the default tenant's lists have half a megabyte.
fn with_large_lists(folder: &Folder) -> String {
    let description = "what it does ".repeat(200);
    let functions: String = (0..200)
        .map(|number| format!("def tool_{number}(text: str, count: int = 1) -> str:\n    \"\"\"{description}\"\"\"\n    return text\n"))
        .collect();
    let mut manifest: Value = serde_json::from_str(&manifest()).expect("it is JSON");
    manifest["tools"] = json!([folder.write("many.py", functions)]);
    manifest.to_string()
}

/// A host in a pod of 256 MiB; none where this machine lets us make no control groups.
async fn small_pod(manifest: &str) -> Option<(Host, Cgroup)> {
    let group = match Cgroup::all_processors() {
        Ok(group) => group,
        Err(error) => {
            eprintln!("skipped: no control groups on this machine: {error}");
            return None;
        }
    };
    let join = group.join();
    let launch = Launch::manifest(manifest)
        .arg("--legacy-sse")
        .through(&join.each_ref().map(String::as_str));
    Some((launch.start().await, group))
}

async fn few_files() -> Host {
    let limited = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
    Launch::manifest(&manifest())
        .through(&["sh", "-c", &limited])
        .start()
        .await
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).await.expect("the host listens")
}

/// Connects as another client than the one at 127.0.0.1.
async fn connect_from_elsewhere(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let own: SocketAddr = "127.0.0.2:0".parse().expect("an address");
    socket.bind(own).expect("all of 127/8 is loopback");
    let address = address.parse().expect("an address with a port");
    socket.connect(address).await.expect("the host listens")
}

/// Whether a probe on this connection is answered.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let asking = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    tokio::time::timeout(Duration::from_secs(5), asking)
        .await
        .is_ok_and(|read| read.is_ok())
        && answer.starts_with("HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_an_end_hold_no_more_than_their_tenants_room() {
    let _alone = ALONE.lock().await;
    let Some((host, group)) = small_pod(&manifest()).await else {
        return;
    };
    let body = vec![b' '; BODY];
    let flood = (0..200).map(async |_| {
        let mut stream = connect(host.authority()).await;
        let head = head("/mcp/tools", body.len());
        // All but the last byte. The host may refuse it before.
        _ = stream.write_all(head.as_bytes()).await;
        _ = stream.write_all(&body[1..]).await;
        stream
    });
    let held = beside(&host, join_all(flood)).await;
    let refused = eventually("some are refused", async || {
        let mut answer = [0; 12];
        let refused = held.iter().filter(|stream| {
            let read = stream.try_read(&mut answer).unwrap_or_default();
            answer[..read].starts_with(b"HTTP/1.1 429")
        });
        let refused = refused.count();
        (refused > 0).then_some(refused)
    });
    assert!(beside(&host, refused).await < held.len());
    drop(held);
    eventually("there is room again", async || {
        let answer = host.call("echo", json!({ "text": "hi" })).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(group.killed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_grows_when_it_is_read_holds_no_more_than_its_tenants_room() {
    let _alone = ALONE.lock().await;
    let Some((host, group)) = small_pod(&manifest()).await else {
        return;
    };
    for piece in ["0,", "[],", "{},", r#"{"":0},"#, r#"{"a":[0]},"#, r#""","#] {
        for bytes in [60 << 10, 300 << 10, 1 << 20, BODY - 300] {
            let values = format!("[{}0]", piece.repeat(bytes / piece.len()));
            let arguments = format!(r#"{{"text":{values}}}"#);
            let rest = format!(r#"{{"tool":"echo","arguments":{arguments}}}"#);
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
            );
            let flood = (0..24).map(|number| {
                let (path, body) = [("/mcp/tools", &rest), ("/mcp", &call)][number % 2];
                raw_post(&host, path, &[], body)
            });
            for answer in beside(&host, join_all(flood)).await {
                let told = [200, 400, 413, 429];
                assert!(told.contains(&answer.status), "{piece}: {answer:?}");
            }
        }
    }
    assert_eq!(group.killed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_nobody_reads_hold_no_more_than_their_tenants_room() {
    let _alone = ALONE.lock().await;
    let folder = Folder::default();
    let Some((host, group)) = small_pod(&with_large_lists(&folder)).await else {
        return;
    };
    let session = Session::open(&host).await;
    let list = message("tools/list", json!({})).to_string();
    let accept = "Accept: application/json, text/event-stream\r\n";
    let of_session = format!("{accept}Mcp-Session-Id: {}\r\n", session.id());
    for headers in [accept, &of_session] {
        let head = head("/mcp", list.len()).replace("\r\n\r\n", &format!("\r\n{headers}\r\n"));
        let request = format!("{head}{list}");
        let (last, first) = (&request[request.len() - 1..], &request[..request.len() - 1]);
        // All of them are asked for at the same time.
        let mut unread = Vec::new();
        for _ in 0..600 {
            let mut stream = connect(host.authority()).await;
            stream
                .write_all(first.as_bytes())
                .await
                .expect("it is read");
            unread.push(stream);
        }
        for stream in &mut unread {
            _ = stream.write_all(last.as_bytes()).await;
        }
        let answered = eventually("all are answered, or refused", async || {
            let begun = unread
                .iter()
                .map(async |stream| stream.peek(&mut [0]).await);
            let begun = join_all(begun).await;
            begun.iter().all(Result::is_ok).then_some(())
        });
        beside(&host, answered).await;
        assert_eq!(group.killed(), 0, "{headers}");
    }
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let host = Host::start(&manifest()).await;
    let large = "x".repeat(20 << 10);
    let request = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nlarge: {large}\r\n\r\n");
    assert_eq!(raw(&host, &request).await.status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_wait_give_way_to_newcomers() {
    let _alone = ALONE.lock().await;
    let host = few_files().await;
    let mut idle = Vec::new();
    for _ in 0..2 * FILES {
        idle.push(connect(host.authority()).await);
        let mut other = connect_from_elsewhere(host.authority()).await;
        assert!(is_answered(&mut other).await, "beside {}", idle.len());
    }
    let mut own = connect(host.authority()).await;
    assert!(is_answered(&mut own).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_all_places_gives_some_to_others() {
    let _alone = ALONE.lock().await;
    let host = few_files().await;
    let mut serving = Vec::new();
    // Each is in the middle of a body.
    for _ in 0..2 * FILES {
        let mut stream = connect(host.authority()).await;
        stream
            .write_all(head("/mcp/tools", 100).as_bytes())
            .await
            .ok();
        stream.write_all(b"{").await.ok();
        serving.push(stream);
    }
    let mut others = Vec::new();
    for number in 0..20 {
        let mut other = connect_from_elsewhere(host.authority()).await;
        assert!(is_answered(&mut other).await, "{number}");
        others.push(other);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_answers_gives_way_also_to_neighbours_at_the_same_address() {
    let _alone = ALONE.lock().await;
    let host = few_files().await;
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let mut unread = Vec::new();
    for number in 0..2 * FILES {
        let mut stream = connect(host.authority()).await;
        stream.set_nodelay(true).expect("a socket");
        // As much as the system's buffers take.
        _ = tokio::time::timeout(
            Duration::from_millis(20),
            stream.write_all(request.as_bytes()),
        )
        .await;
        unread.push(stream);
        if number % 64 == 63 {
            eventually("a neighbour is answered", async || {
                let mut neighbour = connect(host.authority()).await;
                is_answered(&mut neighbour).await.then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_management_port_has_places_of_its_own_and_takes_none_of_the_calls() {
    let _alone = ALONE.lock().await;
    let host = few_files().await;
    let management = host.management("");
    let management = management
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut held = Vec::new();
    for _ in 0..2 * FILES {
        let mut stream = connect(management).await;
        stream.write_all(b"GET /health HTTP/1.1\r\nHo").await.ok();
        held.push(stream);
    }
    let mut caller = connect(host.authority()).await;
    assert!(is_answered(&mut caller).await);
    let mut probe = connect(management).await;
    assert!(is_answered(&mut probe).await);
    // And while the port of the calls is full of requests that do not end.
    let mut serving = Vec::new();
    for _ in 0..FILES {
        let mut stream = connect(host.authority()).await;
        stream
            .write_all(head("/mcp/tools", 100).as_bytes())
            .await
            .ok();
        serving.push(stream);
    }
    let mut probe = connect(management).await;
    assert!(is_answered(&mut probe).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_requests_and_reads_no_answers_is_cut() {
    let _alone = ALONE.lock().await;
    let host = Host::start(&manifest()).await;
    let mut stream = connect(host.authority()).await;
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let cut = async {
        loop {
            if stream.write_all(request.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    // The grace is half a minute; the kernel's buffers have to be filled before.
    tokio::time::timeout(Duration::from_secs(120), beside(&host, cut))
        .await
        .expect("it is cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_documents_leave_the_processors_to_calls() {
    let _alone = ALONE.lock().await;
    let folder = Folder::default();
    let host = Host::start(&with_large_lists(&folder)).await;
    let mut flood = pin!(join_all((0..16).map(async |number| {
        let path = ["/openapi.json", "/mcp/tools", "/mcp/list_tools"][number % 3];
        loop {
            host.get(path).await;
        }
    })));
    let beside = beside(&host, tokio::time::sleep(Duration::from_secs(3)));
    tokio::select! {
        _ = &mut flood => unreachable!("it has no end"),
        () = beside => {}
    }
}
