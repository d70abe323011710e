//! One look at one server.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::apply::{ApplyError, FIELD_MANAGER, Whose};
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
pub enum Unavailable {
    /// The API server.
    #[error("{}", words(.0))]
    Api(#[from] kube::Error),
    /// The look panicked: what one server says keeps no other from being looked at.
    #[error("a fault of the operator, please report it: its look panicked, see above")]
    Fault,
}

impl Reconciler {
    /// Makes a server what it should be, and says how far it came.
    pub async fn reconcile(&self, server: &MCPServer) -> Result<Action, Unavailable> {
        let looked = AssertUnwindSafe(self.look(server)).catch_unwind().await;
        let looked = looked.unwrap_or(Err(Unavailable::Fault));
        self.metrics.looked(looked.is_ok());
        looked
    }

    async fn look(&self, server: &MCPServer) -> Result<Action, Unavailable> {
        let key = ObjectRef::from_obj(server);
        if server.metadata.deletion_timestamp.is_some() {
            // Kubernetes removes what belongs to it.
            return match self.depart(server).await {
                Ok(()) => Ok(Action::await_change()),
                Err(error) => {
                    let refusal = error.refusal()?;
                    tracing::warn!(error = %refusal.message, server = %key, "is not let go yet");
                    Ok(Action::requeue(self.attempts.failed(&key)))
                }
            };
        }
        let deferred = self.attempts.refusal(server);
        let progress = match &deferred {
            Some((refusal, _)) => Progress::Unmade(refusal.clone()),
            None => self.bring(server).await?,
        };
        let seen = self.see(server).await;
        let asks_in_vain = seen.served.is_none() && {
            let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
            pods::any_ready(&self.caches.pods(&namespace, &name, seen.is_shared))
        };
        let now = k8s_openapi::jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let status = status(server, &progress, &seen, &now);
        self.tell(server, &status).await?;
        if let Progress::Unmade(refusal) = progress {
            let wait = match deferred {
                Some((_, wait)) => wait,
                None => self.attempts.refused(server, refusal),
            };
            return Ok(Action::requeue(wait));
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
            Placement::Shared => {
                self.hold(server).await?;
                self.bring_shared(&plan, &owner).await.map(|()| Vec::new())
            }
            Placement::Alone => {
                let made = self.bring_alone(&plan, &owner, &desired).await;
                if made.is_ok() {
                    self.let_go(server).await?;
                }
                made
            }
        };
        match made {
            Ok(left_out) => Ok(Progress::Made { left_out }),
            Err(error) => Ok(Progress::Unmade(error.refusal()?)),
        }
    }

    /// Makes the objects of a server with a host of its own; what is asked for and cannot be had.
    async fn bring_alone(
        &self,
        plan: &Plan,
        owner: &Owner,
        desired: &[Desired],
    ) -> Result<Vec<String>, ApplyError> {
        let applier = self.applier(&plan.namespace, Whose::Server(owner));
        let secret = objects::state_secret_of(&plan.name);
        let labels = json!(objects::labels(&plan.name));
        applier
            .make_state_key(&secret, &labels, &[owner.reference()])
            .await?;
        let mut left_out = Vec::new();
        let mut desired: Vec<&Desired> = desired.iter().collect();
        if self.has_own_host(&plan.namespace, &plan.name) {
            // Where its change is refused, all that belongs to the pods that serve stays as it is.
            desired.sort_by_key(|object| object.kind != Kind::Deployment);
        }
        for object in &desired {
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
        self.leave_host(&plan.namespace, &plan.name).await?;
        Ok(left_out)
    }

    /// Looks at the Deployment, at its pods, and asks one of them.
    async fn see(&self, server: &MCPServer) -> Seen {
        let (namespace, name) = (server.namespace().unwrap_or_default(), server.name_any());
        // While its spec fails it runs where it ran before.
        let is_shared = match (
            self.has_own_host(&namespace, &name),
            self.is_tenant(&namespace, &name),
        ) {
            (true, false) => false,
            (false, true) => true,
            _ => server.spec.shared,
        };
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use http::Method;
    use serde_json::Value;
    use tokio::sync::mpsc;

    use super::*;
    use crate::mock::{self, Asked, Record, failure, list, not_found};
    use crate::plan::tests::{server, settings};

    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/my-namespace/deployments/mcpserver-my-mcp";
    const SERVERS: &str = "/apis/kaos.tools/v1alpha1/mcpservers";
    const SERVER: &str = "/apis/kaos.tools/v1alpha1/namespaces/my-namespace/mcpservers/my-mcp";
    const STATUS: &str =
        "/apis/kaos.tools/v1alpha1/namespaces/my-namespace/mcpservers/my-mcp/status";

    fn echo(shared: bool) -> MCPServer {
        let source = "def echo(text: str) -> str:\n    return text\n";
        server(
            json!({ "type": "wasm-runtime", "shared": shared, "config": { "tools": { "fromString": source } } }),
        )
    }

    /// Takes all that is written, but for what a test answers itself.
    async fn reconciler(
        answer: impl Fn(&Asked) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> (Reconciler, Record) {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (client, record) = mock::client(move |asked| {
            answer(asked).unwrap_or_else(|| match asked.method {
                Method::GET if asked.path.ends_with('s') => list(&[]),
                Method::GET => not_found(),
                _ if asked.path == STATUS => (200, json!(echo(false))),
                _ => (200, asked.body.clone()),
            })
        });
        let (queue, _) = mpsc::unbounded_channel();
        let (end, _) = mpsc::unbounded_channel();
        let caches = Caches::start(&client, None, queue, end).await.unwrap();
        caches.ready().await;
        let reconciler = Reconciler {
            references: References::new(client.clone()),
            recorder: Recorder::new(client.clone(), "test".into()),
            questions: Questions::new().unwrap(),
            attempts: Attempts::default(),
            shared: SharedHosts::default(),
            caches,
            settings: settings(),
            metrics: std::sync::Arc::default(),
            client,
        };
        (reconciler, record)
    }

    /// The statuses that were written.
    fn statuses(record: &Record) -> Vec<Value> {
        let writes = record.writes().into_iter();
        let statuses = writes.filter(|asked| asked.path == STATUS);
        statuses.map(|asked| asked.body["status"].clone()).collect()
    }

    #[tokio::test]
    async fn a_status_that_says_nothing_new_is_not_written() {
        let (reconciler, record) = reconciler(|_| None).await;
        let mut server = echo(false);
        reconciler.reconcile(&server).await.unwrap();
        let written = statuses(&record);
        assert_eq!(written.len(), 1);
        server.status = serde_json::from_value(written[0].clone()).unwrap();
        reconciler.reconcile(&server).await.unwrap();
        assert_eq!(statuses(&record).len(), 1);
    }

    #[tokio::test]
    async fn what_is_refused_is_told_and_tried_again_later_and_later() {
        let (reconciler, record) = reconciler(|asked| {
            let message = "spec.template.spec.nodeName: Invalid value";
            (asked.path == DEPLOYMENT && asked.method != Method::GET)
                .then(|| failure(422, "Invalid", message))
        })
        .await;
        let server = echo(false);
        reconciler.reconcile(&server).await.unwrap();
        let status = &statuses(&record)[0];
        assert_eq!(status["phase"], "Failed");
        let message = status["message"].as_str().unwrap();
        assert!(
            message.contains("refuses the Deployment `mcpserver-my-mcp`")
                && message.contains("Invalid value"),
            "{message}"
        );
        let wait = reconciler.attempts.failed(&ObjectRef::from_obj(&server));
        assert!(wait >= Duration::from_secs(2), "it failed once: {wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_in_ever_new_words_is_asked_for_again_no_sooner() {
        let times = AtomicU32::new(0);
        let (reconciler, record) = reconciler(move |asked| {
            (asked.path == DEPLOYMENT && asked.method != Method::GET).then(|| {
                let message = format!("Invalid value, the {}.", times.fetch_add(1, Relaxed));
                failure(422, "Invalid", &message)
            })
        })
        .await;
        let mut server = echo(false);
        let attempts = |record: &Record| {
            let writes = record.writes().into_iter();
            writes.filter(|asked| asked.path == DEPLOYMENT).count()
        };
        for _ in 0..5 {
            // As its watch tells of each status.
            server.status = statuses(&record)
                .pop()
                .map(|status| serde_json::from_value(status).unwrap());
            reconciler.reconcile(&server).await.unwrap();
        }
        assert_eq!((attempts(&record), statuses(&record).len()), (1, 1));
        tokio::time::advance(Duration::from_secs(2)).await;
        reconciler.reconcile(&server).await.unwrap();
        assert_eq!(attempts(&record), 2, "its time has come");
        server.metadata.generation = Some(2);
        reconciler.reconcile(&server).await.unwrap();
        assert_eq!(attempts(&record), 3, "the spec is another");
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_made_is_not_taken_over() {
        let paths = [
            "/api/v1/namespaces/my-namespace/serviceaccounts/mcpserver-my-mcp",
            "/api/v1/namespaces/my-namespace/configmaps/sandglass-shared",
        ];
        for (path, shared) in paths.into_iter().zip([false, true]) {
            let (reconciler, record) = reconciler(move |asked| {
                let theirs = json!({ "apiVersion": "v1", "kind": "Theirs", "metadata": {
                    "name": "theirs", "labels": { "app.kubernetes.io/managed-by": "Helm" },
                } });
                match &*asked.path {
                    found if found == path => {
                        (asked.method == Method::GET).then_some((200, theirs))
                    }
                    SERVERS => Some(list(&[json!(echo(shared))])),
                    _ => None,
                }
            })
            .await;
            reconciler.reconcile(&echo(shared)).await.unwrap();
            let status = &statuses(&record)[0];
            assert_eq!(status["conditions"][2]["reason"], "NameTaken", "{status}");
            assert!(record.writes().iter().all(|asked| asked.path != path));
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_read_says_so() {
        let (reconciler, record) = reconciler(|_| None).await;
        let mut object = json!(echo(false));
        object["spec"]["replicas"] = json!(3_000_000_000_u32);
        let server = MCPServer::read(serde_json::from_value(object).unwrap());
        reconciler.reconcile(&server).await.unwrap();
        let status = &statuses(&record)[0];
        assert_eq!(status["phase"], "Failed");
        let message = status["message"].as_str().unwrap();
        assert!(
            message.starts_with("spec: ") && message.contains("3000000000"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn an_api_server_that_is_away_changes_no_status() {
        let (reconciler, record) = reconciler(|asked| {
            (asked.path == DEPLOYMENT).then(|| failure(503, "ServiceUnavailable", "not now"))
        })
        .await;
        let error = reconciler.reconcile(&echo(false)).await.unwrap_err();
        assert_eq!(error.to_string(), "not now");
        assert_eq!(statuses(&record), Vec::<Value>::new());
    }

    #[tokio::test]
    async fn a_server_that_was_deleted_meanwhile_is_no_failure() {
        let (reconciler, _) =
            reconciler(|asked| (asked.path == STATUS).then(mock::not_found)).await;
        reconciler.reconcile(&echo(false)).await.unwrap();
    }

    #[tokio::test]
    async fn only_a_server_that_shares_its_host_is_held() {
        let (reconciler, record) = reconciler(|_| None).await;
        let mut server = echo(true);
        server.metadata.resource_version = Some("5".to_owned());
        server.metadata.finalizers = Some(vec!["of.another/tool".to_owned()]);
        reconciler.reconcile(&server).await.unwrap();
        let held = json!({ "metadata": {
            "resourceVersion": "5",
            "finalizers": ["of.another/tool", "sandglass.dev/shared-host"],
        } });
        let of_server = |record: &Record| {
            let writes = record.writes().into_iter();
            let writes = writes.filter(|asked| asked.path == SERVER);
            writes.map(|asked| asked.body).collect::<Vec<_>>()
        };
        assert_eq!(of_server(&record), [held]);
        // What is deleted, and what has a host of its own, is let go; another's finalizer stays.
        let finalizers = ["of.another/tool", "sandglass.dev/shared-host"];
        server.metadata.finalizers = Some(finalizers.map(str::to_owned).to_vec());
        server.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        reconciler.reconcile(&server).await.unwrap();
        server.metadata.deletion_timestamp = None;
        server.spec.shared = false;
        reconciler.reconcile(&server).await.unwrap();
        let let_go =
            json!({ "metadata": { "resourceVersion": "5", "finalizers": ["of.another/tool"] } });
        assert_eq!(of_server(&record)[1..], [let_go.clone(), let_go]);
    }
}
