//! What a REST call costs the server beside a native handler.

use anyhow::Result;
use serde_json::json;

use super::Bench;
use crate::http::{self, load};
use crate::report::{Bar, Quantity, Row};
use crate::rounds::take_turns;
use crate::server::Server;

/// Where calls go.
pub const PATH: &str = "/mcp/tools";

const BAR: Bar = Bar::at_most(3.2, 2.2);

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let request = http::post(
        PATH,
        "accept: application/json\r\n",
        &json!({"tool": "echo", "arguments": {"text": super::TEXT}}),
    );
    let call = async |connection: &mut http::Connection| {
        connection
            .exchange(&request)
            .await?
            .expect(200, &json!({"result": super::REPLY}).to_string())
    };
    let ours = Server::sandglass(&bench.parts)?;
    let native = Server::native(&bench.parts, "native-rest")?;
    let window = bench.effort.window;
    let [ours, native] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| load(&ours, window, call)),
            Box::new(|| load(&native, window, call)),
        ],
    )?;
    Ok(vec![
        Row::compare(
            "REST call / axum handler, server CPU",
            &ours,
            &native,
            Quantity::CPU,
        )
        .with_bar(BAR),
        Row::compare(
            "REST call, throughput",
            &ours,
            &native,
            Quantity::THROUGHPUT,
        ),
        Row::compare("REST call, p50", &ours, &native, Quantity::P50),
        Row::compare("REST call, p99", &ours, &native, Quantity::P99),
    ])
}
