//! Servers that share a host: their objects, and those of the host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;

use super::apply::{Applier, ApplyError};
use super::ports::Ports;
use super::reconcile::Reconciler;
use crate::crd::MCPServer;
use crate::objects::shared::{self, Tenant};
use crate::objects::{self, Kind, Owner};
use crate::plan::{Placement, Plan, ReferenceKind};

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
        self.bring_host(namespace).await?;
        let owners = [owner.uid.clone()];
        let applier = self.applier(namespace, &owners);
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
        let config_map = self.caches.object(Kind::ConfigMap, namespace, shared::NAME);
        let was_there = config_map
            .is_some_and(|config_map| shared::recorded(&json!(*config_map)).contains_key(name));
        if was_there {
            self.bring_host(namespace).await?;
        }
        Ok(())
    }

    /// Makes the host of a namespace what its tenants need; without tenants there is none.
    async fn bring_host(&self, namespace: &str) -> Result<(), ApplyError> {
        let turn = self.shared.turn(namespace);
        let _turn = turn.lock().await;
        let mut waited = false;
        loop {
            let tenants = self.tenants(namespace);
            let owners: Vec<String> = tenants.iter().map(|tenant| tenant.uid.clone()).collect();
            let applier = self.applier(namespace, &owners);
            if tenants.is_empty() {
                return self.remove_host(namespace).await;
            }
            let desired = shared::of_host(namespace, &tenants, &self.settings);
            let has_key = self
                .caches
                .version(ReferenceKind::Secret, namespace, shared::STATE_SECRET)
                .is_some();
            if has_key && desired.iter().all(|object| applier.is_made(object)) {
                return Ok(());
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
            return Ok(());
        }
    }

    async fn remove_host(&self, namespace: &str) -> Result<(), ApplyError> {
        for kind in [
            Kind::Deployment,
            Kind::NetworkPolicy,
            Kind::ConfigMap,
            Kind::ServiceAccount,
        ] {
            let Some(live) = self.caches.object(kind, namespace, shared::NAME) else {
                continue;
            };
            let owners = live
                .owner_references()
                .iter()
                .map(|owner| owner.uid.clone());
            let owners: Vec<String> = owners.collect();
            self.applier(namespace, &owners)
                .remove(kind, shared::NAME)
                .await?;
        }
        Ok(())
    }

    /// The tenants of a namespace's host, by name. One whose spec fails goes on as it was.
    fn tenants(&self, namespace: &str) -> Vec<Tenant> {
        let servers = self.caches.servers.state_filter(|server| {
            server.spec.shared
                && server.metadata.namespace.as_deref() == Some(namespace)
                && server.metadata.deletion_timestamp.is_none()
        });
        let config_map = self.caches.object(Kind::ConfigMap, namespace, shared::NAME);
        let mut before = config_map
            .map(|config_map| shared::recorded(&json!(*config_map)))
            .unwrap_or_default();
        let mut tenants: Vec<Tenant> = servers
            .iter()
            .filter_map(|server| match self.plan(server) {
                Some(plan) => {
                    let port = self.shared.ports.of(&self.caches, namespace, &plan.name)?;
                    Some(Tenant::new(&plan, &server.uid().unwrap_or_default(), port))
                }
                None => before.remove(&server.name_any()),
            })
            .collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        tenants
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

    pub(super) fn applier<'a>(&'a self, namespace: &'a str, owners: &'a [String]) -> Applier<'a> {
        Applier {
            client: &self.client,
            caches: &self.caches,
            namespace,
            owners,
        }
    }
}
