//! The way to the API server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::Request;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::util::MapRequestLayer;

use crate::metrics::Metrics;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of the cluster that KUBECONFIG, `~/.kube/config` or the pod names; each request is counted.
pub async fn client(metrics: Arc<Metrics>) -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context(
        "no Kubernetes cluster is known: run in a pod with a service account, or set KUBECONFIG",
    )?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let builder = ClientBuilder::try_from(config).context("the way to the API server")?;
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        metrics.requested(request.method().as_str());
        request
    });
    Ok(builder.with_layer(&count).build())
}

/// What went wrong, in the API server's own words where it had some.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
