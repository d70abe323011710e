//! What binds a file of machine code to its name and to this host: a MAC over both, with a key that nobody else has.
//!
//! The name says which component and which engine the code is for. So a file that was renamed, changed, or copied from
//! another host's cache is found out.

use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::source::cache;

/// Bytes of a tag.
pub(super) const TAG_LEN: usize = 32;

const KEY_LEN: usize = 32;

/// What makes and checks tags.
#[derive(Debug, Clone)]
pub(super) struct Seal(Hmac<Sha256>);

/// A tag in the making.
pub(super) struct Sealing(Hmac<Sha256>);

impl Seal {
    /// That of a seed. Its key is no secret: a seed is trusted for who owns it.
    pub(super) fn of_seed() -> Self {
        Self::new(&[0; KEY_LEN])
    }

    /// That of a writable folder: its key is random, and lies in the folder, readable by this user alone. It is made where there
    /// is none.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub(super) fn of_folder(folder: &Path) -> io::Result<Self> {
        let name = format!("key-{}", rustix::process::geteuid().as_raw());
        match read_key(&folder.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(folder, &name, false),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "the key of compiled components is not used: there is a new one, and what was compiled is compiled again");
                make_key(folder, &name, true)
            }
            key => key,
        }
        .map(|key| Self::new(&key))
    }

    fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// Begins the tag of a file of this name.
    pub(super) fn begin(&self, name: &str) -> Sealing {
        let mut mac = self.0.clone();
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        Sealing(mac)
    }
}

impl Sealing {
    /// Takes in what follows in the file.
    pub(super) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// The tag of all of it.
    pub(super) fn tag(self) -> [u8; TAG_LEN] {
        self.0.finalize().into_bytes().into()
    }

    /// Whether this is its tag.
    pub(super) fn is(self, tag: &[u8]) -> bool {
        self.0.verify_slice(tag).is_ok()
    }
}

/// A key that nobody but this user can have read or written.
fn read_key(path: &Path) -> io::Result<[u8; KEY_LEN]> {
    let file = cache::open(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("its file belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "others than its owner can use its file; it must have mode 600",
        ));
    }
    let mut key = Vec::new();
    file.take(KEY_LEN as u64 + 1).read_to_end(&mut key)?;
    key.try_into()
        .map_err(|_| io::Error::other("its file is damaged"))
}

/// Makes a key, in the place of another or of none. Of several processes that do so at once, the first counts for all.
fn make_key(folder: &Path, name: &str, replace: bool) -> io::Result<[u8; KEY_LEN]> {
    let mut key = [0; KEY_LEN];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Its owner's alone, as all temporary files.
    let mut file = cache::unfinished(folder)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    let path = folder.join(name);
    if replace {
        file.persist(&path)?;
    } else if let Err(error) = file.persist_noclobber(&path) {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            return read_key(&path);
        }
        return Err(error.error);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn tag(seal: &Seal, name: &str, content: &[u8]) -> [u8; TAG_LEN] {
        let mut sealing = seal.begin(name);
        sealing.update(content);
        sealing.tag()
    }

    fn key_file(folder: &Path) -> std::path::PathBuf {
        fs::read_dir(folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    }

    #[test]
    fn a_folder_has_one_key_and_it_is_this_users_alone() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("made/with/it");
        let first = Seal::of_folder(&below).unwrap();
        let second = Seal::of_folder(&below).unwrap();
        assert_eq!(tag(&first, "a", b"x"), tag(&second, "a", b"x"));
        assert_eq!(fs::read_dir(&below).unwrap().count(), 1);
        let mode = key_file(&below).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Seal::of_folder(folder.path()).unwrap();
        assert_ne!(tag(&first, "a", b"x"), tag(&other, "a", b"x"));
    }

    #[test]
    fn hosts_that_start_at_once_have_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let make = || tag(&Seal::of_folder(folder.path()).unwrap(), "a", b"x");
        let tags: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(tags.iter().all(|tag| *tag == tags[0]));
    }

    #[test]
    fn a_key_that_others_could_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let before = tag(&Seal::of_folder(folder.path()).unwrap(), "a", b"x");
        let file = key_file(folder.path());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let after = tag(&Seal::of_folder(folder.path()).unwrap(), "a", b"x");
        assert_ne!(before, after);
        fs::write(&file, b"short").unwrap();
        assert_ne!(
            after,
            tag(&Seal::of_folder(folder.path()).unwrap(), "a", b"x")
        );
    }

    #[test]
    fn a_tag_is_of_one_name_and_one_content() {
        let seal = Seal::of_seed();
        let sealed = tag(&seal, "name", b"content");
        for (name, content) in [
            ("name", &b"contenT"[..]),
            ("namE", b"content"),
            ("namec", b"ontent"),
            ("name", b""),
        ] {
            let mut sealing = seal.begin(name);
            sealing.update(content);
            assert!(!sealing.is(&sealed), "{name}");
        }
        let mut sealing = seal.begin("name");
        sealing.update(b"con");
        sealing.update(b"tent");
        assert!(sealing.is(&sealed));
    }
}
