//! How a host starts, degrades, refuses to start, and ends.

use std::time::Duration;

use reqwest::Method;
use sandglass_tests::{
    Answer, Finished, Folder, Held, Host, Launch, PATIENCE, Reach, Server, core_module, eventually,
    guest, tool,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A manifest whose tools are these files.
fn files(paths: &[&str]) -> String {
    let list: String = paths
        .iter()
        .map(|path| format!("  - file:{path}\n"))
        .collect();
    format!(
        "version: 1\ndefaults: {{ limits: {{ timeout: 60s, fuel: 100_000_000 }} }}\ntools:\n{list}"
    )
}

/// What `/ready` says is missing.
async fn failures(host: &Host) -> String {
    let answer = host.get("/ready").await;
    assert_eq!(
        answer.status, 200,
        "a degraded host still serves: {answer:?}"
    );
    let ready = answer.json();
    assert_eq!(ready["status"], "degraded", "{ready}");
    ready
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(key, _)| *key != "tools")
        .map(|(_, held)| held.to_string())
        .collect()
}

fn assert_one_line(finished: &Finished, parts: &[&str]) {
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let error = lines.last().copied().unwrap_or_default();
    assert!(
        parts.iter().all(|part| error.contains(part)),
        "{parts:?} are not in the last line of {finished:?}"
    );
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

#[tokio::test]
async fn a_source_that_cannot_be_loaded_is_left_out_with_its_reason() {
    let folder = Folder::default();
    let truncated = {
        let whole = std::fs::read(guest("plain")).expect("it is built");
        folder.write("truncated.wasm", &whole[..whole.len() / 2])
    };
    let module = folder.write("core_module.wasm", core_module());
    let text = folder.write("text.wasm", "no component at all");
    let empty = folder.write("empty.wasm", "");
    let missing = folder.path().join("missing.wasm").display().to_string();
    for (bad, reason) in [
        (guest("bad_list"), "the list of tools is on strike"),
        (guest("trap_list"), "no list today"),
        (guest("spin_list"), "limit exceeded"),
        (guest("dup_tools"), "twin"),
        (guest("bad_names"), "name"),
        (guest("bad_schema"), "crooked"),
        (guest("ref_chain"), "leads through more than 128 subschemas"),
        (guest("large_patterns"), "has patterns that are too large"),
        (guest("net_schema"), "169.254.169.254"),
        (guest("unknown_import"), "teleporter"),
        (truncated, "truncated"),
        (module, "core_module"),
        (text, "text"),
        (empty, "empty"),
        (missing, "missing"),
    ] {
        let host = Host::start(&files(&[&bad, &guest("plain")])).await;
        let told = failures(&host).await;
        assert!(
            told.contains(reason),
            "{bad}: {told} does not say {reason:?}"
        );
        assert!(
            !told.contains('\u{1b}') && !told.contains('\u{200b}'),
            "{bad}: {told:?}"
        );
        assert_eq!(
            host.tools().await.len(),
            25,
            "{bad}: the other source serves"
        );
        assert_eq!(
            host.call("echo", json!({ "text": "hi" })).await.status,
            200,
            "{bad}"
        );
        assert_eq!(host.get("/health").await.status, 200, "{bad}");
        eventually("the log says so too", async || {
            host.log().contains("left out").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_host_without_a_single_tool_does_not_start() {
    let finished = Launch::manifest(&files(&[&guest("bad_list"), &guest("trap_list")]))
        .run()
        .await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(
        finished.stderr.contains("the list of tools is on strike"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_strict_host_does_not_start_without_one_of_its_sources() {
    let finished = Launch::manifest(&files(&[&guest("bad_list"), &guest("plain")]))
        .arg("--strict")
        .run()
        .await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(
        finished.stderr.contains("the list of tools is on strike"),
        "{finished:?}"
    );
    let host = Launch::manifest(&files(&[&guest("plain")]))
        .arg("--strict")
        .start()
        .await;
    host.assert_well().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_usage_error() {
    let first = Host::start(&files(&[&guest("plain")])).await;
    let port = first
        .authority()
        .rsplit(':')
        .next()
        .expect("an authority has a port")
        .to_owned();
    let launch = Launch::command(&["serve", "--port", &port]);
    let file = launch.write("manifest.yaml", files(&[&guest("plain")]));
    let finished = launch.arg("--config").arg(file).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_one_line(&finished, &[&port]);
}

#[tokio::test]
async fn an_unknown_flag_or_a_bad_value_is_a_usage_error() {
    for arguments in [
        vec!["serve", "--no-such-flag"],
        vec!["serve", "--port", "many"],
        vec!["serve", "--port", "70000"],
        vec!["serve", "--host", "not a host"],
        vec!["no-such-command"],
        vec![],
    ] {
        let finished = Launch::command(&arguments).run().await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
    for (name, value) in [("LOG_LEVEL", "LOUD"), ("MCP_PORT", "many")] {
        let launch = Launch::command(&["serve", "--host", "127.0.0.1"]).env(name, value);
        let file = launch.write("manifest.yaml", files(&[&guest("plain")]));
        let finished = launch.arg("--config").arg(file).run().await;
        assert_eq!(finished.code, Some(2), "{name}={value}: {finished:?}");
        assert!(
            finished.stderr.contains(value),
            "{name}={value}: {finished:?}"
        );
    }
}

#[tokio::test]
async fn a_host_off_loopback_must_be_told_to_serve_anybody() {
    let launch = Launch::manifest(&files(&[&guest("plain")]))
        .arg("--host")
        .arg("0.0.0.0");
    let finished = launch.run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_one_line(&finished, &["--allow-anonymous"]);
    let launch = Launch::manifest(&files(&[&guest("plain")])).env("MCP_HOST", "0.0.0.0");
    assert_eq!(
        launch.run().await.code,
        Some(2),
        "the environment's host counts as the flag's"
    );
}

#[tokio::test]
async fn a_host_off_loopback_answers_any_host_name_and_warns_once() {
    let launch = Launch::manifest(&files(&[&guest("plain")]))
        .arg("--host")
        .arg("0.0.0.0")
        .arg("--allow-anonymous");
    let host = launch.start().await;
    let port = host
        .authority()
        .rsplit(':')
        .next()
        .expect("an authority has a port");
    let client = reqwest::Client::new();
    let request = client.get(format!("http://127.0.0.1:{port}/ready"));
    let request = request.header("host", "mcpserver-x.ns.svc.cluster.local:8000");
    let answer = Answer::read(request.send().await.expect("an answer")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let request = client
        .get(format!("http://127.0.0.1:{port}/ready"))
        .header("origin", "https://attacker.example");
    assert_eq!(
        request.send().await.expect("an answer").status(),
        403,
        "origins are still checked"
    );
    assert!(
        host.log().to_lowercase().contains("anonymous"),
        "{}",
        host.log()
    );
}

#[tokio::test]
async fn a_host_that_is_told_to_end_finishes_what_runs() {
    let server = Server::start().await;
    let limits = "limits: { timeout: 10m, concurrency: 1, queue: { length: 0, wait: 10ms } }";
    let yaml = Reach::manifest(&server.grant()) + &format!("    {limits}\n");
    let mut host = Host::start(&yaml).await;
    let request = host.prepare("http", &json!({ "url": server.url("/gate") }));
    let quick = json!({ "url": server.url("/") });
    let running = Held::new(&host, request, "http", &quick).await;
    host.terminate();
    let draining = eventually("it says that it drains", async || {
        let answer = host.request(Method::GET, "/ready").send().await.ok()?;
        let answer = Answer::read(answer).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(draining.status, 503, "{draining:?}");
    assert!(!running.is_answered(), "ready turned before the call ended");
    server.open();
    let answer = running.answer().await;
    assert_eq!(
        (answer.status, &answer.json()["result"]["ok"]["body"]),
        (200, &json!("hello")),
        "{}",
        host.log()
    );
    assert_eq!(host.ended().await, Some(0), "{}", host.log());
}

#[tokio::test]
async fn a_host_that_is_idle_ends_at_once() {
    let mut host = Host::start(&files(&[&guest("plain")])).await;
    let session = sandglass_tests::mcp::Session::open(&host).await;
    let stream = session
        .with_headers(host.request(Method::GET, "/mcp"))
        .header("accept", "text/event-stream");
    let stream = stream.send().await.expect("the head of the stream");
    host.terminate();
    let begin = tokio::time::Instant::now();
    assert_eq!(host.ended().await, Some(0), "{}", host.log());
    assert!(
        begin.elapsed().as_secs() < 20,
        "an idle session holds nothing up, as a call does for 25 s: {:?}",
        begin.elapsed()
    );
    drop(stream);
}

#[tokio::test]
async fn two_tools_of_one_name_need_a_prefix() {
    let yaml = files(&[&guest("plain"), &guest("plain")]);
    let host = Host::start(&yaml).await;
    let told = failures(&host).await;
    assert!(told.contains("prefix"), "{told}");
    assert_eq!(host.tools().await.len(), 25);
    let finished = Launch::manifest(&yaml).arg("--strict").run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("prefix"), "{finished:?}");
}

#[tokio::test]
async fn the_second_start_compiles_nothing() {
    let home = Folder::default();
    let launch = || Launch::manifest(&files(&[&guest("plain")])).env("HOME", home.path());
    let first = launch().start().await;
    assert!(first.log().contains("fresh"), "{}", first.log());
    drop(first);
    let second = launch().start().await;
    assert!(
        second.log().contains("cache") && !second.log().contains("fresh"),
        "{}",
        second.log()
    );
    second.assert_well().await;
}

#[tokio::test]
async fn a_spoilt_cache_is_made_again() {
    let home = Folder::default();
    let launch = || Launch::manifest(&files(&[&guest("plain")])).env("HOME", home.path());
    drop(launch().start().await);
    let mut spoilt = 0;
    let mut folders = vec![home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it is ours").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                std::fs::write(entry.path(), b"spoilt").expect("it is ours");
                spoilt += 1;
            }
        }
    }
    assert!(spoilt > 0, "the cache lies under HOME");
    let host = launch().start().await;
    assert_eq!(
        host.call("returns_number", json!({})).await.json(),
        json!({ "result": 42 })
    );
}

#[tokio::test]
async fn the_log_level_of_the_environment_is_honoured() {
    let strict =
        || Launch::manifest(&files(&[&guest("bad_list"), &guest("plain")])).arg("--strict");
    // The level is a line's second word.
    let informs = |finished: &Finished| {
        let lines = finished.stderr.lines();
        let mut levels = lines.map(|line| line.split_whitespace().nth(1));
        levels.any(|level| level == Some("INFO"))
    };
    let finished = strict().env("MCP_LOG_LEVEL", "ERROR").run().await;
    assert!(!informs(&finished), "{finished:?}");
    let finished = strict()
        .env("MCP_LOG_LEVEL", "ERROR")
        .env("LOG_LEVEL", "INFO")
        .run()
        .await;
    assert!(informs(&finished), "LOG_LEVEL wins: {finished:?}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_cut() {
    let host = Host::start(&files(&[&guest("plain")])).await;
    let mut socket = TcpStream::connect(host.authority())
        .await
        .expect("the host listens");
    socket
        .write_all(b"GET /health HTTP/1.1\r\nHost: loc")
        .await
        .expect("the host reads");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("the host closes")
        .expect("the host closes properly");
    assert_eq!(String::from_utf8_lossy(&answer), "");
}

#[tokio::test]
async fn while_all_places_serve_requests_a_connection_waits_for_its_turn() {
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""];
    let launch = Launch::manifest(&files(&[&guest("plain")])).through(&limited);
    let host = launch.start().await;
    let connect = async |request: &str| {
        let mut socket = TcpStream::connect(host.authority())
            .await
            .expect("the system queues it");
        socket
            .write_all(request.as_bytes())
            .await
            .expect("the system buffers it");
        socket
    };
    let mut answer = [0; 12];
    let mut open = Vec::new();
    let body = "POST /mcp/tools HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    for _ in 0..32 {
        let mut socket = connect(body).await;
        socket.read_exact(&mut answer).await.expect("it is served");
        assert_eq!(&answer, b"HTTP/1.1 100", "it waits for the body");
        open.push(socket);
    }
    let mut late = connect("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let waits = tokio::time::timeout(Duration::from_secs(1), late.read_exact(&mut answer)).await;
    assert!(waits.is_err(), "it was served beyond the limit");
    open.pop();
    tokio::time::timeout(PATIENCE, late.read_exact(&mut answer))
        .await
        .expect("a place is free")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// Machine code is mapped with the first call, from the file that was checked at the start.
#[tokio::test]
async fn a_tool_that_was_never_called_is_there_when_the_cache_is_gone() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let manifest = json!({
        "version": 1,
        "tools": [tool("echo"), guest("shapes")],
        "engine": { "cache_dir": cache.path() },
    })
    .to_string();
    let first = Host::start(&manifest).await;
    let tools = first.tools().await;
    drop(first);
    let host = Host::start(&manifest).await;
    assert!(host.log().contains(r#"compiled="cache""#), "{}", host.log());
    std::fs::remove_dir_all(cache.path()).expect("the folder is ours");
    assert_eq!(host.tools().await, tools);
    let answer = host.call("echo", json!({"text": "hi"})).await;
    assert_eq!(answer.json(), json!({"result": "Echo: hi"}));
    let answer = host.call("test_shapes_values_0_1_0_negate", json!({"n": 4}));
    assert_eq!(answer.await.json(), json!({"result": -4}));
}
