//! What Sandglass costs beside the bare libraries that it is made of: one table,
//! each row with the bar that it has to meet.
//!
//! - [`questions`]: what is measured, one file each.
//! - [`native`]: what it is measured against.
//! - [`rounds`]: how: in turns, with medians. [`cpu`]: whose time.
//! - [`http`]: the client that makes load. [`process`], [`server`]: programs that run beside this one.
//! - [`memory`]: of a process. [`parts`]: what must have been built. [`machine`], [`report`]: what is printed.

mod cpu;
mod http;
mod machine;
mod memory;
mod native;
mod parts;
mod process;
mod questions;
mod report;
mod rounds;
mod server;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::machine::Machine;
use crate::questions::{Bench, Question, components};
use crate::report::Report;
use crate::rounds::Effort;

/// Measure Sandglass against bare wasmtime, axum and rmcp
///
/// A measure is met or missed by its ratio: times depend on the machine, and on what else runs there.
/// The exit code is 0 whether bars are met or not, and 1 if something could not be measured.
#[derive(Parser)]
#[command(
    name = "sandglass-bench",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// Answer this question only; can be given more than once
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Question>,
    /// Few and short rounds: to see that everything runs, not to compare
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is where it runs as another process of its own.
#[derive(Subcommand)]
enum Role {
    /// A server with a native handler for REST calls
    #[command(hide = true)]
    NativeRest,
    /// A server with a native MCP tool over streamable HTTP
    #[command(hide = true)]
    NativeMcp,
    /// A server with a native MCP tool over stdio
    #[command(hide = true)]
    NativeStdio,
    /// Many loaded components, called as stdin says
    #[command(hide = true)]
    Components(components::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.role {
        None => measure(&cli),
        Some(Role::NativeRest) => native::rest::run().map(|()| true),
        Some(Role::NativeMcp) => native::mcp::run().map(|()| true),
        Some(Role::NativeStdio) => native::mcp::run_stdio().map(|()| true),
        Some(Role::Components(arguments)) => components::run(arguments).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sandglass-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers the questions; false where one has no answer.
fn measure(cli: &Cli) -> Result<bool> {
    if cfg!(debug_assertions) {
        eprintln!("sandglass-bench: not a release build: these numbers mean nothing");
    }
    let effort = if cli.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let bench = Bench::new(effort)?;
    let mut report = Report::new(Machine::look());
    for question in Question::chosen(&cli.only) {
        eprintln!("measuring: {}", question.name());
        match question.answer(&bench) {
            Ok(rows) => report.answered(question.name(), rows),
            Err(error) => report.failed(question.name(), &error),
        }
    }
    if cli.json {
        println!("{:#}", report.to_json());
    } else {
        println!("{report}");
    }
    Ok(report.is_complete())
}
