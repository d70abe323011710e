//! What a tenant notices of another one that takes all the places it has: to spin, or to have the host work for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Bench;
use crate::http::{self, Connection, load_over};
use crate::parts::Parts;
use crate::report::{Bar, Quantity, Row};
use crate::rounds::{Series, Subject, take_turns};
use crate::server::Server;

const BAR: Bar = Bar::at_most(2.0, 1.3);

/// Calls at once of the tenant that is not quiet: more than it has places.
const AT_ONCE: usize = 48;

/// From the first of them until all places are taken.
const WARM_UP: Duration = Duration::from_millis(300);

/// Bytes that the host gets or gives in one call of its own.
const LARGE: usize = 64 << 10;

/// Bytes of a string that is checked against a schema.
const CHECKED: usize = 1 << 20;

/// Values of a large body.
const VALUES: usize = 400_000;

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let Parts {
        echo,
        hostile,
        flood,
        schema_cost,
        ..
    } = &bench.parts;
    let changing = tempfile::tempdir()?;
    let component = std::fs::read(echo)?;
    std::fs::write(changing.path().join("tool.wasm"), &component)?;
    let server = Server::with_manifest(
        &bench.parts,
        json!({
            "tools": [echo],
            "tenants": {
                "loud": {"tools": [hostile, flood, schema_cost]},
                "changing": {"tools": [changing.path()]},
            },
        }),
    )?;
    let request = http::post(
        super::rest::PATH,
        "accept: application/json\r\n",
        &json!({"tool": "echo", "arguments": {"text": super::TEXT}}),
    );
    let quiet = || {
        load_over(
            1,
            &server,
            bench.effort.window,
            async |connection: &mut Connection| {
                connection
                    .exchange(&request)
                    .await?
                    .expect(200, super::REPLY)
            },
        )
    };
    let beside = |tool: &str, arguments: Value| -> Subject<'_> {
        let request: Arc<[u8]> = http::post(
            "/t/loud/mcp/tools",
            "",
            &json!({"tool": tool, "arguments": arguments}),
        )
        .into();
        Box::new(move || {
            let _neighbour = Neighbour::start(server.address, Arc::clone(&request));
            thread::sleep(WARM_UP);
            quiet()
        })
    };
    let listing = |path: &'static str| -> Subject<'_> {
        let request: Arc<[u8]> = http::get(path).into();
        Box::new(move || {
            let _neighbour = Neighbour::start(server.address, Arc::clone(&request));
            thread::sleep(WARM_UP);
            quiet()
        })
    };
    let compiling: Subject<'_> = Box::new(|| {
        let _neighbour = Neighbour::compiling(changing.path().to_owned(), component.clone());
        thread::sleep(WARM_UP);
        quiet()
    });
    let [
        spinning,
        host_calls,
        schemas,
        logs,
        bodies,
        lists,
        compiles,
        alone,
    ] = take_turns(
        bench.effort.rounds,
        [
            beside("spin_forever", json!({})),
            beside(
                "flood",
                json!({"function": "wasi:random/random#get-random-bytes", "size": LARGE}),
            ),
            beside("check", json!({"text": "x".repeat(CHECKED)})),
            beside(
                "flood",
                json!({"function": "sandglass:tool/host#log", "size": LARGE}),
            ),
            beside("check", json!({"text": vec![0; VALUES]})),
            listing("/t/loud/openapi.json"),
            compiling,
            Box::new(quiet),
        ],
    )?;
    let p99 = |what: &'static str, beside: &Series| {
        Row::compare(what, beside, &alone, Quantity::P99).with_bar(BAR)
    };
    Ok(vec![
        p99(
            "p99 of a quiet tenant beside a spinning one / alone",
            &spinning,
        ),
        Row::compare("the same, p50", &spinning, &alone, Quantity::P50),
        Row::compare(
            "the same, throughput",
            &spinning,
            &alone,
            Quantity::THROUGHPUT,
        ),
        p99(
            "p99 of a quiet tenant beside a flood of host calls / alone",
            &host_calls,
        ),
        p99(
            "p99 of a quiet tenant beside a flood of expensive schemas / alone",
            &schemas,
        ),
        p99("p99 of a quiet tenant beside a flood of log / alone", &logs),
        p99(
            "p99 of a quiet tenant beside a flood of large bodies / alone",
            &bodies,
        ),
        p99(
            "p99 of a quiet tenant beside a flood of lists / alone",
            &lists,
        ),
        p99(
            "p99 of a quiet tenant beside a flood of new components / alone",
            &compiles,
        ),
    ])
}

/// A tenant that sends the same call on many connections until this is dropped.
struct Neighbour {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbour {
    fn start(address: SocketAddr, request: Arc<[u8]>) -> Self {
        Self::working(async move {
            join_all((0..AT_ONCE).map(|_| call(address, &request))).await;
        })
    }

    /// One that puts another version of a component into its folder again and again, which is compiled.
    fn compiling(folder: PathBuf, component: Vec<u8>) -> Self {
        Self::working(async move {
            loop {
                // A version differs from others by a custom section, whose name is the time.
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let name = now.unwrap_or_default().as_nanos().to_string();
                let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
                let section = [&[0, length + 1, length], name.as_bytes()].concat();
                let new = folder.join("new");
                let written = std::fs::write(&new, [&component[..], &section].concat())
                    .and_then(|()| std::fs::rename(&new, folder.join("tool.wasm")));
                if written.is_err() {
                    return;
                }
                tokio::time::sleep(WARM_UP).await;
            }
        })
    }

    fn working(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let Ok(runtime) = super::runtime() else {
                return;
            };
            runtime.block_on(async {
                tokio::select! {
                    () = work => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Whatever the answer is, the next call follows: its limit ended this one, or there was no place for it.
async fn call(address: SocketAddr, request: &[u8]) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    loop {
        connection.exchange(request).await?;
    }
}
