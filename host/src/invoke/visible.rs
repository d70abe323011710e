//! What a caller may see and call of a tenant's tools.

use std::sync::Arc;

use sandglass_manifest::Scope;

use super::error::InvokeError;
use super::tenant::Caller;
use crate::catalog::{TenantTools, Tool};

/// A tenant's tools, as far as they are a caller's to see: those that the caller's scopes cover.
pub struct VisibleTools<'a> {
    tools: Arc<TenantTools>,
    caller: &'a Caller,
}

impl<'a> VisibleTools<'a> {
    pub(super) fn new(tools: Arc<TenantTools>, caller: &'a Caller) -> Self {
        Self { tools, caller }
    }

    /// The tool of this name, to be called.
    pub fn find(&self, name: &str) -> Result<Arc<Tool>, InvokeError> {
        let Some(tool) = self.tools.get(name) else {
            return Err(InvokeError::UnknownTool(name.to_owned()));
        };
        if !self.caller.may_call(name) {
            return Err(InvokeError::Forbidden {
                tool: name.to_owned(),
                scope: Scope::Tool(name.to_owned()),
            });
        }
        Ok(Arc::clone(tool))
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.after("")
    }

    /// Those whose names come after `name`, in order.
    pub fn after(&self, name: &str) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools
            .after(name)
            .filter(|tool| self.caller.may_call(&tool.name))
    }
}
