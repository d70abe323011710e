//! The interpreters of source text, which come with Sandglass: where a `sandglass` of this target folder looks for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::command::step;
use crate::{clients, once, project};

/// The folder for the built interpreters.
pub fn collected() -> PathBuf {
    project::target("share/sandglass/interpreters")
}

/// Has a host compile them where the tests' hosts keep machine code, before the time of any test counts.
pub fn warm(host: &Path) -> Result<()> {
    step("compiling the interpreters (seconds, the first time)");
    let mut command = Command::new(host);
    command
        .arg("inspect")
        .arg(project::root().join("tests/fixtures/python/types.py"));
    command
        .env("HOME", project::target("e2e-home"))
        .env_remove("XDG_CACHE_HOME");
    if !command.stdout(Stdio::null()).status()?.success() {
        bail!("{} cannot load the interpreters: see above", host.display());
    }
    Ok(())
}

/// Builds those whose sources or toolchains changed. Each takes half a minute.
pub fn build() -> Result<()> {
    let root = project::root();
    let (app, sdk) = (root.join("tools/python"), root.join("guest-sdk/python"));
    let inputs = [
        clients::lock(clients::COMPONENTIZE_PY_LOCK),
        root.join("wit"),
        sdk.join("wit"),
        sdk.join("sandglass"),
        app.clone(),
    ];
    once::build(&collected().join("python.wasm"), &inputs, || {
        let mut command = clients::componentize_py()?;
        command.arg("--quiet");
        command.arg("--wit-path").arg(root.join("wit"));
        command.arg("--wit-path").arg(sdk.join("wit"));
        command.args([
            "--world",
            "sandglass:python/interpreter",
            "componentize",
            "app",
        ]);
        command.args(["--python-path", "."]);
        command.arg("--python-path").arg(&sdk);
        command.arg("--python-path").arg(clients::tzdata()?);
        command.arg("--output").current_dir(&app);
        // Sources that are run leave nothing in their folders.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    })
}
