//! Components that other toolchains make, for the end-to-end tests: componentize-py and componentize-js; and the
//! examples of the SDKs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::run;
use crate::toolchain::Toolchain;
use crate::{clients, once, project};

/// Builds those whose sources or toolchains changed into `target/foreign`. Each takes half a minute.
pub fn build() -> Result<()> {
    let root = project::root();
    let (python, javascript) = (
        root.join("tests/foreign/python"),
        root.join("tests/foreign/javascript"),
    );
    let sdk = root.join("guest-sdk/javascript");
    let words = [clients::lock(clients::COMPONENTIZE_PY_LOCK), python.clone()];
    once::build(&built("words"), &words, || {
        let mut command = clients::componentize_py()?;
        command.args(["--wit-path", "wit", "--world", "words"]);
        command.args(["componentize", "app", "--output"]);
        command.current_dir(&python);
        Ok(command)
    })?;
    let lock = sdk.join("package-lock.json");
    once::build(&built("shop"), &[lock.clone(), javascript.clone()], || {
        let mut command = clients::javascript_sdk()?;
        command.arg(sdk.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"));
        command.args(["shop.js", "--wit", "wit/shop.wit", "--world-name", "shop"]);
        // What the component does not import cannot be missing.
        for feature in ["stdio", "random", "clocks", "http", "fetch-event"] {
            command.args(["--disable", feature]);
        }
        command.arg("--out").current_dir(&javascript);
        Ok(command)
    })?;
    let example = ["bin", "build", "example", "src"].map(|folder| sdk.join(folder));
    let inputs = [&[lock, root.join("wit")][..], &example].concat();
    once::build(&built("javascript_sdk"), &inputs, || {
        let mut command = clients::javascript_sdk()?;
        command.args(["bin/sandglass-build.js", "example/tools.ts", "--output"]);
        Ok(command)
    })?;
    let rust = root.join("guest-sdk");
    let sources = ["Cargo.toml", "src", "macros", "examples"].map(|part| rust.join(part));
    let inputs = [&[root.join("Cargo.lock"), root.join("wit")][..], &sources].concat();
    once::build(&built("rust_sdk"), &inputs, || {
        let toolchain = Toolchain::set_up()?;
        let mut cargo = toolchain.cargo_build();
        cargo.env("CARGO_PROFILE_RELEASE_STRIP", "true");
        cargo.args(["--locked", "--package", "sandglass-sdk"]);
        cargo.args(["--example", "whole", "--manifest-path"]);
        run(cargo.arg(root.join("Cargo.toml")))?;
        let mut copy = Command::new("cp");
        copy.arg(toolchain.release_dir().join("examples/whole.wasm"));
        Ok(copy)
    })
}

fn built(name: &str) -> PathBuf {
    project::target("foreign").join(name).with_extension("wasm")
}
