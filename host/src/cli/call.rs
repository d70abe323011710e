//! `sandglass call`: one call of one tool, without a server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sandglass_manifest::{Manifest, Surroundings};
use serde_json::{Map, Value, json};

use super::inspect::local_source;
use super::{Exit, Failure, print};
use crate::catalog::{self, Catalog};
use crate::config::Installation;
use crate::invoke::{self, CallTool, Caller, InvokeError, Invoker, Operation, TenantId};
use crate::sandbox::{Engine, Silent, Usage};
use crate::serve::describe::{error_text, plain_value};

/// Call one tool of a component, in the same sandbox and with the same limits as a server would.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sandglass call calculator.wasm add '{\"a\": 1, \"b\": 2}'\n  sandglass call --json time.wasm get_current_time '{\"timezone\": \"Europe/Paris\"}' | jq .usage.fuel"
)]
pub struct Call {
    /// The component
    component: PathBuf,
    /// The tool's name
    tool: String,
    /// The arguments, a JSON object
    #[arg(default_value = "{}")]
    arguments: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Call {
    pub async fn run(self) -> Result<Exit, Failure> {
        let arguments: Map<String, Value> =
            serde_json::from_str(&self.arguments).map_err(|error| {
                let text = format!(
                    "the arguments must be a JSON object, for example '{{\"a\": 1}}': {error}"
                );
                Failure::new(Exit::Usage, text)
            })?;
        let engine = local_engine()?;
        let snapshot = catalog::load(&engine, vec![local_source(self.component.clone())]).await;
        if let Some((source, reason)) = snapshot.failures().next() {
            let reason = format!("{}: {reason}", source.location);
            return Err(Failure::new(Exit::NothingLoaded, reason));
        }
        let invoker = Invoker::new(Arc::new(Catalog::new(snapshot)));
        let completed = invoker
            .run(invoke::Call {
                tenant: TenantId::default(),
                caller: Caller::Local,
                operation: Operation::CallTool(CallTool {
                    name: self.tool.clone(),
                    arguments,
                    meta: None,
                }),
                observer: Arc::new(Silent),
            })
            .await;
        let result = match completed.result {
            Ok(output) if output.is_error => Err(error_text(&output)),
            Ok(output) => Ok(plain_value(output)),
            Err(InvokeError::UnknownTool(name)) => {
                let tools = invoker.catalog().snapshot().tenant(&TenantId::default());
                let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
                let text = format!(
                    "Unknown tool: {name}; the component has {}",
                    names.join(", ")
                );
                return Err(Failure::new(Exit::Usage, text));
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

/// An engine for one component and one call.
pub fn local_engine() -> Result<Engine, Failure> {
    let mut settings = Installation::find()?.engine(&Manifest::absent(&Surroundings::of_process()));
    settings.max_instances = 1;
    Engine::new(settings).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}
