//! The system's packages, for the few programs that the tests need and that no registry of a language brings.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step, works};

/// Installs the Debian package where this may be done, or says what to do.
pub fn install(package: &str) -> Result<()> {
    // The owner of this process's own folder in /proc is the effective user.
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !root || !works(Command::new("apt-get").arg("--version")) {
        bail!("install {package} (Debian, Ubuntu: `sudo apt-get install {package}`) and try again");
    }
    step(format_args!("installing {package}"));
    // A fresh container has no package lists, and an old one stale ones.
    run(Command::new("apt-get").args(["-qq", "update"]))
        .and_then(|()| {
            run(Command::new("apt-get").args([
                "-qq",
                "--yes",
                "--no-install-recommends",
                "install",
                package,
            ]))
        })
        .with_context(|| format!("cannot install {package}"))
}
