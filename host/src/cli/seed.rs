//! `sandglass seed`: machine code for an image, made when it is built.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{Manifest, Surroundings};

use super::{Exit, Failure, print};
use crate::config::Installation;
use crate::sandbox::{Engine, compile};
use crate::source::file;

/// Compile components into a read-only seed. A host of the same version that finds it in
/// `share/sandglass/seed` beside its `bin` folder starts without compiling them.
#[derive(Args)]
#[command(
    after_help = "Example:\n  sandglass seed /usr/local/share/sandglass/seed /usr/local/share/sandglass/tools"
)]
pub struct Seed {
    /// The folder to write to
    folder: PathBuf,
    /// Components, or folders of them
    #[arg(required = true)]
    components: Vec<PathBuf>,
}

impl Seed {
    pub async fn run(self) -> Result<Exit, Failure> {
        let failed = |error: String| Failure::new(Exit::Failed, error);
        let mut settings =
            Installation::find()?.engine(&Manifest::absent(&Surroundings::of_process()));
        settings.max_instances = 1;
        let engine = Engine::new(settings).map_err(|error| failed(error.to_string()))?;
        for path in &self.components {
            let files =
                file::find(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
            for file in files {
                let failed = |error: &dyn Display| failed(format!("{}: {error}", file.display()));
                let bytes = file::read(&file).await.map_err(|error| failed(&error))?;
                let code = compile::seed(&engine, &self.folder, bytes)
                    .await
                    .map_err(|error| failed(&error))?;
                print::line(&code.display().to_string());
            }
        }
        Ok(Exit::Done)
    }
}
