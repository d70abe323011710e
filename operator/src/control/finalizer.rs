//! A server that shares its host is kept, when it is deleted, until the host has forgotten it. All else that belongs to a server
//! is removed by Kubernetes (owner references), and needs no finalizer.

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::apply::{ApplyError, FIELD_MANAGER};
use super::reconcile::Reconciler;
use crate::crd::MCPServer;

/// The finalizer of a server that shares its host.
const FINALIZER: &str = "sandglass.dev/shared-host";

impl Reconciler {
    /// Sees to it that a server does not go unnoticed.
    pub(super) async fn hold(&self, server: &MCPServer) -> Result<(), kube::Error> {
        if is_held(server) {
            return Ok(());
        }
        let mut finalizers = server.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        self.write(server, &finalizers).await
    }

    /// Lets a server go that shares no host.
    pub(super) async fn let_go(&self, server: &MCPServer) -> Result<(), kube::Error> {
        if !is_held(server) {
            return Ok(());
        }
        let mut finalizers = server.finalizers().to_vec();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        self.write(server, &finalizers).await
    }

    /// Has the host forget a server that is being deleted, and lets it go.
    pub(super) async fn depart(&self, server: &MCPServer) -> Result<(), ApplyError> {
        if !is_held(server) {
            return Ok(());
        }
        self.leave_host(&server.namespace().unwrap_or_default(), &server.name_any())
            .await?;
        self.let_go(server).await.map_err(ApplyError::Api)
    }

    /// Writes the list, unless the server is another version by now: then that one is looked at.
    async fn write(&self, server: &MCPServer, finalizers: &[String]) -> Result<(), kube::Error> {
        let api: Api<MCPServer> =
            Api::namespaced(self.client.clone(), &server.namespace().unwrap_or_default());
        let version = server.resource_version();
        let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api
            .patch_metadata(&server.name_any(), &parameters, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            // It is gone.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_held(server: &MCPServer) -> bool {
    server
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
}
