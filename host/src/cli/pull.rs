//! `sandglass pull`: a component into a file.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use sandglass_manifest::{Manifest, SourceRef, Surroundings};
use serde_json::json;

use super::{Exit, Failure, print, progress};
use crate::config;
use crate::source::verify::Signers;
use crate::source::{Digest, Fetcher, Found};

/// Fetch a component, checked by digest, into a file.
///
/// Credentials are docker's: log in with `docker login`, or name a config.json in SANDGLASS_REGISTRY_AUTH_FILE. Plain
/// HTTP is spoken to loopback, and to what SANDGLASS_INSECURE_REGISTRIES names.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass pull ghcr.io/acme/time:1.2
  sandglass pull ghcr.io/acme/time@sha256:4f.. -o tools/time.wasm
  sandglass pull https://example.org/time.wasm@sha256:4f..")]
pub struct Pull {
    /// REGISTRY/REPOSITORY:TAG or @sha256:DIGEST, with or without oci:// before it; or https://HOST/FILE@sha256:DIGEST
    #[arg(value_parser = reference)]
    reference: SourceRef,
    /// The file to write [default: the component's name in the working folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is pulled comes over the network.
fn reference(given: &str) -> Result<SourceRef, sandglass_manifest::InvalidValue> {
    match given.starts_with("https:") {
        true => given.parse(),
        false => given.parse().map(SourceRef::Oci),
    }
}

impl Pull {
    pub async fn run(self) -> Result<Exit, Failure> {
        let found = Found::at(self.reference);
        let failed = |place: &str, error: &dyn std::fmt::Display| {
            Failure::new(Exit::Failed, format!("{place}: {error}"))
        };
        let (bar, moved) = progress::of_bytes();
        let fetcher = Fetcher::new(config::fetching(&Manifest::absent(
            &Surroundings::of_process(),
        )))
        .with_progress(moved);
        let fetched = fetcher.fetch(&found, &Signers::default()).await;
        bar.finish_and_clear();
        fetcher.trim_cache().await;
        let fetched = fetched.map_err(|error| failed(&found.location(), &error))?;
        let output = self
            .output
            .unwrap_or_else(|| format!("{}.wasm", found.name).into());
        write(&output, &fetched.bytes)
            .map_err(|error| failed(&output.display().to_string(), &unwritable(&error)))?;
        let digest = Digest::of(&fetched.bytes);
        if self.json {
            print::json(&json!({
                "reference": fetched.version.reference.to_string(),
                "file": output,
                "digest": digest,
                "size": fetched.bytes.len(),
            }));
            return Ok(Exit::Done);
        }
        print::table(
            &[],
            [
                vec![
                    "reference".to_owned(),
                    fetched.version.reference.to_string(),
                ],
                vec!["file".to_owned(), output.display().to_string()],
                vec!["digest".to_owned(), digest.to_string()],
                vec!["size".to_owned(), print::size(fetched.bytes.len() as u64)],
            ],
        );
        Ok(Exit::Done)
    }
}

/// Why a file cannot be written, and what to do.
fn unwritable(error: &io::Error) -> String {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => "its folder is not there: make it, or name another file with -o",
        io::ErrorKind::NotADirectory => {
            "what stands before the last `/` is no folder: name another file with -o"
        }
        io::ErrorKind::IsADirectory => "it is a folder: name a file in it with -o",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "its folder cannot be written to: name another file with -o"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "there is no room for it: make some, or name another file with -o"
        }
        _ => return format!("cannot be written: {error}; name another file with -o"),
    };
    mend.to_owned()
}

/// A whole file or none, so that nobody loads half a component.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
