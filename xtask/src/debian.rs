//! Debian's Rust compiler and WASI libc, unpacked below `target/toolchain`: for machines that reach Debian's mirrors
//! but not rustup's server. Nothing on the system is installed or configured, so no root is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run, step, works};
use crate::project;
use crate::toolchain::{TARGET, sysroot};

/// `rustc-web` is the compiler that Debian keeps new enough for browsers, in its security archive; bookworm's own
/// `wasi-libc` knows no `wasm32-wasip2`, the backported one does.
const SOURCES: &str = "\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main
";

/// Fetched with all that they depend on. The standard library is compiled from its source, for the target.
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
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            let apt = Apt::new(&folder.join("apt"))?;
            let archives = apt.fetch()?;
            unpack(&archives, &folder)?;
            fs::remove_dir_all(&apt.folder)?;
            write_wrapper(&rustc, &folder)?;
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

/// An apt of its own: its sources, lists and archives lie in a folder, and to it no package is installed.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        if !works(Command::new("apt-get").arg("--version"))
            || !works(Command::new("dpkg").arg("--version"))
        {
            bail!(
                "apt-get and dpkg are missing: this is no Debian; run `rustup target add {TARGET}` where its server can be reached"
            );
        }
        let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
        if !keyring.is_file() {
            bail!(
                "{} is missing: install the package debian-archive-keyring",
                keyring.display()
            );
        }
        for inner in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        fs::write(folder.join("sources.list"), SOURCES)?;
        fs::write(folder.join("status"), "")?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Downloads the packages, checked by apt against Debian's keys; the folder that holds them.
    fn fetch(&self) -> Result<PathBuf> {
        let archives = self.folder.join("cache/archives");
        run(self.get().args(["-qq", "update"])).context("Debian's package lists cannot be had")?;
        run(self
            .get()
            .args([
                "-qq",
                "--yes",
                "--no-install-recommends",
                "--download-only",
                "install",
            ])
            .args(WITH_DEPENDENCIES))?;
        run(self
            .get()
            .args(["-qq", "download", ALONE])
            .current_dir(&archives))?;
        Ok(archives)
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let at = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            // The system's lock guards the system's packages; and the user `_apt` may not write to a checkout.
            "Debug::NoLocking=1".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// Unpacks the packages in the folder, but for the C library: the system's own loader needs the one that came with it.
fn unpack(archives: &Path, folder: &Path) -> Result<()> {
    step("unpacking");
    for entry in fs::read_dir(archives)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".deb") && !name.starts_with("libc6_") {
            run(Command::new("dpkg")
                .arg("--extract")
                .arg(entry.path())
                .arg(folder))?;
        }
    }
    Ok(())
}

/// Writes the program that starts the unpacked compiler with the libraries that lie beside it.
fn write_wrapper(file: &Path, folder: &Path) -> Result<()> {
    let machine = fs::read_dir(folder.join("usr/lib"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.contains("-linux-gnu"))
        .context("Debian's packages hold no libraries for this machine")?;
    let text = format!(
        r#"#!/bin/sh
here=${{0%/*}}
export LD_LIBRARY_PATH="$here/usr/lib/{machine}:$here/lib/{machine}"
exec "$here/usr/bin/rustc" "$@"
"#
    );
    fs::write(file, text)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
