//! The two kinds of components: those that list tools themselves, and all others.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};

use super::bindings::{CallRequest, Content, Outcome, ProviderPre, ResourceBody, Success, Tool};
use super::fault::OutputExceeded;
use super::reflect::Reflected;
use super::state::CallState;

/// The exported interface that makes a component a tool provider.
pub(super) const TOOLS_INTERFACE: &str = "sandglass:tool/tools";

/// Beside the bytes of a result, what its records and lists may cost the host
/// while they are copied out of the guest.
const LIFT_OVERHEAD: usize = 64 << 10;

/// How a component has tools, ready to be instantiated.
#[derive(Clone)]
pub(super) enum Kind {
    /// It exports `sandglass:tool/tools`.
    Provider(Provider),
    /// Each function that it exports is one.
    Reflected(Arc<Reflected>),
}

/// A component that exports `sandglass:tool/tools`.
#[derive(Clone)]
pub(super) struct Provider {
    pre: ProviderPre<CallState>,
    call_tool: ComponentExportIndex,
}

impl Provider {
    /// Finds the exports; the error says which one is not what it should be.
    pub(super) fn new(
        component: &Component,
        pre: InstancePre<CallState>,
    ) -> wasmtime::Result<Self> {
        // Of both functions, with their types.
        let pre = ProviderPre::new(pre)?;
        let (_, tools) = component
            .component_type()
            .exports(component.engine())
            .find_map(|(name, _)| {
                let is_tools = name.starts_with(TOOLS_INTERFACE);
                is_tools.then(|| component.get_export(None, name)).flatten()
            })
            .ok_or_else(|| wasmtime::format_err!("no `{TOOLS_INTERFACE}` is exported"))?;
        let call_tool = component
            .get_export_index(Some(&tools), "call-tool")
            .ok_or_else(|| wasmtime::format_err!("no `call-tool` is exported"))?;
        Ok(Self { pre, call_tool })
    }

    async fn call(
        &self,
        store: &mut Store<CallState>,
        request: &CallRequest,
    ) -> wasmtime::Result<Outcome> {
        let instance = self
            .pre
            .instance_pre()
            .instantiate_async(&mut *store)
            .await?;
        // Not by the generated bindings: they look at the types of both functions for each instance.
        let call_tool =
            instance.get_typed_func::<(&CallRequest,), (Outcome,)>(&mut *store, &self.call_tool)?;
        let (outcome,) = call_tool.call_async(store, (request,)).await?;
        Ok(outcome)
    }
}

impl Kind {
    /// Its tools, or what the component says instead.
    pub(super) async fn list_tools(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Result<Vec<Tool>, String>> {
        match self {
            Self::Provider(provider) => {
                let instance = provider.pre.instantiate_async(&mut *store).await?;
                let tools = instance.sandglass_tool_tools();
                tools.call_list_tools(store).await
            }
            Self::Reflected(functions) => functions.list_tools(store).await.map(Ok),
        }
    }

    /// Calls a tool in a new instance. `limit` is that of its result, in bytes; beyond, the error is [`OutputExceeded`].
    pub(super) async fn call(
        &self,
        store: &mut Store<CallState>,
        request: &CallRequest,
        limit: u64,
    ) -> wasmtime::Result<Outcome> {
        match self {
            Self::Provider(provider) => {
                let outcome = provider.call(store, request).await?;
                if size(&outcome) > limit {
                    return Err(OutputExceeded.into());
                }
                Ok(outcome)
            }
            Self::Reflected(functions) => functions.call(store, request, limit).await,
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

fn block_size(block: &Content) -> usize {
    match block {
        Content::Text(text) => text.text.len() + text_size(text.meta.as_ref()),
        Content::Image(media) | Content::Audio(media) => {
            media.data.len() + text_size(media.meta.as_ref())
        }
        Content::EmbeddedResource(embedded) => {
            let body = match &embedded.resource.body {
                ResourceBody::Text(text) => text.len(),
                ResourceBody::Blob(blob) => blob.len(),
            };
            body + text_size(embedded.meta.as_ref())
        }
        Content::ResourceLink(link) => {
            link.uri.len() + link.name.len() + text_size(link.description.as_ref())
        }
    }
}

fn text_size(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}
