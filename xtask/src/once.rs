//! Components that other programs than cargo make: built again only where what they are made of has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, step};

/// Makes a file by the command, whose last argument is still to be the file's path, unless it was made of the same
/// inputs: files, and folders with all that is in them.
pub fn build(
    output: &Path,
    inputs: &[PathBuf],
    command: impl FnOnce() -> Result<Command>,
) -> Result<()> {
    let mut wanted = Vec::new();
    for input in inputs {
        read(input, &mut wanted)?;
    }
    let stamp = output.with_extension("inputs");
    if output.exists() && fs::read(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(());
    }
    let mut command = command()?;
    step(format_args!("building {}", output.display()));
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    // In one move: a server may be reading it.
    let unfinished = output.with_extension("unfinished");
    run(command.arg(&unfinished))?;
    fs::rename(unfinished, output)?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Adds the names and contents of what is there.
fn read(path: &Path, wanted: &mut Vec<u8>) -> Result<()> {
    let failed = || format!("cannot read {}", path.display());
    wanted.extend(path.as_os_str().as_encoded_bytes());
    if !path.is_dir() {
        wanted.extend(fs::read(path).with_context(failed)?);
        return Ok(());
    }
    let mut entries = fs::read_dir(path)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(failed)?;
    entries.sort();
    // Python leaves it there when the sources are run.
    for entry in entries
        .iter()
        .filter(|entry| !entry.ends_with("__pycache__"))
    {
        read(entry, wanted)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    #[test]
    fn a_file_is_made_again_only_when_an_input_changed() -> Result<()> {
        let folder = project::target("xtask-tests/once");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let inputs = folder.join("inputs");
        fs::create_dir_all(inputs.join("below"))?;
        fs::write(inputs.join("below/a"), "1")?;
        let output = folder.join("made");
        let make = || {
            let mut made = false;
            build(&output, std::slice::from_ref(&inputs), || {
                made = true;
                Ok(Command::new("touch"))
            })
            .map(|()| made)
        };
        assert!(make()?);
        assert!(!make()?);
        fs::write(inputs.join("below/a"), "2")?;
        assert!(make()?);
        fs::remove_file(&output)?;
        assert!(make()?);
        Ok(())
    }
}
