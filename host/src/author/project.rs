//! A folder with a tool's source.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::language::Language;
use super::{javascript, python, rust};
use crate::watch::Stamp;

/// The folder for what is built.
const BUILD: &str = "build";

/// Folders and files that a build writes, or that are no source.
const NO_SOURCE: [&str; 6] = [
    BUILD,
    "target",
    "node_modules",
    "Cargo.lock",
    "package-lock.json",
    "__pycache__",
];

/// Files of these extensions say how a component is built.
const CONFIGURATION: [&str; 3] = ["json", "toml", "wit"];

/// A tool's project.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    language: Language,
}

/// Why a component could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is none of a tool.
    #[error(
        "{}: no project of a tool: none of {} is here; go to its folder, or make one with `sandglass new`",
        .0.display(),
        Language::ALL.map(Language::marker).join(", ")
    )]
    NoProject(PathBuf),
    /// A part of the toolchain is not there.
    #[error("{what}; {install}")]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it.
        install: &'static str,
    },
    /// The build failed; the compiler has said why.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It made no component.
    #[error("the build made no component; {mend}")]
    NoComponent {
        /// What to do.
        mend: String,
    },
    /// Something could not be read or written.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Project {
    /// The project that lies in this folder.
    pub fn find(folder: &Path) -> Result<Self, BuildError> {
        let no_project = || BuildError::NoProject(folder.to_owned());
        let folder = folder.canonicalize().map_err(|_| no_project())?;
        let language = Language::ALL
            .into_iter()
            .find(|language| folder.join(language.marker()).is_file())
            .ok_or_else(no_project)?;
        Ok(Self { folder, language })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds the component; where it lies then: `build/NAME.wasm`, which changes only when the component does.
    pub async fn build(&self) -> Result<PathBuf, BuildError> {
        let into = tempfile::tempdir()
            .map_err(|error| BuildError::Io("no temporary folder".to_owned(), error))?;
        let built = match self.language {
            Language::Rust => rust::build(&self.folder).await?,
            Language::Python => python::build(&self.folder, into.path()).await?,
            Language::JavaScript => javascript::build(&self.folder, into.path()).await?,
        };
        self.collect(&built)
    }

    fn collect(&self, built: &Path) -> Result<PathBuf, BuildError> {
        let bytes = fs::read(built).map_err(io_error(built))?;
        let name = built
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let folder = self.folder.join(BUILD);
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|old| old == bytes) {
            return Ok(path);
        }
        // In one move: a host may watch it.
        let unfinished = folder.join(format!("{name}.unfinished"));
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(io_error(&path))?;
        Ok(path)
    }

    /// The folders whose files are its source, and the stamp of each file.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        let mut left = vec![self.folder.clone()];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let is_source = name
                    .to_str()
                    .is_none_or(|name| !name.starts_with('.') && !NO_SOURCE.contains(&name));
                match entry.file_type() {
                    Ok(kind) if is_source && kind.is_dir() => left.push(entry.path()),
                    Ok(kind)
                        if is_source && kind.is_file() && self.is_built_from(&entry.path()) =>
                    {
                        sources.files.push((entry.path(), Stamp::of(&entry.path())));
                    }
                    _ => {}
                }
            }
            sources.folders.push(folder);
        }
        sources.files.sort_by(|(one, _), (other, _)| one.cmp(other));
        sources
    }
}

impl Project {
    /// Whether a change of this file is a reason to build. Others lie in projects too: logs, and what tools write.
    fn is_built_from(&self, file: &Path) -> bool {
        let extension = file.extension().and_then(OsStr::to_str);
        let is_source = extension.is_some_and(|extension| {
            self.language.extensions().contains(&extension) || CONFIGURATION.contains(&extension)
        });
        is_source || file.starts_with(self.folder.join("src"))
    }
}

/// What a component is built from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The folders.
    pub folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Sources {
    /// Whether the files are what they were.
    pub fn same_files(&self, before: &Self) -> bool {
        self.files == before.files
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.display().to_string();
    move |error| BuildError::Io(path, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_source_is_no_project() {
        let folder = tempfile::tempdir().unwrap();
        let error = Project::find(folder.path()).unwrap_err().to_string();
        assert!(error.contains("Cargo.toml"), "{error}");
        assert!(Project::find(&folder.path().join("nope")).is_err());
    }

    #[test]
    fn what_a_build_writes_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        let project = Project::find(folder.path()).unwrap();
        let before = project.sources();
        for name in ["build", "target", ".git", "node_modules"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("file"), "").unwrap();
        }
        fs::write(folder.path().join("Cargo.lock"), "").unwrap();
        fs::write(folder.path().join("dev.log"), "").unwrap();
        assert!(project.sources().same_files(&before));
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/lib.rs"), "").unwrap();
        let after = project.sources();
        assert!(!after.same_files(&before));
        assert_eq!(after.folders.len(), 2);
    }
}
