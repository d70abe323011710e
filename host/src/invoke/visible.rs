//! What a caller may see and use of what a tenant has.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use sandglass_manifest::Scope;

use super::error::InvokeError;
use super::tenant::Caller;
use crate::catalog::{Prompt, Reader, Resource, ResourceTemplate, TenantCatalog, Tool};
use crate::sandbox::MAX_URI;

/// What a tenant has, as far as it is a caller's to see: what the caller's scopes cover.
pub struct Visible<'a> {
    catalog: Arc<TenantCatalog>,
    caller: &'a Caller,
}

/// A version of what a tenant has, and a caller's scopes; none: all is theirs.
#[derive(Debug, Clone)]
pub struct Basis {
    catalog: Weak<TenantCatalog>,
    scopes: Option<Vec<Scope>>,
}

impl Basis {
    /// Whether the version is still in use.
    pub fn is_current(&self) -> bool {
        self.catalog.strong_count() > 0
    }
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        // While one of them is held no other catalog has its address.
        Weak::ptr_eq(&self.catalog, &other.catalog) && self.scopes == other.scopes
    }
}

impl<'a> Visible<'a> {
    pub(super) fn new(catalog: Arc<TenantCatalog>, caller: &'a Caller) -> Self {
        Self { catalog, caller }
    }

    /// What it follows from: of the same basis the same is visible.
    pub fn basis(&self) -> Basis {
        Basis {
            catalog: Arc::downgrade(&self.catalog),
            scopes: match self.caller {
                Caller::Known(known) => Some(known.scopes.clone()),
                Caller::Anonymous | Caller::Local => None,
            },
        }
    }

    /// The tool of this name, to be called.
    pub fn tool(&self, name: &str) -> Result<Arc<Tool>, InvokeError> {
        let Some(tool) = self.catalog.tools().get(name) else {
            return Err(InvokeError::UnknownTool(short(name)));
        };
        self.allow(name, Scope::Tool(name.to_owned()))?;
        Ok(Arc::clone(tool))
    }

    /// The prompt of this name, to be got.
    pub fn prompt(&self, name: &str) -> Result<Arc<Prompt>, InvokeError> {
        let Some(prompt) = self.catalog.prompts().get(name) else {
            return Err(InvokeError::UnknownPrompt(short(name)));
        };
        self.allow(name, Scope::Prompt(name.to_owned()))?;
        Ok(Arc::clone(prompt))
    }

    /// What reads the resource of this URI.
    pub fn reader(&self, uri: &str) -> Result<Reader<'_>, InvokeError> {
        let known = (uri.len() <= MAX_URI).then(|| self.catalog.reader(uri));
        let Some(reader) = known.flatten() else {
            return Err(InvokeError::UnknownResource(short(uri)));
        };
        self.allow(uri, Scope::AllResources)?;
        Ok(reader)
    }

    /// The family of resources with this URI template.
    pub fn template(&self, text: &str) -> Result<Arc<ResourceTemplate>, InvokeError> {
        let Some(template) = self.catalog.templates().get(text) else {
            return Err(InvokeError::UnknownResource(short(text)));
        };
        self.allow(text, Scope::AllResources)?;
        Ok(Arc::clone(template))
    }

    /// The tools whose names come after `name`, in order; of an empty name all.
    pub fn tools_after(&self, name: &str) -> impl Iterator<Item = &Arc<Tool>> {
        let tools = after(self.catalog.tools(), name);
        tools.filter(|tool| self.caller.may(&Scope::Tool(tool.name.clone())))
    }

    /// The prompts likewise.
    pub fn prompts_after(&self, name: &str) -> impl Iterator<Item = &Arc<Prompt>> {
        let prompts = after(self.catalog.prompts(), name);
        prompts.filter(|prompt| self.caller.may(&Scope::Prompt(prompt.name.clone())))
    }

    /// The resources whose URIs come after this one.
    pub fn resources_after(&self, uri: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let may = self.caller.may(&Scope::AllResources);
        after(self.catalog.resources(), uri).filter(move |_| may)
    }

    /// The families of resources whose templates come after this one.
    pub fn templates_after(&self, text: &str) -> impl Iterator<Item = &Arc<ResourceTemplate>> {
        let may = self.caller.may(&Scope::AllResources);
        after(self.catalog.templates(), text).filter(move |_| may)
    }

    fn allow(&self, name: &str, scope: Scope) -> Result<(), InvokeError> {
        if self.caller.may(&scope) {
            return Ok(());
        }
        Err(InvokeError::Forbidden {
            name: name.to_owned(),
            scope,
        })
    }
}

/// As much of a name as an error repeats.
fn short(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_URI)].to_owned()
}

fn after<'a, T>(all: &'a BTreeMap<String, Arc<T>>, name: &str) -> impl Iterator<Item = &'a Arc<T>> {
    all.range::<str, _>((Bound::Excluded(name), Bound::Unbounded))
        .map(|(_, one)| one)
}

/// What it takes to use what has this name in the usage and the metrics ([`Target::label`](super::Target::label)).
pub fn scope_of(label: &str) -> Scope {
    if let Some(prompt) = label.strip_prefix("prompt:") {
        Scope::Prompt(prompt.to_owned())
    } else if label.starts_with("resource:") {
        Scope::AllResources
    } else {
        Scope::Tool(label.to_owned())
    }
}
