//! The interpreters of source text, which come with the host: components as any other, loaded when the first text needs
//! them, and shared by all texts.

use std::path::PathBuf;

use sandglass_manifest::Language;
use tokio::sync::OnceCell;

use crate::sandbox::{Component, Engine, LoadError};
use crate::source::file::{self, FileError};

/// A folder of interpreters, one component for each language: `python.wasm`.
pub struct Interpreters {
    folder: PathBuf,
    python: OnceCell<Component>,
    javascript: OnceCell<Component>,
}

/// Why a language has no interpreter.
#[derive(Debug, thiserror::Error)]
pub(super) enum InterpreterError {
    #[error(
        "{language} needs its interpreter, and {} cannot be read: {error}; it comes with Sandglass, in share/sandglass/interpreters beside the program's bin folder (`cargo xtask tools` builds it)",
        path.display()
    )]
    Missing {
        language: Language,
        path: PathBuf,
        error: FileError,
    },
    #[error("the interpreter of {language}, {}, cannot be loaded: {error}", path.display())]
    Load {
        language: Language,
        path: PathBuf,
        error: LoadError,
    },
}

impl Interpreters {
    /// Those in this folder. Nothing is read yet.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            python: OnceCell::new(),
            javascript: OnceCell::new(),
        }
    }

    /// The interpreter of a language.
    pub(super) async fn get(
        &self,
        engine: &Engine,
        language: Language,
    ) -> Result<&Component, InterpreterError> {
        let cell = match language {
            Language::Python => &self.python,
            Language::JavaScript => &self.javascript,
        };
        cell.get_or_try_init(async || self.load(engine, language).await)
            .await
    }

    async fn load(
        &self,
        engine: &Engine,
        language: Language,
    ) -> Result<Component, InterpreterError> {
        let path = self.folder.join(language.as_str()).with_extension("wasm");
        let bytes = match file::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) => {
                return Err(InterpreterError::Missing {
                    language,
                    path,
                    error,
                });
            }
        };
        Component::load(engine, language.as_str(), bytes)
            .await
            .map_err(|error| InterpreterError::Load {
                language,
                path,
                error,
            })
    }
}
