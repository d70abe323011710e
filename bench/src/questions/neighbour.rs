//! What a tenant notices of another one that spins on all the places it has.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use serde_json::json;
use tokio::sync::oneshot;

use super::Bench;
use crate::http::{self, Connection, load_over};
use crate::report::{Bar, Quantity, Row};
use crate::rounds::take_turns;
use crate::server::Server;

const BAR: Bar = Bar::at_most(2.0, 1.3);

/// Calls at once of the tenant that spins: more than it has places.
const SPINNING: usize = 48;

/// From the first of them until all places are taken.
const WARM_UP: Duration = Duration::from_millis(300);

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::with_manifest(
        &bench.parts,
        json!({
            "tools": [bench.parts.echo],
            "tenants": {"spinner": {"tools": [bench.parts.hostile]}},
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
    let [beside, alone] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| {
                let _spinner = Spinner::start(server.address);
                thread::sleep(WARM_UP);
                quiet()
            }),
            Box::new(quiet),
        ],
    )?;
    Ok(vec![
        Row::compare(
            "p99 of a quiet tenant beside a spinning one / alone",
            &beside,
            &alone,
            Quantity::P99,
        )
        .with_bar(BAR),
        Row::compare("the same, p50", &beside, &alone, Quantity::P50),
        Row::compare(
            "the same, throughput",
            &beside,
            &alone,
            Quantity::THROUGHPUT,
        ),
    ])
}

/// A tenant that spins until this is dropped.
struct Spinner {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    fn start(address: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let Ok(runtime) = super::runtime() else {
                return;
            };
            runtime.block_on(async {
                tokio::select! {
                    _ = join_all((0..SPINNING).map(|_| spin(address))) => {}
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

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Whatever the answer is, the next call follows: its limit ended this one, or there was no place for it.
async fn spin(address: SocketAddr) -> Result<()> {
    let request = http::post(
        "/t/spinner/mcp/tools",
        "",
        &json!({"tool": "spin_forever", "arguments": {}}),
    );
    let mut connection = Connection::open(address).await?;
    loop {
        connection.exchange(&request).await?;
    }
}
