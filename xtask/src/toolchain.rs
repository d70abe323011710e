//! What compiles to `wasm32-wasip2`: rustup's target, or Debian's compiler where that is not to be had.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, run_within, step};
use crate::{debian, project};

/// The target of all components.
pub const TARGET: &str = "wasm32-wasip2";

/// Chooses the toolchain by name and turns the search off.
const CHOICE: &str = "SANDGLASS_WASM_TOOLCHAIN";

/// rustup fetches the target in seconds; where its server is shut off, the attempt may hang instead of failing.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(60);

/// A compiler that is set up.
#[derive(Debug)]
pub enum Toolchain {
    /// The active toolchain has the target.
    Rustup,
    /// Debian's compiler, unpacked.
    Debian(debian::Compiler),
}

impl Toolchain {
    /// Finds the toolchain, and installs it when it is missing.
    pub fn set_up() -> Result<Self> {
        match std::env::var(CHOICE).ok().as_deref() {
            None | Some("") => {}
            Some("rustup") => return rustup().map(|()| Self::Rustup),
            Some("debian") => {
                step(format_args!(
                    "{CHOICE}=debian: Debian's compiler makes the components"
                ));
                return debian::Compiler::set_up().map(Self::Debian);
            }
            Some(other) => bail!("{CHOICE} is {other:?}: it may be `rustup` or `debian`"),
        }
        let Err(reason) = rustup() else {
            return Ok(Self::Rustup);
        };
        step(format_args!(
            "{reason:#}; falling back to Debian's compiler"
        ));
        let compiler = debian::Compiler::set_up().with_context(|| {
            format!("no compiler for {TARGET}: rustup has none ({reason:#}), and Debian's could not be set up")
        })?;
        Ok(Self::Debian(compiler))
    }

    /// `cargo build` for the target, still without a workspace.
    pub fn cargo_build(&self) -> Command {
        let mut command = cargo("build");
        command.args(["--release", "--target", TARGET]);
        command.env("CARGO_TARGET_DIR", self.target_dir());
        if let Self::Debian(compiler) = self {
            compiler.configure(&mut command);
        }
        command
    }

    /// Where cargo leaves the components.
    pub fn release_dir(&self) -> PathBuf {
        self.target_dir().join(TARGET).join("release")
    }

    fn target_dir(&self) -> PathBuf {
        // One folder each: cargo would build everything anew whenever the compiler changes.
        project::target(match self {
            Self::Rustup => "wasm",
            Self::Debian(_) => "wasm-debian",
        })
    }
}

/// The folder of the active toolchain, as `rustc` in the PATH tells it.
pub fn sysroot() -> Result<PathBuf> {
    let path = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(&path).to_path_buf())
}

/// Makes sure that the active toolchain has the target.
fn rustup() -> Result<()> {
    let installed = sysroot()?.join("lib/rustlib").join(TARGET).join("lib");
    if installed.is_dir() {
        return Ok(());
    }
    step(format_args!("installing the target {TARGET} with rustup"));
    let mut rustup = Command::new("rustup");
    // Its own backtrace would bury the reason.
    rustup
        .args(["target", "add", TARGET])
        .env_remove("RUST_BACKTRACE");
    run_within(&mut rustup, RUSTUP_PATIENCE)?;
    if !installed.is_dir() {
        bail!("rustup added {TARGET} to another toolchain than the active one");
    }
    Ok(())
}
