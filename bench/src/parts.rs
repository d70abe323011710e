//! What must have been built before: the `echo` tool, hostile guests, the interpreters, and `sandglass` itself.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use sandglass::config::Installation;

/// The parts' places.
pub struct Parts {
    /// The component that is called.
    pub echo: PathBuf,
    /// A component with a tool that spins.
    pub hostile: PathBuf,
    /// A component that calls the host without end.
    pub flood: PathBuf,
    /// A component whose arguments are expensive to check.
    pub schema_cost: PathBuf,
    /// The folder of the interpreters of source text.
    pub interpreters: PathBuf,
    /// The server.
    pub sandglass: PathBuf,
    /// This program, which is also what the server is measured against.
    pub bench: PathBuf,
}

impl Parts {
    /// Finds them: the components in SANDGLASS_TOOLS_DIR and SANDGLASS_GUESTS_DIR, the server beside this program.
    pub fn find() -> Result<Self> {
        let echo = component("SANDGLASS_TOOLS_DIR", "target/tools", "echo.wasm")?;
        let guest = |name| component("SANDGLASS_GUESTS_DIR", "target/guests", name);
        let bench = env::current_exe().context("the path of this program is not known")?;
        let sandglass = bench.with_file_name("sandglass");
        ensure!(
            sandglass.is_file(),
            "{} is not there: build it with `cargo build --release -p sandglass -p sandglass-bench`, or run `cargo xtask bench`",
            sandglass.display()
        );
        Ok(Self {
            echo,
            hostile: guest("hostile.wasm")?,
            flood: guest("flood.wasm")?,
            schema_cost: guest("schema_cost.wasm")?,
            interpreters: Installation::of(sandglass.clone()).interpreters(),
            sandglass,
            bench,
        })
    }
}

fn component(variable: &str, folder: &str, name: &str) -> Result<PathBuf> {
    let folder = env::var_os(variable).with_context(|| {
        format!("{variable} is not set: run `cargo xtask bench`, or set it to {folder} after `cargo xtask tools --guests`")
    })?;
    let path = PathBuf::from(folder).join(name);
    ensure!(
        path.is_file(),
        "{} is not there: build it with `cargo xtask tools --guests`",
        path.display()
    );
    Ok(path)
}
