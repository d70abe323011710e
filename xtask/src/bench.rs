//! `cargo xtask bench`: builds for release and becomes the benches.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::clients::Clients;
use crate::command::{become_program, cargo, run as run_command, step};
use crate::environment::variables;
use crate::{project, tools};

/// Runs the benches; the arguments go to them.
pub fn run(arguments: &[OsString]) -> Result<()> {
    tools::build(&[tools::FIRST_PARTY, tools::GUESTS])?;
    let clients = Clients::set_up()?;
    step("building sandglass and the benches for release (the first time takes many minutes)");
    run_command(cargo("build").args([
        "--release",
        "--package",
        "sandglass",
        "--package",
        "sandglass-bench",
    ]))?;
    let mut benches = Command::new(project::target("release/sandglass-bench"));
    benches
        .args(arguments)
        .envs(variables(&project::target("release/sandglass"), clients));
    Err(become_program(&mut benches))
}
