//! A server on a free port of the loopback interface, in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::memory::Memory;
use crate::parts::Parts;
use crate::process::Process;

/// What a server writes to stderr before its address once it is ready.
pub const READY: &str = "listening on http://";

/// Where it listens: a free port.
const LOOPBACK: [&str; 4] = ["--host", "127.0.0.1", "--port", "0"];

/// How long it may be silent before it is ready: starting compiles the tool.
const START: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its compiled components, kept for as long as it runs.
    cache: Option<TempDir>,
}

/// `sandglass serve` with the `echo` tool and these further arguments, and where it keeps compiled components.
pub fn sandglass(parts: &Parts, arguments: &[&str]) -> Result<(Command, TempDir)> {
    sandglass_with(parts, json!({"tools": [parts.echo]}), arguments)
}

fn sandglass_with(
    parts: &Parts,
    manifest: Value,
    arguments: &[&str],
) -> Result<(Command, TempDir)> {
    let cache = TempDir::with_prefix("sandglass-bench-")?;
    let command = serve(parts, manifest, cache.path(), arguments);
    Ok((command, cache))
}

fn serve(parts: &Parts, mut manifest: Value, cache: &Path, arguments: &[&str]) -> Command {
    manifest["version"] = 1.into();
    manifest["engine"] = json!({"cache_dir": cache});
    let mut command = Command::new(&parts.sandglass);
    command
        .arg("serve")
        .args(arguments)
        .env_clear()
        .env("MCP_PARAMS", manifest.to_string());
    command
}

impl Server {
    /// Starts `sandglass serve` with the `echo` tool.
    pub fn sandglass(parts: &Parts) -> Result<Self> {
        Self::with_manifest(parts, json!({"tools": [parts.echo]}))
    }

    /// Starts `sandglass serve` with these tools.
    pub fn with_manifest(parts: &Parts, manifest: Value) -> Result<Self> {
        let (mut command, cache) = sandglass_with(parts, manifest, &LOOPBACK)?;
        let mut server = Self::start(&mut command)?;
        server.cache = Some(cache);
        Ok(server)
    }

    /// The same with compiled components that there are.
    pub fn with_cache(parts: &Parts, manifest: Value, cache: &Path) -> Result<Self> {
        Self::start(&mut serve(parts, manifest, cache, &LOOPBACK))
    }

    /// Starts FastMCP with the functions of a Python source.
    pub fn fastmcp(source: &Path) -> Result<Self> {
        let python = std::env::var_os("SANDGLASS_FASTMCP").context(
            "SANDGLASS_FASTMCP is not set: run `cargo xtask bench`, which installs FastMCP",
        )?;
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/fastmcp_server.py");
        Self::start(Command::new(python).arg(script).arg(source))
    }

    /// Starts this program as a native server.
    pub fn native(parts: &Parts, role: &str) -> Result<Self> {
        Self::start(Command::new(&parts.bench).arg(role))
    }

    fn start(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(command)?;
        let stderr = process.stderr().expect("stderr is piped");
        let (lines, said) = mpsc::channel();
        // Read to its end: a server whose pipe is full would wait.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                _ = lines.send(line);
            }
        });
        let mut words = String::new();
        let why = loop {
            match said.recv_timeout(START) {
                Ok(line) => {
                    if let Some((_, address)) = line.split_once(READY) {
                        return Ok(Self {
                            process,
                            address: address.trim().parse()?,
                            cache: None,
                        });
                    }
                    words.push_str(&line);
                    words.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => break "did not get ready",
                Err(RecvTimeoutError::Disconnected) => break "ended at once",
            }
        };
        bail!(
            "{} {why}; it said: {}",
            command.get_program().display(),
            words.trim_end()
        );
    }

    /// The memory that it has.
    pub fn memory(&self) -> Result<Memory> {
        self.process.memory()
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }
}
