//! `sandglass serve`: the server.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Exit, Failure};
use crate::catalog::{self, Catalog, Snapshot};
use crate::config::{self, Installation};
use crate::invoke::{Invoker, TenantId};
use crate::sandbox::Engine;
use crate::serve::guard::{Guard, Hosts, is_loopback};
use crate::serve::listen::{Server, Stop};
use crate::serve::{App, Drain, stdio};

/// Serve tools over MCP (`/mcp`, or stdio) and REST (`/mcp/tools`).
///
/// Without a manifest (--config, else the environment's MCP_PARAMS) the first-party tools are served.
/// The log goes to stderr, from LOG_LEVEL (else MCP_LOG_LEVEL) on: TRACE, DEBUG, INFO, WARNING, ERROR.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass serve
  sandglass serve --config sandglass.yaml --port 9000
  sandglass serve --stdio --config sandglass.yaml
  sandglass serve --host 0.0.0.0 --allow-anonymous --allowed-hosts tools.example.com
  MCP_PARAMS='tools: [./time.wasm]' sandglass serve")]
pub struct Serve {
    /// The manifest (YAML or JSON)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak MCP on stdin and stdout instead of HTTP
    #[arg(long)]
    stdio: bool,
    /// The address to bind
    #[arg(long, env = "MCP_HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port to bind; 0 lets the system choose
    #[arg(long, env = "MCP_PORT", default_value_t = 8000)]
    port: u16,
    /// The folder of the first-party tools [default: share/sandglass/tools beside the program's bin folder]
    #[arg(long, env = "SANDGLASS_TOOLS_DIR", value_name = "DIR")]
    tools_dir: Option<PathBuf>,
    /// Do not start unless every tool could be loaded
    #[arg(long)]
    strict: bool,
    /// Serve callers who do not say who they are, off loopback too
    #[arg(long)]
    allow_anonymous: bool,
    /// Host headers to accept [default: loopback names where bound to loopback, any elsewhere]
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// Origin headers to accept, as browsers send them [default: none]
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Log each request
    #[arg(long, env = "MCP_ACCESS_LOG", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    access_log: bool,
}

impl Serve {
    pub async fn run(self) -> Result<Exit, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let manifest = config::manifest(self.config.as_ref())?;
        let installation = Installation::find()?;
        let tools_dir = self
            .tools_dir
            .clone()
            .unwrap_or_else(|| installation.tools());
        let sources = config::sources(&manifest, tools_dir)?;
        if !self.stdio && !is_loopback(&self.host) && !self.allow_anonymous {
            return Err(usage(format!(
                "--host {}: off loopback anybody on the network could call the tools; pass --allow-anonymous if that is meant, or bind 127.0.0.1",
                self.host
            )));
        }
        let engine = Engine::new(installation.engine(&manifest))
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let snapshot = catalog::load(&engine, sources).await;
        self.check_loaded(&snapshot)?;
        let app = App {
            invoker: Invoker::new(Arc::new(Catalog::new(snapshot))),
            drain: Drain::default(),
        };
        let stop = Stop::listen().map_err(|error| usage(format!("signals: {error}")))?;
        if self.stdio {
            stdio::run(app, stop)
                .await
                .map_err(|error| Failure::new(Exit::Failed, format!("stdio: {error}")))?;
            return Ok(Exit::Done);
        }
        // The port opens only now, so that a TCP probe tells the truth.
        let server = Server::bind((&self.host, self.port))
            .await
            .map_err(|error| {
                let mend = match error.kind() {
                    ErrorKind::AddrInUse => "choose another with --port (0: any free one)",
                    ErrorKind::PermissionDenied => "choose a --port from 1024 on",
                    _ => "check --host: it must be an address of this machine",
                };
                usage(format!(
                    "cannot listen on {}:{}: {error}; {mend}",
                    self.host, self.port
                ))
            })?;
        let address = server
            .address()
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let guard = self.guard();
        if self.allow_anonymous && !is_loopback(&self.host) {
            tracing::warn!("--allow-anonymous: anybody who reaches {address} can call these tools");
        }
        tracing::info!("listening on http://{address}");
        server
            .run(app, guard, self.access_log, stop)
            .await
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Exit::Done)
    }

    fn check_loaded(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let failed = snapshot.failures().count();
        let all = snapshot.sources().len();
        let tools = snapshot.tenant(&TenantId::default()).iter().len();
        if failed > 0 && (self.strict || failed == all) {
            let reasons: Vec<String> = snapshot
                .failures()
                .map(|(source, reason)| format!("{}: {reason}", source.location))
                .collect();
            return Err(Failure::new(
                Exit::NothingLoaded,
                format!(
                    "{failed} of {all} components could not be loaded: {}",
                    reasons.join("; ")
                ),
            ));
        }
        for (source, reason) in snapshot.failures() {
            tracing::error!(
                source = source.name,
                "left out: {}: {reason}",
                source.location
            );
        }
        tracing::info!(
            tools,
            components = all - failed,
            left_out = failed,
            "catalog is ready"
        );
        Ok(())
    }

    fn guard(&self) -> Guard {
        let hosts = if !self.allowed_hosts.is_empty() {
            Hosts::Listed(self.allowed_hosts.clone())
        } else if is_loopback(&self.host) {
            Hosts::Loopback
        } else {
            Hosts::Any
        };
        Guard {
            hosts,
            origins: self.allowed_origins.clone(),
        }
    }
}
