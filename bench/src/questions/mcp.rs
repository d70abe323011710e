//! What an MCP call of revision 2026-07-28, which needs no session, costs beside a native rmcp tool, and beside the same
//! tool as a function of Python in FastMCP.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Bench;
use crate::http::{self, load};
use crate::report::{Bar, Quantity, Row};
use crate::rounds::take_turns;
use crate::server::Server;

/// Where calls go.
pub const PATH: &str = "/mcp";

const BAR: Bar = Bar::at_least(0.6, 0.85);
const FASTMCP_BAR: Bar = Bar::at_least(30.0, 50.0);

/// The tool in Python.
const PYTHON: &str = "def echo(text: str) -> str:\n    \"\"\"Echo the input text.\"\"\"\n    return f\"Echo: {text}\"\n";

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let request = request("echo", &json!({"text": super::TEXT}));
    let call = async |connection: &mut http::Connection| {
        connection
            .exchange(&request)
            .await?
            .expect(200, &json!({"result": super::REPLY}).to_string())
    };
    let ours = Server::sandglass(&bench.parts)?;
    let native = Server::native(&bench.parts, "native-mcp")?;
    let folder = TempDir::with_prefix("sandglass-bench-")?;
    let file = folder.path().join("echo.py");
    fs::write(&file, PYTHON)?;
    let fastmcp = Server::fastmcp(&file)?;
    let window = bench.effort.window;
    let [ours, native, fastmcp] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| load(&ours, window, call)),
            Box::new(|| load(&native, window, call)),
            Box::new(|| load(&fastmcp, window, call)),
        ],
    )?;
    Ok(vec![
        Row::compare(
            "MCP call / rmcp tool, throughput",
            &ours,
            &native,
            Quantity::THROUGHPUT,
        )
        .with_bar(BAR),
        Row::compare(
            "MCP call / the same tool in FastMCP, throughput",
            &ours,
            &fastmcp,
            Quantity::THROUGHPUT,
        )
        .with_bar(FASTMCP_BAR),
        Row::compare("MCP call, server CPU", &ours, &native, Quantity::CPU),
        Row::compare("MCP call, p50", &ours, &native, Quantity::P50),
        Row::compare("MCP call, p99", &ours, &native, Quantity::P99),
    ])
}

/// A `tools/call`.
pub fn request(tool: &str, arguments: &Value) -> Vec<u8> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool,
        "arguments": arguments,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "sandglass-bench", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let headers = format!(
        "accept: application/json, text/event-stream\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n"
    );
    http::post(PATH, &headers, &call)
}
