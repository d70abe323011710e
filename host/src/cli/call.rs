//! `sandglass call`: one call of one tool, without a server.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::TenantName;
use serde_json::{Map, Value, json};

use super::tools::{Called, Kept, LocalTools};
use super::{Exit, Failure, print};
use crate::invoke::TenantId;
use crate::sandbox::Usage;

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
        let tools = match (component, self.config.clone()) {
            (None, Some(config)) => LocalTools::of_manifest(config, tenant, Kept::Manifest).await?,
            (component, _) => LocalTools::of_component(component.unwrap_or_default()).await?,
        };
        let Called { result, usage } = tools.call(tool, arguments).await?;
        self.print(&result, usage);
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
            Ok(Value::String(text)) => print::line(text),
            Ok(value) => print::json(value),
            Err(error) => print::error(error),
        }
        // It did not come to a call: the arguments do not fit, say.
        if usage == Usage::default() {
            return;
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

fn usage(message: impl Display) -> Failure {
    Failure::new(Exit::Usage, message)
}
