//! What must have been built before: the `echo` tool, and `sandglass` itself.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The parts' places.
pub struct Parts {
    /// The component that is called.
    pub echo: PathBuf,
    /// The server.
    pub sandglass: PathBuf,
    /// This program, which is also what the server is measured against.
    pub bench: PathBuf,
}

impl Parts {
    /// Finds them: the tool in SANDGLASS_TOOLS_DIR, the server beside this program.
    pub fn find() -> Result<Self> {
        let tools = env::var_os("SANDGLASS_TOOLS_DIR").context(
            "SANDGLASS_TOOLS_DIR is not set: run `cargo xtask bench`, or set it to target/tools after `cargo xtask tools`",
        )?;
        let echo = PathBuf::from(tools).join("echo.wasm");
        ensure!(
            echo.is_file(),
            "{} is not there: build it with `cargo xtask tools`",
            echo.display()
        );
        let bench = env::current_exe().context("the path of this program is not known")?;
        let sandglass = bench.with_file_name("sandglass");
        ensure!(
            sandglass.is_file(),
            "{} is not there: build it with `cargo build --release -p sandglass -p sandglass-bench`, or run `cargo xtask bench`",
            sandglass.display()
        );
        Ok(Self {
            echo,
            sandglass,
            bench,
        })
    }
}
