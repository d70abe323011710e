//! `cargo xtask tools`: compiles workspaces of components and collects them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{run, step};
use crate::toolchain::Toolchain;
use crate::{interpreters, project};

/// A workspace of components.
#[derive(Debug, Clone, Copy)]
pub struct Workspace {
    /// What to call them.
    name: &'static str,
    /// The workspace's folder.
    folder: &'static str,
    /// The folder below `target` for the built components.
    collected: &'static str,
}

impl Workspace {
    /// The workspace's manifest.
    pub fn manifest(self) -> PathBuf {
        project::root().join(self.folder).join("Cargo.toml")
    }

    /// The folder for the built components, `<package_name>.wasm` each.
    pub fn collected(self) -> PathBuf {
        project::target(self.collected)
    }
}

/// The tools that come with Sandglass.
pub const FIRST_PARTY: Workspace = Workspace {
    name: "first-party tools",
    folder: "tools",
    collected: "tools",
};

/// Hostile and plain guests that only the tests use.
pub const GUESTS: Workspace = Workspace {
    name: "test guests",
    folder: "tests/guests",
    collected: "guests",
};

/// What MCP's conformance suite asks for.
pub const CONFORMANCE: Workspace = Workspace {
    name: "conformance fixtures",
    folder: "tools/conformance",
    collected: "conformance",
};

/// How every component starts: magic number, version 13, layer 1 (a core module has version 1, layer 0).
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Builds the components of these workspaces, and the interpreters that the host runs source text with.
pub fn build(workspaces: &[Workspace]) -> Result<()> {
    interpreters::build()?;
    let toolchain = Toolchain::set_up()?;
    for workspace in workspaces {
        step(format_args!("building the {}", workspace.name));
        let release = toolchain.release_dir();
        // The workspaces share this folder and so their dependencies; what lies here after the build is of this one.
        remove_components(&release, |_| false)?;
        run(toolchain
            .cargo_build()
            .arg("--manifest-path")
            .arg(workspace.manifest()))?;
        let count = collect(&release, &workspace.collected())?;
        step(format_args!(
            "{count} components in {}",
            workspace.collected().display()
        ));
    }
    Ok(())
}

/// Copies the components from one folder to the other, whose leftovers go; how many there are.
fn collect(from: &Path, to: &Path) -> Result<usize> {
    fs::create_dir_all(to)?;
    let mut names = Vec::new();
    for path in components(from)? {
        let bytes = fs::read(&path)?;
        if !bytes.starts_with(&COMPONENT) {
            bail!(
                "{} is no component: does its package link with wasm-component-ld?",
                path.display()
            );
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .context("a package's name is UTF-8")?
            .replace('-', "_");
        replace(&to.join(&name), &bytes)?;
        names.push(name);
    }
    remove_components(to, |name| names.iter().any(|kept| kept == name))?;
    Ok(names.len())
}

/// Writes the file in one move, for a server may watch it, and only where it changes.
fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, file)?;
    Ok(())
}

fn remove_components(folder: &Path, keep: impl Fn(&str) -> bool) -> Result<()> {
    for path in components(folder)? {
        if !path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(&keep)
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The `.wasm` files that lie in the folder; none when there is no such folder.
fn components(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two empty folders below the target folder, of this test alone.
    fn folders(name: &str) -> Result<(PathBuf, PathBuf)> {
        let folder = project::target("xtask-tests").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(&from)?;
        fs::create_dir_all(&to)?;
        Ok((from, to))
    }

    #[test]
    fn components_are_collected_under_their_packages_names() -> Result<()> {
        let (from, to) = folders("collected")?;
        fs::write(from.join("two-words.wasm"), COMPONENT)?;
        fs::write(from.join("libtwo_words.rlib"), "")?;
        assert_eq!(collect(&from, &to)?, 1);
        assert_eq!(components(&to)?, [to.join("two_words.wasm")]);
        Ok(())
    }

    #[test]
    fn components_of_removed_packages_go() -> Result<()> {
        let (from, to) = folders("removed")?;
        fs::write(to.join("old.wasm"), COMPONENT)?;
        assert_eq!(collect(&from, &to)?, 0);
        assert!(components(&to)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_core_module_is_refused() -> Result<()> {
        let (from, to) = folders("core")?;
        fs::write(from.join("core.wasm"), b"\0asm\x01\0\0\0")?;
        let error = collect(&from, &to)
            .expect_err("a core module is no component")
            .to_string();
        assert!(error.contains("core.wasm is no component"), "{error}");
        Ok(())
    }
}
