//! `cargo xtask serve`: builds what is needed and becomes the server.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{become_program, cargo, run as run_command, step};
use crate::{project, tools};

/// Serves the first-party tools; the arguments go to `sandglass serve`.
pub fn run(arguments: &[OsString]) -> Result<()> {
    tools::build(&[tools::FIRST_PARTY])?;
    let mut command = Command::new(build_host()?);
    command
        .args(["serve", "--tools-dir"])
        .arg(tools::FIRST_PARTY.collected())
        .args(arguments);
    Err(become_program(&mut command))
}

/// Builds `sandglass` for development; its path.
pub fn build_host() -> Result<PathBuf> {
    step("building sandglass (the first time takes minutes: wasmtime is large)");
    // As the tests have it: alone it has fewer features of its dependencies, and wasmtime would be built twice.
    run_command(cargo("build").args(["--workspace", "--bin", "sandglass"]))?;
    Ok(project::target("debug/sandglass"))
}
