//! What one component offers: its tools, prompts and resources, checked.

use std::sync::Arc;

use sandglass_manifest::{ToolFilter, ToolPrefix};
use sandglass_text::Line;

use super::guest::Guest;
use super::prompt::{Prompt, PromptError};
use super::resource::{Resource, ResourceError, ResourceTemplate};
use super::tool::{Tool, ToolError};
use crate::sandbox::Provided;
use crate::schema::Account;

/// What a component offers.
#[derive(Default)]
pub(super) struct Offer {
    pub tools: Vec<Arc<Tool>>,
    pub prompts: Vec<Arc<Prompt>>,
    pub resources: Vec<Arc<Resource>>,
    pub templates: Vec<Arc<ResourceTemplate>>,
}

/// Why it cannot offer it.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfferError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("two of its {kind} are named `{name}`: a component's {kind} must differ")]
    Twins { kind: &'static str, name: Line },
}

impl Offer {
    /// Checks what a component says that it has. Tools and prompts get the prefix; the filter is one of tools.
    pub(super) fn new(
        provided: Provided,
        filter: &ToolFilter,
        prefix: Option<&ToolPrefix>,
        guest: &Arc<Guest>,
    ) -> Result<Self, OfferError> {
        let completes = provided.completes;
        let named =
            |name: &str| prefix.map_or_else(|| name.to_owned(), |prefix| prefix.apply(name));
        let mut offer = Self::default();
        let mut account = Account::default();
        let tools = provided.tools.into_iter();
        for tool in tools.filter(|tool| filter.allows(&tool.name)) {
            let name = named(&tool.name);
            let tool = Tool::new(tool, name, Arc::clone(guest), &mut account)?;
            offer.tools.push(Arc::new(tool));
        }
        for prompt in provided.prompts {
            let name = named(&prompt.name);
            let prompt = Prompt::new(prompt, name, completes, Arc::clone(guest))?;
            offer.prompts.push(Arc::new(prompt));
        }
        for resource in provided.resources {
            let resource = Resource::new(resource, Arc::clone(guest))?;
            offer.resources.push(Arc::new(resource));
        }
        for template in provided.templates {
            let template =
                ResourceTemplate::new(template, completes, Arc::clone(guest), &mut account)?;
            offer.templates.push(Arc::new(template));
        }
        check_twins("tools", offer.tools.iter().map(|tool| &tool.own_name))?;
        check_twins(
            "prompts",
            offer.prompts.iter().map(|one| &one.described.name),
        )?;
        check_twins(
            "resources",
            offer.resources.iter().map(|one| &one.described.uri),
        )?;
        let templates = offer
            .templates
            .iter()
            .map(|one| &one.described.uri_template);
        check_twins("resource templates", templates)?;
        Ok(offer)
    }
}

fn check_twins<'a>(
    kind: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), OfferError> {
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(OfferError::Twins {
            kind,
            name: Line::name(pair[0]),
        }),
    }
}
