//! The way to a path, step by step: what lies at its end, opened, and the folders that it leads through.
//!
//! Each name is looked up in a folder that is open, and a link is followed by its text. So what was looked at is what was
//! opened, whoever moves things meanwhile.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use super::mounts::{Mounts, Origin};

/// Links on one way, as the kernel allows.
const MAX_LINKS: usize = 40;

/// A folder, wherever it lies: by its file system and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    device: u64,
    inode: u64,
}

/// A folder on a way.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub id: Id,
    /// Its path without links.
    pub path: PathBuf,
    pub origin: Option<Origin>,
}

/// A way to a path.
pub(super) struct Way {
    /// The folders in which a name was looked up, the first one first. If the end is a folder, it is the last one.
    pub stops: Vec<Stop>,
    pub end: io::Result<End>,
}

/// What lies at the end of a way.
pub(super) enum End {
    /// Open without the right to read it (`O_PATH`).
    Folder(File),
    /// Anything else.
    Other,
}

/// A folder of which the way has not come back.
struct Open {
    folder: OwnedFd,
    stop: Stop,
}

/// Follows a path. Blocks on the file system.
pub(super) fn follow(path: &Path, mounts: &Mounts) -> Way {
    let mut stops = Vec::new();
    let end = go(path, mounts, &mut stops);
    Way { stops, end }
}

fn go(path: &Path, mounts: &Mounts, stops: &mut Vec<Stop>) -> io::Result<End> {
    // Relative to the working folder; `..` stays, to be looked up.
    let path = std::path::absolute(path)?;
    let mut names = Vec::new();
    add_names(&path, &mut names);
    let root = openat(rustix::fs::CWD, "/", FOLDER, Mode::empty())?;
    let mut open = vec![Open::new(root, PathBuf::from("/"), mounts)?];
    stops.push(open[0].stop.clone());
    let mut links = 0;
    while let Some(name) = names.pop() {
        let here = open.last().expect("the root is never left");
        if name == ".." {
            if open.len() > 1 {
                open.pop();
                stops.extend(open.last().map(|open| open.stop.clone()));
            }
            continue;
        }
        let found = openat(&here.folder, &name, STEP, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Directory => {
                let next = Open::new(found, here.stop.path.join(&name), mounts)?;
                stops.push(next.stop.clone());
                open.push(next);
            }
            FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = readlinkat(&found, "", Vec::new())?.into_bytes();
                let target = PathBuf::from(OsString::from_vec(target));
                if target.is_absolute() {
                    open.truncate(1);
                    stops.push(open[0].stop.clone());
                }
                add_names(&target, &mut names);
            }
            _ if names.is_empty() => return Ok(End::Other),
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    let end = open.pop().expect("the root is never left");
    Ok(End::Folder(end.folder.into()))
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Adds the names of a path before those that are left, which are kept the last one first.
fn add_names(path: &Path, left: &mut Vec<OsString>) {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    left.extend(names);
}

impl Open {
    fn new(folder: OwnedFd, path: PathBuf, mounts: &Mounts) -> io::Result<Self> {
        let id = Id::of(&folder)?;
        let origin = mounts.origin(&path);
        let stop = Stop { id, path, origin };
        Ok(Self { folder, stop })
    }
}

impl Id {
    fn of(file: impl AsFd) -> io::Result<Self> {
        let found = fstat(file)?;
        Ok(Self {
            device: found.st_dev,
            inode: found.st_ino,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// The paths of the stops below a folder, and whether a folder lies at the end.
    fn stops(root: &Path, path: &str) -> (Vec<String>, io::Result<bool>) {
        let way = follow(&root.join(path), &Mounts::default());
        let below = way.stops.iter().filter_map(|stop| {
            let below = stop.path.strip_prefix(root).ok()?;
            Some(below.to_str().unwrap().to_owned())
        });
        (
            below.collect(),
            way.end.map(|end| matches!(end, End::Folder(_))),
        )
    }

    #[test]
    fn each_folder_on_the_way_is_told() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("c")).unwrap();
        fs::write(root.join("c/file"), "").unwrap();
        symlink("../a/b", root.join("c/relative")).unwrap();
        symlink(root.join("a"), root.join("c/absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for (path, folders, is_folder) in [
            ("a/b", &["", "a", "a/b"][..], true),
            ("a/./b/", &["", "a", "a/b"], true),
            ("a/b/..", &["", "a", "a/b", "a"], true),
            ("c/relative", &["", "c", "", "a", "a/b"], true),
            ("c/absolute/b", &["", "c", "", "a", "a/b"], true),
            ("c/file", &["", "c"], false),
        ] {
            let (stops, end) = stops(&root, path);
            assert_eq!(stops, folders, "{path}");
            assert_eq!(end.unwrap(), is_folder, "{path}");
        }
        for (path, folders, error) in [
            ("a/none", &["", "a"][..], Errno::NOENT),
            ("a/none/below", &["", "a"], Errno::NOENT),
            ("c/file/below", &["", "c"], Errno::NOTDIR),
            ("loop", &[""], Errno::LOOP),
        ] {
            let (stops, end) = stops(&root, path);
            assert_eq!(stops, folders, "{path}");
            let told = end.unwrap_err();
            assert_eq!(Errno::from_io_error(&told), Some(error), "{path}");
        }
    }

    #[test]
    fn what_was_opened_is_what_was_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let way = follow(&folder, &Mounts::default());
        fs::rename(&folder, root.path().join("moved")).unwrap();
        fs::create_dir(&folder).unwrap();
        let Ok(End::Folder(opened)) = way.end else {
            panic!("it is a folder");
        };
        assert_eq!(way.stops.last().unwrap().id, Id::of(&opened).unwrap());
        let other = follow(&folder, &Mounts::default());
        assert_ne!(other.stops.last().unwrap().id, Id::of(&opened).unwrap());
    }
}
