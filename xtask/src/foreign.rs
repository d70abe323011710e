//! Components that other toolchains make, for the end-to-end tests: componentize-py, componentize-js and the JavaScript SDK.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, step};
use crate::{clients, project};

/// A component, and what it is made of, below the repository's root.
struct Component {
    /// Its name in `target/foreign`, without `.wasm`.
    name: &'static str,
    /// Where its toolchain works.
    folder: &'static str,
    /// The folders of its sources.
    sources: &'static [&'static str],
    /// The file that names its toolchain.
    lock: &'static str,
}

/// Builds those whose sources or toolchains changed into `target/foreign`. Each takes half a minute.
pub fn build() -> Result<()> {
    let words = Component {
        name: "words",
        folder: "tests/foreign/python",
        sources: &["tests/foreign/python", "tests/foreign/python/wit"],
        lock: "tests/clients/requirements-componentize-py.txt",
    };
    words.build_once(|| {
        let mut command = clients::componentize_py()?;
        command.args(["--wit-path", "wit", "--world", "words"]);
        command.args(["componentize", "app", "--output"]);
        Ok(command)
    })?;
    let shop = Component {
        name: "shop",
        folder: "tests/foreign/javascript",
        sources: &["tests/foreign/javascript", "tests/foreign/javascript/wit"],
        lock: JAVASCRIPT_LOCK,
    };
    shop.build_once(|| {
        let sdk = project::root().join("guest-sdk/javascript");
        let mut command = clients::javascript_sdk()?;
        command.arg(sdk.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"));
        command.args(["shop.js", "--wit", "wit/shop.wit", "--world-name", "shop"]);
        // What the component does not import cannot be missing.
        for feature in ["stdio", "random", "clocks", "http", "fetch-event"] {
            command.args(["--disable", feature]);
        }
        command.arg("--out");
        Ok(command)
    })?;
    let sdk = Component {
        name: "javascript_sdk",
        folder: "guest-sdk/javascript",
        sources: &[
            "guest-sdk/javascript/bin",
            "guest-sdk/javascript/build",
            "guest-sdk/javascript/example",
            "guest-sdk/javascript/src",
            "guest-sdk/javascript/src/component",
            "wit",
        ],
        lock: JAVASCRIPT_LOCK,
    };
    sdk.build_once(|| {
        let mut command = clients::javascript_sdk()?;
        command.args(["bin/sandglass-build.js", "example/tools.ts", "--output"]);
        Ok(command)
    })
}

const JAVASCRIPT_LOCK: &str = "guest-sdk/javascript/package-lock.json";

impl Component {
    /// Runs the command, whose last argument is still to be the component's path, unless the component was made of the
    /// same sources by the same toolchain.
    fn build_once(&self, command: impl FnOnce() -> Result<Command>) -> Result<()> {
        let target = project::target("foreign");
        let stamp = target.join(self.name).with_extension("sources");
        let wanted = self.inputs()?;
        if fs::read(&stamp).is_ok_and(|built| built == wanted) {
            return Ok(());
        }
        let mut command = command()?;
        step(format_args!("building {} in {}", self.name, self.folder));
        fs::create_dir_all(&target)?;
        command.arg(target.join(self.name).with_extension("wasm"));
        run(command.current_dir(project::root().join(self.folder)))?;
        fs::write(stamp, wanted)?;
        Ok(())
    }

    /// All that it is made of.
    fn inputs(&self) -> Result<Vec<u8>> {
        let mut inputs = read(&project::root().join(self.lock))?;
        for folder in self.sources {
            let folder = project::root().join(folder);
            let mut files = fs::read_dir(&folder)
                .and_then(|entries| {
                    entries
                        .map(|entry| entry.map(|entry| entry.path()))
                        .collect::<Result<Vec<_>, _>>()
                })
                .with_context(|| format!("cannot read {}", folder.display()))?;
            files.sort();
            for file in files.iter().filter(|file| file.is_file()) {
                inputs.extend(read(file)?);
            }
        }
        Ok(inputs)
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
