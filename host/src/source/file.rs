//! Components and source text from a file, or from all `*.wasm`, `*.py` and `*.js` files of a folder.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sandglass_manifest::{ByteSize, Language};

use crate::sandbox::compile::MAX_COMPONENT;

/// Why a path gives no component.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing is there, or it can't be read.
    #[error("{}: check the path and who may read it", reason(.0))]
    Unreadable(#[from] io::Error),
    /// A folder without components.
    #[error("the folder has no *.wasm, *.py or *.js file: put tools there, or name another")]
    Empty,
    /// A folder, as a part of a component.
    #[error("a folder where a file is due: name its files one by one")]
    Folder,
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

/// What lies at a path: the file itself, or a folder's components and source texts in name order.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !metadata.is_dir() {
        return Err(FileError::NotAFile);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let file = entry.path();
        // Kubernetes keeps versions of a mounted folder in `..2024_..` and `..data`; the keys are links into that.
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b"..");
        let is_wasm = file.extension().is_some_and(|kind| kind == "wasm");
        let is_source = is_wasm || Language::of_file(&file).is_some();
        if is_source && !hidden && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FileError::Empty);
    }
    files.sort();
    Ok(files)
}

/// Reads a component, never more bytes than a component may have.
pub async fn read(path: &Path) -> Result<Bytes, FileError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(MAX_COMPONENT.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    })
    .await;
    let bytes = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err(FileError::Folder);
        }
        read => read?,
    };
    if bytes.len() as u64 > MAX_COMPONENT {
        return Err(FileError::TooLarge);
    }
    Ok(bytes.into())
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
        let files = find(folder.path()).unwrap();
        assert_eq!(
            files,
            ["a.wasm", "b.wasm"].map(|name| folder.path().join(name))
        );
    }

    #[test]
    fn a_folder_that_kubernetes_mounted_gives_each_key_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("..2026_01_01.wasm")).unwrap();
        std::fs::write(at("..2026_01_01.wasm/time.wasm"), b"").unwrap();
        std::os::unix::fs::symlink("..2026_01_01.wasm", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/time.wasm", at("time.wasm")).unwrap();
        std::os::unix::fs::symlink("..data/time.wasm", at("..hidden.wasm")).unwrap();
        assert_eq!(find(folder.path()).unwrap(), [at("time.wasm")]);
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()), Err(FileError::Empty)));
        assert!(matches!(
            find(Path::new("/dev/null")),
            Err(FileError::NotAFile)
        ));
        let missing = find(Path::new("/nowhere/x.wasm")).unwrap_err().to_string();
        assert!(missing.starts_with("no such file or folder"), "{missing}");
    }
}
