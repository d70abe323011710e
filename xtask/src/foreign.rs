//! Components that other toolchains make, for the end-to-end tests: componentize-py and componentize-js.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{clients, once, project};

/// Builds those whose sources or toolchains changed into `target/foreign`. Each takes half a minute.
pub fn build() -> Result<()> {
    build_once("words", "python", clients::COMPONENTIZE_PY_LOCK, || {
        let mut command = clients::componentize_py()?;
        command.args(["--wit-path", "wit", "--world", "words"]);
        command.args(["componentize", "app", "--output"]);
        Ok(command)
    })?;
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

/// Of sources in a folder of `tests/foreign`, by a toolchain that a lock file of `tests/clients` names.
fn build_once(
    name: &str,
    sources: &str,
    lock: &str,
    command: impl FnOnce() -> Result<Command>,
) -> Result<()> {
    let sources = project::root().join("tests/foreign").join(sources);
    let output = project::target("foreign").join(name).with_extension("wasm");
    let inputs: [PathBuf; 2] = [clients::lock(lock), sources.clone()];
    once::build(&output, &inputs, || {
        let mut command = command()?;
        command.current_dir(&sources);
        Ok(command)
    })
}
