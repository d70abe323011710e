//! What is mounted where (`/proc/self/mountinfo`, see proc_pid_mountinfo(5)): two paths can lead to the same files of a file system.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems through which the kernel shows processes and devices, the host's own among them.
const KERNEL: [&str; 9] = [
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "proc",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// What is mounted in this process's view. Without `/proc` nothing is known.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// Where it is seen.
    point: PathBuf,
    /// What of its file system.
    root: Origin,
    /// The kind of its file system.
    kind: Box<[u8]>,
}

/// A place in a file system, wherever that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The file system.
    device: Box<[u8]>,
    path: PathBuf,
}

impl Origin {
    /// Whether it is this place, or below it.
    pub(super) fn is_in(&self, outer: &Self) -> bool {
        self.device == outer.device && self.path.starts_with(&outer.path)
    }
}

impl Mounts {
    /// What is mounted now.
    pub(super) fn read() -> Self {
        std::fs::read("/proc/self/mountinfo").map_or_else(|_| Self::default(), |it| Self::of(&it))
    }

    fn of(text: &[u8]) -> Self {
        Self(
            text.split(|byte| *byte == b'\n')
                .filter_map(mount)
                .collect(),
        )
    }

    /// Where a path, without links, lies in its file system.
    pub(super) fn origin(&self, path: &Path) -> Option<Origin> {
        let mount = self.mount(path)?;
        let below = path.strip_prefix(&mount.point).ok()?;
        Some(Origin {
            device: mount.root.device.clone(),
            path: mount.root.path.join(below),
        })
    }

    /// All that can be reached below a path: its own place, and the file systems that are mounted there.
    pub(super) fn reach(&self, path: &Path) -> Vec<Origin> {
        let below = self.below(path).map(|mount| mount.root.clone());
        self.origin(path).into_iter().chain(below).collect()
    }

    /// Where the kernel's own files are that can be reached below a path.
    pub(super) fn kernel_files(&self, path: &Path) -> Option<&Path> {
        let is_kernels = |mount: &&Mount| KERNEL.iter().any(|kind| kind.as_bytes() == &*mount.kind);
        let mut mounts = self.mount(path).into_iter().chain(self.below(path));
        Some(&mounts.find(is_kernels)?.point)
    }

    /// Of several at one place the last one is seen.
    fn mount(&self, path: &Path) -> Option<&Mount> {
        let over = self.0.iter().filter(|mount| path.starts_with(&mount.point));
        over.max_by_key(|mount| mount.point.as_os_str().len())
    }

    fn below(&self, path: &Path) -> impl Iterator<Item = &Mount> {
        let below = move |mount: &&Mount| mount.point != path && mount.point.starts_with(path);
        self.0.iter().filter(below)
    }
}

/// One line: `36 35 98:0 /root /point options .. - kind source options`.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?;
    let (root, point) = (fields.next()?, fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mount {
        point: unescaped(point),
        root: Origin {
            device: device.into(),
            path: unescaped(root),
        },
        kind: kind.into(),
    })
}

/// Blanks, line breaks and backslashes are written as `\` and three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| byte == b'\\');
        let code = code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 8).ok());
        let (byte, after) = match code {
            Some(code) => (code, &after[3..]),
            None => (byte, after),
        };
        path.push(byte);
        rest = after;
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw,nosuid shared:5 master:1 - proc proc rw
23 21 8:1 /srv/data/x /mnt/x rw - ext4 /dev/sda1 rw
24 21 8:16 / /data rw - ext4 /dev/sdb rw
25 24 8:17 /a\\040b /data/with\\040blank rw - ext4 /dev/sdc rw
26 21 8:16 /sub /sub rw - ext4 /dev/sdb rw
27 21 8:18 / /data rw - ext4 /dev/sdd rw
nothing
";

    fn origin(path: &str) -> Origin {
        Mounts::of(MOUNTS).origin(path.as_ref()).unwrap()
    }

    #[test]
    fn one_place_is_found_behind_two_paths() {
        assert_eq!(origin("/mnt/x/y"), origin("/srv/data/x/y"));
        assert!(origin("/mnt/x").is_in(&origin("/srv/data")));
        assert!(!origin("/srv/data").is_in(&origin("/mnt/x")));
        assert!(!origin("/srv/data/xy").is_in(&origin("/mnt/x")));
        assert!(
            !origin("/sub").is_in(&origin("/data")),
            "it is mounted over"
        );
    }

    #[test]
    fn what_is_mounted_below_can_be_reached() {
        let mounts = Mounts::of(MOUNTS);
        let reach = mounts.reach("/data".as_ref());
        let below = origin("/data/with blank/deep");
        assert!(reach.iter().any(|origin| below.is_in(origin)));
        assert_eq!(reach.len(), 2);
        assert_eq!(mounts.reach("/srv".as_ref()), [origin("/srv")]);
        assert!(Mounts::default().reach("/".as_ref()).is_empty());
    }

    #[test]
    fn the_kernels_files_are_found_from_above_and_below() {
        let mounts = Mounts::of(MOUNTS);
        for path in ["/", "/proc", "/proc/self"] {
            let found = mounts.kernel_files(path.as_ref());
            assert_eq!(found, Some(Path::new("/proc")), "{path}");
        }
        assert_eq!(mounts.kernel_files("/srv".as_ref()), None);
    }

    #[test]
    fn the_machines_own_mounts_are_read() {
        let mounts = Mounts::read();
        assert!(mounts.origin(Path::new("/")).is_some());
        assert!(mounts.kernel_files(Path::new("/proc/self")).is_some());
    }
}
