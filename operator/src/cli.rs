//! The command line.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use sandglass_text::{Line, log};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::plan::ObjectName;
use crate::settings::{Adopted, AllowedHost, Gateway, Package, PullPolicy, Settings};
use crate::{cluster, control, crd, rbac};

/// Where a pod's own namespace stands (Kubernetes documentation, "Accessing the Kubernetes API from a Pod").
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The Kubernetes operator of Sandglass: MCPServers become tool hosts.
#[derive(Parser)]
#[command(name = "sandglass-operator", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the MCPServers of the cluster
    Run(Box<Run>),
    /// Print the definition of MCPServer as YAML
    Crds,
    /// Print the roles that the operator needs as YAML
    Rbac,
}

/// Serve the MCPServers of the cluster that KUBECONFIG or the pod names.
///
/// The log goes to stderr, from LOG_LEVEL on: TRACE, DEBUG, INFO, WARN, ERROR.
#[derive(Args)]
struct Run {
    /// The image of `sandglass` for the hosts
    #[arg(long, env = "SANDGLASS_IMAGE", value_name = "IMAGE")]
    image: String,
    /// When nodes pull it [default: as Kubernetes does]
    #[arg(long, env = "SANDGLASS_IMAGE_PULL_POLICY", value_name = "POLICY")]
    image_pull_policy: Option<PullPolicy>,
    /// The Secret, in the namespace of each server, with which they may
    #[arg(
        long = "image-pull-secret",
        env = "SANDGLASS_IMAGE_PULL_SECRETS",
        value_name = "NAME",
        value_delimiter = ','
    )]
    image_pull_secrets: Vec<ObjectName>,
    /// Serve this namespace alone [default: all]
    #[arg(long, env = "SANDGLASS_WATCH_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Serve servers of a runtime of KAOS too
    #[arg(
        long,
        env = "SANDGLASS_ADOPT",
        value_name = "RUNTIME",
        value_delimiter = ','
    )]
    adopt: Vec<Adopted>,
    /// The component that takes the place of a Python package: PACKAGE=oci://REGISTRY/REPOSITORY:TAG
    #[arg(
        long = "package",
        env = "SANDGLASS_PACKAGES",
        value_name = "PACKAGE=REFERENCE",
        value_delimiter = ','
    )]
    packages: Vec<Package>,
    /// Hosts that tools reach where their server has no `allow.http`
    #[arg(
        long,
        env = "SANDGLASS_DEFAULT_ALLOW_HTTP",
        value_name = "HOST",
        value_delimiter = ','
    )]
    default_allow_http: Vec<AllowedHost>,
    /// The Gateway that routes are attached to [default: no routes are made]
    #[arg(long, env = "SANDGLASS_GATEWAY", value_name = "NAMESPACE/NAME")]
    gateway: Option<Gateway>,
    /// Refuse a server's `podSpec` that asks for what the `restricted` Pod Security Standard refuses, or for another service account
    /// than the server's own
    #[arg(long, env = "SANDGLASS_CONFINE_POD_SPEC", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    confine_pod_spec: bool,
    /// A namespace whose pods may read the metrics of hosts, as may those of the operator's own
    #[arg(
        long = "scrape-namespace",
        env = "SANDGLASS_SCRAPE_NAMESPACES",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    scrape_namespaces: Vec<ObjectName>,
    /// Seconds between two questions to a host for its tools
    #[arg(long, env = "SANDGLASS_TOOLS_INTERVAL", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    tools_interval: u64,
    /// Where /healthz, /readyz and /metrics are answered
    #[arg(
        long,
        env = "SANDGLASS_OPERATOR_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    listen: SocketAddr,
    /// Work only while no other replica does
    #[arg(long, env = "SANDGLASS_LEADER_ELECTION", value_parser = clap::builder::BoolishValueParser::new(), default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    leader_election: bool,
    /// The namespace that the operator runs in [default: the pod's]
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    own_namespace: Option<String>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Another provider is in the dependencies too: rustls must be told which one counts.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Crds => {
            let definition = serde_saphyr::to_string(&crd::definition());
            print!("{}", definition.expect("text, numbers, lists and maps"));
            Ok(())
        }
        Command::Rbac => {
            print!("{}", rbac::document());
            Ok(())
        }
        Command::Run(run) => start(*run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "sandglass-operator: {}",
                Line::new(format_args!("{error:#}"))
            );
            ExitCode::FAILURE
        }
    }
}

fn start(run: Run) -> anyhow::Result<()> {
    let level = std::env::var("LOG_LEVEL").unwrap_or_else(|_| "INFO".to_owned());
    // The Kubernetes client logs answers that it cannot read, which may be Secrets.
    let filter = EnvFilter::try_new(format!(
        "warn,kube_client=off,kube_runtime=off,sandglass_operator={level}"
    ))
    .with_context(|| {
        format!("LOG_LEVEL: `{level}` is no log level: use TRACE, DEBUG, INFO, WARN or ERROR")
    })?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .fmt_fields(log::Fields)
        .with_env_filter(filter)
        .init();
    log::take_panics();
    tokio::runtime::Runtime::new()?.block_on(run.run())
}

impl Run {
    /// Works until it is told to stop, or cannot go on.
    async fn run(self) -> anyhow::Result<()> {
        let metrics = Arc::new(Metrics::default());
        let answering = self.listen(Arc::clone(&metrics)).await?;
        tokio::select! {
            done = self.work(metrics) => done,
            ended = answering => anyhow::bail!("health and metrics are not answered any more: {ended:?}"),
        }
    }

    async fn work(self, metrics: Arc<Metrics>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut stopped = pin!(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        let begun = async {
            let client = cluster::client(Arc::clone(&metrics)).await?;
            let election = self.leader_election;
            let settings = self.settings();
            let leadership = if election {
                let me = std::env::var("HOSTNAME").unwrap_or_default();
                let me = format!("{me}_{}", std::process::id());
                Some(Leadership::acquire(client.clone(), &settings.own_namespace, me).await)
            } else {
                None
            };
            anyhow::Ok((client, settings, leadership))
        };
        let (client, settings, leadership) = tokio::select! {
            begun = begun => begun?,
            () = &mut stopped => return Ok(()),
        };
        let working = async {
            crd::install(&client, settings.namespace.as_deref()).await?;
            control::run(client, settings, metrics).await
        };
        let Some(leadership) = leadership else {
            return tokio::select! {
                done = working => done,
                () = stopped => Ok(()),
            };
        };
        let done = tokio::select! {
            done = working => done,
            () = leadership.lost() => anyhow::bail!("another replica leads now: this one ends, to be started anew"),
            () = stopped => Ok(()),
        };
        leadership.release().await;
        done
    }

    async fn listen(&self, metrics: Arc<Metrics>) -> anyhow::Result<JoinHandle<io::Result<()>>> {
        let listen = self.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("--listen {listen}: the port cannot be bound; choose another")
        })?;
        tracing::info!("health and metrics on http://{}", listener.local_addr()?);
        Ok(tokio::spawn(metrics.serve(listener)))
    }

    fn settings(self) -> Settings {
        let own = || {
            std::fs::read_to_string(OWN_NAMESPACE)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        Settings {
            image: self.image,
            image_pull_policy: self.image_pull_policy,
            image_pull_secrets: self.image_pull_secrets,
            own_namespace: self
                .own_namespace
                .or_else(own)
                .unwrap_or_else(|| "default".to_owned()),
            namespace: self.namespace,
            adopt: BTreeSet::from_iter(self.adopt),
            packages: self.packages.into_iter().collect(),
            default_allow_http: self.default_allow_http,
            gateway: self.gateway,
            confine_pod_spec: self.confine_pod_spec,
            scrape_namespaces: self.scrape_namespaces,
            tools_interval: Duration::from_secs(self.tools_interval),
        }
    }
}
