//! Files, by descriptors: `std` would normalise a path before the host sees it.
//!
//! A path is `FOLDER/REST`, where FOLDER is the name of a granted folder; REST goes to the host as it stands, so
//! `/data//etc/passwd` asks for `/etc/passwd` in `/data`.

use guest_support::{Value, json};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags};

use crate::{Answer, number, text, told};

/// `{}`: the granted folders.
pub fn preopens(_: &Value) -> Answer {
    Ok(get_directories()
        .into_iter()
        .map(|(_, name)| Value::from(name))
        .collect())
}

/// `{path}`: a file's text.
pub fn read_file(arguments: &Value) -> Answer {
    let file = open(arguments, OpenFlags::empty(), DescriptorFlags::READ)?;
    let mut bytes = Vec::new();
    loop {
        let (more, end) = file.read(1 << 16, bytes.len() as u64).map_err(told)?;
        bytes.extend(more);
        if end {
            return Ok(String::from_utf8_lossy(&bytes).into());
        }
    }
}

/// `{path, text}`: makes or replaces a file.
pub fn write_file(arguments: &Value) -> Answer {
    let file = open(
        arguments,
        OpenFlags::CREATE | OpenFlags::TRUNCATE,
        DescriptorFlags::WRITE,
    )?;
    file.write(text(arguments, "text").as_bytes(), 0)
        .map(Value::from)
        .map_err(told)
}

/// `{path, text}`: opens for reading only, then tries all ways to write; the errors of each.
pub fn write_through_reader(arguments: &Value) -> Answer {
    let file = open(arguments, OpenFlags::empty(), DescriptorFlags::READ)?;
    let bytes = text(arguments, "text").as_bytes();
    let said = |result: Result<(), String>| result.err();
    Ok(json!({
        "write": said(file.write(bytes, 0).map(drop).map_err(told)),
        "write_via_stream": said(
            file.write_via_stream(0)
                .map_err(told)
                .and_then(|stream| stream.blocking_write_and_flush(bytes).map_err(told))
        ),
        "append_via_stream": said(
            file.append_via_stream()
                .map_err(told)
                .and_then(|stream| stream.blocking_write_and_flush(bytes).map_err(told))
        ),
        "set_size": said(file.set_size(0).map_err(told)),
        "set_times": said(
            file.set_times(NewTimestamp::Now, NewTimestamp::Now).map_err(told)
        ),
    }))
}

/// `{path}`: the names in a folder.
pub fn list_folder(arguments: &Value) -> Answer {
    let folder = open(arguments, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    let entries = folder.read_directory().map_err(told)?;
    let mut names = Vec::new();
    while let Some(entry) = entries.read_directory_entry().map_err(told)? {
        names.push(entry.name);
    }
    names.sort_unstable();
    Ok(json!(names))
}

/// `{path}`.
pub fn make_folder(arguments: &Value) -> Answer {
    at(arguments, "path", |folder, path| {
        folder.create_directory_at(path)
    })
}

/// `{path}`.
pub fn remove_file(arguments: &Value) -> Answer {
    at(arguments, "path", |folder, path| {
        folder.unlink_file_at(path)
    })
}

/// `{path}`: sets its times.
pub fn touch(arguments: &Value) -> Answer {
    at(arguments, "path", |folder, path| {
        folder.set_times_at(
            PathFlags::SYMLINK_FOLLOW,
            path,
            NewTimestamp::Now,
            NewTimestamp::Now,
        )
    })
}

/// `{path, target}`: a symbolic link at `path`.
pub fn symlink(arguments: &Value) -> Answer {
    at(arguments, "path", |folder, path| {
        folder.symlink_at(text(arguments, "target"), path)
    })
}

/// `{path}`: where a symbolic link leads.
pub fn read_link(arguments: &Value) -> Answer {
    at(arguments, "path", |folder, path| folder.readlink_at(path))
}

/// `{path, to}`: a hard link at `to`.
pub fn link(arguments: &Value) -> Answer {
    let (folder, to) = find(text(arguments, "to"))?;
    at(arguments, "path", |from, path| {
        from.link_at(PathFlags::empty(), path, &folder, &to)
    })
}

/// `{path, to}`.
pub fn rename(arguments: &Value) -> Answer {
    let (folder, to) = find(text(arguments, "to"))?;
    at(arguments, "path", |from, path| {
        from.rename_at(path, &folder, &to)
    })
}

fn open(arguments: &Value, open: OpenFlags, access: DescriptorFlags) -> Result<Descriptor, String> {
    let (folder, path) = find(text(arguments, "path"))?;
    let follow = if number(arguments, "follow", 1) == 0 {
        PathFlags::empty()
    } else {
        PathFlags::SYMLINK_FOLLOW
    };
    folder.open_at(follow, &path, open, access).map_err(told)
}

fn at<T, E>(
    arguments: &Value,
    name: &str,
    act: impl FnOnce(&Descriptor, &str) -> Result<T, E>,
) -> Answer
where
    T: Into<Value>,
    E: std::fmt::Debug,
{
    let (folder, path) = find(text(arguments, name))?;
    act(&folder, &path).map(T::into).map_err(told)
}

/// The granted folder of a path, and what follows its name.
fn find(path: &str) -> Result<(Descriptor, String), String> {
    get_directories()
        .into_iter()
        .find_map(|(folder, name)| {
            let rest = path.strip_prefix(name.as_str())?;
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            let rest = if rest.is_empty() { "." } else { rest };
            Some((folder, rest.to_owned()))
        })
        .ok_or_else(|| "no such folder is granted".to_owned())
}
