//! Secrets: values that lie outside the manifest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sandglass_manifest::{ByteSize, SecretRef, unreadable};

/// A secret's bytes: keys, tokens and certificates have less.
const MAX_SECRET: ByteSize = ByteSize::kib(64);

/// Reads a secret; else says what is wrong and what to do, without the value.
pub fn read(secret: &SecretRef) -> Result<String, String> {
    match secret {
        SecretRef::File(path) => of_file(path),
        SecretRef::Env(name) => of_environment(name),
    }
}

fn of_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET.get() + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the secret's file {shown} {}", unreadable(&error)))?;
    if bytes.len() as u64 > MAX_SECRET.get() {
        return Err(format!(
            "the secret's file {shown} has more than {MAX_SECRET}; is `file` the right one?"
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("the secret's file {shown} is not UTF-8; is `file` the right one?"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains('\0') {
        return Err(format!(
            "the secret's file {shown} has a NUL in it; is `file` the right one?"
        ));
    }
    if text.is_empty() {
        return Err(format!(
            "the secret's file {shown} is empty; write the secret into it, or correct `file`"
        ));
    }
    Ok(text.to_owned())
}

fn of_environment(name: &str) -> Result<String, String> {
    let value = std::env::var_os(name).ok_or_else(|| {
        format!(
            "the host's environment has no `{name}`; set it where the host is started, or correct `env`"
        )
    })?;
    if value.is_empty() {
        return Err(format!(
            "`{name}` in the host's environment is empty; set it to the secret where the host is started, or correct `env`"
        ));
    }
    value
        .into_string()
        .map_err(|_| format!("`{name}` in the host's environment is not UTF-8"))
}
