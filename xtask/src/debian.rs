//! Debian's Rust compiler and WASI libc, unpacked below `target/toolchain`: for machines that reach Debian's mirrors
//! but not rustup's server.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::command::{output, step};
use crate::project;
use crate::toolchain::{TARGET, sysroot};

/// Fetched with all that they depend on. `rustc-web` is the compiler that Debian keeps new enough for browsers, in its
/// security archive; its standard library is compiled from source, for the target. bookworm's own `wasi-libc` knows no
/// `wasm32-wasip2`, the backported one does.
const WITH_DEPENDENCIES: [&str; 3] = [
    "libstd-rust-web-dev",
    "rust-web-src",
    "wasi-libc/bookworm-backports",
];

/// Fetched alone: it depends on gcc, which whoever builds Rust has.
const ALONE: &str = "rustc-web";

/// Debian's compiler, unpacked.
#[derive(Debug)]
pub struct Compiler {
    /// Starts the compiler with its own libraries.
    rustc: PathBuf,
    /// The C library's archives and start files.
    libc: PathBuf,
    /// The active toolchain's programs: the component linker and the linker that it calls.
    linkers: PathBuf,
}

impl Compiler {
    /// Fetches and unpacks the compiler, unless that was done before.
    pub fn set_up() -> Result<Self> {
        let folder = project::target("toolchain/debian");
        let rustc = folder.join("rustc");
        // Written last, so that a set-up that was broken off is not taken for a whole one.
        if !rustc.is_file() {
            step(
                "fetching Debian's rustc-web, rust-web-src and wasi-libc into target/toolchain (150 MB, a minute)",
            );
            apt::unpack(&folder, &WITH_DEPENDENCIES, &[ALONE]).with_context(|| {
                format!("run `rustup target add {TARGET}` where its server can be reached")
            })?;
            apt::write_wrapper(&rustc, &folder, "rustc")?;
        }
        let compiler = Self {
            rustc,
            libc: folder.join("usr/lib").join(TARGET),
            linkers: linkers()?,
        };
        step(format_args!(
            "components are made by {}",
            output(Command::new(&compiler.rustc).arg("--version"))?
        ));
        Ok(compiler)
    }

    /// Makes a `cargo build` use this compiler. Cargo stays the active toolchain's.
    pub fn configure(&self, command: &mut Command) {
        let linker = self.linkers.join("wasm-component-ld");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).chain([self.linkers.clone()]);
        command
            .env(
                "PATH",
                std::env::join_paths(path).expect("the parts of a PATH"),
            )
            .env("RUSTC", &self.rustc)
            // Building the standard library is a feature of nightly; its source here fits this very compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTFLAGS")
            .arg("-Zbuild-std=std,panic_abort")
            .arg(format!(
                "--config=target.{TARGET}.linker='{}'",
                linker.display()
            ))
            .arg(format!(
                "--config=target.{TARGET}.rustflags=['-L', 'native={}']",
                self.libc.display()
            ));
    }
}

/// The active toolchain's folder of linkers: Debian has no component linker.
fn linkers() -> Result<PathBuf> {
    let about = output(Command::new("rustc").arg("-vV"))?;
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    let folder = sysroot()?.join("lib/rustlib").join(host).join("bin");
    if !folder.join("wasm-component-ld").is_file() {
        bail!(
            "{} has no wasm-component-ld: use a toolchain of rustup's, or build with one",
            folder.display()
        );
    }
    Ok(folder)
}
