//! The folders that a manifest grants: each is opened once, and held.
//!
//! A call gets what was opened, and no path is looked up for it: whatever becomes of the path, the grant leads to the same folder.
//! When one is opened, its way must not lead through a folder that tools write to (they could have it lead anywhere), nor may
//! it lie in one, or hold files of the host's own.

mod mounts;
mod way;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, openat};
use sandglass_manifest::{ManifestError, Placed};

use mounts::{Mounts, Origin};
use way::{End, Stop, Way};

/// A folder that a manifest grants to a source's tools.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Where it is.
    pub host: Placed<PathBuf>,
    /// Whether the tools may write to it.
    pub writes: bool,
    /// Whose grant it is, for people: `allow.files[0] of notes`.
    pub name: String,
}

/// A file or folder that the host itself uses.
#[derive(Debug, Clone)]
pub struct OwnFile {
    /// Where it is, or will be.
    pub path: PathBuf,
    /// What it is, for people: `the cache folder`.
    pub name: String,
    /// Whether tools may read it.
    pub secrecy: Secrecy,
    /// Whether all that lies in it is the host's own too, where it is a folder.
    pub whole: bool,
}

/// Who may read a file of the host's own. No tool may write to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Tools that are granted its folder: components, certificates.
    Public,
    /// No tool.
    Secret,
}

/// The granted folders, open. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct GrantedFolders(Arc<Mutex<Granted>>);

#[derive(Debug, Default)]
struct Granted {
    grants: Vec<Grant>,
    own: Vec<OwnFile>,
    open: HashMap<PathBuf, Folder>,
}

/// A folder that is held open.
#[derive(Debug, Clone)]
struct Folder {
    file: Arc<File>,
    /// The way to it, when it was opened.
    stops: Vec<Stop>,
}

/// A place that a grant leads to: the folder that is held for it, or the one that its path leads to now.
struct Leads<'g> {
    grant: &'g Grant,
    stops: &'g [Stop],
    /// All that can be reached from there.
    reach: Vec<Origin>,
}

impl GrantedFolders {
    /// Opens the folders of a manifest's grants; those that were granted before stay as they are open. A folder that is not
    /// there, or is none, is no error yet. Blocks on the file system.
    ///
    /// # Errors
    /// One that leads through or into another that is written to, or to a file of the host's own. What was open then stays.
    pub fn replace(&self, grants: Vec<Grant>, own: Vec<OwnFile>) -> Result<(), ManifestError> {
        let mut granted = self.lock();
        let open = open(&grants, &own, &granted.open)?;
        *granted = Granted { grants, own, open };
        Ok(())
    }

    /// The folder at a granted path. One that was not there when the manifest was read is looked for again. Blocks on the file
    /// system.
    pub(super) fn get(&self, host: &Path) -> Result<Arc<File>, String> {
        let mut granted = self.lock();
        if !granted.open.contains_key(host) {
            let open = open(&granted.grants, &granted.own, &granted.open);
            granted.open = open.map_err(|error| error.message().to_owned())?;
        }
        match granted.open.get(host) {
            Some(folder) => Ok(Arc::clone(&folder.file)),
            None => Err(problem(host)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no folder at a path.
fn problem(host: &Path) -> String {
    let shown = host.display();
    match std::fs::read_dir(host) {
        Ok(_) => format!("the folder {shown} was not granted when the manifest was read"),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            format!("{shown} is not a folder; name the one it is in")
        }
        Err(error) => {
            format!("the folder {shown} cannot be read: {error}; make it, or correct the path")
        }
    }
}

/// Opens what is not open yet, and checks all of it.
fn open(
    grants: &[Grant],
    own: &[OwnFile],
    before: &HashMap<PathBuf, Folder>,
) -> Result<HashMap<PathBuf, Folder>, ManifestError> {
    let mounts = Mounts::read();
    let mut now = HashMap::new();
    for grant in grants {
        let path = grant.host.to_path_buf();
        if !now.contains_key(&path)
            && let Some(folder) = Folder::open(&path, &mounts)
        {
            now.insert(path, folder);
        }
    }
    let leads: Vec<Leads> = grants
        .iter()
        .flat_map(|grant| {
            let path: &Path = &grant.host;
            // What is held counts, and what would be opened at the next start.
            let folders = [now.get(path), before.get(path)];
            let folders = folders.into_iter().flatten();
            folders.map(|folder| Leads::new(grant, folder, &mounts))
        })
        .collect();
    let own: Vec<(&OwnFile, Way)> = own
        .iter()
        .map(|file| (file, way::follow(&file.path, &mounts)))
        .collect();
    for lead in &leads {
        lead.check_kernel(&mounts)?;
        for (file, way) in &own {
            lead.check_own(file, way)?;
        }
        for outer in leads.iter().filter(|outer| outer.grant.writes) {
            lead.check_beside(outer)?;
        }
    }
    let held = grants.iter().filter_map(|grant| {
        let path: &Path = &grant.host;
        let folder = match (before.get(path), now.get(path)) {
            (Some(held), now) => {
                held.tell_replaced(path, now);
                held
            }
            (None, now) => now?,
        };
        Some((path.to_owned(), folder.clone()))
    });
    Ok(held.collect())
}

impl Folder {
    fn open(path: &Path, mounts: &Mounts) -> Option<Self> {
        let Way { stops, end } = way::follow(path, mounts);
        let Ok(End::Folder(file)) = end else {
            return None;
        };
        let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&file, ".", readable, Mode::empty()).ok()?;
        let file = Arc::new(file);
        Some(Self { file, stops })
    }

    fn end(&self) -> &Stop {
        self.stops.last().expect("a way begins with a stop")
    }

    /// Says that the path leads elsewhere by now, or nowhere.
    fn tell_replaced(&self, path: &Path, now: Option<&Self>) {
        let what = match now {
            Some(now) if now.end().id == self.end().id => return,
            Some(_) => "another folder is there now",
            None => "it is not there any more",
        };
        tracing::warn!(
            folder = %path.display(),
            "{what}: tools go on with the one that was granted, until the host is started again"
        );
    }
}

impl<'g> Leads<'g> {
    fn new(grant: &'g Grant, folder: &'g Folder, mounts: &Mounts) -> Self {
        Self {
            grant,
            stops: &folder.stops,
            reach: mounts.reach(&folder.end().path),
        }
    }

    fn end(&self) -> &Stop {
        self.stops.last().expect("a way begins with a stop")
    }

    /// Whether it is this folder.
    fn is(&self, stop: &Stop) -> bool {
        let end = self.end();
        end.id == stop.id || (end.origin.is_some() && end.origin == stop.origin)
    }

    /// Whether this folder can be reached from it.
    fn holds(&self, stop: &Stop) -> bool {
        let reached = |origin: &Origin| self.reach.iter().any(|outer| origin.is_in(outer));
        self.is(stop) || stop.origin.as_ref().is_some_and(reached)
    }

    fn refuse(&self, problem: &str) -> ManifestError {
        let (name, shown) = (&self.grant.name, self.grant.host.display());
        self.grant
            .host
            .error(format!("{name}: the folder {shown} {problem}"))
    }

    fn check_kernel(&self, mounts: &Mounts) -> Result<(), ManifestError> {
        let Some(files) = mounts.kernel_files(&self.end().path) else {
            return Ok(());
        };
        let files = files.display();
        Err(self.refuse(&format!(
            "leads to {files}, where the kernel shows the host's own process; grant a folder without it"
        )))
    }

    /// A file of the host's own does not lie in it, nor is reached through it; nor does it lie in a folder of the host's own.
    fn check_own(&self, file: &OwnFile, way: &Way) -> Result<(), ManifestError> {
        if !self.grant.writes && file.secrecy == Secrecy::Public {
            return Ok(());
        }
        let holds = way.stops.iter().any(|stop| self.holds(stop));
        let lies_in = file.whole
            && matches!(way.end, Ok(End::Folder(_)))
            && way.stops.last().is_some_and(|own| {
                let is_own = |stop: &Stop| {
                    let origins = (stop.origin.as_ref(), own.origin.as_ref());
                    let is_below = matches!(origins, (Some(stop), Some(own)) if stop.is_in(own));
                    stop.id == own.id || is_below
                };
                self.stops.iter().any(is_own)
            });
        if !holds && !lies_in {
            return Ok(());
        }
        let (what, path) = (&file.name, file.path.display());
        let how = if holds { "leads to" } else { "lies in" };
        Err(self.refuse(&format!(
            "{how} what the host itself needs, {what} ({path}); grant a folder of the tools' own"
        )))
    }

    /// Its way does not lead through a folder that tools write to, and it lies in none. The same folder may be granted twice.
    fn check_beside(&self, outer: &Self) -> Result<(), ManifestError> {
        let (end, way) = self.stops.split_last().expect("a way begins with a stop");
        let is_inside = outer.holds(end) && !outer.is(end);
        if !is_inside && !way.iter().any(|stop| outer.holds(stop)) {
            return Ok(());
        }
        let (other, folder) = (&outer.grant.name, outer.grant.host.display());
        let how = if is_inside {
            "lies in"
        } else {
            "leads through"
        };
        Err(self.refuse(&format!(
            "{how} {folder}, which {other} lets tools write to: they could move it, and have the path lead elsewhere; grant the same folder twice, or two beside one another"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    /// `data/inner`, `beside`, and links to them.
    fn folders() -> (TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("data/inner/deep")).unwrap();
        fs::create_dir(root.join("beside")).unwrap();
        symlink("data/inner", root.join("link")).unwrap();
        symlink("../beside", root.join("data/out")).unwrap();
        (parent, root)
    }

    fn grant(name: &str, path: PathBuf, writes: bool) -> Grant {
        Grant {
            host: path.into(),
            writes,
            name: name.to_owned(),
        }
    }

    fn own(path: PathBuf, secrecy: Secrecy) -> OwnFile {
        OwnFile {
            path,
            name: "the thing".to_owned(),
            secrecy,
            whole: true,
        }
    }

    fn check(grants: Vec<Grant>, own: Vec<OwnFile>) -> Result<(), String> {
        let folders = GrantedFolders::default();
        folders
            .replace(grants, own)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_lies_in_a_folder_that_is_written_to_is_refused() {
        let (_parent, root) = folders();
        for (path, how) in [
            ("data/inner", "lies in"),
            ("data/inner/deep", "lies in"),
            ("data/./inner/", "lies in"),
            ("beside/../data/inner", "lies in"),
            ("link", "lies in"),
            ("link/deep", "lies in"),
            ("data/out", "leads through"),
            ("data/inner/..", "leads through"),
            ("data/../beside", "leads through"),
        ] {
            for writes in [false, true] {
                let outer = grant("outer", root.join("data"), true);
                let inner = grant("inner", root.join(path), writes);
                let first = check(vec![outer.clone(), inner.clone()], vec![]);
                let told = first.unwrap_err();
                assert!(told.starts_with("inner: the folder "), "{path}: {told}");
                assert!(told.contains(how), "{path}: {told}");
                assert!(told.contains("which outer lets"), "{path}: {told}");
                // In whatever order they stand.
                assert!(check(vec![inner, outer], vec![]).is_err(), "{path}");
            }
        }
    }

    #[test]
    fn folders_that_are_read_may_lie_in_one_another_and_the_same_may_be_written_twice() {
        let (_parent, root) = folders();
        for (outer, inner) in [
            (("data", false), ("data/inner", false)),
            (("data", false), ("data/inner", true)),
            (("data", true), ("data", true)),
            (("data", true), ("data", false)),
            (("data", true), ("beside/../data/", true)),
            (("data/inner", true), ("link", true)),
            (("data", true), ("beside", true)),
        ] {
            let grants = [outer, inner].map(|(path, writes)| grant("it", root.join(path), writes));
            let told = check(grants.to_vec(), vec![]);
            assert_eq!(told, Ok(()), "{outer:?} {inner:?}");
        }
    }

    #[test]
    fn the_hosts_own_files_are_no_tools() {
        let (_parent, root) = folders();
        fs::write(root.join("data/inner/key"), "").unwrap();
        symlink("data/inner/key", root.join("key")).unwrap();
        for (granted, path, how) in [
            ("data", "data/inner/key", "leads to"),
            ("data", "data/not/made/yet", "leads to"),
            ("data", "data/inner", "leads to"),
            ("data", "data", "leads to"),
            ("data/inner", "data/inner/key", "leads to"),
            ("data/inner", "key", "leads to"),
            ("link", "data/inner/key", "leads to"),
            ("data", "data/out/not-made-yet", "leads to"),
            ("data/inner/deep", "data/inner", "lies in"),
            ("link/deep", "data", "lies in"),
        ] {
            for (writes, secrecy, refused) in [
                (true, Secrecy::Secret, true),
                (true, Secrecy::Public, true),
                (false, Secrecy::Secret, true),
                (false, Secrecy::Public, false),
            ] {
                let grants = vec![grant("it", root.join(granted), writes)];
                let told = check(grants, vec![own(root.join(path), secrecy)]);
                assert_eq!(told.is_err(), refused, "{granted} {path} {told:?}");
                let told = told.err().unwrap_or_default();
                assert!(!refused || told.contains(how), "{granted} {path}: {told}");
                assert!(!refused || told.contains("the thing ("), "{told}");
            }
        }
        for path in ["key", "beside/key", "beside", "data/inner/key"] {
            let grants = vec![grant("it", root.join("data/inner/deep"), true)];
            let told = check(grants, vec![own(root.join(path), Secrecy::Secret)]);
            assert_eq!(told, Ok(()), "{path}");
        }
    }

    #[test]
    fn the_kernels_files_are_no_tools() {
        for path in ["/", "/proc", "/proc/self"] {
            let told = check(vec![grant("it", path.into(), false)], vec![]).unwrap_err();
            assert!(told.contains("the host's own process"), "{path}: {told}");
        }
    }

    #[test]
    fn a_folder_is_opened_once_and_stays_what_it_was() {
        let (_parent, root) = folders();
        let folders = GrantedFolders::default();
        let grants = vec![grant("it", root.join("link"), false)];
        folders.replace(grants.clone(), vec![]).unwrap();
        let first = folders.get(&root.join("link")).unwrap();
        // The link leads elsewhere now; and what was granted goes away.
        fs::remove_file(root.join("link")).unwrap();
        symlink("beside", root.join("link")).unwrap();
        folders.replace(grants.clone(), vec![]).unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &folders.get(&root.join("link")).unwrap()
        ));
        fs::remove_file(root.join("link")).unwrap();
        folders.replace(grants.clone(), vec![]).unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &folders.get(&root.join("link")).unwrap()
        ));
        // What is granted no more and then again is opened anew.
        symlink("beside", root.join("link")).unwrap();
        folders.replace(vec![], vec![]).unwrap();
        folders.replace(grants, vec![]).unwrap();
        let anew = folders.get(&root.join("link")).unwrap();
        assert!(!Arc::ptr_eq(&first, &anew));
    }

    #[test]
    fn a_folder_that_comes_later_is_checked_then() {
        let (_parent, root) = folders();
        let folders = GrantedFolders::default();
        let late = root.join("late");
        let grants = vec![
            grant("outer", root.join("data"), true),
            grant("late", late.clone(), false),
        ];
        folders.replace(grants, vec![]).unwrap();
        let told = folders.get(&late).unwrap_err();
        assert!(told.contains("cannot be read: "), "{told}");
        symlink("data/inner", &late).unwrap();
        let told = folders.get(&late).unwrap_err();
        assert!(told.contains("lies in"), "{told}");
        fs::remove_file(&late).unwrap();
        fs::create_dir(&late).unwrap();
        assert!(folders.get(&late).is_ok());
        let told = folders.get(&root.join("beside")).unwrap_err();
        assert!(told.contains("was not granted"), "{told}");
    }

    #[test]
    fn a_manifest_that_is_refused_leaves_open_what_was() {
        let (_parent, root) = folders();
        let folders = GrantedFolders::default();
        let data = grant("it", root.join("data"), true);
        folders.replace(vec![data.clone()], vec![]).unwrap();
        let inner = grant("inner", root.join("data/inner"), false);
        folders.replace(vec![data, inner], vec![]).unwrap_err();
        assert!(folders.get(&root.join("data")).is_ok());
    }
}
