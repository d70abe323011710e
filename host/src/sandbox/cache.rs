//! Machine code kept by digest, in two levels: a read-only seed that was made
//! with the image, and a writable folder.
//!
//! A file is looked up by the component's digest and the engine's compatibility
//! hash, and checked before use. Machine code runs unchecked once it is mapped,
//! so it is only taken from files that nobody but their owner can write, it
//! never comes from outside (components are compiled here), and a [`Seal`] binds
//! it to what it is for: a file of another name, host or engine is compiled anew.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use super::seal::{Seal, TAG_LEN};
use crate::source::Digest;
use crate::source::cache::{open_of, open_own, touch, write_whole};

/// Ends each file, after the seal's tag of its name and everything before.
const TRAILER: &[u8; 8] = b"SGLASS02";
const TRAILER_LEN: usize = TAG_LEN + TRAILER.len();

/// Bytes of a file that are read at once.
const PIECE: usize = 64 << 10;

/// Where machine code is kept. Both levels are optional; a missing or unwritable folder is no error.
#[derive(Debug, Clone, Default)]
pub struct CodeCache {
    /// Made when the image was built; never written at run time.
    seed: Option<PathBuf>,
    /// Written at run time; several processes can share it.
    folder: Option<PathBuf>,
    /// The folder's, once it is needed.
    seal: Arc<OnceLock<Seal>>,
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
    /// Code in a seed and in a writable folder.
    pub fn new(seed: Option<PathBuf>, folder: Option<PathBuf>) -> Self {
        Self {
            seed,
            folder,
            seal: Arc::default(),
        }
    }

    /// The first valid file for this component and engine.
    pub(super) fn find(&self, digest: &Digest, engine: u64) -> Option<CodeFile> {
        let name = file_name(digest, engine);
        let levels = [(&self.seed, Origin::Seed), (&self.folder, Origin::Cache)];
        levels.into_iter().find_map(|(folder, origin)| {
            let path = folder.as_ref()?.join(&name);
            let file = self.opened(&path, &name, origin, |_| ())?;
            Some(CodeFile { file, path, origin })
        })
    }

    /// The machine code itself, from the writable folder.
    pub fn code(&self, digest: &Digest, engine: u64) -> Option<Vec<u8>> {
        self.read(&file_name(digest, engine))
    }

    /// What was noted of a component.
    pub(super) fn note(&self, digest: &Digest, program: u64) -> Option<Vec<u8>> {
        self.read(&note_name(digest, program))
    }

    /// Notes something of a component for the next start. Failing to is no error.
    pub(super) fn keep_note(&self, digest: &Digest, program: u64, note: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = self.write(folder, &note_name(digest, program), note) {
            tracing::debug!(folder = %folder.display(), %error, "not noted");
        }
    }

    /// Keeps machine code in the writable folder, if there is one. Failing to is no error: it costs the next start time.
    pub fn keep(&self, digest: &Digest, engine: u64, code: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = self.write(folder, &file_name(digest, engine), code) {
            tracing::warn!(folder = %folder.display(), %error, "compiled component not kept: the next start compiles it again; set engine.cache_dir to a writable folder");
        }
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(name);
        let mut content = Vec::new();
        let each = |piece: &[u8]| content.extend_from_slice(piece);
        self.opened(&path, name, Origin::Cache, each)?;
        Some(content)
    }

    fn write(&self, folder: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        write(self.seal(folder)?, folder, name, content)
    }

    /// The writable folder's.
    fn seal(&self, folder: &Path) -> io::Result<&Seal> {
        if let Some(seal) = self.seal.get() {
            return Ok(seal);
        }
        let seal = Seal::of_folder(folder)?;
        Ok(self.seal.get_or_init(|| seal))
    }

    /// A file that may be used, told of in the log if it may not. `each` gets what is in it, piece by piece.
    fn opened(
        &self,
        path: &Path,
        name: &str,
        origin: Origin,
        each: impl FnMut(&[u8]),
    ) -> Option<File> {
        match self.check(path, name, origin, each) {
            Ok(file) => {
                if origin == Origin::Cache {
                    touch(path);
                }
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled component not used: it is compiled again");
                None
            }
        }
    }

    /// Only who may write the file can have, and it was sealed under this name.
    fn check(
        &self,
        path: &Path,
        name: &str,
        origin: Origin,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<File> {
        let of_seed;
        let (mut file, seal) = if origin == Origin::Seed {
            of_seed = Seal::of_seed();
            (open_of(path, *PROGRAMS_OWNER)?, &of_seed)
        } else {
            let file = open_own(path)?;
            let folder = path.parent().unwrap_or(Path::new(""));
            (file, self.seal(folder)?)
        };
        let not_ours = || {
            io::Error::other(
                "it is damaged, or was not made by this host for this component and engine",
            )
        };
        let length = file.metadata()?.len();
        let length = length
            .checked_sub(TRAILER_LEN as u64)
            .ok_or_else(not_ours)?;
        // Piece by piece: with a thousand components, whole files would be much of the memory.
        let mut sealing = seal.begin(name);
        let mut content = BufReader::with_capacity(PIECE, (&mut file).take(length));
        loop {
            let piece = content.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            sealing.update(piece);
            each(piece);
            let length = piece.len();
            content.consume(length);
        }
        let mut trailer = Vec::with_capacity(TRAILER_LEN);
        file.read_to_end(&mut trailer)?;
        let tag = trailer.strip_suffix(TRAILER);
        if !tag.is_some_and(|tag| sealing.is(tag)) {
            return Err(not_ours());
        }
        Ok(file)
    }
}

/// Whose this program is: a seed that came with it is as good as the program itself, and this user has no part in either.
static PROGRAMS_OWNER: LazyLock<u32> = LazyLock::new(|| {
    let program = std::env::current_exe().and_then(std::fs::metadata);
    // Root's, where it cannot be told.
    program.map_or(0, |program| program.uid())
});

/// Writes a component's machine code into a seed.
pub(super) fn write_seed(
    seed: &Path,
    digest: &Digest,
    engine: u64,
    code: &[u8],
) -> io::Result<PathBuf> {
    write(&Seal::of_seed(), seed, &file_name(digest, engine), code)
}

/// Writes a file so that a reader finds a whole one or none, also after a crash.
fn write(seal: &Seal, folder: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let mut sealing = seal.begin(name);
    sealing.update(content);
    write_whole(folder, name, &[content, &sealing.tag(), TRAILER])
}

fn file_name(digest: &Digest, engine: u64) -> String {
    format!("{}-{engine:016x}.cwasm", digest.hex())
}

fn note_name(digest: &Digest, program: u64) -> String {
    format!("{}-{program:016x}.tools", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn cache(folder: &Path) -> CodeCache {
        CodeCache::new(None, Some(folder.to_owned()))
    }

    /// The file that was kept for a component and an engine.
    fn kept(folder: &Path, digest: &Digest, engine: u64) -> PathBuf {
        cache(folder).keep(digest, engine, b"some code");
        folder.join(file_name(digest, engine))
    }

    #[test]
    fn what_was_kept_is_found_for_the_same_engine_only() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        kept(folder.path(), &digest, 1);
        // As a host that is started again.
        let cache = cache(folder.path());
        let found = cache.find(&digest, 1).unwrap();
        assert_eq!(found.origin, Origin::Cache);
        assert_eq!(cache.code(&digest, 1).unwrap(), b"some code");
        assert!(cache.find(&digest, 2).is_none());
        assert!(cache.find(&Digest::of(b"another"), 1).is_none());
        // What was found stays, whatever becomes of the cache.
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(fs::read(found.path()).unwrap().starts_with(b"some code"));
    }

    #[test]
    fn a_cut_or_changed_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        let path = kept(folder.path(), &digest, 1);
        let cache = cache(folder.path());
        let whole = fs::read(&path).unwrap();
        for cut in [0, 1, TRAILER_LEN, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(cache.find(&digest, 1).is_none(), "{cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(cache.find(&digest, 1).is_none(), "{at}");
        }
        fs::write(&path, whole).unwrap();
        assert!(cache.find(&digest, 1).is_some());
    }

    #[test]
    fn a_file_of_another_component_or_engine_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        let path = kept(folder.path(), &digest, 1);
        let cache = cache(folder.path());
        for (other, engine) in [(&Digest::of(b"another"), 1), (&digest, 2)] {
            fs::copy(&path, folder.path().join(file_name(other, engine))).unwrap();
            assert!(cache.find(other, engine).is_none());
        }
        // Nor is code a note.
        fs::copy(&path, folder.path().join(note_name(&digest, 1))).unwrap();
        assert!(cache.note(&digest, 1).is_none());
        assert!(cache.find(&digest, 1).is_some());
    }

    #[test]
    fn a_file_of_another_hosts_cache_is_not_used() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digest = Digest::of(b"component");
        let foreign = kept(theirs.path(), &digest, 1);
        // Whether we have a key of our own by then or not.
        for _ in 0..2 {
            fs::copy(&foreign, ours.path().join(file_name(&digest, 1))).unwrap();
            assert!(cache(ours.path()).find(&digest, 1).is_none());
        }
        kept(ours.path(), &digest, 1);
        assert!(cache(ours.path()).find(&digest, 1).is_some());
        // What makes it good in a seed does not make it good in a cache.
        write_seed(ours.path(), &digest, 1, b"code").unwrap();
        assert!(cache(ours.path()).find(&digest, 1).is_none());
    }

    #[test]
    fn a_seed_is_used_where_it_is_the_programs_owners() {
        let seed = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        let path = write_seed(seed.path(), &digest, 1, b"code").unwrap();
        let cache = CodeCache::new(Some(seed.path().to_owned()), None);
        let found = cache.find(&digest, 1).unwrap();
        assert_eq!(found.origin, Origin::Seed);
        let other = Digest::of(b"another");
        fs::copy(&path, seed.path().join(file_name(&other, 1))).unwrap();
        assert!(cache.find(&other, 1).is_none());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_532), None).unwrap();
            assert!(cache.find(&digest, 1).is_none());
        }
    }

    #[test]
    fn a_file_that_others_can_write_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        let path = kept(folder.path(), &digest, 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache(folder.path()).find(&digest, 1).is_none());
    }

    #[test]
    fn an_unwritable_folder_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        cache(&file.path().join("below")).keep(&Digest::of(b"c"), 1, b"code");
    }
}
