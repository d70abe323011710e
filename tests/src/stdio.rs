//! MCP over the host's stdin and stdout.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::log::Log;
use crate::mcp::{LEGACY_REVISIONS, initialize, next_id};
use crate::{Launch, PATIENCE};

/// A host that speaks MCP over pipes. Dropping it kills the process.
#[derive(Debug)]
pub struct Stdio {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    log: Log,
    _launch: Launch,
}

impl Stdio {
    /// Starts a host with a manifest on pipes.
    pub async fn start(manifest: &str) -> Self {
        let launch = Launch::command(&["serve", "--stdio"]);
        let file = launch.write("manifest.yaml", manifest);
        let launch = launch.arg("--config").arg(file);
        let mut child = launch
            .as_command()
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            stdin,
            stdout,
            log,
            _launch: launch,
        }
    }

    /// The same with the handshake done.
    pub async fn open(manifest: &str) -> Self {
        let mut stdio = Self::start(manifest).await;
        let answer = stdio
            .request("initialize", initialize(LEGACY_REVISIONS[3]))
            .await;
        assert_eq!(
            answer["result"]["protocolVersion"], LEGACY_REVISIONS[3],
            "{answer}"
        );
        stdio
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        stdio
    }

    /// Writes one message.
    pub async fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string()).await;
    }

    /// Writes one line, whatever it holds.
    pub async fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("the host reads");
        stdin.flush().await.expect("the host reads");
    }

    /// The next line of stdout, which must be one JSON-RPC message. None at its end.
    pub async fn receive(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
        let line = line
            .unwrap_or_else(|_| panic!("no line on stdout within {PATIENCE:?}:\n{}", self.log()));
        let line = line.expect("a pipe of ours")?;
        let message: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("stdout carries MCP only ({error}): {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "stdout carries MCP only: {line}");
        Some(message)
    }

    /// Sends a request and waits for its answer; notifications in between are skipped.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = next_id();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
        loop {
            let message = self
                .receive()
                .await
                .unwrap_or_else(|| panic!("stdout ended:\n{}", self.log()));
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool; its `CallToolResult`.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut answer = self
            .request(
                "tools/call",
                json!({ "name": tool, "arguments": arguments }),
            )
            .await;
        assert!(
            answer.get("error").is_none(),
            "an error instead of a result: {answer}"
        );
        answer["result"].take()
    }

    /// Closes stdin; what is left on stdout, and the exit code.
    pub async fn close(mut self) -> (Vec<Value>, Option<i32>) {
        self.stdin.take();
        let mut rest = Vec::new();
        while let Some(message) = self.receive().await {
            rest.push(message);
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the host ends with its stdin");
        (rest, status.expect("the child is ours").code())
    }

    /// What the host wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.text()
    }
}
