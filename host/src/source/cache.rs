//! What was downloaded, kept in the cache folder by digest: `blobs/sha256/<hex>` as in an OCI image layout, and under
//! `tags/` the digest that each name (an artifact's tag, a ConfigMap's key) last stood for.
//!
//! Bytes are checked against their digest at each use, and need no trust. A name's digest can only be taken at its word: a
//! file of tags counts if this user or root has written it, for that name. No failure here is an error; it costs a
//! download. Several processes can share the folder.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Digest;
use crate::sandbox::compile::MAX_COMPONENT;
use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use tempfile::NamedTempFile;

/// Downloaded bytes by digest. Without a folder it holds nothing.
#[derive(Debug, Clone, Default)]
pub struct ByteCache {
    folder: Option<PathBuf>,
}

/// A file in the cache folder.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// When it was last used.
    pub used: SystemTime,
}

/// What a file in the cache folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Bytes as they were downloaded.
    Blob,
    /// A compiled component.
    Code,
    /// What a component said of its tools.
    Tools,
}

impl Kind {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Code => "code",
            Self::Tools => "tools",
        }
    }
}

impl ByteCache {
    /// A cache in this folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The bytes of this digest; damaged ones are removed.
    pub async fn get(&self, digest: &Digest) -> Option<Bytes> {
        let path = self.blobs()?.join(digest.hex());
        let digest = digest.clone();
        let read = move || {
            let bytes = match read_bounded(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    if error.kind() != io::ErrorKind::NotFound {
                        tracing::warn!(path = %path.display(), %error, "cached download not used");
                    }
                    return None;
                }
            };
            if Digest::of(&bytes) != digest {
                tracing::warn!(path = %path.display(), "cached download is damaged: removed");
                _ = fs::remove_file(&path);
                return None;
            }
            touch(&path);
            Some(bytes.into())
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// Keeps bytes that have this digest.
    pub async fn put(&self, digest: &Digest, bytes: Bytes) {
        let Some(folder) = self.blobs() else { return };
        keep(folder, digest.hex(), bytes).await;
    }

    /// The digest that a name stood for when it was last resolved: an artifact's tag, say.
    pub async fn tag(&self, name: impl fmt::Display) -> Option<Digest> {
        let name = name.to_string();
        let path = self.tags()?.join(file_name(&name));
        let read = move || match read_tag(&path, &name) {
            Ok(digest) => Some(digest),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cached tag not used");
                }
                None
            }
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// Keeps the digest that a name stands for.
    pub async fn remember(&self, name: impl fmt::Display, digest: &Digest) {
        let Some(folder) = self.tags() else { return };
        let name = name.to_string();
        let text = tag_text(digest, &name);
        keep(folder, file_name(&name), text.into()).await;
    }

    /// All that takes space, the longest unused first.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let (Some(folder), Some(blobs)) = (&self.folder, self.blobs()) else {
            return Ok(Vec::new());
        };
        let mut entries = files(folder, Kind::Code)?;
        entries.retain_mut(|entry| {
            match entry.path.extension().and_then(OsStr::to_str) {
                Some("cwasm") => {}
                Some("tools") => entry.kind = Kind::Tools,
                _ => return is_unfinished(&entry.path),
            }
            true
        });
        entries.extend(files(&blobs, Kind::Blob)?);
        entries.sort_by_key(|entry| entry.used);
        Ok(entries)
    }

    /// Removes what is longest unused until at most `size` bytes are left; what was removed. A file that another process
    /// reads or has mapped stays whole for it.
    pub fn prune(&self, size: u64) -> io::Result<Vec<Entry>> {
        let entries = self.entries()?;
        let mut left: u64 = entries.iter().map(|entry| entry.size).sum();
        let mut removed = Vec::new();
        for entry in entries {
            if left <= size {
                break;
            }
            match fs::remove_file(&entry.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            left = left.saturating_sub(entry.size);
            removed.push(entry);
        }
        Ok(removed)
    }

    fn blobs(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join("blobs/sha256"))
    }

    fn tags(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join("tags"))
    }
}

/// Such names are longer than those of files may be, and have `/`.
fn file_name(name: impl fmt::Display) -> String {
    Digest::of(name.to_string().as_bytes()).hex()
}

/// A name stands beside its digest: a file that was renamed says nothing of another name.
fn tag_text(digest: &Digest, name: &str) -> String {
    format!("{digest} {name}\n")
}

fn read_tag(path: &Path, name: &str) -> io::Result<Digest> {
    let damaged = || io::Error::other("it is damaged, or of another name");
    let mut text = String::new();
    // Names of references have a few hundred bytes.
    open_own(path)?.take(64 << 10).read_to_string(&mut text)?;
    let (digest, _) = text.split_once(' ').ok_or_else(damaged)?;
    let digest = digest.parse().map_err(|_| damaged())?;
    (text == tag_text(&digest, name))
        .then_some(digest)
        .ok_or_else(damaged)
}

/// Opens a file that several users may write beside: what is none, such as a pipe, holds up nobody.
pub fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(file)
}

/// The same, of a file that nobody but this user, or root, can have written.
pub fn open_own(path: &Path) -> io::Result<File> {
    open_of(path, geteuid().as_raw())
}

/// The same, of a file that nobody but this owner, or root, can have written.
pub fn open_of(path: &Path, owner: u32) -> io::Result<File> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != 0 && metadata.uid() != owner {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    Ok(file)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .take(MAX_COMPONENT.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn keep(folder: PathBuf, name: String, bytes: Bytes) {
    let write = move || {
        if let Err(error) = write_whole(&folder, &name, &[&bytes]) {
            tracing::warn!(folder = %folder.display(), %error, "download not kept: the next start needs the network; set engine.cache_dir to a writable folder");
        }
    };
    _ = tokio::task::spawn_blocking(write).await;
}

/// How the names of files begin that are being written, or were when their process was killed.
const UNFINISHED: &str = ".unfinished-";

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(UNFINISHED))
}

/// Writes a file so that a reader finds a whole one or none, also after a crash. The folder is made for its owner alone.
pub fn write_whole(folder: &Path, name: &str, parts: &[&[u8]]) -> io::Result<PathBuf> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = unfinished(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.as_file().sync_all()?;
    let path = folder.join(name);
    file.persist(&path)?;
    Ok(path)
}

/// A file that is not there for readers until it is given its name.
pub fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
}

/// Marks a file as just used. The time of the last change says so: that of the last access is not kept everywhere.
pub fn touch(path: &Path) {
    _ = open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

fn files(folder: &Path, kind: Kind) -> io::Result<Vec<Entry>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        // Another process may have removed it since.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_file() {
            entries.push(Entry {
                path: entry.path(),
                kind,
                size: metadata.len(),
                used: metadata.modified()?,
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn cache() -> (tempfile::TempDir, ByteCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = ByteCache::new(Some(folder.path().join("cache")));
        (folder, cache)
    }

    #[tokio::test]
    async fn bytes_and_tags_are_found_again() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"bytes");
        assert_eq!(cache.get(&digest).await, None);
        cache.put(&digest, Bytes::from_static(b"bytes")).await;
        assert_eq!(cache.get(&digest).await.unwrap(), "bytes");
        let name = "oci://localhost/a/b:1";
        assert_eq!(cache.tag(name).await, None);
        cache.remember(name, &digest).await;
        assert_eq!(cache.tag(name).await, Some(digest));
        assert_eq!(cache.tag("oci://localhost/a/b:2").await, None);
    }

    /// The file of a tag.
    fn tag_file(cache: &ByteCache, name: &str) -> PathBuf {
        cache.tags().unwrap().join(file_name(name))
    }

    #[tokio::test]
    async fn a_tag_that_others_could_have_written_is_not_used() {
        let (_folder, cache) = cache();
        let (name, digest) = ("oci://localhost/a/b:1", Digest::of(b"bytes"));
        cache.remember(name, &digest).await;
        let file = tag_file(&cache, name);
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o666);
        assert_eq!(cache.tag(name).await, None);
        mode(0o600);
        assert_eq!(cache.tag(name).await, Some(digest.clone()));
        if geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(65_532), None).unwrap();
            assert_eq!(cache.tag(name).await, None);
            // As the other user it is its own file, and root's still counts.
            assert!(open_of(&file, 65_532).is_ok());
        }
    }

    #[tokio::test]
    async fn a_tag_says_nothing_of_another_name() {
        let (_folder, cache) = cache();
        let (name, other) = ("oci://localhost/a/b:1", "oci://localhost/a/b:2");
        cache.remember(name, &Digest::of(b"bytes")).await;
        fs::rename(tag_file(&cache, name), tag_file(&cache, other)).unwrap();
        assert_eq!(cache.tag(other).await, None);
    }

    #[tokio::test]
    async fn a_pipe_in_a_files_place_holds_up_nobody() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"bytes");
        let name = "oci://localhost/a/b:1";
        let files = [
            cache.blobs().unwrap().join(digest.hex()),
            tag_file(&cache, name),
        ];
        for file in files {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
        }
        assert_eq!(cache.get(&digest).await, None);
        assert_eq!(cache.tag(name).await, None);
    }

    #[tokio::test]
    async fn damaged_bytes_are_not_used() {
        let (_folder, cache) = cache();
        let digest = Digest::of(b"bytes");
        cache.put(&digest, Bytes::from_static(b"bytes")).await;
        let path = cache.blobs().unwrap().join(digest.hex());
        fs::write(&path, b"byteZ").unwrap();
        assert_eq!(cache.get(&digest).await, None);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_longest_unused_goes_first() {
        let (_folder, cache) = cache();
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        for bytes in [b"one", b"two", b"six"] {
            let digest = Digest::of(bytes);
            cache.put(&digest, Bytes::from_static(bytes)).await;
            let path = cache.blobs().unwrap().join(digest.hex());
            File::open(path).unwrap().set_modified(long_ago).unwrap();
        }
        let code = cache.folder().unwrap().join("x.cwasm");
        fs::write(&code, b"code").unwrap();
        let left = cache.folder().unwrap().join(format!("{UNFINISHED}x"));
        fs::write(&left, b"by a process that was killed").unwrap();
        File::open(&left).unwrap().set_modified(long_ago).unwrap();
        cache.get(&Digest::of(b"two")).await.unwrap();
        let removed = cache.prune(8).unwrap();
        assert_eq!(removed.len(), 3);
        assert!(!left.exists());
        assert!(cache.get(&Digest::of(b"two")).await.is_some());
        assert!(code.exists());
        assert_eq!(cache.prune(0).unwrap().len(), 2);
        assert!(cache.entries().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = ByteCache::new(Some(file.path().join("below")));
        let digest = Digest::of(b"bytes");
        cache.put(&digest, Bytes::from_static(b"bytes")).await;
        assert_eq!(cache.get(&digest).await, None);
        ByteCache::default().put(&digest, Bytes::new()).await;
        assert_eq!(ByteCache::default().get(&digest).await, None);
    }
}
