//! One look at one server.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::apply::{ApplyError, FIELD_MANAGER};
use super::attempts::{Attempts, jittered};
use super::caches::Caches;
use super::pods::{self, ALONE, Questions};
use super::references::References;
use super::shared::SharedHosts;
use super::status::{Progress, Seen, status};
use crate::cluster::words;
use crate::crd::{MCPServer, MCPServerStatus, Phase};
use crate::metrics::Metrics;
use crate::objects::{self, Desired, Kind, Owner, shared};
use crate::plan::{Placement, Plan};
use crate::settings::Settings;

/// The longest note of an event, in bytes (Kubernetes API reference, "Event").
const MAX_NOTE: usize = 1024;

/// When a host that did not say which tools it serves is asked again.
const ASKS_AGAIN: Duration = Duration::from_secs(5);

/// What a look needs.
pub struct Reconciler {
    /// The way to the API server.
    pub client: Client,
    /// What it has.
    pub caches: Caches,
    /// What holds for all servers.
    pub settings: Settings,
    /// ConfigMaps and Secrets that servers name.
    pub references: References,
    /// The way to the hosts.
    pub questions: Questions,
    /// What failed how often.
    pub attempts: Attempts,
    /// The way for events.
    pub recorder: Recorder,
    /// Hosts that several servers share.
    pub shared: SharedHosts,
    /// What is counted.
    pub metrics: std::sync::Arc<Metrics>,
}

/// What may pass: the look is taken again.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.0))]
pub struct Unavailable(#[from] kube::Error);

impl Reconciler {
    /// Makes a server what it should be, and says how far it came.
    pub async fn reconcile(&self, server: &MCPServer) -> Result<Action, Unavailable> {
        let looked = self.look(server).await;
        self.metrics.looked(looked.is_ok());
        looked
    }

    async fn look(&self, server: &MCPServer) -> Result<Action, Unavailable> {
        if server.metadata.deletion_timestamp.is_some() {
            // Kubernetes removes what belongs to it.
            return Ok(Action::await_change());
        }
        let key = ObjectRef::from_obj(server);
        let progress = self.bring(server).await?;
        let seen = self.see(server).await;
        let asks_in_vain = seen.served.is_none() && {
            let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
            pods::any_ready(&self.caches.pods(&namespace, &name, server.spec.shared))
        };
        let now = k8s_openapi::jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let status = status(server, &progress, &seen, &now);
        self.tell(server, &status).await?;
        if matches!(progress, Progress::Unmade(_)) {
            return Ok(Action::requeue(self.attempts.failed(&key)));
        }
        self.attempts.succeeded(&key);
        let interval = self.settings.tools_interval;
        Ok(match seen.served {
            Some(_) => Action::requeue(jittered(interval)),
            None if asks_in_vain => Action::requeue(jittered(interval.min(ASKS_AGAIN))),
            None => Action::await_change(),
        })
    }

    /// Makes the objects.
    async fn bring(&self, server: &MCPServer) -> Result<Progress, kube::Error> {
        let plan = match Plan::parse(server, &self.settings) {
            Ok(plan) => plan,
            Err(problem) => return Ok(Progress::Invalid(problem)),
        };
        let owner = Owner {
            name: plan.name.clone(),
            uid: server.uid().unwrap_or_default(),
        };
        let desired = match objects::of_server(&plan, &owner, &self.settings) {
            Ok(desired) => desired,
            Err(problem) => return Ok(Progress::Invalid(problem)),
        };
        let named = plan.references();
        let missing = self
            .references
            .missing(&self.caches, &plan.namespace, &named)
            .await?;
        if !missing.is_empty() {
            return Ok(Progress::Unresolved(missing));
        }
        let made = match plan.placement {
            Placement::Shared => self.bring_shared(&plan, &owner).await.map(|()| Vec::new()),
            Placement::Alone => self.bring_alone(&plan, &owner, &desired).await,
        };
        match made {
            Ok(left_out) => Ok(Progress::Made { left_out }),
            Err(ApplyError::Api(error)) => Err(error),
            Err(error) => Ok(Progress::Unmade(error)),
        }
    }

    /// Makes the objects of a server with a host of its own; what is asked for and cannot be had.
    async fn bring_alone(
        &self,
        plan: &Plan,
        owner: &Owner,
        desired: &[Desired],
    ) -> Result<Vec<String>, ApplyError> {
        let owners = [owner.uid.clone()];
        let applier = self.applier(&plan.namespace, &owners);
        let secret = objects::state_secret_of(&plan.name);
        let labels = json!(objects::labels(&plan.name));
        applier
            .make_state_key(&secret, &labels, &[owner.reference()])
            .await?;
        let mut left_out = Vec::new();
        for object in desired {
            if self.caches.has(object.kind) {
                applier.apply(object).await?;
            } else {
                left_out.push(format!("this cluster has no {}", object.kind.gvk().kind));
            }
        }
        for kind in Kind::ALL {
            if !desired.iter().any(|object| object.kind == kind) {
                applier.remove(kind, &kind.name_of(&plan.name)).await?;
            }
        }
        self.leave_host(plan).await?;
        Ok(left_out)
    }

    /// Looks at the Deployment, at its pods, and asks one of them.
    async fn see(&self, server: &MCPServer) -> Seen {
        let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
        let is_shared = server.spec.shared;
        let (deployed, tenant) = if is_shared {
            (shared::NAME.to_owned(), &*name)
        } else {
            (objects::name_of(&name), ALONE)
        };
        let deployment = self.caches.object(Kind::Deployment, &namespace, &deployed);
        let deployment: Option<Deployment> =
            deployment.and_then(|deployment| (*deployment).clone().try_parse().ok());
        let pods = self.caches.pods(&namespace, &name, is_shared);
        Seen {
            deployment,
            is_shared,
            trouble: pods::trouble(&pods),
            served: self.questions.served(&pods, &name, tenant).await,
        }
    }

    /// Writes the status, if it is another, and an event where the phase or the message is.
    async fn tell(&self, server: &MCPServer, status: &MCPServerStatus) -> Result<(), kube::Error> {
        let before = server.status.as_ref();
        if before == Some(status) {
            return Ok(());
        }
        let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
        let api: Api<MCPServer> = Api::namespaced(self.client.clone(), &namespace);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = json!({
            "apiVersion": MCPServer::api_version(&()),
            "kind": MCPServer::kind(&()),
            "metadata": { "name": name },
            "status": status,
        });
        match api
            .patch_status(&name, &parameters, &Patch::Apply(&patch))
            .await
        {
            Ok(_) => {}
            // It was deleted meanwhile.
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
            Err(error) => return Err(error),
        }
        let is_news = before
            .is_none_or(|before| before.phase != status.phase || before.message != status.message);
        if is_news {
            self.announce(server, status).await;
        }
        Ok(())
    }

    async fn announce(&self, server: &MCPServer, status: &MCPServerStatus) {
        let phase = status.phase.unwrap_or(Phase::Pending);
        let failed = status
            .conditions
            .iter()
            .find(|condition| condition.status == "False");
        let type_ = match phase {
            Phase::Failed => EventType::Warning,
            Phase::Pending | Phase::Ready => EventType::Normal,
        };
        let mut note = match &*status.message {
            "" => format!("{phase:?}"),
            message => message.to_owned(),
        };
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        let event = Event {
            type_,
            reason: failed.map_or_else(
                || format!("{phase:?}"),
                |condition| condition.reason.clone(),
            ),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // Nothing depends on it.
        if let Err(error) = self.recorder.publish(&event, &server.object_ref(&())).await {
            tracing::debug!(%error, "an event was not taken");
        }
    }
}
