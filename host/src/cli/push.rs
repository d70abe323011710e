//! `sandglass push`: a component into a registry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{Manifest, OciReference, SourceRef, Surroundings};
use sandglass_text::Line;
use serde_json::json;

use super::{Exit, Failure, print, progress};
use crate::config;
use crate::source::verify::Signers;
use crate::source::{Fetcher, Found, oci};

/// Push a component to an OCI registry, in the layout that wkg and other hosts read too. Prints the reference with the
/// digest, which a manifest can pin.
///
/// Credentials are docker's: log in with `docker login`, or name a config.json in SANDGLASS_REGISTRY_AUTH_FILE. Plain
/// HTTP is spoken to loopback, and to what SANDGLASS_INSECURE_REGISTRIES names.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass push time.wasm ghcr.io/acme/time:1.2
  sandglass push time.wasm localhost:5000/time:dev --annotation org.opencontainers.image.source=https://github.com/acme/time")]
pub struct Push {
    /// The component
    file: PathBuf,
    /// REGISTRY/REPOSITORY:TAG, with or without oci:// before it
    reference: OciReference,
    /// An annotation of the manifest, such as org.opencontainers.image.version=1.2
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    annotations: Vec<(String, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn annotation(given: &str) -> Result<(String, String), &'static str> {
    match given.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE"),
    }
}

/// Each annotation; none may be given twice, for only one could count.
fn once_each(given: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut annotations = BTreeMap::new();
    for (key, value) in given {
        if annotations.contains_key(&key) {
            let key = Line::name(key);
            let message = format!("--annotation {key} is given twice: leave one out");
            return Err(Failure::new(Exit::Usage, message));
        }
        annotations.insert(key, value);
    }
    Ok(annotations)
}

impl Push {
    pub async fn run(self) -> Result<Exit, Failure> {
        let failed = |place: &str, error: &dyn std::fmt::Display| {
            Failure::new(Exit::Failed, format!("{place}: {error}"))
        };
        let fetcher = Fetcher::new(config::fetching(&Manifest::absent(
            &Surroundings::of_process(),
        )));
        let found = Found::at(SourceRef::File(self.file.clone()));
        let fetched = fetcher
            .fetch(&found, &Signers::default())
            .await
            .map_err(|error| failed(&found.location(), &error))?;
        let title = format!("{}.wasm", found.name);
        let annotations = once_each(self.annotations)?;
        let (bar, moved) = progress::of_bytes();
        let pushed = oci::push(
            &fetcher,
            &self.reference,
            fetched.bytes,
            title,
            annotations,
            &moved,
        );
        let pushed = pushed.await;
        bar.finish_and_clear();
        let digest = pushed.map_err(|error| match error.is_of_file() {
            true => failed(&found.location(), &error),
            false => failed(&self.reference.to_string(), &error),
        })?;
        let reference = self.reference.pinned(digest.clone()).to_string();
        if self.json {
            print::json(&json!({ "reference": reference, "digest": digest }));
        } else {
            print::line(&reference);
        }
        Ok(Exit::Done)
    }
}
