//! How a guest's file is opened: below its folder, and only where no thread can be held up by it.
//!
//! A pipe has whoever opens it wait for its other end, and a device may do anything when it is opened. Guests make neither, but
//! whoever else writes to a folder may. So what lies at a path is looked at first, and opened without waiting; and
//! looked at again, for another may lie there by then.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt, open, stat};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File as GuestFile};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use wasmtime_wasi::{FsPerms, OpenMode};

/// What a guest asks for when it opens a path.
pub(super) struct Opening {
    options: OpenOptions,
    follow: FollowSymlinks,
    /// It must be a folder.
    folder: bool,
    /// It must not be there yet.
    new: bool,
    mode: OpenMode,
}

impl Opening {
    /// Errors if the grant does not cover it.
    pub(super) fn new(
        granted: FsPerms,
        path: PathFlags,
        open: OpenFlags,
        access: DescriptorFlags,
    ) -> Result<Self, ErrorCode> {
        let synchronous = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if access.intersects(synchronous) {
            return Err(ErrorCode::Unsupported);
        }
        let changes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        let folder = open.contains(OpenFlags::DIRECTORY);
        if folder && open.intersects(changes) {
            return Err(ErrorCode::Invalid);
        }
        let create = open.contains(OpenFlags::CREATE);
        let truncate = open.contains(OpenFlags::TRUNCATE);
        // What is not opened to be written is opened to be read, whether that was asked for or not.
        let read =
            access.contains(DescriptorFlags::READ) || !access.contains(DescriptorFlags::WRITE);
        let write = access.contains(DescriptorFlags::WRITE) || create || truncate;
        if write && granted.write_not_permitted() {
            return Err(ErrorCode::NotPermitted);
        }
        let new = create && open.contains(OpenFlags::EXCLUSIVE);
        let follow = FollowSymlinks::follow(path.contains(PathFlags::SYMLINK_FOLLOW));
        let flags = match follow {
            FollowSymlinks::Yes => OFlags::NONBLOCK,
            FollowSymlinks::No => OFlags::NONBLOCK | OFlags::NOFOLLOW,
        };
        let mut options = OpenOptions::new();
        options
            .read(read)
            .write(write)
            .create(create)
            .create_new(new)
            .truncate(truncate)
            .custom_flags(flags.bits().cast_signed());
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, read);
        mode.set(OpenMode::WRITE, write);
        Ok(Self {
            options,
            follow,
            folder,
            new,
            mode,
        })
    }

    /// Opens it. Blocks on the file system.
    pub(super) fn open(&self, folder: &Dir, path: &str) -> FsResult<Descriptor> {
        let file = self.file(&folder.dir, path.as_ref())?;
        let metadata = file.metadata()?;
        if !is_file_or_folder(metadata.file_type()) {
            return Err(ErrorCode::Unsupported.into());
        }
        if metadata.is_dir() {
            let dir = Dir::new(file, folder.perms, self.mode, false);
            return Ok(Descriptor::Dir(dir));
        }
        if self.folder {
            return Err(ErrorCode::NotDirectory.into());
        }
        // From here on as any file: some file systems tell those apart that do not wait.
        fcntl_setfl(&file, OFlags::empty()).map_err(io::Error::from)?;
        let file = GuestFile::new(file, folder.perms, self.mode, false);
        Ok(Descriptor::File(file))
    }

    fn file(&self, folder: &File, path: &Path) -> FsResult<File> {
        match stat(folder, path, self.follow) {
            // Not everywhere does the flag alone keep it from being followed.
            Ok(found) if found.is_symlink() && !self.new => {
                return Err(io::Error::from(Errno::LOOP).into());
            }
            Ok(found) if !(found.is_file() || found.is_dir() || found.is_symlink()) => {
                return Err(ErrorCode::Unsupported.into());
            }
            // It may come into being, and if not, opening it says why.
            _ => {}
        }
        Ok(open(folder, path, &self.options)?)
    }
}

fn is_file_or_folder(kind: fs::FileType) -> bool {
    kind.is_file() || kind.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mkfifoat};

    fn folder(path: &Path) -> Dir {
        let file = File::open(path).unwrap();
        Dir::new(
            file,
            FsPerms::ReadWrite,
            OpenMode::READ | OpenMode::WRITE,
            false,
        )
    }

    fn attempt(
        folder: &Dir,
        path: &str,
        open: OpenFlags,
        access: DescriptorFlags,
    ) -> Result<Descriptor, ErrorCode> {
        let follow = PathFlags::SYMLINK_FOLLOW;
        let opening = Opening::new(folder.perms, follow, open, access)?;
        opening
            .open(folder, path)
            .map_err(|error| error.downcast().unwrap())
    }

    /// All ways to open an existing file.
    fn ways() -> [(OpenFlags, DescriptorFlags); 6] {
        let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
        [
            (OpenFlags::empty(), DescriptorFlags::empty()),
            (OpenFlags::empty(), read),
            (OpenFlags::empty(), write),
            (OpenFlags::empty(), read | write),
            (OpenFlags::CREATE, write),
            (OpenFlags::TRUNCATE, write),
        ]
    }

    #[test]
    fn pipes_sockets_and_devices_are_refused_at_once() {
        let parent = tempfile::tempdir().unwrap();
        mkfifoat(CWD, parent.path().join("pipe"), Mode::RWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(parent.path().join("socket")).unwrap();
        symlink("pipe", parent.path().join("link")).unwrap();
        let data = folder(parent.path());
        for path in ["pipe", "socket", "link"] {
            for (open, access) in ways() {
                let refused = attempt(&data, path, open, access).err();
                assert_eq!(refused, Some(ErrorCode::Unsupported), "{path}");
            }
        }
        let devices = folder(Path::new("/dev"));
        let refused = attempt(&devices, "zero", OpenFlags::empty(), DescriptorFlags::READ).err();
        assert_eq!(refused, Some(ErrorCode::Unsupported));
    }

    /// As where a pipe takes a file's place after the look.
    #[test]
    fn a_pipe_that_is_opened_holds_up_nobody() {
        let parent = tempfile::tempdir().unwrap();
        mkfifoat(CWD, parent.path().join("pipe"), Mode::RWXU).unwrap();
        let opening = Opening::new(
            FsPerms::ReadWrite,
            PathFlags::SYMLINK_FOLLOW,
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        let folder = File::open(parent.path()).unwrap();
        let file = open(&folder, "pipe".as_ref(), &opening.unwrap().options).unwrap();
        assert!(!is_file_or_folder(file.metadata().unwrap().file_type()));
    }

    #[test]
    fn files_and_folders_are_opened_as_they_are_asked_for() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("file"), "text").unwrap();
        fs::create_dir(parent.path().join("folder")).unwrap();
        symlink("file", parent.path().join("link")).unwrap();
        let data = folder(parent.path());
        let read = |path| attempt(&data, path, OpenFlags::empty(), DescriptorFlags::READ);
        for path in ["file", "link"] {
            let Ok(Descriptor::File(file)) = read(path) else {
                panic!("{path} is a file");
            };
            let flags = rustix::fs::fcntl_getfl(&*file.file).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK));
        }
        assert!(matches!(read("folder"), Ok(Descriptor::Dir(_))));
        assert_eq!(read("none").err(), Some(ErrorCode::NoEntry));
        let folder_only = |path| {
            let access = DescriptorFlags::READ;
            attempt(&data, path, OpenFlags::DIRECTORY, access)
        };
        assert_eq!(folder_only("file").err(), Some(ErrorCode::NotDirectory));
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let new = |path| attempt(&data, path, create, DescriptorFlags::WRITE);
        assert!(new("new").is_ok());
        for path in ["new", "link"] {
            assert_eq!(new(path).err(), Some(ErrorCode::Exist));
        }
        let opening = Opening::new(
            data.perms,
            PathFlags::empty(),
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        let unfollowed = opening.unwrap().open(&data, "link").err();
        let unfollowed = unfollowed.map(|error| error.downcast().unwrap());
        assert_eq!(unfollowed, Some(ErrorCode::Loop));
    }
}
