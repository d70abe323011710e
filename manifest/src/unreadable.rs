//! Why a file cannot be read, in words.

use std::io::{Error, ErrorKind};

/// What is wrong with a file, and what to do; goes on after its name.
pub fn unreadable(error: &Error) -> String {
    let problem = match error.kind() {
        ErrorKind::NotFound => "there is no such file; make it, or correct the path",
        ErrorKind::PermissionDenied => {
            "permission denied; let the user read it as whom this program runs, or correct the path"
        }
        ErrorKind::IsADirectory => "it is a folder; name a file in it",
        ErrorKind::InvalidData => "it is not UTF-8; save it as UTF-8, or correct the path",
        _ => return format!("cannot be read: {error}; check the path"),
    };
    format!("cannot be read: {problem}")
}
