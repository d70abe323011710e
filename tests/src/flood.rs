//! A host with the guest that floods it, beside another tenant who notices nothing.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::Duration;

use futures::future::{Either, select};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::mcp::next_id;
use crate::{Answer, Host, Launch, Server, eventually, guest, tool};

/// What the other tenant waits at most, and who asks after the host's health.
const PROMPT: Duration = Duration::from_secs(1);

/// Files in the folder that is read as a whole.
const NAMES: usize = 20_000;

/// A host whose tools `flood`, `functions` and `hold` have every grant, and the tenant `quiet` has `echo`.
#[derive(Debug)]
pub struct Flood {
    /// The host.
    pub host: Host,
    /// What its tools reach.
    _server: Server,
    folder: TempDir,
}

impl Flood {
    /// Starts it; a call has these limits.
    pub async fn start(limits: &Value) -> Self {
        Self::launch(limits, |launch| launch).await
    }

    /// The same with a host that is started in another way.
    pub async fn launch(limits: &Value, change: impl FnOnce(Launch) -> Launch) -> Self {
        let server = Server::start().await;
        let folder = granted();
        let audit = folder.path().join("audit.jsonl");
        let address = format!("127.0.0.1:{}", server.port());
        let manifest = json!({
            "version": 1,
            "defaults": { "limits": limits },
            "stores": { "store": {
                "kind": "embedded",
                "path": folder.path().join("store.redb"),
                "quota": "1GiB",
            } },
            "audit": { "to": "file", "path": audit },
            "tools": [{
                "source": guest("flood"),
                "allow": {
                    "env": { "SERVER": address, "LARGE": "x".repeat(60_000) },
                    "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }],
                    "files": [{
                        "host": folder.path().join("granted"),
                        "guest": "/granted",
                        "access": "read-write",
                    }],
                    "keyvalue": ["store"],
                },
            }],
            "tenants": { "quiet": { "tools": [tool("echo")] } },
        });
        Self {
            host: change(Launch::manifest(&manifest.to_string()))
                .start()
                .await,
            _server: server,
            folder,
        }
    }

    /// The functions that the guest knows, with the words after the name that tell its ways of calling one apart.
    pub async fn functions(&self) -> Vec<String> {
        let answer = self.host.call("functions", json!({})).await.json();
        let names = answer["result"].as_array().expect("it lists them");
        names
            .iter()
            .map(|name| name.as_str().expect("a name is a string").to_owned())
            .collect()
    }

    /// Takes away what calls before have left in the folder.
    pub fn tidy(&self) {
        for entry in fs::read_dir(self.folder.path().join("granted")).expect("it is ours") {
            let path = entry.expect("it is ours").path();
            if path.is_dir() && !path.ends_with("names") {
                fs::remove_dir(path).expect("it is empty");
            } else if !path.is_dir() && !path.ends_with("zeros") && !path.ends_with("link") {
                fs::remove_file(path).expect("it is ours");
            }
        }
    }

    /// Calls a function again and again until a limit ends it.
    pub async fn call(&self, function: &str) -> Flooded {
        // The trace finds its record in the audit.
        let trace = format!("{:032x}", next_id());
        let arguments = json!({ "function": function });
        let request = self.host.prepare("flood", &arguments);
        let request = request.header("traceparent", format!("00-{trace}-00000000000000a1-01"));
        let begin = Instant::now();
        let answer = Answer::read(request.send().await.expect("the host answers")).await;
        assert_eq!(answer.status, 500, "{function}: {answer:?}");
        Flooded {
            function: function.to_owned(),
            told: answer.error(),
            took: begin.elapsed(),
            trace,
        }
    }

    /// The fuel that a call has burnt.
    pub async fn fuel(&self, call: &Flooded) -> u64 {
        let file = self.folder.path().join("audit.jsonl");
        eventually("the call has a record", async || {
            let text = fs::read_to_string(&file).expect("the audit's file");
            let line = text.lines().find(|line| line.contains(&call.trace))?;
            serde_json::from_str::<Value>(line).ok()?["fuel"].as_u64()
        })
        .await
    }
}

/// A call that has flooded the host until it was ended.
#[derive(Debug)]
pub struct Flooded {
    /// What was called.
    pub function: String,
    /// The reason that it was given.
    pub told: String,
    /// How long it took.
    pub took: Duration,
    trace: String,
}

/// Asks after the host's health and calls the other tenant's tool, again and again, until this is done. Panics when an
/// answer is late.
pub async fn beside<T>(host: &Host, work: impl Future<Output = T>) -> T {
    let quiet = async {
        loop {
            let begin = Instant::now();
            host.assert_well().await;
            assert_prompt("/health", begin);
            let begin = Instant::now();
            let answer = echo(host).await;
            assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
            assert_prompt("another tenant's call", begin);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match select(std::pin::pin!(work), std::pin::pin!(quiet)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}

/// A component whose `list-tools` calls these functions of the host without end.
pub fn flooding_while_listing(beginning: &str) -> Vec<u8> {
    const PLACE: &[u8; 64] = b"- floods while listing: nothing is called, nothing is called - .";
    let mut component = fs::read(guest("flood")).expect("it is built");
    let places: Vec<usize> = (0..component.len() - PLACE.len())
        .filter(|at| component[*at..].starts_with(PLACE))
        .collect();
    let [place] = places[..] else {
        panic!("one place for a function's name: {places:?}");
    };
    let place = &mut component[place..place + PLACE.len()];
    place.fill(0);
    place[..beginning.len()].copy_from_slice(beginning.as_bytes());
    component
}

async fn echo(host: &Host) -> Answer {
    let body = json!({ "tool": "echo", "arguments": { "text": "hi" } });
    let request = host.request(Method::POST, "/t/quiet/mcp/tools");
    Answer::read(
        request
            .body(body.to_string())
            .send()
            .await
            .expect("the host answers"),
    )
    .await
}

fn assert_prompt(what: &str, begin: Instant) {
    let took = begin.elapsed();
    assert!(took < PROMPT, "{what} was answered after {took:?}");
}

/// A temporary folder with what the guest looks for below `granted`.
fn granted() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let granted = folder.path().join("granted");
    let names = granted.join("names");
    fs::create_dir_all(&names).expect("the folder is ours");
    for n in 0..NAMES {
        File::create(names.join(format!("a file of many, number {n}"))).expect("it is ours");
    }
    let zeros = File::create(granted.join("zeros")).expect("it is ours");
    zeros.set_len(1 << 30).expect("the file may have holes");
    symlink("zeros", granted.join("link")).expect("it is ours");
    folder
}
