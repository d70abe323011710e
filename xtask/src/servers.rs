//! Real servers that tests speak to: the system's, or Debian's, unpacked below `target`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{step, works};
use crate::{apt, project};

/// Redis, for the tests of key-value stores.
pub fn redis() -> Result<PathBuf> {
    server("redis-server")
}

/// A registry of OCI artifacts, for the tests of sources.
pub fn docker_registry() -> Result<PathBuf> {
    server("docker-registry")
}

/// A program, and the package of that name.
fn server(name: &str) -> Result<PathBuf> {
    let installed = Path::new(name);
    if works(Command::new(installed).arg("--version")) {
        return Ok(installed.to_path_buf());
    }
    let folder = project::target(name);
    let server = folder.join(name);
    // Written last, so that a set-up that was broken off is not taken for a whole one.
    if !server.is_file() {
        step(format_args!("fetching Debian's {name} into target/{name}"));
        apt::unpack(&folder, &[name], &[])
            .with_context(|| format!("the tests need a {name}: install one"))?;
        apt::write_wrapper(&server, &folder, name)?;
    }
    Ok(server)
}
