//! The command line: one file a subcommand.

mod build;
mod cache;
mod call;
mod check;
mod compile;
mod dev;
mod inspect;
mod local;
mod new;
mod print;
mod progress;
mod pull;
mod push;
mod reload;
mod schema;
mod seed;
mod serve;
mod sign;
mod stand_in;
mod test;
mod tools;
mod verify;

use std::fmt::Display;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use sandglass_manifest::ManifestError;
use sandglass_text::Line;

use crate::catalog::Snapshot;
use crate::config::ConfigError;
use crate::open_files;
use crate::telemetry::trace::Export;
use crate::telemetry::{self, LogLevel};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the tool failed, a project's build or test failed, a component could not be pulled, pushed, signed or compiled into the seed, or no host could be reached
  2  wrong usage, a manifest that is not valid, or a port that is taken
  3  no tool could be loaded (with --strict, and for reload: one could not be loaded), or an artifact is not signed";

/// A WebAssembly-sandboxed tool host for AI agents: MCP and REST.
#[derive(Parser)]
#[command(name = "sandglass", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve tools over MCP and REST
    Serve(serve::Serve),
    /// Make a project of a tool
    New(new::New),
    /// Build a project's component
    Build(build::Build),
    /// Make the calls of a project's tests.yaml
    Test(test::Test),
    /// Serve a project while it is written
    Dev(dev::Dev),
    /// Have a running host look at its sources again
    Reload(reload::Reload),
    /// Call one tool, without a server
    Call(call::Call),
    /// Show a component's tools and the capabilities that it would need, or what a manifest grants
    Inspect(inspect::Inspect),
    /// Check a manifest and print its resolved form
    Check(check::Check),
    /// Print the manifest's JSON Schema, for editors
    Schema,
    /// Fetch a component into a file
    Pull(pull::Pull),
    /// Push a component to a registry
    Push(push::Push),
    /// Sign an artifact in a registry
    Sign(sign::Sign),
    /// Check that an artifact in a registry is signed
    Verify(verify::Verify),
    /// Show or prune downloads and compiled components
    Cache(cache::Cache),
    /// Compile components into a read-only seed, for images
    Seed(seed::Seed),
    /// The compiler: a component on stdin, machine code on stdout
    #[command(name = crate::sandbox::compile::COMPILE_SUBCOMMAND, hide = true)]
    Compile,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NothingLoaded = 3,
}

/// An end that is no success, with the line that says why.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    exit: Exit,
    message: Line,
}

impl Failure {
    /// Bytes of a message: it may have the reasons of several components.
    const MAX: usize = 16 << 10;

    fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            exit,
            message: Line::within(Self::MAX, message),
        }
    }

    /// Components that were left out, and should not have been.
    fn left_out(snapshot: &Snapshot) -> Self {
        let reasons: Vec<String> = snapshot
            .failures()
            .map(|(source, reason)| format!("{}: {reason}", source.location))
            .collect();
        Self::new(
            Exit::NothingLoaded,
            format!(
                "{} of {} components could not be loaded: {}",
                reasons.len(),
                snapshot.sources().len(),
                reasons.join("; ")
            ),
        )
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        ConfigError::from(error).into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Another provider is in the dependencies too: rustls must be told which one counts.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    open_files::allow_many();
    let line = stand_in::command_line(std::env::args_os());
    let exit = match line.and_then(|line| run(Cli::parse_from(line).command)) {
        Ok(exit) => exit,
        Err(failure) => {
            eprintln!("sandglass: {failure}");
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn run(command: Command) -> Result<Exit, Failure> {
    // A server says what it does; a command says what went wrong.
    let default = match command {
        Command::Serve(_) | Command::Dev(_) => LogLevel::Info,
        _ => LogLevel::Warning,
    };
    let level = telemetry::level_from_environment(default)
        .map_err(|message| Failure::new(Exit::Usage, message))?;
    let command = match command {
        Command::Serve(serve) => return run_server(serve.run(), level, level),
        Command::Dev(dev) => return run_server(dev.run(), level, level.max(LogLevel::Debug)),
        command => command,
    };
    telemetry::start(level, level, None);
    match command {
        Command::Serve(_) | Command::Dev(_) => unreachable!("they are run above"),
        Command::New(new) => new.run(),
        Command::Build(build) => block_on(build.run()),
        Command::Test(test) => block_on(test.run()),
        Command::Call(call) => block_on(call.run()),
        Command::Inspect(inspect) => block_on(inspect.run()),
        Command::Pull(pull) => block_on(pull.run()),
        Command::Push(push) => block_on(push.run()),
        Command::Reload(reload) => block_on(reload.run()),
        Command::Sign(sign) => block_on(sign.run()),
        Command::Verify(verify) => block_on(verify.run()),
        Command::Cache(cache) => cache.run(),
        Command::Seed(seed) => block_on(seed.run()),
        Command::Check(check) => check.run(),
        Command::Schema => schema::run(),
        Command::Compile => Ok(compile::run()),
    }
}

/// A server alone sends traces: a command is over before anybody would look at them. `calls` is the level of what is
/// logged of each call.
fn run_server(
    serving: impl Future<Output = Result<Exit, Failure>>,
    level: LogLevel,
    calls: LogLevel,
) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let traces = {
        let _runtime = runtime.enter();
        Export::from_environment().map_err(|message| Failure::new(Exit::Usage, message))?
    };
    telemetry::start(level, calls, traces.as_ref());
    let result = runtime.block_on(serving);
    if let Some(traces) = traces {
        traces.finish();
    }
    runtime.shutdown_background();
    result
}

fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    // Blocking reads of stdin have no end of their own.
    runtime.shutdown_background();
    result
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A spinning guest is one task that yields every half millisecond: look at the
        // sockets after a few of its turns, not after the default 61.
        .event_interval(13)
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))
}
