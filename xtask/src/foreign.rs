//! Components that other toolchains make, for the end-to-end tests: componentize-py and componentize-js; and the
//! examples of the SDKs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::run;
use crate::toolchain::Toolchain;
use crate::{clients, once, project};

/// Builds those whose sources or toolchains changed into `target/foreign`. Each takes half a minute.
pub fn build() -> Result<()> {
    others()?;
    for (example, component) in [("whole", "rust_sdk"), ("notes", "notes_rust")] {
        rust_sdk(example, component)?;
    }
    let notes = project::root().join("tests/foreign/sdk");
    let example = project::root().join("guest-sdk/javascript/example");
    javascript_sdk(&example, "tools.ts", "javascript_sdk")?;
    javascript_sdk(&notes, "everything.ts", "notes_javascript")?;
    python_sdk(&notes, "everything", "notes_python")
}

/// Components that know nothing of Sandglass.
fn others() -> Result<()> {
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
    let shop = [sdk.join("package-lock.json"), javascript.clone()];
    once::build(&built("shop"), &shop, || {
        let mut command = clients::javascript_sdk()?;
        command.arg(sdk.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"));
        command.args(["shop.js", "--wit", "wit/shop.wit", "--world-name", "shop"]);
        // What the component does not import cannot be missing.
        for feature in ["stdio", "random", "clocks", "http", "fetch-event"] {
            command.args(["--disable", feature]);
        }
        command.arg("--out").current_dir(&javascript);
        Ok(command)
    })
}

/// An example of the Rust SDK.
fn rust_sdk(example: &str, component: &str) -> Result<()> {
    let root = project::root();
    let rust = root.join("guest-sdk");
    let sources = ["Cargo.toml", "src", "macros", "examples"].map(|part| rust.join(part));
    let inputs = [&[root.join("Cargo.lock"), root.join("wit")][..], &sources].concat();
    once::build(&built(component), &inputs, || {
        let toolchain = Toolchain::set_up()?;
        let mut cargo = toolchain.cargo_build();
        cargo.env("CARGO_PROFILE_RELEASE_STRIP", "true");
        cargo.args(["--locked", "--package", "sandglass-sdk"]);
        cargo.args(["--example", example, "--manifest-path"]);
        run(cargo.arg(root.join("Cargo.toml")))?;
        let mut copy = Command::new("cp");
        let examples = toolchain.release_dir().join("examples");
        copy.arg(examples.join(example).with_extension("wasm"));
        Ok(copy)
    })
}

/// A module that uses the JavaScript SDK.
fn javascript_sdk(folder: &Path, module: &str, component: &str) -> Result<()> {
    let sdk = project::root().join("guest-sdk/javascript");
    let inputs = ["package-lock.json", "bin", "build", "src"].map(|part| sdk.join(part));
    let more = [project::root().join("wit"), folder.to_owned()];
    once::build(&built(component), &[&inputs[..], &more].concat(), || {
        let mut command = clients::javascript_sdk()?;
        command.arg("bin/sandglass-build.js");
        command.arg(folder.join(module)).arg("--output");
        Ok(command)
    })
}

/// A module that uses the Python SDK.
fn python_sdk(folder: &Path, module: &str, component: &str) -> Result<()> {
    let sdk = project::root().join("guest-sdk/python");
    let inputs = [
        clients::lock(clients::COMPONENTIZE_PY_LOCK),
        project::root().join("wit"),
        sdk.join("wit"),
        sdk.join("sandglass"),
        folder.to_owned(),
    ];
    once::build(&built(component), &inputs, || {
        let mut command = clients::python_sdk("provider", module)?;
        command.arg("--output").current_dir(folder);
        Ok(command)
    })
}

fn built(name: &str) -> PathBuf {
    project::target("foreign").join(name).with_extension("wasm")
}
