//! Servers that share a host: their objects, and those of the host.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;

use super::apply::{Applier, ApplyError, Whose};
use super::ports::Ports;
use super::reconcile::Reconciler;
use crate::crd::MCPServer;
use crate::objects::shared::{self, Tenant};
use crate::objects::{self, Kind, Owner};
use crate::plan::{Placement, Plan};

/// How long changes are gathered before a host's pods are replaced for them.
const GATHER: Duration = Duration::from_secs(1);

/// A generation, and its plan if it has a valid one.
type Parsed = (Option<i64>, Option<Arc<Plan>>);

/// What is known of shared hosts between two looks; a restart finds it again.
#[derive(Debug, Default)]
pub struct SharedHosts {
    ports: Ports,
    /// One change of a namespace's host at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The plans of the generations that were parsed last, by the servers' ids.
    plans: Mutex<HashMap<String, Parsed>>,
}

impl SharedHosts {
    fn turn(&self, namespace: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(namespace.to_owned()).or_default())
    }
}

impl Reconciler {
    /// Makes the objects of a server that shares its host, and those of the host.
    pub(super) async fn bring_shared(&self, plan: &Plan, owner: &Owner) -> Result<(), ApplyError> {
        let namespace = &*plan.namespace;
        let no_port = || ApplyError::Refused {
            kind: "Service".to_owned(),
            name: objects::name_of(&plan.name),
            message: "all ports of the shared host are taken; set `shared: false`".to_owned(),
        };
        let port = self
            .shared
            .ports
            .of(&self.caches, namespace, &plan.name)
            .ok_or_else(no_port)?;
        if self.bring_host(namespace).await?.contains(&plan.name) {
            return Err(ApplyError::HostFull);
        }
        let applier = self.applier(namespace, Whose::Server(owner));
        for object in shared::of_tenant(plan, owner, port, &self.settings) {
            if self.caches.has(object.kind) {
                applier.apply(&object).await?;
            }
        }
        for kind in Kind::ALL {
            if !matches!(kind, Kind::Service | Kind::HttpRoute) {
                applier.remove(kind, &kind.name_of(&plan.name)).await?;
            }
        }
        Ok(())
    }

    /// A server that has a host of its own, or is being deleted, leaves the shared one, if it was there.
    pub(super) async fn leave_host(&self, namespace: &str, name: &str) -> Result<(), ApplyError> {
        self.shared.ports.forget(namespace, name);
        if self.is_tenant(namespace, name) {
            self.bring_host(namespace).await?;
        }
        Ok(())
    }

    /// Whether the host of a namespace has a server among its tenants.
    pub(super) fn is_tenant(&self, namespace: &str, name: &str) -> bool {
        let config_map = self.caches.object(Kind::ConfigMap, namespace, shared::NAME);
        config_map.is_some_and(|config_map| shared::is_recorded(&config_map.data, name))
    }

    /// Makes the host of a namespace what its tenants need; without tenants there is none. The names of those that it has no
    /// place for, as they are now.
    async fn bring_host(&self, namespace: &str) -> Result<BTreeSet<String>, ApplyError> {
        let turn = self.shared.turn(namespace);
        let _turn = turn.lock().await;
        let applier = self.applier(namespace, Whose::SharedHost);
        let mut waited = false;
        loop {
            let config_map = self.caches.object(Kind::ConfigMap, namespace, shared::NAME);
            let before = config_map
                .map(|config_map| shared::recorded(&config_map.data))
                .unwrap_or_default();
            let tenants = self.tenants(namespace, &before).await;
            let tenants = tenants.map_err(ApplyError::Api)?;
            let (desired, too_large) =
                shared::within_limit(namespace, tenants, &before, &self.settings);
            if desired.is_empty() {
                self.remove_host(&applier).await?;
                return Ok(too_large);
            }
            if applier.has_state_key(shared::STATE_SECRET)?
                && desired.iter().all(|object| applier.is_made(object))
            {
                return Ok(too_large);
            }
            if !waited {
                waited = true;
                tokio::time::sleep(GATHER).await;
                continue;
            }
            for object in &desired {
                let made = applier.apply(object).await?;
                if object.kind == Kind::Deployment {
                    // It goes with the Deployment, whichever tenants come and go.
                    let owner = json!({
                        "apiVersion": "apps/v1", "kind": "Deployment", "name": shared::NAME, "uid": made.uid(),
                    });
                    applier
                        .make_state_key(shared::STATE_SECRET, &shared::labels(), &[owner])
                        .await?;
                }
            }
            return Ok(too_large);
        }
    }

    async fn remove_host(&self, applier: &Applier<'_>) -> Result<(), ApplyError> {
        for kind in [
            Kind::Deployment,
            Kind::NetworkPolicy,
            Kind::ConfigMap,
            Kind::ServiceAccount,
        ] {
            applier.remove(kind, shared::NAME).await?;
        }
        Ok(())
    }

    /// The tenants of a namespace's host, by name. One goes on as it was `before` while its spec fails, while something that it
    /// names is missing, and until it has a host of its own.
    async fn tenants(
        &self,
        namespace: &str,
        before: &BTreeMap<String, Tenant>,
    ) -> Result<Vec<Tenant>, kube::Error> {
        let servers = self.caches.servers.state_filter(|server| {
            server.metadata.namespace.as_deref() == Some(namespace)
                && server.metadata.deletion_timestamp.is_none()
        });
        let mut tenants = Vec::new();
        for server in servers {
            let name = server.name_any();
            let tenant = match self.plan(&server) {
                Some(plan) if self.is_resolved(&plan).await? => {
                    let port = self.shared.ports.of(&self.caches, namespace, &name);
                    let uid = server.uid().unwrap_or_default();
                    port.map(|port| Tenant::new(&plan, &uid, port))
                }
                None if !server.spec.shared && self.has_own_host(namespace, &name) => None,
                _ => before.get(&name).cloned(),
            };
            tenants.extend(tenant);
        }
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tenants)
    }

    async fn is_resolved(&self, plan: &Plan) -> Result<bool, kube::Error> {
        let references = plan.references();
        let missing = self
            .references
            .missing(&self.caches, &plan.namespace, &references);
        Ok(missing.await?.is_empty())
    }

    /// Whether a server has a Deployment of its own.
    pub(super) fn has_own_host(&self, namespace: &str, name: &str) -> bool {
        let own = objects::name_of(name);
        self.caches
            .object(Kind::Deployment, namespace, &own)
            .is_some()
    }

    /// The plan of a server that shares its host, if its spec is valid; parsed once for each generation.
    fn plan(&self, server: &MCPServer) -> Option<Arc<Plan>> {
        let uid = server.uid().unwrap_or_default();
        let generation = server.metadata.generation;
        let plans = || {
            self.shared
                .plans
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((known, plan)) = plans().get(&uid)
            && *known == generation
        {
            return plan.clone();
        }
        let plan = Plan::parse(server, &self.settings).ok();
        let plan = plan
            .filter(|plan| plan.placement == Placement::Shared)
            .map(Arc::new);
        plans().insert(uid, (generation, plan.clone()));
        plan
    }

    pub(super) fn applier<'a>(&'a self, namespace: &'a str, whose: Whose<'a>) -> Applier<'a> {
        Applier {
            client: &self.client,
            caches: &self.caches,
            namespace,
            whose,
        }
    }
}
