//! What a component says that it has.

use serde::{Deserialize, Serialize};

use super::bindings::{Prompt, ResourceLink, ResourceTemplate, Tool};

/// What a component has for clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Provided {
    /// Its tools.
    pub tools: Vec<Tool>,
    /// Its prompts.
    pub prompts: Vec<Prompt>,
    /// Its resources.
    pub resources: Vec<ResourceLink>,
    /// Its families of resources.
    pub templates: Vec<ResourceTemplate>,
    /// Whether it completes the arguments of its prompts and templates.
    pub completes: bool,
}
