//! Components from a file, or from all `*.wasm` files of a folder.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sandglass_manifest::ByteSize;

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
    #[error("{}: check the path and who may read it", reason(.0))]
    Unreadable(#[from] io::Error),
    /// A folder without components.
    #[error("the folder has no *.wasm file: put components there, or name another")]
    Empty,
    /// A pipe, a device, ..
    #[error("neither a file nor a folder: name a component's file")]
    NotAFile,
    /// More bytes than a component may have.
    #[error(
        "larger than {}: a component may not be",
        ByteSize::bytes(MAX_COMPONENT)
    )]
    TooLarge,
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
    let mut files = Vec::new();
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let file = entry?.path();
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
            return Err(SourceError::Empty);
        }
        files.sort();
    } else if metadata.is_file() {
        files.push(path.to_owned());
    } else {
        return Err(SourceError::NotAFile);
    }
    Ok(files.into_iter().map(Found::at).collect())
}

impl Found {
    /// What lies at a path, whether it can be read or not.
    pub fn at(path: PathBuf) -> Self {
        Self {
            name: path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            path,
        }
    }

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
        let bytes = read.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        if bytes.len() as u64 > MAX_COMPONENT {
            return Err(SourceError::TooLarge);
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
    fn what_is_no_component_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()), Err(SourceError::Empty)));
        assert!(matches!(
            find(Path::new("/dev/null")),
            Err(SourceError::NotAFile)
        ));
        let missing = find(Path::new("/nowhere/x.wasm")).unwrap_err().to_string();
        assert!(missing.starts_with("no such file or folder"), "{missing}");
    }
}
