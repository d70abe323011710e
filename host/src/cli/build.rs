//! `sandglass build`: from a project's source to a component.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Exit, Failure, print};
use crate::author::{BuildError, Project};
use crate::source::Digest;

/// Build a project's component, `build/NAME.wasm`, with the compiler of its language.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass build
  sandglass build ../greet --json | jq -r .component")]
pub struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Build {
    pub async fn run(self) -> Result<Exit, Failure> {
        let component = Project::find(&self.folder)?.build().await?;
        let bytes = std::fs::read(&component).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: {error}", component.display()))
        })?;
        let digest = Digest::of(&bytes);
        if self.json {
            print::json(&json!({"component": component, "size": bytes.len(), "digest": digest}));
        } else {
            print::table(
                &[],
                [
                    vec!["component".to_owned(), shown(&component)],
                    vec!["size".to_owned(), print::size(bytes.len() as u64)],
                    vec!["digest".to_owned(), digest.to_string()],
                ],
            );
        }
        Ok(Exit::Done)
    }
}

/// As a person in the working directory would write it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let exit = match error {
            BuildError::NoProject(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}
