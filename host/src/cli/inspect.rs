//! `sandglass inspect`: what a component is, has and would need.

use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{Limits, SourceRef, ToolFilter};
use serde_json::json;

use super::call::local_engine;
use super::{Exit, Failure, print};
use crate::catalog::{self, Source};
use crate::invoke::TenantId;
use crate::serve::describe::rest_tool;

/// Show a component's tools, schemas, imports (the capabilities that it would need), size and digest.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sandglass inspect time.wasm\n  sandglass inspect --json time.wasm | jq '.tools[].name'"
)]
pub struct Inspect {
    /// The component
    component: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub async fn run(self) -> Result<Exit, Failure> {
        if self.component.is_dir() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{}: a folder; name one component", self.component.display()),
            ));
        }
        let engine = local_engine()?;
        let snapshot = catalog::load(&engine, vec![local_source(self.component.clone())]).await;
        if let Some((source, reason)) = snapshot.failures().next() {
            let reason = format!("{}: {reason}", source.location);
            return Err(Failure::new(Exit::NothingLoaded, reason));
        }
        let tools = snapshot.tenant(&TenantId::default());
        let Some(first) = tools.iter().next() else {
            return Err(Failure::new(
                Exit::NothingLoaded,
                format!("{}: it has no tools", self.component.display()),
            ));
        };
        let about = first.component.inspection();
        let described: Vec<_> = tools.iter().map(|tool| rest_tool(tool)).collect();
        if self.json {
            print::json(&json!({
                "digest": about.digest,
                "size": about.size,
                "imports": about.imports,
                "exports": about.exports,
                "tools": described,
            }));
            return Ok(Exit::Done);
        }
        print::table(
            &[],
            [
                vec!["component".to_owned(), self.component.display().to_string()],
                vec!["digest".to_owned(), about.digest.to_string()],
                vec!["size".to_owned(), print::size(about.size)],
                vec!["imports".to_owned(), about.imports.join("\n")],
            ],
        );
        for tool in described {
            print::line("");
            print::line(&format!(
                "{}: {}",
                tool.name,
                tool.description.unwrap_or_default()
            ));
            print::line(&format!("  arguments: {}", json!(tool.input_schema)));
            if let Some(schema) = tool.output_schema {
                print::line(&format!("  result:    {}", json!(schema)));
            }
        }
        Ok(Exit::Done)
    }
}

/// A component from the command line, with default limits.
pub fn local_source(path: PathBuf) -> Source {
    Source {
        tenant: TenantId::default(),
        reference: SourceRef::File(path),
        name: None,
        prefix: None,
        filter: ToolFilter::All,
        limits: Limits::DEFAULT,
    }
}
