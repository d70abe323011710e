//! Files that are read again when they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Files that belong together change one after the other: they are read once this long after the first change.
const SETTLE: Duration = Duration::from_millis(100);

/// Says when files may have changed.
pub struct Watch {
    changes: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches these files, by their folders: editors replace a file instead of writing it, and Kubernetes points the
    /// link `..data` beside a mounted file elsewhere. Where that cannot be had, changes count after the next start.
    pub fn new<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let changes = Arc::new(Notify::new());
        let paths: BTreeSet<PathBuf> = files.into_iter().flat_map(paths).collect();
        let watcher = if paths.is_empty() {
            None
        } else {
            watch(paths.clone(), Arc::clone(&changes))
                .inspect_err(|error| {
                    tracing::warn!(%error, ?paths, "cannot be watched: changes there count only after a restart");
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
        tokio::time::sleep(SETTLE).await;
    }
}

/// What may change when the file does: its name, the file itself where the name is a link, and `..data` beside them.
fn paths(file: &Path) -> Vec<PathBuf> {
    let real = file.canonicalize().ok();
    [Some(file), real.as_deref()]
        .into_iter()
        .flatten()
        .flat_map(|path| {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let name = path.file_name().unwrap_or_default();
            [folder.join(name), folder.join("..data")]
        })
        .collect()
}

fn watch(paths: BTreeSet<PathBuf>, changes: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let folders: BTreeSet<PathBuf> = paths
        .iter()
        .filter_map(|path| path.parent())
        .map(Path::to_owned)
        .collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may hide a change.
        if event.map_or(true, |event| is_change(&event, &paths)) {
            changes.notify_one();
        }
    })?;
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Whether an event tells of a change: others change in the folder too (our own log, say), and to read a file is an
/// event that must not make us read it again.
fn is_change(event: &Event, paths: &BTreeSet<PathBuf>) -> bool {
    let is_write = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    event.need_rescan() || is_write && event.paths.iter().any(|path| paths.contains(path))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn other_files_and_readers_change_nothing() {
        let paths = BTreeSet::from_iter(paths(Path::new("/etc/tls/tls.crt")));
        let is_change =
            |kind, path: &str| is_change(&Event::new(kind).add_path(path.into()), &paths);
        let write = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert!(is_change(write, "/etc/tls/tls.crt"));
        assert!(is_change(EventKind::Any, "/etc/tls/..data"));
        assert!(!is_change(write, "/etc/tls/log"));
        assert!(!is_change(read, "/etc/tls/tls.crt"));
    }
}
