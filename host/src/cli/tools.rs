//! Tools that a command calls by itself, without a server.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use sandglass_manifest::Manifest;
use serde_json::{Map, Value};

use super::{Exit, Failure, local};
use crate::catalog::{Catalog, Loader, Source};
use crate::config::{self, drop_in};
use crate::invoke::{self, CallTool, Caller, InvokeError, Invoker, Ledger, StateKey, TenantId};
use crate::sandbox::{Engine, Silent, Stores, Usage};
use crate::serve::describe::{error_text, plain_value};
use crate::source::Fetcher;

/// Tools of one tenant, in an engine of their own.
pub struct LocalTools {
    invoker: Invoker,
    tenant: TenantId,
}

/// What the tools find in the manifest's stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// What is kept there.
    Manifest,
    /// Nothing: the stores are empty and in memory.
    Nothing,
}

/// A call that is over.
pub struct Called {
    /// What came back; the error in words.
    pub result: Result<Value, String>,
    pub usage: Usage,
}

impl LocalTools {
    /// One component, with what the environment grants.
    pub async fn of_component(given: &str) -> Result<Self, Failure> {
        let reference = local::reference(given).map_err(|error| usage(error.to_string()))?;
        let mut sources = vec![Source::new(reference)];
        drop_in::grant(&mut sources)?;
        let (engine, catalog) = local::load(sources).await?;
        Ok(Self::new(&engine, catalog, TenantId::default()))
    }

    /// A tenant's tools of a manifest, with its grants.
    pub async fn of_manifest(
        config: PathBuf,
        tenant: TenantId,
        kept: Kept,
    ) -> Result<Self, Failure> {
        let setup = local::setup(Some(config))?;
        let (manifest, mut sources) = setup.read()?;
        sources.retain(|source| source.tenant == tenant);
        if sources.is_empty() {
            return Err(no_tools(&manifest, &tenant));
        }
        let engine = local::engine(&manifest)?;
        let stores = match kept {
            Kept::Manifest => Stores::open(&manifest.stores).await?,
            Kept::Nothing => Stores::empty(&manifest.stores)
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?,
        };
        let fetcher = Fetcher::new(config::fetching(&manifest));
        let loader = Loader::new(
            engine.clone(),
            stores,
            setup.folders,
            fetcher,
            local::interpreters()?,
        );
        let snapshot = loader.load(sources).await;
        let failed = snapshot.failures().count();
        if failed > 0 && failed == snapshot.sources().len() {
            return Err(Failure::left_out(&snapshot));
        }
        Ok(Self::new(&engine, Arc::clone(loader.catalog()), tenant))
    }

    fn new(engine: &Engine, catalog: Arc<Catalog>, tenant: TenantId) -> Self {
        let ledger = Ledger::local(engine, tenant.clone());
        Self {
            invoker: Invoker::new(catalog, Arc::new(ledger), StateKey::random()),
            tenant,
        }
    }

    /// Calls one; the error is for a tool that is not there.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Called, Failure> {
        let completed = self
            .invoker
            .run(invoke::Call {
                tenant: self.tenant.clone(),
                caller: Caller::Local,
                operation: CallTool {
                    name: tool.to_owned(),
                    arguments,
                    meta: None,
                },
                observer: Arc::new(Silent),
                trace: None,
            })
            .await;
        let result = match completed.result {
            Ok(output) if output.is_error => Err(error_text(&output)),
            Ok(output) => Ok(plain_value(output)),
            Err(InvokeError::UnknownTool(name)) => return Err(self.unknown(&name)),
            Err(error) => Err(error.to_string()),
        };
        Ok(Called {
            result,
            usage: completed.usage,
        })
    }

    fn unknown(&self, name: &str) -> Failure {
        let snapshot = self.invoker.catalog().snapshot();
        let catalog = snapshot.tenant(&self.tenant);
        let names: Vec<&str> = catalog.tools().keys().map(String::as_str).collect();
        let there = match names.as_slice() {
            [] => "there are no tools".to_owned(),
            names => format!("there is {}", names.join(", ")),
        };
        let left_out: String = snapshot
            .failures()
            .map(|(source, reason)| format!("; left out: {}: {reason}", source.location))
            .collect();
        usage(format!("Unknown tool: {name}; {there}{left_out}"))
    }
}

fn usage(message: impl Display) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// There is no source to look for the tool in.
fn no_tools(manifest: &Manifest, tenant: &TenantId) -> Failure {
    let known = config::tenants(manifest).get(tenant.as_str()).is_some();
    let others: Vec<_> = manifest
        .tenants
        .iter()
        .filter(|(_, tenant)| !tenant.tools.is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    let mend = match others.as_slice() {
        [] => "name tools in the manifest".to_owned(),
        others => format!("name one that has with --tenant: {}", others.join(", ")),
    };
    usage(if known {
        format!("the tenant `{tenant}` has no tools in the manifest; {mend}")
    } else {
        format!("the manifest has no tenant `{tenant}`; {mend}")
    })
}
