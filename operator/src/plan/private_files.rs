//! Files of a host that tools are not to have: there lies the key that seals the sessions of all of its tenants.

use std::path::{Component, Path, PathBuf};

use sandglass_manifest::{Allow, TextOrSecret};

/// The host's own files, and Linux' ways around to them and to its environment.
const PRIVATE: [&str; 3] = ["/etc/sandglass", "/proc", "/dev"];

/// What is granted of them: under which key of `allow`, and what it is.
pub(super) fn granted(allow: &Allow) -> Option<(&'static str, PathBuf)> {
    let in_env = |file: &Path| {
        allow.env.values().any(|value| match &**value {
            TextOrSecret::Secret { secret } => secret.file() == Some(file),
            TextOrSecret::Text(_) => false,
        })
    };
    let mut files = allow.secret_files().chain(allow.authority_files());
    let file = files.find(|file| is_private(file));
    if let Some(file) = file {
        let key = if in_env(file) { "env" } else { "http" };
        return Some((key, file.to_owned()));
    }
    let mut folders = allow.files.iter().map(|grant| grant.host.as_path());
    // A folder above them has them too.
    let folder = folders.find(|folder| {
        let folder = plain(folder);
        is_private(&folder)
            || PRIVATE
                .iter()
                .any(|private| Path::new(private).starts_with(&folder))
    });
    folder.map(|folder| ("files", folder.to_owned()))
}

fn is_private(path: &Path) -> bool {
    let path = plain(path);
    PRIVATE.iter().any(|private| path.starts_with(private))
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
