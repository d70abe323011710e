//! Files that are read again when they change.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Files that belong together change one after the other, and large ones are written in pieces: they are read when
/// nothing changed for so long.
const SETTLE: Duration = Duration::from_millis(100);

/// They are read after so long at the latest.
const PATIENCE: Duration = Duration::from_secs(2);

/// What tells that a file was written or replaced, without its content: the same stamp, the same content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970 of the last change of content or metadata. Nobody can set it.
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of the file that a path leads to; none where there is no such file.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Says when files may have changed.
pub struct Watch {
    changes: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches these files, by their folders: editors replace a file instead of writing it, and Kubernetes points the
    /// link `..data` beside a mounted file elsewhere. Of a folder among them all files are watched. Where that cannot
    /// be had, changes count after the next start.
    pub fn new<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let changes = Arc::new(Notify::new());
        let mut places = Places::default();
        files.into_iter().for_each(|file| places.add(file));
        let watcher = if places.folders.is_empty() {
            None
        } else {
            watch(places, Arc::clone(&changes))
                .inspect_err(|error| {
                    tracing::warn!(%error, "files cannot be watched: changes count only after a restart");
                })
                .ok()
        };
        Self {
            changes,
            _watcher: watcher,
        }
    }

    /// Waits until one of the files may have changed.
    pub async fn changed(&self) {
        self.changes.notified().await;
        let settled = async {
            while tokio::time::timeout(SETTLE, self.changes.notified())
                .await
                .is_ok()
            {}
        };
        _ = tokio::time::timeout(PATIENCE, settled).await;
    }
}

/// What may change when watched files do.
#[derive(Debug, Default)]
struct Places {
    /// The folders that they are in.
    folders: BTreeSet<PathBuf>,
    /// Names in them: the file's, that of the file itself where the name is a link, and `..data` beside them.
    names: BTreeSet<PathBuf>,
    /// Folders in which every name counts.
    whole: BTreeSet<PathBuf>,
}

impl Places {
    fn add(&mut self, file: &Path) {
        let real = file.canonicalize().ok();
        if let Some(real) = &real
            && real.is_dir()
        {
            self.folders.insert(real.clone());
            self.whole.insert(real.clone());
        }
        for path in [Some(file), real.as_deref()].into_iter().flatten() {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let name = path.file_name().unwrap_or_default();
            self.folders.insert(folder.to_owned());
            self.names
                .extend([folder.join(name), folder.join("..data")]);
        }
    }

    /// Whether an event tells of a change: others change in the folders too (our own log, say), and to read a file is
    /// an event that must not make us read it again.
    fn change_by(&self, event: &Event) -> bool {
        let is_write = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        let counts = |path: &PathBuf| {
            self.names.contains(path)
                || path
                    .parent()
                    .is_some_and(|folder| self.whole.contains(folder))
        };
        event.need_rescan() || is_write && event.paths.iter().any(counts)
    }
}

fn watch(places: Places, changes: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let folders = places.folders.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may hide a change.
        if event.map_or(true, |event| places.change_by(&event)) {
            changes.notify_one();
        }
    })?;
    for folder in folders {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            // Gone since it was looked for: as a mounted ConfigMap's, whose link leads elsewhere by now.
            if !folder.exists() {
                tracing::debug!(%error, folder = %folder.display(), "is not there to be watched");
                continue;
            }
            tracing::warn!(
                %error,
                folder = %folder.display(),
                "cannot be watched: changes there count only after a restart"
            );
        }
    }
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures::FutureExt;

    use std::os::unix::fs::symlink;

    async fn changes(watch: &Watch) {
        tokio::time::timeout(Duration::from_secs(30), watch.changed())
            .await
            .expect("the change is noticed");
    }

    #[tokio::test]
    async fn a_file_that_is_written_or_replaced_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.yaml");
        std::fs::write(&file, "1").unwrap();
        let watch = Watch::new([file.as_path()]);
        std::fs::write(&file, "2").unwrap();
        changes(&watch).await;
        let other = folder.path().join("new");
        std::fs::write(&other, "3").unwrap();
        std::fs::rename(other, &file).unwrap();
        changes(&watch).await;
    }

    #[tokio::test]
    async fn a_volume_of_kubernetes_that_is_swapped_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("tls.crt"), version).unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/tls.crt", path("tls.crt")).unwrap();
        let file = path("tls.crt");
        let watch = Watch::new([file.as_path()]);
        symlink("..2", path("..data_tmp")).unwrap();
        std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
        changes(&watch).await;
        assert_eq!(std::fs::read_to_string(file).unwrap(), "..2");
    }

    #[tokio::test]
    async fn a_folder_has_changed_when_a_file_comes_or_goes() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new([folder.path()]);
        std::fs::write(folder.path().join("new.wasm"), "1").unwrap();
        changes(&watch).await;
        std::fs::remove_file(folder.path().join("new.wasm")).unwrap();
        changes(&watch).await;
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.yaml");
        let watch = Watch::new([Path::new("/no/such/folder/file"), &file]);
        std::fs::write(&file, "1").unwrap();
        changes(&watch).await;
    }

    #[test]
    fn a_file_that_is_written_or_replaced_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool.wasm");
        assert_eq!(Stamp::of(&file), None);
        std::fs::write(&file, "1").unwrap();
        let first = Stamp::of(&file).unwrap();
        assert_eq!(Stamp::of(&file), Some(first.clone()));
        let other = folder.path().join("other");
        std::fs::write(&other, "2").unwrap();
        std::fs::rename(other, &file).unwrap();
        assert_ne!(Stamp::of(&file), Some(first));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_follow_each_other_are_one() {
        let watch = Watch::new([]);
        watch.changes.notify_one();
        tokio::join!(watch.changed(), async {
            tokio::time::sleep(SETTLE / 2).await;
            watch.changes.notify_one();
        });
        assert!(watch.changed().now_or_never().is_none());
        watch.changes.notify_one();
        watch.changed().await;
    }

    #[test]
    fn other_files_and_readers_change_nothing() {
        let mut places = Places::default();
        places.add(Path::new("/etc/tls/tls.crt"));
        let is_change =
            |kind, path: &str| places.change_by(&Event::new(kind).add_path(path.into()));
        let write = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert!(is_change(write, "/etc/tls/tls.crt"));
        assert!(is_change(EventKind::Any, "/etc/tls/..data"));
        assert!(!is_change(write, "/etc/tls/log"));
        assert!(!is_change(read, "/etc/tls/tls.crt"));
    }
}
