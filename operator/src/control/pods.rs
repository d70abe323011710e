//! What a server's pods say: why there is none that is ready, and which tools the host serves.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde::Deserialize;

use crate::objects::{CONTAINER, MANAGEMENT_PORT, MANAGEMENT_PORT_NAME};

/// How long a host may take to say which tools it serves.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most of a container's last words that are shown, in characters.
const LAST_WORDS: usize = 600;

/// The reason that Kubernetes gives where a container was killed for its memory.
const OUT_OF_MEMORY: &str = "OOMKilled";

/// What a host says of its tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Whether the host has the tenant at all.
    pub is_known: bool,
    /// Their names, in order.
    pub tools: Vec<String>,
    /// Sources that could not be loaded, with the reason.
    pub left_out: Vec<String>,
}

impl Served {
    /// Whether there is something that can be called, or nothing that was left out.
    pub fn serves(&self) -> bool {
        self.is_known && (!self.tools.is_empty() || self.left_out.is_empty())
    }
}

/// Asks hosts for their tools.
#[derive(Clone)]
pub struct Questions(reqwest::Client);

/// As the management port answers.
#[derive(Deserialize)]
struct Answer {
    tenants: std::collections::BTreeMap<String, Tenant>,
    #[serde(default)]
    sources: Vec<SourceState>,
}

#[derive(Deserialize)]
struct Tenant {
    tools: Vec<String>,
}

#[derive(Deserialize)]
struct SourceState {
    name: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The tenant of a host with one server.
pub const ALONE: &str = "default";

impl Questions {
    /// A client for them.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// The tools of a server, which is this tenant of its host, by one of the pods that are ready; `None` where none answers.
    pub async fn served(&self, pods: &[Arc<Pod>], server: &str, tenant: &str) -> Option<Served> {
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let Some(url) = management(pod) else {
                continue;
            };
            match self.ask(&url).await {
                Ok(answer) => return Some(of_server(answer, server, tenant)),
                Err(error) => {
                    let pod = pod.metadata.name.as_deref().unwrap_or_default();
                    tracing::debug!(pod, %error, "does not say which tools it serves");
                }
            }
        }
        None
    }

    async fn ask(&self, url: &str) -> Result<Answer, reqwest::Error> {
        self.0
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }
}

fn of_server(mut answer: Answer, server: &str, tenant: &str) -> Served {
    let left_out = answer
        .sources
        .into_iter()
        .filter(|source| source.name == server);
    let tenant = answer.tenants.remove(tenant);
    Served {
        is_known: tenant.is_some(),
        left_out: left_out.filter_map(|source| source.reason).collect(),
        tools: tenant.map(|tenant| tenant.tools).unwrap_or_default(),
    }
}

/// Whether there is a pod that can be asked.
pub fn any_ready(pods: &[Arc<Pod>]) -> bool {
    pods.iter().any(|pod| is_ready(pod))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn management(pod: &Pod) -> Option<String> {
    let address: std::net::IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let containers = &pod.spec.as_ref()?.containers;
    let container = containers
        .iter()
        .find(|container| container.name == CONTAINER)?;
    let ports = container.ports.iter().flatten();
    let port = ports
        .into_iter()
        .find(|port| port.name.as_deref() == Some(MANAGEMENT_PORT_NAME))
        .and_then(|port| u16::try_from(port.container_port).ok())
        .unwrap_or(MANAGEMENT_PORT);
    Some(format!(
        "http://{}/ready",
        std::net::SocketAddr::new(address, port)
    ))
}

/// Why a pod is not ready, if it says so: it cannot be scheduled, its image cannot be had, or the host ended.
pub fn trouble(pods: &[Arc<Pod>]) -> Option<(String, String)> {
    let remaining = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    remaining.filter(|pod| !is_ready(pod)).find_map(|pod| {
        let status = pod.status.as_ref()?;
        let unscheduled = status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "PodScheduled" && condition.status == "False"
        });
        if let Some(condition) = unscheduled {
            let reason = condition.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned());
            let message = condition.message.clone().unwrap_or_default();
            return Some((
                reason,
                format!("no node takes the pod: {message}; lower the resources in spec.podSpec, or add nodes"),
            ));
        }
        let before = status.init_container_statuses.iter().flatten();
        let containers = status.container_statuses.iter().flatten();
        before.chain(containers).find_map(of_container)
    })
}

fn of_container(container: &ContainerStatus) -> Option<(String, String)> {
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref().filter(|waiting| {
        let begins = ["ContainerCreating", "PodInitializing"];
        let reason = waiting.reason.as_deref();
        reason.is_some_and(|reason| !begins.contains(&reason))
    });
    let before = container.last_state.as_ref();
    let ended = state
        .terminated
        .as_ref()
        .or_else(|| before?.terminated.as_ref());
    let ended = ended.filter(|ended| ended.exit_code != 0);
    let who = match &*container.name {
        CONTAINER => String::new(),
        other => format!("container `{other}`: "),
    };
    if ended.is_some_and(|ended| ended.reason.as_deref() == Some(OUT_OF_MEMORY)) {
        let message = format!(
            "{who}it needed more memory than its limit; raise resources.limits.memory in spec.podSpec, or lower limits.memory of the tools"
        );
        return Some((OUT_OF_MEMORY.to_owned(), message));
    }
    let reason = waiting
        .and_then(|waiting| waiting.reason.clone())
        .or_else(|| ended?.reason.clone())?;
    let words = ended
        .and_then(|ended| ended.message.as_deref())
        .or(waiting.and_then(|waiting| waiting.message.as_deref()));
    let words = words.unwrap_or_default().trim();
    let from = words
        .char_indices()
        .rev()
        .nth(LAST_WORDS)
        .map_or(0, |(index, _)| index);
    let words = words.get(from..).unwrap_or_default();
    Some((reason.clone(), format!("{who}{reason}: {words}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(status: Value) -> Option<(String, String)> {
        let pod = json!({ "metadata": { "name": "a" }, "status": status });
        trouble(&[Arc::new(serde_json::from_value(pod).unwrap())])
    }

    fn container(name: &str, state: Value, before: Value) -> Value {
        json!({ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": state, "lastState": before })
    }

    #[test]
    fn why_a_pod_is_not_ready_is_told() {
        let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        let runs = json!({ "running": {} });
        let begins = json!({ "waiting": { "reason": "PodInitializing" } });
        let failed = json!({ "terminated": { "exitCode": 1, "reason": "Error", "message": "no such host" } });
        for (status, reason, part) in [
            (
                json!({ "containerStatuses": [container(CONTAINER, runs.clone(), killed)] }),
                "OOMKilled",
                "resources.limits.memory",
            ),
            (
                json!({
                    "initContainerStatuses": [container("fetch", failed, json!({}))],
                    "containerStatuses": [container(CONTAINER, begins.clone(), json!({}))],
                }),
                "Error",
                "container `fetch`: Error: no such host",
            ),
        ] {
            let (found, message) = told(status).unwrap();
            assert_eq!(found, reason);
            assert!(message.contains(part), "{message}");
        }
        for state in [begins, runs] {
            let status = json!({ "containerStatuses": [container(CONTAINER, state, json!({}))] });
            assert_eq!(told(status), None);
        }
    }
}
