//! A program that runs beside this one, for as long as it is needed here.

use std::io::BufReader;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cpu;
use crate::memory::Memory;

/// A running program; it ends when this is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// Starts it with pipes to its stdin and from its stdout.
    pub fn start_piped(
        command: &mut Command,
    ) -> Result<(Self, ChildStdin, BufReader<ChildStdout>)> {
        let mut process = Self::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdin = process.0.stdin.take().expect("stdin is piped");
        let stdout = process.0.stdout.take().expect("stdout is piped");
        Ok((process, stdin, BufReader::new(stdout)))
    }

    /// Its stderr, where that is piped.
    pub fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.0.stderr.take()
    }

    /// The memory that it has.
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.0.id())
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu::of(self.0.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
