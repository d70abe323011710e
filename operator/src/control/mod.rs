//! The loop: whatever changes, the servers that it concerns are looked at, and made what they should be.

mod apply;
mod attempts;
mod caches;
mod finalizer;
mod pods;
mod ports;
mod reconcile;
mod references;
mod shared;
mod status;

use std::sync::Arc;

use anyhow::bail;
use futures::StreamExt;
use futures::stream;
use kube::Client;
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::{applier, reflector::ObjectRef};
use tokio::sync::mpsc;

pub use apply::FIELD_MANAGER;
use attempts::Attempts;
use caches::Caches;
use pods::Questions;
use reconcile::Reconciler;
use references::References;
use shared::SharedHosts;

use crate::crd::MCPServer;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// How many servers are worked on at once.
const CONCURRENCY: u16 = 16;

/// Works for as long as the process runs.
pub async fn run(client: Client, settings: Settings, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let (queue, mut changed) = mpsc::unbounded_channel();
    let (end, mut ended) = mpsc::unbounded_channel();
    let caches = Caches::start(&client, settings.namespace.as_deref(), queue, end).await?;
    let servers = caches.servers.clone();
    let reconciler = Arc::new(Reconciler {
        references: References::new(client.clone()),
        recorder: Recorder::new(client.clone(), Reporter::from(FIELD_MANAGER)),
        questions: Questions::new()?,
        attempts: Attempts::default(),
        shared: SharedHosts::default(),
        client,
        caches,
        settings,
        metrics: Arc::clone(&metrics),
    });
    reconciler.caches.ready().await;
    metrics.set_ready(servers.clone());
    tracing::info!(
        servers = servers.len(),
        "all that is in the cluster is known"
    );
    let changed = stream::poll_fn(move |context| changed.poll_recv(context))
        .map(Ok::<ObjectRef<MCPServer>, std::convert::Infallible>);
    let done = applier(
        |server: Arc<MCPServer>, reconciler: Arc<Reconciler>| {
            Box::pin(async move { reconciler.reconcile(&server).await })
        },
        |server, error, reconciler: Arc<Reconciler>| {
            let wait = reconciler.attempts.failed(&ObjectRef::from_obj(&*server));
            tracing::warn!(%error, server = %ObjectRef::from_obj(&*server), wait = wait.as_secs(), "is tried again");
            Action::requeue(wait)
        },
        Arc::clone(&reconciler),
        servers,
        changed,
        Config::default().concurrency(CONCURRENCY),
    );
    let done = done.for_each(|done| {
        // A server that is gone: nothing of it is left to be made.
        if let Err(Error::ObjectNotFound(gone)) = done {
            reconciler.attempts.forget(&gone);
        }
        std::future::ready(())
    });
    tokio::select! {
        () = done => {}
        () = reconciler.caches.find_kinds(reconciler.settings.tools_interval) => {}
        // Kubernetes starts it again, and then all is known anew.
        Some(what) = ended.recv() => bail!("the watch of {what} has ended, see above: nothing of it would be noticed any more"),
    }
    bail!("the loop over all servers has ended")
}
