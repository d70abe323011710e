//! Machine code kept by digest, in two levels: a read-only seed that was made
//! with the image, and a writable folder.
//!
//! A file is looked up by the component's digest and the engine's compatibility
//! hash, and checked before use. Machine code runs unchecked once it is mapped,
//! so it is only taken from files that nobody but their owner can write, and it
//! never comes from outside: components are compiled here.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::source::Digest;
use crate::source::cache::{touch, write_whole};

/// Ends each file, after the SHA-256 of everything before: a file that was cut or changed is found out.
const TRAILER: &[u8; 8] = b"SGLASS01";
const TRAILER_LEN: usize = 32 + TRAILER.len();

/// Bytes of a file that are read at once.
const PIECE: usize = 64 << 10;

/// Where machine code is kept. Both levels are optional; a missing or unwritable folder is no error.
#[derive(Debug, Clone, Default)]
pub struct CodeCache {
    /// Made when the image was built; never written at run time.
    pub seed: Option<PathBuf>,
    /// Written at run time; several processes can share it.
    pub folder: Option<PathBuf>,
}

/// Where a component's machine code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The read-only seed.
    Seed,
    /// The writable folder.
    Cache,
    /// It was compiled just now.
    Fresh,
    /// Another source had it in memory, or the same one before.
    Memory,
}

impl Origin {
    /// As in logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Cache => "cache",
            Self::Fresh => "fresh",
            Self::Memory => "memory",
        }
    }
}

/// A whole file of machine code, as it was checked.
#[derive(Debug)]
pub(super) struct CodeFile {
    file: File,
    path: PathBuf,
    pub origin: Origin,
}

impl CodeFile {
    /// Leads to the very file that was checked, also when another lies in its place by now, or none.
    pub(super) fn path(&self) -> PathBuf {
        let opened = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        if opened.exists() {
            opened
        } else {
            self.path.clone()
        }
    }
}

impl fmt::Display for CodeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl CodeCache {
    /// The first valid file for this component and engine.
    pub(super) fn find(&self, digest: &Digest, engine: u64) -> Option<CodeFile> {
        let levels = [(&self.seed, Origin::Seed), (&self.folder, Origin::Cache)];
        levels.into_iter().find_map(|(folder, origin)| {
            let path = folder.as_ref()?.join(file_name(digest, engine));
            let file = opened(&path, origin, |_| ())?;
            Some(CodeFile { file, path, origin })
        })
    }

    /// What was noted of a component.
    pub(super) fn note(&self, digest: &Digest, program: u64) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(note_name(digest, program));
        let mut note = Vec::new();
        opened(&path, Origin::Cache, |piece| note.extend_from_slice(piece))?;
        Some(note)
    }

    /// Notes something of a component for the next start. Failing to is no error.
    pub(super) fn keep_note(&self, digest: &Digest, program: u64, note: &[u8]) {
        if let Some(folder) = &self.folder {
            let name = note_name(digest, program);
            if let Err(error) = write_checked(folder, &name, note) {
                tracing::debug!(folder = %folder.display(), %error, "not noted");
            }
        }
    }

    /// Keeps machine code in the writable folder, if there is one. Failing to is no error: it costs the next start time.
    pub(super) fn keep(&self, digest: &Digest, engine: u64, code: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = write(folder, digest, engine, code) {
            tracing::warn!(folder = %folder.display(), %error, "compiled component not kept: the next start compiles it again; set engine.cache_dir to a writable folder");
        }
    }
}

/// Writes machine code so that a reader finds a whole file or none, also after a crash.
pub(super) fn write(
    folder: &Path,
    digest: &Digest,
    engine: u64,
    code: &[u8],
) -> io::Result<PathBuf> {
    write_checked(folder, &file_name(digest, engine), code)
}

fn write_checked(folder: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let sum = Sha256::digest(content);
    write_whole(folder, name, &[content, &sum, TRAILER])
}

fn file_name(digest: &Digest, engine: u64) -> String {
    format!("{}-{engine:016x}.cwasm", digest.hex())
}

fn note_name(digest: &Digest, program: u64) -> String {
    format!("{}-{program:016x}.tools", digest.hex())
}

/// A file that may be used, told of in the log if it may not. `each` gets what is in it, piece by piece.
fn opened(path: &Path, origin: Origin, each: impl FnMut(&[u8])) -> Option<File> {
    match check(path, each) {
        Ok(file) => {
            if origin == Origin::Cache {
                touch(path);
            }
            Some(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "compiled component not used");
            None
        }
    }
}

/// The file is whole, and only its owner (root or we) can have written it.
fn check(path: &Path, mut each: impl FnMut(&[u8])) -> io::Result<File> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    let damaged = || io::Error::other("it is damaged");
    let code_len = metadata
        .len()
        .checked_sub(TRAILER_LEN as u64)
        .ok_or_else(damaged)?;
    // Piece by piece: with a thousand components, whole files would be much of the memory.
    let mut sum = Sha256::new();
    let mut code = BufReader::with_capacity(PIECE, (&mut file).take(code_len));
    loop {
        let piece = code.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        sum.update(piece);
        each(piece);
        let length = piece.len();
        code.consume(length);
    }
    let mut trailer = Vec::with_capacity(TRAILER_LEN);
    file.read_to_end(&mut trailer)?;
    if trailer != [sum.finalize().as_slice(), TRAILER].concat() {
        return Err(damaged());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn cache(folder: &Path) -> CodeCache {
        CodeCache {
            seed: None,
            folder: Some(folder.to_owned()),
        }
    }

    #[test]
    fn what_was_kept_is_found_for_the_same_engine_only() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        let digest = Digest::of(b"component");
        cache.keep(&digest, 1, b"code");
        let found = cache.find(&digest, 1).unwrap();
        assert_eq!(found.origin, Origin::Cache);
        assert!(cache.find(&digest, 2).is_none());
        assert!(cache.find(&Digest::of(b"another"), 1).is_none());
        // What was found stays, whatever becomes of the cache.
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(fs::read(found.path()).unwrap().starts_with(b"code"));
    }

    #[test]
    fn a_cut_or_changed_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        let digest = Digest::of(b"component");
        let path = write(folder.path(), &digest, 1, b"some code").unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(cache.find(&digest, 1).is_none());
        let mut changed = whole.clone();
        changed[0] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(cache.find(&digest, 1).is_none());
        fs::write(&path, b"").unwrap();
        assert!(cache.find(&digest, 1).is_none());
        fs::write(&path, whole).unwrap();
        assert!(cache.find(&digest, 1).is_some());
    }

    #[test]
    fn a_file_that_others_can_write_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        let digest = Digest::of(b"component");
        let path = write(folder.path(), &digest, 1, b"code").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.find(&digest, 1).is_none());
    }

    #[test]
    fn an_unwritable_folder_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        cache(&file.path().join("below")).keep(&Digest::of(b"c"), 1, b"code");
    }
}
