//! What a call over stdio costs beside a native rmcp tool, with many calls in flight.

use std::io::{BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;

use super::Bench;
use crate::http::contains;
use crate::process::Process;
use crate::report::{Bar, Quantity, Row};
use crate::rounds::{Sample, take_turns};
use crate::server;

const BAR: Bar = Bar::at_least(0.5, 0.8);

/// Calls in flight. So many fit into a pipe: writing them never waits for the server.
const IN_FLIGHT: u64 = 64;

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (mut command, _cache) = server::sandglass(&bench.parts, &["--stdio"])?;
    let mut ours = Client::start(command.env("LOG_LEVEL", "WARNING"))?;
    let mut native = Client::start(Command::new(&bench.parts.bench).arg("native-stdio"))?;
    let window = bench.effort.window;
    let [ours, native] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| ours.load(window)),
            Box::new(|| native.load(window)),
        ],
    )?;
    Ok(vec![
        Row::compare(
            "stdio call / rmcp tool, throughput",
            &ours,
            &native,
            Quantity::THROUGHPUT,
        )
        .with_bar(BAR),
        Row::compare("stdio call, server CPU", &ours, &native, Quantity::CPU),
    ])
}

/// A client, and its server.
struct Client {
    server: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What was read after the last whole line.
    rest: Vec<u8>,
    next_id: u64,
}

impl Client {
    fn start(command: &mut Command) -> Result<Self> {
        let (server, stdin, stdout) = Process::start_piped(command)?;
        let mut client = Self {
            server,
            stdin,
            stdout,
            rest: Vec::new(),
            next_id: 1,
        };
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "sandglass-bench", "version": "0"},
        }});
        writeln!(client.stdin, "{initialize}")?;
        while client.answers("protocolVersion")? == 0 {}
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        writeln!(client.stdin, "{initialized}")?;
        Ok(client)
    }

    /// Keeps calls in flight for a while, then waits for the last of them.
    fn load(&mut self, window: Duration) -> Result<Sample> {
        let (cpu, started) = (self.server.cpu()?, Instant::now());
        let (mut in_flight, mut calls) = (IN_FLIGHT, 0);
        self.call(IN_FLIGHT)?;
        while in_flight > 0 {
            let answered = self.answers(super::REPLY)?;
            calls += answered;
            if started.elapsed() < window {
                self.call(answered)?;
            } else {
                in_flight -= answered;
            }
        }
        Ok(Sample {
            calls,
            cpu: self.server.cpu()? - cpu,
            wall: started.elapsed(),
            latencies: Vec::new(),
        })
    }

    fn call(&mut self, count: u64) -> Result<()> {
        let mut lines = Vec::new();
        for _ in 0..count {
            writeln!(lines, "{}", super::tools_call(self.next_id, None))?;
            self.next_id += 1;
        }
        Ok(self.stdin.write_all(&lines)?)
    }

    /// Reads what is there; the number of answers, which all must have this text.
    fn answers(&mut self, text: &str) -> Result<u64> {
        let mut buffer = [0; 64 << 10];
        let count = self.stdout.read(&mut buffer)?;
        ensure!(count > 0, "the server closed its stdout");
        let mut answered = 0;
        for part in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                break;
            }
            if !contains(&self.rest, text.as_bytes()) {
                bail!(
                    "expected `{text}`, got {}",
                    String::from_utf8_lossy(&self.rest)
                );
            }
            self.rest.clear();
            answered += 1;
        }
        Ok(answered)
    }
}
