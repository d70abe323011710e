//! `sandglass check`: a manifest, validated without serving.

use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::Manifest;

use super::{Exit, Failure, local, print};

/// Check a manifest and print its resolved form: every default in its place. Of the folders that it grants those are looked at that
/// are there.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sandglass check sandglass.yaml\n  sandglass check --json sandglass.yaml | jq .defaults.limits"
)]
pub struct Check {
    /// The manifest (YAML or JSON)
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self) -> Result<Exit, Failure> {
        let manifest = Manifest::read(&self.file)?;
        local::setup(Some(self.file))?.open_folders(&manifest)?;
        if self.json {
            print::json(&serde_json::to_value(&manifest).unwrap_or_default());
        } else {
            print::line(manifest.to_yaml().trim_end());
        }
        Ok(Exit::Done)
    }
}
