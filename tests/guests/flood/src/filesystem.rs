//! The first granted folder. It has a folder `names` with many files, a file `zeros` of a GiB, and a link `link`; what a
//! function makes there has the function's own name.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags, filesystem_error_code,
};
use wasip2::io::error::Error;
use wasip2::io::streams::StreamError;

use crate::{Function, each, text};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const NOW: NewTimestamp = NewTimestamp::Now;

/// Bytes of a sparse file.
const LARGE: u64 = 1 << 30;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:filesystem/preopens#get-directories", |_| {
        each(get_directories)
    }),
    (
        "wasi:filesystem/types#[method]descriptor.read-via-stream",
        |_| {
            let file = zeros()?;
            each(move || file.read_via_stream(0))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.write-via-stream",
        |_| {
            let file = scratch("write-via-stream")?;
            each(move || file.write_via_stream(0))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.append-via-stream",
        |_| {
            let file = scratch("append-via-stream")?;
            each(move || file.append_via_stream())
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.advise", |_| {
        let file = zeros()?;
        each(move || file.advise(0, LARGE, Advice::WillNeed))
    }),
    (
        "wasi:filesystem/types#[method]descriptor.sync-data",
        |size| {
            let file = scratch("sync-data")?;
            let bytes = vec![1; size];
            each(move || file.write(&bytes, 0).and_then(|_| file.sync_data()))
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.get-flags", |_| {
        let file = zeros()?;
        each(move || file.get_flags())
    }),
    ("wasi:filesystem/types#[method]descriptor.get-type", |_| {
        let file = zeros()?;
        each(move || file.get_type())
    }),
    ("wasi:filesystem/types#[method]descriptor.set-size", |_| {
        let file = scratch("set-size")?;
        let mut size = 0;
        each(move || {
            size = LARGE - size;
            file.set_size(size)
        })
    }),
    ("wasi:filesystem/types#[method]descriptor.set-times", |_| {
        let file = scratch("set-times")?;
        each(move || file.set_times(NOW, NOW))
    }),
    ("wasi:filesystem/types#[method]descriptor.read", |_| {
        let file = zeros()?;
        each(move || file.read(u64::MAX, 0))
    }),
    ("wasi:filesystem/types#[method]descriptor.write", |size| {
        let file = scratch("write")?;
        let bytes = vec![1; size];
        each(move || file.write(&bytes, 0))
    }),
    (
        "wasi:filesystem/types#[method]descriptor.read-directory",
        |_| {
            let names = names()?;
            each(move || names.read_directory())
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.sync", |size| {
        let file = scratch("sync")?;
        let bytes = vec![1; size];
        each(move || file.write(&bytes, 0).and_then(|_| file.sync()))
    }),
    (
        "wasi:filesystem/types#[method]descriptor.create-directory-at",
        |_| {
            let folder = folder()?;
            each(move || {
                folder
                    .create_directory_at("create-directory-at")
                    .and_then(|()| folder.remove_directory_at("create-directory-at"))
            })
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.stat", |_| {
        let file = zeros()?;
        each(move || file.stat())
    }),
    ("wasi:filesystem/types#[method]descriptor.stat-at", |_| {
        let folder = folder()?;
        each(move || folder.stat_at(FOLLOW, "link"))
    }),
    (
        "wasi:filesystem/types#[method]descriptor.stat-at a long path",
        |size| {
            let folder = folder()?;
            let path = deep(size);
            each(move || folder.stat_at(FOLLOW, &path))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.set-times-at",
        |_| {
            let folder = folder()?;
            scratch("set-times-at")?;
            each(move || folder.set_times_at(FOLLOW, "set-times-at", NOW, NOW))
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.link-at", |_| {
        let folder = folder()?;
        scratch("link-at")?;
        each(move || {
            folder
                .link_at(PathFlags::empty(), "link-at", &folder, "link-at.new")
                .and_then(|()| folder.unlink_file_at("link-at.new"))
        })
    }),
    ("wasi:filesystem/types#[method]descriptor.open-at", |_| {
        let folder = folder()?;
        each(move || folder.open_at(FOLLOW, "link", OpenFlags::empty(), DescriptorFlags::READ))
    }),
    (
        "wasi:filesystem/types#[method]descriptor.open-at a long path",
        |size| {
            let folder = folder()?;
            let path = deep(size);
            each(move || folder.open_at(FOLLOW, &path, OpenFlags::CREATE, DescriptorFlags::WRITE))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.readlink-at",
        |_| {
            let folder = folder()?;
            each(move || folder.readlink_at("link"))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.remove-directory-at",
        |_| {
            let folder = folder()?;
            each(move || {
                folder
                    .create_directory_at("remove-directory-at")
                    .and_then(|()| folder.remove_directory_at("remove-directory-at"))
            })
        },
    ),
    ("wasi:filesystem/types#[method]descriptor.rename-at", |_| {
        let folder = folder()?;
        scratch("rename-at")?;
        each(move || {
            folder
                .rename_at("rename-at", &folder, "rename-at.new")
                .and_then(|()| folder.rename_at("rename-at.new", &folder, "rename-at"))
        })
    }),
    (
        "wasi:filesystem/types#[method]descriptor.symlink-at",
        |size| {
            let folder = folder()?;
            // Longer ones are refused.
            let target = text(size.min(4_000));
            each(move || {
                folder
                    .symlink_at(&target, "symlink-at")
                    .and_then(|()| folder.unlink_file_at("symlink-at"))
            })
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.unlink-file-at",
        |_| {
            let folder = folder()?;
            each(move || {
                scratch("unlink-file-at").and_then(|_| folder.unlink_file_at("unlink-file-at").ok())
            })
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.is-same-object",
        |_| {
            let (one, other) = (zeros()?, names()?);
            each(move || one.is_same_object(&other))
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.metadata-hash",
        |_| {
            let file = zeros()?;
            each(move || file.metadata_hash())
        },
    ),
    (
        "wasi:filesystem/types#[method]descriptor.metadata-hash-at",
        |_| {
            let folder = folder()?;
            each(move || folder.metadata_hash_at(FOLLOW, "link"))
        },
    ),
    (
        "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry",
        |_| {
            let names = names()?;
            let mut entries = names.read_directory().ok()?;
            each(move || {
                if let Ok(None) = entries.read_directory_entry() {
                    entries = names.read_directory().expect("it could be read before");
                }
            })
        },
    ),
    ("wasi:filesystem/types#filesystem-error-code", |_| {
        let error = error()?;
        each(move || filesystem_error_code(&error))
    }),
    ("wasi:io/error#[method]error.to-debug-string", |_| {
        let error = error()?;
        each(move || error.to_debug_string())
    }),
];

fn folder() -> Option<Descriptor> {
    Some(get_directories().into_iter().next()?.0)
}

/// A file to read.
pub fn zeros() -> Option<Descriptor> {
    folder()?
        .open_at(FOLLOW, "zeros", OpenFlags::empty(), DescriptorFlags::READ)
        .ok()
}

/// The folder with many files.
pub fn names() -> Option<Descriptor> {
    folder()?
        .open_at(FOLLOW, "names", OpenFlags::DIRECTORY, DescriptorFlags::READ)
        .ok()
}

/// A file to write.
pub fn scratch(name: &str) -> Option<Descriptor> {
    let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
    folder()?
        .open_at(FOLLOW, name, OpenFlags::CREATE, access)
        .ok()
}

/// A path of so many bytes that leads through `names` again and again.
fn deep(size: usize) -> String {
    "names/../".repeat(size / 9) + "zeros"
}

/// What a read before the beginning of a file fails with.
fn error() -> Option<Error> {
    let stream = zeros()?.read_via_stream(u64::MAX).ok()?;
    match stream.blocking_read(1) {
        Err(StreamError::LastOperationFailed(error)) => Some(error),
        _ => None,
    }
}
