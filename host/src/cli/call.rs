//! `sandglass call`: one call of one tool, without a server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sandglass_manifest::{Manifest, TenantName};
use serde_json::{Map, Value, json};

use super::{Exit, Failure, local, print};
use crate::catalog::{Catalog, Loader};
use crate::config::{self, drop_in};
use crate::invoke::{self, CallTool, Caller, InvokeError, Invoker, Ledger, Operation, TenantId};
use crate::sandbox::{Engine, Silent, Stores, Usage};
use crate::serve::describe::{error_text, plain_value};
use crate::source::Fetcher;

/// Call one tool, in the same sandbox and with the same limits as a server would: a component's, or, with --config, a
/// manifest's, with what the manifest grants.
#[derive(Args)]
#[command(
    override_usage = "sandglass call [OPTIONS] COMPONENT TOOL [ARGUMENTS]\n       sandglass call [OPTIONS] --config FILE TOOL [ARGUMENTS]",
    after_help = "Examples:\n  sandglass call calculator.wasm add '{\"a\": 1, \"b\": 2}'\n  sandglass call --config sandglass.yaml get_weather '{\"city\": \"Oslo\"}'\n  sandglass call --config sandglass.yaml --tenant acme add '{\"a\": 1, \"b\": 2}'\n  sandglass call --json time.wasm get_current_time '{\"timezone\": \"Europe/Paris\"}' | jq .usage.fuel\n  sandglass call oci://ghcr.io/acme/time:1.2 get_current_time '{\"timezone\": \"UTC\"}'"
)]
pub struct Call {
    /// The component (a file, oci://REGISTRY/REPOSITORY:TAG, https://HOST/FILE@sha256:DIGEST, configmap://NAMESPACE/NAME/KEY, or secret://..; not with --config), the tool's name, and the arguments, a JSON object [default: {}]
    #[arg(required = true, num_args = 1..=3, value_name = "WORDS")]
    words: Vec<String>,
    /// The manifest (YAML or JSON) that has the tool
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tenant of the manifest whose tool it is [default: `default`, whose tools are those of the top level]
    #[arg(long, value_name = "NAME", requires = "config")]
    tenant: Option<TenantName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Call {
    pub async fn run(self) -> Result<Exit, Failure> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let (component, words) = match (&self.config, words.as_slice()) {
            (Some(_), words) => (None, words),
            (None, [component, words @ ..]) => (Some(*component), words),
            (None, []) => unreachable!("one word is required"),
        };
        let (tool, arguments) = match words {
            [tool] => (*tool, "{}"),
            [tool, arguments] => (*tool, *arguments),
            [] => return Err(usage("name a tool after the component")),
            _ => return Err(usage("with --config the first word is the tool")),
        };
        let arguments: Map<String, Value> = serde_json::from_str(arguments).map_err(|error| {
            usage(format!(
                "the arguments must be a JSON object, for example '{{\"a\": 1}}': {error}"
            ))
        })?;
        let tenant = self.tenant.as_ref().map(TenantId::from).unwrap_or_default();
        let (engine, catalog) = match (component, &self.config) {
            (Some(component), _) => of_component(component).await?,
            (None, config) => of_manifest(config.clone(), &tenant).await?,
        };
        let left_out: String = catalog
            .snapshot()
            .failures()
            .map(|(source, reason)| format!("; left out: {}: {reason}", source.location))
            .collect();
        let invoker = Invoker::new(catalog, Arc::new(Ledger::local(&engine, tenant.clone())));
        let completed = invoker
            .run(invoke::Call {
                tenant: tenant.clone(),
                caller: Caller::Local,
                operation: Operation::CallTool(CallTool {
                    name: tool.to_owned(),
                    arguments,
                    meta: None,
                }),
                observer: Arc::new(Silent),
                trace: None,
            })
            .await;
        let result = match completed.result {
            Ok(output) if output.is_error => Err(error_text(&output)),
            Ok(output) => Ok(plain_value(output)),
            Err(InvokeError::UnknownTool(name)) => {
                let tools = invoker.catalog().snapshot().tenant(&tenant);
                let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
                let there = match names.as_slice() {
                    [] => "there are no tools".to_owned(),
                    names => format!("there is {}", names.join(", ")),
                };
                return Err(usage(format!("Unknown tool: {name}; {there}{left_out}")));
            }
            Err(error) => Err(error.to_string()),
        };
        self.print(&result, completed.usage);
        Ok(if result.is_ok() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }

    fn print(&self, result: &Result<Value, String>, usage: Usage) {
        if self.json {
            let mut printed = match result {
                Ok(value) => json!({"result": value}),
                Err(error) => json!({"error": error}),
            };
            printed["usage"] = json!({
                "fuel": usage.fuel,
                "peak_memory_bytes": usage.peak_memory,
                "duration_us": usage.duration.as_micros(),
            });
            print::json(&printed);
            return;
        }
        match result {
            Ok(Value::String(text)) => print::untrusted(text),
            Ok(value) => print::json(value),
            Err(error) => eprintln!("sandglass: {}", print::escaped(error)),
        }
        print::line("");
        print::table(
            &[],
            [
                vec!["fuel".to_owned(), print::grouped(usage.fuel)],
                vec!["peak memory".to_owned(), print::size(usage.peak_memory)],
                vec!["time".to_owned(), format!("{:?}", usage.duration)],
            ],
        );
    }
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// One component, with what the environment grants.
async fn of_component(given: &str) -> Result<(Engine, Arc<Catalog>), Failure> {
    let reference = local::reference(given).map_err(|error| usage(error.to_string()))?;
    let mut sources = vec![local::source(reference)];
    drop_in::grant(&mut sources)?;
    local::load(sources).await
}

/// A tenant's tools of a manifest, with its grants.
async fn of_manifest(
    config: Option<PathBuf>,
    tenant: &TenantId,
) -> Result<(Engine, Arc<Catalog>), Failure> {
    let (manifest, mut sources) = local::setup(config)?.read()?;
    sources.retain(|source| source.tenant == *tenant);
    if sources.is_empty() {
        return Err(no_tools(&manifest, tenant));
    }
    let engine = local::engine(&manifest)?;
    let stores = Stores::open(&manifest.stores).await?;
    let fetcher = Fetcher::new(config::fetching(&manifest));
    let loader = Loader::new(engine.clone(), stores, fetcher, local::interpreters()?);
    let snapshot = loader.load(sources).await;
    let failed = snapshot.failures().count();
    if failed > 0 && failed == snapshot.sources().len() {
        return Err(Failure::left_out(&snapshot));
    }
    Ok((engine, Arc::clone(loader.catalog())))
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
