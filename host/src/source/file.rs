//! Components from a file, or from all `*.wasm` files of a folder.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::sandbox::compile::MAX_COMPONENT;

/// A component's bytes, with the name it has in logs and status.
#[derive(Debug)]
pub struct Found {
    /// The file's name without `.wasm`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Why a source gives no component.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there, or it can't be read.
    #[error("{}: {}; check the path in `source`", .path.display(), reason(.error))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder without components.
    #[error("{}: the folder has no *.wasm file", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// More bytes than a component may have.
    #[error("{}: larger than {}", .path.display(), sandglass_manifest::ByteSize::bytes(MAX_COMPONENT))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The components behind a path: the file itself, or a folder's `*.wasm` files in name order.
pub fn find(path: &Path) -> Result<Vec<Found>, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let mut files = Vec::new();
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            // Through a link: Kubernetes mounts ConfigMap keys as links.
            if file
                .extension()
                .is_some_and(|extension| extension == "wasm")
                && file.is_file()
            {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    Ok(files
        .into_iter()
        .map(|path| Found {
            name: path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            path,
        })
        .collect())
}

impl Found {
    /// Reads the component, never more bytes than a component may have.
    pub async fn read(&self) -> Result<Bytes, SourceError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            std::fs::File::open(path)?
                .take(MAX_COMPONENT + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        })
        .await;
        let bytes = read
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| SourceError::Unreadable {
                path: self.path.clone(),
                error,
            })?;
        if bytes.len() as u64 > MAX_COMPONENT {
            return Err(SourceError::TooLarge {
                path: self.path.clone(),
            });
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_components_in_name_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wasm", "a.wasm", "notes.txt"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let names: Vec<String> = find(folder.path())
            .unwrap()
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn an_empty_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&*folder.path().to_string_lossy()));
    }

    #[test]
    fn a_missing_file_is_an_error_that_says_so() {
        let error = find(Path::new("/nowhere/x.wasm")).unwrap_err().to_string();
        assert_eq!(
            error,
            "/nowhere/x.wasm: no such file or folder; check the path in `source`"
        );
    }
}
