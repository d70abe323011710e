//! Components that other toolchains make, for the end-to-end tests: componentize-py and componentize-js.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, step};
use crate::{clients, project};

/// Builds those whose sources or toolchains changed into `target/foreign`. Each takes half a minute.
pub fn build() -> Result<()> {
    build_once(
        "words",
        "python",
        "requirements-componentize-py.txt",
        || {
            let mut command = clients::componentize_py()?;
            command.args(["--wit-path", "wit", "--world", "words"]);
            command.args(["componentize", "app", "--output"]);
            Ok(command)
        },
    )?;
    build_once(
        "shop",
        "javascript",
        "componentize-js/package-lock.json",
        || {
            let mut command = clients::componentize_js()?;
            command.args(["shop.js", "--wit", "wit/shop.wit", "--world-name", "shop"]);
            // What the component does not import cannot be missing.
            for feature in ["stdio", "random", "clocks", "http", "fetch-event"] {
                command.args(["--disable", feature]);
            }
            command.arg("--out");
            Ok(command)
        },
    )
}

/// Runs the command, whose last argument is still to be the component's path, unless the component was made of the
/// same sources (a folder of `tests/foreign`) and the same toolchain (a lock file of `tests/clients`).
fn build_once(
    name: &str,
    sources: &str,
    lock: &str,
    command: impl FnOnce() -> Result<Command>,
) -> Result<()> {
    let sources = project::root().join("tests/foreign").join(sources);
    let folder = project::target("foreign");
    let stamp = folder.join(name).with_extension("sources");
    let mut wanted = read(&project::root().join("tests/clients").join(lock))?;
    for folder in [sources.clone(), sources.join("wit")] {
        let mut files = fs::read_dir(&folder)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .with_context(|| format!("cannot read {}", folder.display()))?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            wanted.extend(read(file)?);
        }
    }
    if fs::read(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(());
    }
    let mut command = command()?;
    step(format_args!("building {name} from {}", sources.display()));
    fs::create_dir_all(&folder)?;
    command.arg(folder.join(name).with_extension("wasm"));
    run(command.current_dir(&sources))?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
