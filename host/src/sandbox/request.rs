//! What a guest can be asked to do.

use wasmtime::Store;

use super::bindings::{
    CallRequest, CompletionRequest, CompletionResult, Outcome, PromptError, PromptResult,
    ReadError, ResourceContents,
};
use super::fault::OutputExceeded;
use super::kind::{Kind, block_size, body_size};
use super::state::CallState;

/// A call of one of a component's exports, in an instance of its own.
pub trait Request: Send + Sync + 'static {
    /// What the guest returns.
    type Reply: Send + 'static;

    /// Makes the instance and the call. `limit` is that of the reply, in bytes.
    #[doc(hidden)]
    fn call(
        &self,
        kind: &Kind,
        store: &mut Store<CallState>,
        limit: u64,
    ) -> impl Future<Output = wasmtime::Result<Self::Reply>> + Send;
}

/// A prompt and its arguments: names and values.
#[derive(Debug, Clone)]
pub struct PromptRequest {
    /// Its name inside the component.
    pub name: String,
    /// Names and values.
    pub arguments: Vec<(String, String)>,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Its URI.
    pub uri: String,
}

impl Request for CallRequest {
    type Reply = Outcome;

    async fn call(
        &self,
        kind: &Kind,
        store: &mut Store<CallState>,
        limit: u64,
    ) -> wasmtime::Result<Outcome> {
        kind.call_tool(store, self, limit).await
    }
}

/// An interface of a new instance.
macro_rules! guest {
    ($kind:ident, $store:ident, $interface:ident) => {{
        let provider = $kind.provider()?;
        let Some(indices) = &provider.$interface else {
            wasmtime::bail!("it exports no {}", stringify!($interface));
        };
        let instance = provider.instantiate($store).await?;
        indices.load(&mut *$store, &instance)?
    }};
}

impl Request for PromptRequest {
    type Reply = Result<PromptResult, PromptError>;

    async fn call(
        &self,
        kind: &Kind,
        store: &mut Store<CallState>,
        limit: u64,
    ) -> wasmtime::Result<Self::Reply> {
        let guest = guest!(kind, store, prompts);
        let reply = guest
            .call_get_prompt(store, &self.name, &self.arguments)
            .await?;
        if let Ok(result) = &reply {
            let blocks = result.messages.iter().map(|one| block_size(&one.content));
            check(blocks.sum(), limit)?;
        }
        Ok(reply)
    }
}

impl Request for ReadRequest {
    type Reply = Result<Vec<ResourceContents>, ReadError>;

    async fn call(
        &self,
        kind: &Kind,
        store: &mut Store<CallState>,
        limit: u64,
    ) -> wasmtime::Result<Self::Reply> {
        let guest = guest!(kind, store, resources);
        let reply = guest.call_read_resource(store, &self.uri).await?;
        if let Ok(contents) = &reply {
            check(contents.iter().map(|one| body_size(&one.body)).sum(), limit)?;
        }
        Ok(reply)
    }
}

impl Request for CompletionRequest {
    type Reply = Result<CompletionResult, String>;

    async fn call(
        &self,
        kind: &Kind,
        store: &mut Store<CallState>,
        limit: u64,
    ) -> wasmtime::Result<Self::Reply> {
        let guest = guest!(kind, store, completion);
        let reply = guest.call_complete(store, self).await?;
        if let Ok(result) = &reply {
            check(result.values.iter().map(String::len).sum(), limit)?;
        }
        Ok(reply)
    }
}

fn check(bytes: usize, limit: u64) -> wasmtime::Result<()> {
    if bytes as u64 > limit {
        return Err(OutputExceeded.into());
    }
    Ok(())
}
