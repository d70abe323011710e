//! Programs that build.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::project::BuildError;

/// A program, run in a project's folder. What it prints to stderr is for the author to see; its stdout comes back.
pub async fn run(
    program: &str,
    arguments: &[&str],
    folder: &Path,
    install: &'static str,
) -> Result<Vec<u8>, BuildError> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BuildError::Missing {
                what: format!("`{program}` is not installed, or not on the PATH"),
                install,
            },
            _ => BuildError::Io(format!("`{program}` cannot be run"), error),
        })?
        .wait_with_output()
        .await
        .map_err(|error| BuildError::Io(format!("`{program}` cannot be run"), error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(BuildError::Failed {
        command: format!("{program} {}", arguments.join(" ")),
        status: output.status,
    })
}
