//! `sandglass serve`: the server.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sandglass_manifest::{AuditTarget, ByteSize, Manifest};
use tokio::net::TcpListener;
use tokio::signal::unix::{self, SignalKind};

use super::{Exit, Failure};
use crate::audit::Audit;
use crate::capacity;
use crate::catalog::{Interpreters, Loader, Snapshot};
use crate::config::{self, Installation, Setup};
use crate::invoke::{Invoker, Ledger, MIN_KEY, StateKey};
use crate::reload::Reloader;
use crate::sandbox::{Engine, OwnFile, Records, Secrecy, Stores};
use crate::secret;
use crate::serve::cors::Cors;
use crate::serve::guard::{Guard, Hosts, is_loopback};
use crate::serve::identity::Identity;
use crate::serve::listen::{Server, Stop};
use crate::serve::management::{Management, Place};
use crate::serve::mcp::tasks::Tasks;
use crate::serve::origin::Origin;
use crate::serve::router::Options;
use crate::serve::tls::Tls;
use crate::serve::{Drain, Kept, Shared, stdio};
use crate::source::Fetcher;
use crate::supervise::Supervisor;
use crate::telemetry::Metrics;

/// How long the ends of the last tasks may take to be kept when the host ends.
const TASKS_PATIENCE: Duration = Duration::from_secs(3);

/// How long the last calls' audit records may take to be written when the host ends.
const AUDIT_PATIENCE: Duration = Duration::from_secs(3);

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
    pub(super) config: Option<PathBuf>,
    /// Speak MCP on stdin and stdout instead of HTTP
    #[arg(long)]
    stdio: bool,
    /// The address to bind
    #[arg(long, env = "MCP_HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port to bind; 0 lets the system choose
    #[arg(long, env = "MCP_PORT", default_value_t = 8000)]
    port: u16,
    /// The address of the management port (/metrics, /usage, /ready in full)
    #[arg(long, env = "SANDGLASS_MANAGEMENT_HOST", default_value = "127.0.0.1")]
    management_host: String,
    /// The management port; 0 lets the system choose [default: 9090 where it is free; none with --stdio]
    #[arg(long, env = "SANDGLASS_MANAGEMENT_PORT")]
    management_port: Option<u16>,
    /// The folder of the first-party tools [default: share/sandglass/tools beside the program's bin folder]
    #[arg(long, env = "SANDGLASS_TOOLS_DIR", value_name = "DIR")]
    tools_dir: Option<PathBuf>,
    /// Do not start unless every tool could be loaded
    #[arg(long)]
    strict: bool,
    /// Serve callers who do not say who they are, off loopback too, unless the manifest has `identity`
    #[arg(long)]
    allow_anonymous: bool,
    /// Host headers to accept [default: loopback names where bound to loopback, any elsewhere]
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// Origin headers to accept, as browsers send them [default: none]
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Vec<Origin>,
    /// The same, and browsers let the pages of these origins read the answers (CORS) [default: none]
    #[arg(
        long,
        env = "SANDGLASS_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    cors_origins: Vec<Origin>,
    /// Serve HTTPS with this certificate and its chain (PEM); read again when it changes
    #[arg(
        long,
        env = "SANDGLASS_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(
        long,
        env = "SANDGLASS_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// A file with at least 32 bytes of secret: replicas with the same one go on with each other's sessions and calls that wait for
    /// answers [default: a secret of this process alone]
    #[arg(long, env = "SANDGLASS_STATE_KEY_FILE", value_name = "FILE")]
    state_key_file: Option<PathBuf>,
    /// Serve MCP's transport of revision 2024-11-05 too, at /sse and /messages
    #[arg(long, env = "SANDGLASS_LEGACY_SSE", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    legacy_sse: bool,
    /// Log each request
    #[arg(long, env = "MCP_ACCESS_LOG", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    access_log: bool,
}

impl Serve {
    pub async fn run(self) -> Result<Exit, Failure> {
        self.run_with(|_| {}).await
    }

    /// Serves; `loaded` is told of what has loaded the tools, before anybody is served.
    pub(super) async fn run_with(self, loaded: impl FnOnce(&Arc<Loader>)) -> Result<Exit, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let installation = Installation::find()?;
        let first_party = self.tools_dir.clone();
        let first_party = first_party.unwrap_or_else(|| installation.tools());
        let mut setup = Setup::new(self.config.clone(), first_party);
        setup.own.extend(self.own_files());
        let (manifest, sources) = setup.read()?;
        let manifest = Arc::new(manifest);
        if !self.stdio
            && !is_loopback(&self.host)
            && !self.allow_anonymous
            && manifest.identity.is_none()
        {
            return Err(usage(format!(
                "--host {}: off loopback anybody on the network could call the tools; say who may in the manifest's `identity`, pass --allow-anonymous if anybody is meant, or bind 127.0.0.1",
                self.host
            )));
        }
        let management = self.bind_management(&manifest).await?;
        let audit = self.audit(&manifest)?;
        let tls = match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(certificate), Some(key)) => Some(
                Tls::load(certificate, key)
                    .map_err(|error| usage(format!("--tls-cert, --tls-key: {error}")))?,
            ),
            _ => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tenants = Arc::new(config::tenants(&manifest));
        let identity = match &manifest.identity {
            // Whoever holds the other end of the pipes has started this process.
            Some(identity) if !self.stdio => Some(Arc::new(
                Identity::start(
                    Arc::clone(&manifest),
                    identity,
                    Arc::clone(&tenants),
                    scheme,
                )
                .await?,
            )),
            _ => None,
        };
        let engine = Engine::new(installation.engine(&manifest))
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let stores = Stores::open(&manifest.stores).await?;
        let records = self.records_of_tasks(&manifest, &stores)?;
        let fetcher = Fetcher::new(config::fetching(&manifest));
        let loader = Arc::new(Loader::new(
            engine.clone(),
            stores,
            setup.folders.clone(),
            fetcher,
            Interpreters::new(installation.interpreters()),
        ));
        // From here on it does not end the process.
        let hangup = unix::signal(SignalKind::hangup())
            .map_err(|error| usage(format!("signals: {error}")))?;
        let snapshot = loader.load(sources).await;
        self.check_loaded(&snapshot)?;
        loaded(&loader);
        if let Some(identity) = &identity {
            let has = |tenant: &_, tool: &str| snapshot.tenant(tenant).tools().contains_key(tool);
            for word in identity.unmatched_scopes(has) {
                tracing::warn!("{word}");
            }
        }
        let (reloader, reload) =
            Reloader::new(Arc::clone(&loader), setup, Arc::clone(&manifest), hangup);
        let mut running = vec![reloader.start()];
        let metrics = management.as_ref().map(|_| Arc::new(Metrics::new()));
        let durations = metrics.as_ref().map(|metrics| metrics.histograms());
        let ledger = Arc::new(Ledger::new(&engine, &manifest, audit, durations.as_ref()));
        let drain = Drain::default();
        let state_key = self.state_key()?;
        let invoker = Invoker::new(Arc::clone(loader.catalog()), Arc::clone(&ledger), state_key);
        let tasks = Tasks::new(invoker.clone(), drain.clone(), records);
        let supervisor = Supervisor::get();
        running.push(supervisor.keep("task sweeper", {
            let (tasks, tenants) = (tasks.clone(), Arc::clone(&tenants));
            move || tasks.clone().sweep(Arc::clone(&tenants))
        }));
        if ledger.audit().is_some() {
            let ledger = Arc::clone(&ledger);
            running.push(supervisor.keep("refusals", move || Arc::clone(&ledger).tell_refusals()));
        }
        let app = Arc::new(Shared {
            invoker,
            drain: drain.clone(),
            tasks: tasks.clone(),
            tenants,
            identity,
            reload,
            kept: Kept::default(),
        });
        let stop = Stop::listen().map_err(|error| usage(format!("signals: {error}")))?;
        if let (Some((listener, address)), Some(metrics)) = (management, metrics) {
            tracing::info!("management on http://{address}");
            let management = Management {
                app: app.clone(),
                metrics,
                engine,
                open: is_loopback(&self.management_host) || app.identity.is_none(),
            };
            running.extend(management.serve(listener, self.guard(&self.management_host)));
        }
        if self.stdio {
            let served = tokio::select! {
                biased;
                why = supervisor.must_end() => Err(why),
                served = stdio::run(app, stop) => served.map_err(|error| format!("stdio: {error}")),
            };
            end(&drain, &tasks, &ledger).await;
            return match served {
                Ok(()) => Ok(Exit::Done),
                Err(error) => Err(Failure::new(Exit::Failed, error)),
            };
        }
        // The port opens only now, so that a TCP probe tells the truth.
        let refused = |error: std::io::Error, port: u16, choose: &str| {
            let mend = match error.kind() {
                ErrorKind::AddrInUse => format!("choose another with {choose}"),
                ErrorKind::PermissionDenied => format!("choose one from 1024 on with {choose}"),
                _ => "check --host: it must be an address of this machine".to_owned(),
            };
            let host = &self.host;
            usage(format!("cannot listen on {host}:{port}: {error}; {mend}"))
        };
        let mut server = Server::bind((&self.host, self.port), tls)
            .await
            .map_err(|error| refused(error, self.port, "--port (0: any free one)"))?;
        for (name, tenant) in &manifest.tenants {
            let Some(port) = tenant.port.map(NonZeroU16::get) else {
                continue;
            };
            let bound = server.bind_tenant((&self.host, port), name.into()).await;
            let bound = bound
                .map_err(|error| refused(error, port, &format!("`port` of the tenant `{name}`")))?;
            tracing::info!("the tenant {name} has {scheme}://{bound} to itself");
        }
        let address = server
            .address()
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let mut guard = self.guard(&self.host);
        guard.origins.extend_from_slice(&self.cors_origins);
        let cors = Cors::new(&self.cors_origins);
        if self.allow_anonymous && manifest.identity.is_some() {
            tracing::info!("the manifest's `identity` counts, and not --allow-anonymous");
        } else if self.allow_anonymous && !is_loopback(&self.host) {
            tracing::warn!("--allow-anonymous: anybody who reaches {address} can call these tools");
        }
        tracing::info!("listening on {scheme}://{address}");
        let options = Options {
            access_log: self.access_log,
            legacy_sse: self.legacy_sse,
        };
        let served = tokio::select! {
            biased;
            why = supervisor.must_end() => Err(Failure::new(Exit::Failed, why)),
            () = server.run(app, guard, cors, options, stop) => Ok(Exit::Done),
        };
        end(&drain, &tasks, &ledger).await;
        served
    }

    /// The management port; none on stdio unless it was asked for, nor where another host has the default one.
    async fn bind_management(
        &self,
        manifest: &Manifest,
    ) -> Result<Option<(TcpListener, SocketAddr)>, Failure> {
        if self.stdio && self.management_port.is_none() {
            return Ok(None);
        }
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let host = &self.management_host;
        if !is_loopback(host) && !self.allow_anonymous && manifest.identity.is_none() {
            return Err(usage(format!(
                "--management-host {host}: off loopback anybody on the network could read every tenant's usage; say who may in the manifest's `identity`, pass --allow-anonymous if anybody is meant, or bind 127.0.0.1"
            )));
        }
        let place = Place {
            host: host.clone(),
            port: self.management_port,
        };
        let bound = place.bind().await.map_err(|error| {
            let port = self.management_port.unwrap_or(Place::DEFAULT_PORT);
            usage(format!(
                "cannot listen on {host}:{port} for management: {error}; choose another --management-port (0: any free one)"
            ))
        })?;
        if bound.is_none() {
            tracing::warn!(
                "no management port: {host}:{} is taken; choose another with --management-port (0: any free one)",
                Place::DEFAULT_PORT
            );
        }
        Ok(bound)
    }

    fn audit(&self, manifest: &Manifest) -> Result<Option<Audit>, Failure> {
        let Some(settings) = &manifest.audit else {
            return Ok(None);
        };
        let usage = |message: String| Failure::new(Exit::Usage, message);
        if self.stdio && settings.to == AuditTarget::Stdout {
            return Err(usage(
                "audit: stdout carries MCP with --stdio; send the records to a file: `audit: { to: file, path: .. }`".to_owned(),
            ));
        }
        let key = match &settings.key {
            None => None,
            Some(key) => Some(
                secret::read(key).map_err(|problem| key.error(format!("audit.key: {problem}")))?,
            ),
        };
        Audit::start(settings, key.as_deref().map(str::as_bytes))
            .map(Some)
            .map_err(|error| usage(error.to_string()))
    }

    fn records_of_tasks(&self, manifest: &Manifest, stores: &Stores) -> Result<Records, Failure> {
        let name = manifest.tasks.as_ref().map(|tasks| &tasks.store);
        if let Some(name) = name
            && self.state_key_file.is_none()
        {
            tracing::warn!(
                store = %name,
                "tasks that wait for answers end with this process: pass --state-key-file for them to go on"
            );
        }
        let quota = ByteSize::bytes(capacity::tasks(1 + manifest.tenants.len()));
        stores
            .records(name, "tasks", quota)
            .map_err(|error| Failure::new(Exit::Failed, format!("tasks: {error}")))
    }

    fn state_key(&self) -> Result<StateKey, Failure> {
        let Some(path) = &self.state_key_file else {
            return Ok(StateKey::random());
        };
        let usage = |problem: String| {
            let path = path.display();
            Failure::new(Exit::Usage, format!("--state-key-file {path}: {problem}"))
        };
        let key = std::fs::read(path).map_err(|error| usage(error.to_string()))?;
        StateKey::new(key.trim_ascii_end()).ok_or_else(|| {
            usage(format!(
                "a key has at least {MIN_KEY} bytes: make one with `openssl rand -base64 48`"
            ))
        })
    }

    /// The files that flags name: no tool may be granted them.
    fn own_files(&self) -> impl Iterator<Item = OwnFile> {
        let files = [
            ("--state-key-file", &self.state_key_file),
            ("--tls-key", &self.tls_key),
            ("--tls-cert", &self.tls_cert),
        ];
        files.into_iter().filter_map(|(flag, path)| {
            Some(OwnFile {
                path: path.clone()?,
                name: format!("the file of {flag}"),
                secrecy: Secrecy::Secret,
                whole: false,
            })
        })
    }

    fn check_loaded(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let failed = snapshot.failures().count();
        let all = snapshot.sources().len();
        let tools = snapshot.tools();
        if failed > 0 && (self.strict || failed == all) {
            return Err(Failure::left_out(snapshot));
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

    /// Who comes in on a port that is bound to this host.
    fn guard(&self, host: &str) -> Guard {
        let hosts = if !self.allowed_hosts.is_empty() {
            Hosts::Listed(self.allowed_hosts.clone())
        } else if is_loopback(host) {
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

/// Nobody is served any more: what still runs is dropped, and all of it is written down.
async fn end(drain: &Drain, tasks: &Tasks, ledger: &Ledger) {
    drain.end();
    tasks.close(TASKS_PATIENCE).await;
    ledger.close(AUDIT_PATIENCE).await;
}
