//! `sandglass inspect`: what a component is, has and would need.

use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{Cosign, Manifest, Origin, SourceRef, Surroundings, WassettePolicy};
use sandglass_text::Line;
use sandglass_text::json::OneLine;
use serde_json::{Value, json};

use super::{Exit, Failure, local, print};
use crate::catalog::Source;
use crate::config;
use crate::invoke::TenantId;
use crate::sandbox::Summary;
use crate::serve::describe::rest_tool;
use crate::source::{Fetcher, Found, oci};

/// Show a component's tools, schemas, imports (the capabilities that it would need), size and digest; with --config
/// what a manifest grants to each of its sources.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sandglass inspect time.wasm\n  sandglass inspect --json time.wasm | jq '.tools[].name'\n  sandglass inspect oci://ghcr.io/acme/time:1.2 --key acme.pub\n  sandglass inspect --config sandglass.yaml"
)]
pub struct Inspect {
    /// The component: a file, oci://REGISTRY/REPOSITORY:TAG, https://HOST/FILE@sha256:DIGEST, configmap://NAMESPACE/NAME/KEY, or secret://..
    #[arg(required_unless_present = "config", value_parser = local::reference)]
    component: Option<SourceRef>,
    /// The public key that must have signed the component; of several, one must have
    #[arg(long = "key", value_name = "FILE", conflicts_with = "config")]
    keys: Vec<PathBuf>,
    /// The manifest (YAML or JSON) whose grants to show, instead of a component
    #[arg(long, value_name = "FILE", conflicts_with = "component")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub async fn run(self) -> Result<Exit, Failure> {
        match &self.component {
            Some(component) => self.component(component).await,
            None => self.manifest(),
        }
    }

    fn manifest(&self) -> Result<Exit, Failure> {
        let (_, sources) = local::setup(self.config.clone())?.read()?;
        if self.json {
            let described: Vec<_> = sources
                .iter()
                .map(|source| {
                    json!({
                        "tenant": source.tenant.as_str(),
                        "source": source.reference.to_string(),
                        "name": source.name,
                        "grants": Summary(&source.allow).lines(),
                        "signatures": source.signatures,
                    })
                })
                .collect();
            print::json(&json!({ "sources": described }));
            return Ok(Exit::Done);
        }
        let rows = sources.iter().map(|source| {
            let mut lines = Summary(&source.allow).lines();
            if lines.is_empty() {
                lines.push("nothing".to_owned());
            }
            let reference = source.reference.to_string();
            vec![
                source.tenant.to_string(),
                source.name.clone().unwrap_or(reference),
                lines.join("\n"),
                must_be_signed_by(source),
            ]
        });
        print::table(&["TENANT", "SOURCE", "GRANTED", "MUST BE SIGNED BY"], rows);
        Ok(Exit::Done)
    }

    async fn component(&self, component: &SourceRef) -> Result<Exit, Failure> {
        let location = Found::at(component.clone()).location();
        if matches!(component, SourceRef::File(path) if path.is_dir()) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{location}: a folder; name one component"),
            ));
        }
        let mut source = Source::new(component.clone());
        if !self.keys.is_empty() {
            let key = self.keys.clone();
            let keyless = None;
            source.signatures.push(Cosign { key, keyless });
        }
        let (_engine, catalog) = local::load(vec![source]).await?;
        let provided = catalog.snapshot().tenant(&TenantId::default());
        let Some(first) = provided.guests().next() else {
            return Err(Failure::new(
                Exit::NothingLoaded,
                format!("{location}: it has no tools, prompts or resources"),
            ));
        };
        let about = first.component.inspection();
        let policy = policy(component).await;
        let tools = provided.tools().values();
        let described: Vec<_> = tools.map(|tool| rest_tool(tool)).collect();
        if self.json {
            print::json(&json!({
                "digest": about.digest,
                "signed_by": first.signed_by,
                "size": about.size,
                "imports": about.imports,
                "exports": about.exports,
                "tools": described,
                "left_out": about.left_out,
                "policy": policy.as_ref().map(|policy| match policy {
                    Ok(manifest) => json!({ "applied": false, "manifest": manifest }),
                    Err(problem) => json!({ "applied": false, "problem": problem }),
                }),
            }));
            return Ok(Exit::Done);
        }
        print::table(
            &[],
            [
                vec!["component".to_owned(), location],
                vec!["digest".to_owned(), about.digest.to_string()],
                vec!["signed by".to_owned(), print::signers(&first.signed_by)],
                vec!["size".to_owned(), print::size(about.size)],
                vec!["imports".to_owned(), about.imports.join("\n")],
            ],
        );
        for tool in described {
            print::line("");
            let description = tool.description.unwrap_or_default();
            print::line(&print::indented(&format!("{}: {description}", tool.name)));
            let schema = |schema: Value| OneLine(&schema.to_string()).to_string();
            print::line(&format!(
                "  arguments: {}",
                schema(json!(tool.input_schema))
            ));
            if let Some(result) = tool.output_schema {
                print::line(&format!("  result:    {}", schema(json!(result))));
            }
        }
        if !about.left_out.is_empty() {
            print::line("\nExported functions that are no tools:");
            let rows = about.left_out.iter();
            print::table(
                &[],
                rows.map(|one| {
                    vec![
                        Line::name(&one.function).into(),
                        Line::new(&one.reason).into(),
                    ]
                }),
            );
        }
        match policy {
            None => {}
            Some(Ok(manifest)) => {
                print::line(
                    "\nIt comes with a policy of Wassette. That is not applied: grants come from the operator. This manifest would grant the same:\n",
                );
                print::line(manifest.trim_end());
            }
            Some(Err(problem)) => {
                let problem = Line::new(problem);
                print::line(&format!(
                    "\nIt comes with a policy, which is not applied, and cannot be put in the words of a manifest: {problem}"
                ));
            }
        }
        Ok(Exit::Done)
    }
}

/// What the policy that comes with an artifact would be as a manifest, or why it is none; nothing where none comes.
async fn policy(component: &SourceRef) -> Option<Result<String, String>> {
    let SourceRef::Oci(reference) = component else {
        return None;
    };
    let settings = config::fetching(&Manifest::absent(&Surroundings::of_process()));
    let policy = match oci::policy(&Fetcher::new(settings), reference).await {
        Ok(policy) => policy?,
        Err(error) => return Some(Err(error.to_string())),
    };
    let text = String::from_utf8_lossy(&policy);
    let origin = Origin::File("policy.yaml".into());
    let parsed = WassettePolicy::parse(&text, &origin);
    Some(match parsed {
        Ok(policy) => Ok(policy.to_manifest(component)),
        Err(error) => Err(error.to_string()),
    })
}

/// Each signature that a source must carry, in a line.
fn must_be_signed_by(source: &Source) -> String {
    let signature = |cosign: &Cosign| {
        let keys = cosign.key.iter().map(|key| key.display().to_string());
        let keyless = cosign.keyless.iter();
        let identity = keyless.map(|keyless| format!("{} ({})", keyless.identity, keyless.issuer));
        keys.chain(identity).collect::<Vec<_>>().join(" or ")
    };
    let lines: Vec<_> = source.signatures.iter().map(signature).collect();
    match &lines[..] {
        [] => "nobody".to_owned(),
        lines => lines.join("\n"),
    }
}
