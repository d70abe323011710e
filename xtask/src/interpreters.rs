//! The interpreters of source text, which come with Sandglass: where a `sandglass` of this target folder looks for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::command::{run, step};
use crate::toolchain::Toolchain;
use crate::{clients, once, project};

/// The folder for the built interpreters.
pub fn collected() -> PathBuf {
    project::target("share/sandglass/interpreters")
}

/// Has a host compile them where the tests' hosts keep machine code, before the time of any test counts.
pub fn warm(host: &Path) -> Result<()> {
    step("compiling the interpreters (seconds, the first time)");
    for source in ["python/types.py", "javascript/types.js"] {
        let mut command = Command::new(host);
        command
            .arg("inspect")
            .arg(project::root().join("tests/fixtures").join(source));
        command
            .env("HOME", project::target("e2e-home"))
            .env_remove("XDG_CACHE_HOME");
        if !command.stdout(Stdio::null()).status()?.success() {
            bail!("{} cannot load the interpreters: see above", host.display());
        }
    }
    Ok(())
}

/// Builds those whose sources or toolchains changed. Each takes a minute.
pub fn build() -> Result<()> {
    python()?;
    javascript()
}

fn python() -> Result<()> {
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
        let mut command = clients::python_sdk("interpreter", "app")?;
        command.arg("--python-path").arg(clients::tzdata()?);
        command.arg("--output").current_dir(&app);
        Ok(command)
    })
}

/// The manifest of the interpreter of JavaScript, a workspace of its own.
pub fn javascript_manifest() -> PathBuf {
    project::root().join("tools/javascript/Cargo.toml")
}

/// QuickJS, which is C, and Rust around it; then the engine is made once, and its memory becomes the component's own.
fn javascript() -> Result<()> {
    let root = project::root();
    let (sources, sdk) = (
        root.join("tools/javascript"),
        root.join("guest-sdk/javascript"),
    );
    let inputs = [
        clients::lock(clients::ZIG_LOCK),
        sdk.join("package-lock.json"),
        root.join("wit"),
        sources.join("Cargo.lock"),
        sources.join("Cargo.toml"),
        sources.join("build.rs"),
        sources.join("src"),
    ];
    once::build(&collected().join("javascript.wasm"), &inputs, || {
        let toolchain = Toolchain::set_up()?;
        run(compile_c(&mut toolchain.cargo_build())?
            .arg("--locked")
            .arg("--manifest-path")
            .arg(javascript_manifest()))?;
        let built = toolchain.release_dir().join("sandglass_javascript.wasm");
        let ready = built.with_extension("ready");
        let packages = sdk.join("node_modules/@bytecodealliance");
        let mut wizer = clients::javascript_sdk()?;
        wizer.arg(packages.join("wizer/wizer.js"));
        wizer.args(["--init-func", "wizer-initialize", "-o"]);
        run(wizer.arg(&ready).arg(&built))?;
        // The other workspaces share this folder, and are not to find a module there.
        fs::remove_file(&built)?;
        let mut componentize = clients::javascript_sdk()?;
        componentize.arg(packages.join("jco/src/jco.js"));
        componentize.arg("new").arg(ready).arg("-o");
        Ok(componentize)
    })
}

/// Has the `cc` crate use Zig's compiler, with no flags but these: those that `cc` adds for WASI are for WASI's own SDK.
fn compile_c(command: &mut Command) -> Result<&mut Command> {
    let mut compiler = clients::zig()?.into_os_string();
    compiler.push(" cc");
    Ok(command
        .env("CC_wasm32_wasip2", compiler)
        .env("CFLAGS_wasm32_wasip2", "-target wasm32-wasi -O3 -DNDEBUG")
        .env("CRATE_CC_NO_DEFAULTS", "1")
        .env("AR_wasm32_wasip2", "ar")
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1"))
}
