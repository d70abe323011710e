//! What it costs that an agent (KAOS') opens a session for each call: beside a bare call, that has none.

use anyhow::Result;
use serde_json::{Value, json};

use super::Bench;
use super::mcp::PATH;
use crate::http::{self, Connection, load};
use crate::report::{Bar, Quantity, Row};
use crate::rounds::take_turns;
use crate::server::Server;

const BAR: Bar = Bar::at_most(4.0, 2.5);

/// The newest revision with sessions.
pub const REVISION: &str = "2025-11-25";

const ACCEPT: &str = "accept: application/json, text/event-stream\r\n";

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let server = Server::sandglass(&bench.parts)?;
    let bare_call = http::post(PATH, ACCEPT, &super::tools_call(1, None));
    let initialize = initialize();
    let bare = async |connection: &mut Connection| {
        connection
            .exchange(&bare_call)
            .await?
            .expect(200, super::REPLY)
    };
    let session = async |connection: &mut Connection| {
        let answer = connection.exchange(&initialize).await?;
        answer.expect(200, REVISION)?;
        let id = answer.session()?;
        one_call(connection, &id).await
    };
    let window = bench.effort.window;
    let [session, bare] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| load(&server, window, session)),
            Box::new(|| load(&server, window, bare)),
        ],
    )?;
    Ok(vec![
        Row::compare(
            "session for one call / bare call, server CPU",
            &session,
            &bare,
            Quantity::CPU,
        )
        .with_bar(BAR),
        Row::compare(
            "session for one call, throughput",
            &session,
            &bare,
            Quantity::THROUGHPUT,
        ),
        Row::compare("session for one call, p50", &session, &bare, Quantity::P50),
        Row::compare("session for one call, p99", &session, &bare, Quantity::P99),
    ])
}

/// Opens a session.
pub fn initialize() -> Vec<u8> {
    http::post(
        PATH,
        ACCEPT,
        &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": {"name": "sandglass-bench", "version": "0"},
        }}),
    )
}

/// The headers of a request in the session of this id.
pub fn headers(id: &str) -> String {
    format!("mcp-session-id: {id}\r\nmcp-protocol-version: {REVISION}\r\n")
}

/// The rest of a session after its `initialize`.
async fn one_call(connection: &mut Connection, id: &str) -> Result<()> {
    let headers = headers(id);
    let post = |body: &Value| http::post(PATH, &format!("{ACCEPT}{headers}"), body);
    let initialized = post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    connection.exchange(&initialized).await?.expect(202, "")?;
    let call = post(&super::tools_call(1, None));
    connection
        .exchange(&call)
        .await?
        .expect(200, super::REPLY)?;
    let end = format!("DELETE {PATH} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    connection.exchange(end.as_bytes()).await?.expect(200, "")
}
