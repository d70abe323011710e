//! A prompt as callers see it.

use std::sync::Arc;

use sandglass_text::Line;
use serde_json::{Map, Value};

use super::checked::{self, Unfit};
use super::definition::Definition;
use super::guest::Guest;
use super::seen;
use crate::sandbox::bindings;

/// Arguments of a prompt: those of a call are held against each of them.
const MAX_ARGUMENTS: usize = 256;

/// A prompt of a loaded component, checked and ready to be got.
pub struct Prompt {
    /// Its name in the catalog, with the source's prefix.
    pub name: String,
    /// As its component describes it, under its own name.
    pub described: bindings::Prompt,
    /// What callers are told of it, told apart.
    pub definition: Definition,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// Whether its component completes its arguments.
    pub completes: bool,
    /// What runs it.
    pub guest: Arc<Guest>,
}

/// Why a prompt is refused. Its component is left out with it.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// What it says of itself.
    #[error("prompt `{0}`: {1}")]
    Unfit(Line, Unfit),
    /// Too many arguments.
    #[error("prompt `{prompt}` has {count} arguments; at most {MAX_ARGUMENTS} are accepted")]
    Arguments {
        /// The prompt.
        prompt: String,
        /// How many it has.
        count: usize,
    },
    /// Two arguments of one name.
    #[error("prompt `{prompt}`: two of its arguments are named `{argument}`")]
    Twins {
        /// The prompt.
        prompt: String,
        /// The name.
        argument: Line,
    },
}

impl Prompt {
    /// Checks what the component says of a prompt. `name` has the source's prefix.
    pub fn new(
        described: bindings::Prompt,
        name: String,
        completes: bool,
        guest: Arc<Guest>,
    ) -> Result<Self, PromptError> {
        let unfit = |unfit| PromptError::Unfit(Line::name(&described.name), unfit);
        for name in [&described.name, &name] {
            checked::check_name(name).map_err(unfit)?;
        }
        let count = described.arguments.len();
        if count > MAX_ARGUMENTS {
            let prompt = described.name;
            return Err(PromptError::Arguments { prompt, count });
        }
        for (index, argument) in described.arguments.iter().enumerate() {
            let before = &described.arguments[..index];
            if before.iter().any(|other| other.name == argument.name) {
                return Err(PromptError::Twins {
                    prompt: described.name.clone(),
                    argument: Line::name(&argument.name),
                });
            }
        }
        let meta = checked::read_meta(described.meta.as_ref()).map_err(unfit)?;
        seen::check_prompt(&described, meta.as_ref()).map_err(|found| unfit(found.into()))?;
        Ok(Self {
            name,
            definition: Definition::of_prompt(&described),
            described,
            meta,
            completes,
            guest,
        })
    }
}
