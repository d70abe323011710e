//! Debian's packages, unpacked below `target`: nothing on the system is installed or configured, so no root is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step, works};

const SOURCES: &str = "\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main
";

/// Where sources of packages lie; their lists are long.
const WITH_SOURCES: &str = "\
deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
";

/// Fills the folder anew with these packages and all that they depend on, and with those that are wanted alone.
pub fn unpack(folder: &Path, packages: &[&str], alone: &[&str]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let apt = Apt::new(&folder.join("apt"), SOURCES)?;
    extract(&apt.fetch(packages, alone)?, folder)?;
    fs::remove_dir_all(&apt.folder)?;
    Ok(())
}

/// Unpacks what a project had released when Debian made this source package of it, without Debian's patches.
pub fn unpack_release(folder: &Path, package: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let apt = Apt::new(&folder.join("apt"), WITH_SOURCES)?;
    run(apt.get().args(["-qq", "update"])).context("Debian's package lists cannot be had")?;
    run(apt
        .get()
        .args(["-qq", "--download-only", "source", package])
        .current_dir(&apt.folder))?;
    let release = fs::read_dir(&apt.folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains(".orig.tar."))
        .with_context(|| format!("Debian's source of {package} has no release in it"))?;
    run(Command::new("tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .arg(release)
        .arg("--directory")
        .arg(folder))?;
    fs::remove_dir_all(&apt.folder)?;
    Ok(())
}

/// Writes a program that starts the unpacked one of this name with the libraries that lie beside it.
pub fn write_wrapper(file: &Path, folder: &Path, program: &str) -> Result<()> {
    let machine = fs::read_dir(folder.join("usr/lib"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.contains("-linux-gnu"))
        .context("Debian's packages hold no libraries for this machine")?;
    let text = format!(
        r#"#!/bin/sh
here=${{0%/*}}
export LD_LIBRARY_PATH="$here/usr/lib/{machine}:$here/lib/{machine}"
exec "$here/usr/bin/{program}" "$@"
"#
    );
    fs::write(file, text)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// An apt of its own: its sources, lists and archives lie in a folder, and to it no package is installed.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, sources: &str) -> Result<Self> {
        if !works(Command::new("apt-get").arg("--version"))
            || !works(Command::new("dpkg").arg("--version"))
        {
            bail!("apt-get and dpkg are missing: this is no Debian");
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
        fs::write(folder.join("sources.list"), sources)?;
        fs::write(folder.join("status"), "")?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Downloads the packages, checked by apt against Debian's keys; the folder that holds them.
    fn fetch(&self, packages: &[&str], alone: &[&str]) -> Result<PathBuf> {
        let archives = self.folder.join("cache/archives");
        run(self.get().args(["-qq", "update"])).context("Debian's package lists cannot be had")?;
        if !packages.is_empty() {
            run(self
                .get()
                .args([
                    "-qq",
                    "--yes",
                    "--no-install-recommends",
                    "--download-only",
                    "install",
                ])
                .args(packages))?;
        }
        if !alone.is_empty() {
            run(self
                .get()
                .args(["-qq", "download"])
                .args(alone)
                .current_dir(&archives))?;
        }
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
fn extract(archives: &Path, folder: &Path) -> Result<()> {
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
