//! `cargo xtask`: builds the tools, runs the server, the tests and the benches, and checks what CI checks.
//!
//! It writes to stderr only, so that `cargo xtask serve -- --stdio` speaks clean MCP on stdout.

mod apt;
mod bench;
mod ci;
mod clients;
mod command;
mod debian;
mod environment;
mod foreign;
mod interpreters;
mod kubernetes;
mod once;
mod packages;
mod project;
mod serve;
mod servers;
mod test;
mod toolchain;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Builds, runs and checks Sandglass.

Usage: cargo xtask <COMMAND>

Commands:
  serve [-- ARGS]    Build the first-party tools and the host, then serve them on http://127.0.0.1:8000
  tools [--guests]   Build the first-party tools into target/tools, and the interpreters; with --guests also those that the tests use into target/guests and target/conformance
  test [-- ARGS]     Build everything and run all tests; ARGS go to `cargo test`
  conformance        Run MCP's conformance suite against the host, with its fixtures in the sandbox, and show each scenario
  bench [-- ARGS]    Build everything for release and run the benches; ARGS go to them
  ci                 Formatting, lints, licences, Dockerfile, then all tests: what .ci/run does

Examples:
  cargo xtask serve
  cargo xtask serve -- --port 9000 --config sandglass.yaml
  cargo xtask serve -- --stdio
  cargo xtask tools --guests
  cargo xtask test
  cargo xtask test -- --package sandglass-tests --test rest
  cargo xtask test -- --package sandglass fuel -- --nocapture

Environment:
  SANDGLASS_WASM_TOOLCHAIN=rustup|debian
      What compiles to WebAssembly. By default rustup's wasm32-wasip2 target, and Debian's compiler, unpacked into
      target/toolchain without touching the system, where rustup's server cannot be reached.
";

fn main() -> ExitCode {
    match dispatch(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Finds the command and hands it the rest of the line.
fn dispatch(mut arguments: Vec<OsString>) -> Result<()> {
    let own = arguments.iter().take_while(|argument| *argument != "--");
    if arguments.is_empty()
        || own
            .clone()
            .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{HELP}");
        return Ok(());
    }
    let command = arguments.remove(0);
    match command.to_str() {
        Some("serve") => serve::run(&passed_on(arguments)),
        Some("tools") => match arguments.as_slice() {
            [] => tools::build(&[tools::FIRST_PARTY]),
            [flag] if flag == "--guests" => {
                tools::build(&[tools::FIRST_PARTY, tools::GUESTS, tools::CONFORMANCE])
            }
            _ => bail!("`cargo xtask tools` takes only --guests"),
        },
        Some("test") => test::run(&passed_on(arguments)),
        Some("conformance") if arguments.is_empty() => test::run(&[
            "--test".into(),
            "mcp_conformance".into(),
            "--".into(),
            "--nocapture".into(),
        ]),
        Some("conformance") => bail!("`cargo xtask conformance` takes no arguments"),
        Some("bench") => bench::run(&passed_on(arguments)),
        Some("ci") if arguments.is_empty() => ci::run(),
        Some("ci") => bail!("`cargo xtask ci` takes no arguments"),
        _ => bail!("there is no command {command:?}; `cargo xtask --help` lists them"),
    }
}

/// What follows the command, without the `--` that may stand before it.
fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}
