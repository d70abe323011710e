//! The two kinds of components: those that list tools themselves, and all others.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Val};

use super::bindings::{
    CallRequest, Content, Outcome, ResourceBody, Success, completion, prompts, resources, tools,
};
use super::fault::OutputExceeded;
use super::provided::Provided;
use super::reflect::Reflected;
use super::state::CallState;

/// The exported interfaces of which each makes a component a provider.
const TOOLS: &str = "sandglass:tool/tools";
const PROMPTS: &str = "sandglass:tool/prompts";
const RESOURCES: &str = "sandglass:tool/resources";
const COMPLETION: &str = "sandglass:tool/completion";

/// Beside the bytes of a result, what its records and lists may cost the host
/// while they are copied out of the guest.
const LIFT_OVERHEAD: usize = 64 << 10;

/// How a component has tools, ready to be instantiated.
#[derive(Clone)]
pub enum Kind {
    /// It exports `sandglass:tool/tools`, or prompts or resources.
    Provider(Provider),
    /// Each function that it exports is one.
    Reflected(Arc<Reflected>),
}

/// A component that exports interfaces of `sandglass:tool`.
#[derive(Clone)]
pub struct Provider {
    pre: InstancePre<CallState>,
    tools: Option<Tools>,
    pub(super) prompts: Option<prompts::GuestIndices>,
    pub(super) resources: Option<resources::GuestIndices>,
    pub(super) completion: Option<completion::GuestIndices>,
}

#[derive(Clone)]
struct Tools {
    indices: tools::GuestIndices,
    call_tool: ComponentExportIndex,
}

impl Provider {
    /// Whether these exports make a component a provider.
    pub(super) fn is_one<'a>(mut exports: impl Iterator<Item = &'a str>) -> bool {
        exports.any(|name| {
            [TOOLS, PROMPTS, RESOURCES]
                .iter()
                .any(|interface| is_of(name, interface))
        })
    }

    /// Finds the exports, with their types; the error says which one is not what it should be.
    pub(super) fn new(
        component: &Component,
        pre: InstancePre<CallState>,
    ) -> wasmtime::Result<Self> {
        let types = component.component_type();
        let exports: Vec<&str> = types
            .exports(component.engine())
            .map(|(name, _)| name)
            .collect();
        let find = |interface| exports.iter().copied().find(|name| is_of(name, interface));
        let tools = match find(TOOLS) {
            None => None,
            Some(name) => {
                let call_tool = component
                    .get_export_index(None, name)
                    .and_then(|tools| component.get_export_index(Some(&tools), "call-tool"))
                    .ok_or_else(|| wasmtime::format_err!("no `call-tool` is exported"))?;
                Some(Tools {
                    indices: tools::GuestIndices::new(&pre)?,
                    call_tool,
                })
            }
        };
        let prompts = find(PROMPTS).map(|_| prompts::GuestIndices::new(&pre));
        let resources = find(RESOURCES).map(|_| resources::GuestIndices::new(&pre));
        let completion = find(COMPLETION).map(|_| completion::GuestIndices::new(&pre));
        Ok(Self {
            tools,
            prompts: prompts.transpose()?,
            resources: resources.transpose()?,
            completion: completion.transpose()?,
            pre,
        })
    }

    /// A new instance.
    pub(super) async fn instantiate(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    async fn list(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Result<Provided, String>> {
        let instance = self.instantiate(store).await?;
        let mut provided = Provided {
            completes: self.completion.is_some(),
            ..Provided::default()
        };
        // What the guest says instead of a list is the answer.
        macro_rules! list {
            ($guest:ident.$call:ident) => {
                match $guest.$call(&mut *store).await? {
                    Ok(list) => list,
                    Err(problem) => return Ok(Err(problem)),
                }
            };
        }
        if let Some(tools) = &self.tools {
            let guest = tools.indices.load(&mut *store, &instance)?;
            provided.tools = list!(guest.call_list_tools);
        }
        if let Some(prompts) = &self.prompts {
            let guest = prompts.load(&mut *store, &instance)?;
            provided.prompts = list!(guest.call_list_prompts);
        }
        if let Some(resources) = &self.resources {
            let guest = resources.load(&mut *store, &instance)?;
            provided.resources = list!(guest.call_list_resources);
            provided.templates = list!(guest.call_list_resource_templates);
        }
        Ok(Ok(provided))
    }

    async fn call_tool(
        &self,
        store: &mut Store<CallState>,
        request: &CallRequest,
    ) -> wasmtime::Result<Outcome> {
        let Some(tools) = &self.tools else {
            wasmtime::bail!("it has no tools");
        };
        let instance = self.instantiate(store).await?;
        // Not by the generated bindings: they look at the types of both functions for each instance.
        let call_tool = instance
            .get_typed_func::<(&CallRequest,), (Outcome,)>(&mut *store, &tools.call_tool)?;
        let (outcome,) = call_tool.call_async(store, (request,)).await?;
        Ok(outcome)
    }
}

/// `name` is an interface with its version.
fn is_of(name: &str, interface: &str) -> bool {
    name.strip_prefix(interface)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

impl Kind {
    /// What it provides, or what the component says instead.
    pub(super) async fn list(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Result<Provided, String>> {
        match self {
            Self::Provider(provider) => provider.list(store).await,
            Self::Reflected(functions) => {
                let tools = functions.list_tools(store).await?;
                Ok(Ok(Provided {
                    tools,
                    ..Provided::default()
                }))
            }
        }
    }

    /// Calls a tool in a new instance. `limit` is that of its result, in bytes; beyond, the error is [`OutputExceeded`].
    pub(super) async fn call_tool(
        &self,
        store: &mut Store<CallState>,
        request: &CallRequest,
        limit: u64,
    ) -> wasmtime::Result<Outcome> {
        match self {
            Self::Provider(provider) => {
                let outcome = provider.call_tool(store, request).await?;
                if size(&outcome) > limit {
                    return Err(OutputExceeded.into());
                }
                Ok(outcome)
            }
            Self::Reflected(functions) => functions.call(store, request, limit).await,
        }
    }

    /// The interfaces of which a component that only has functions has none.
    pub(super) fn provider(&self) -> wasmtime::Result<&Provider> {
        match self {
            Self::Provider(provider) => Ok(provider),
            Self::Reflected(_) => wasmtime::bail!("it has tools only"),
        }
    }

    /// Bytes of the host's memory that one result may take while it is copied out of the guest.
    pub(super) fn lift_budget(&self, output: u64) -> usize {
        let output = usize::try_from(output).unwrap_or(usize::MAX);
        let bytes = match self {
            Self::Provider(_) => output,
            // A component value stands for at least two bytes of JSON: `0,`.
            Self::Reflected(_) => output.saturating_mul(size_of::<Val>() / 2),
        };
        bytes.saturating_add(LIFT_OVERHEAD)
    }
}

/// Bytes of what the guest handed over.
fn size(outcome: &Outcome) -> u64 {
    let bytes = match outcome {
        Outcome::Done(Success {
            content,
            value,
            meta,
            ..
        }) => {
            let blocks: usize = content.iter().flatten().map(block_size).sum();
            blocks + text_size(value.as_ref()) + text_size(meta.as_ref())
        }
        // Errors and questions are text that was bounded when it left the guest.
        Outcome::Failed(_) | Outcome::InputRequired(_) => 0,
    };
    bytes as u64
}

pub(super) fn block_size(block: &Content) -> usize {
    match block {
        Content::Text(text) => text.text.len() + text_size(text.meta.as_ref()),
        Content::Image(media) | Content::Audio(media) => {
            media.data.len() + text_size(media.meta.as_ref())
        }
        Content::EmbeddedResource(embedded) => {
            body_size(&embedded.resource.body) + text_size(embedded.meta.as_ref())
        }
        Content::ResourceLink(link) => {
            link.uri.len() + link.name.len() + text_size(link.description.as_ref())
        }
    }
}

pub(super) fn body_size(body: &ResourceBody) -> usize {
    match body {
        ResourceBody::Text(text) => text.len(),
        ResourceBody::Blob(blob) => blob.len(),
    }
}

fn text_size(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}
