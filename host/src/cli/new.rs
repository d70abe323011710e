//! `sandglass new`: a project to begin with.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, print};
use crate::author::Language;
use crate::author::template::{self, NewError, ProjectName};

/// Make a project of a tool, in a new folder: it builds and passes its tests as it is.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass new greet
  sandglass new get-weather --lang python")]
pub struct New {
    /// The folder's name, and the component's: letters, digits, `-` and `_`
    name: ProjectName,
    /// The language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
}

impl New {
    pub fn run(self) -> Result<Exit, Failure> {
        let folder = PathBuf::from(self.name.as_str());
        template::create(&folder, &self.name, self.lang).map_err(|error| {
            let exit = match error {
                NewError::Exists(_) => Exit::Usage,
                NewError::Io { .. } => Exit::Failed,
            };
            Failure::new(exit, error.to_string())
        })?;
        print::line(&format!(
            "{name}: a tool in {lang}. Next:\n  cd {name}\n  sandglass test\n  sandglass dev",
            name = self.name.as_str(),
            lang = self.lang,
        ));
        Ok(Exit::Done)
    }
}
