//! From what is known of a server to its status. Pure.

use std::fmt::Display;

use k8s_openapi::api::apps::v1::Deployment;
use sandglass_text::Line;

use super::apply::Refusal;
use super::pods::Served;
use super::references::Missing;
use crate::crd::{
    Condition, DeploymentCondition, DeploymentStatus, MCPServer, MCPServerStatus, Phase,
};
use crate::objects;
use crate::plan::Problem;

/// How far a server came.
#[derive(Debug)]
pub enum Progress {
    /// The spec is not valid; what is there stays as it is.
    Invalid(Problem),
    /// What the spec names is not there; what is there stays as it is.
    Unresolved(Vec<Missing>),
    /// An object cannot be made.
    Unmade(Refusal),
    /// All objects are what they should be, but for those that this API server does not know.
    Made {
        /// What is asked for and cannot be had.
        left_out: Vec<String>,
    },
}

/// What was seen beside the spec.
#[derive(Debug, Default)]
pub struct Seen {
    /// The Deployment, if there is one.
    pub deployment: Option<Deployment>,
    /// Whether the Deployment is that of a host that several servers share.
    pub is_shared: bool,
    /// Why a pod is not ready: in one word, and for people.
    pub trouble: Option<(String, String)>,
    /// What a host says of its tools; `None` if none was asked, or none answered.
    pub served: Option<Served>,
}

/// The status of a server; `now` stands where a condition changes.
pub fn status(server: &MCPServer, progress: &Progress, seen: &Seen, now: &str) -> MCPServerStatus {
    let before = server.status.clone().unwrap_or_default();
    let generation = server.metadata.generation;
    let rollout = Rollout::of(seen, before.ready);
    let steps = steps(progress, &rollout);
    let failed = steps.iter().find(|step| step.status != "True");
    let phase = match (progress, failed) {
        (Progress::Invalid(_) | Progress::Unmade(_), _) => Phase::Failed,
        (_, None) => Phase::Ready,
        _ => Phase::Pending,
    };
    let message = match failed {
        Some(step) => step.message.clone(),
        None => Line::new(notes(progress, seen).join("; ")).into(),
    };
    let conditions = steps
        .into_iter()
        .map(|step| {
            let known = before
                .conditions
                .iter()
                .find(|known| known.kind == step.kind);
            let since = known.filter(|known| known.status == step.status);
            let since = since.map_or_else(
                || now.to_owned(),
                |known| known.last_transition_time.clone(),
            );
            Condition {
                kind: step.kind.to_owned(),
                status: step.status.to_owned(),
                reason: step.reason,
                message: step.message,
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect();
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let name = server.metadata.name.as_deref().unwrap_or_default();
    let tools = match &seen.served {
        Some(served) => served
            .tools
            .iter()
            .map(|tool| Line::name(tool).into())
            .collect(),
        None if rollout.serves => before.available_tools,
        None => Vec::new(),
    };
    MCPServerStatus {
        phase: Some(phase),
        ready: rollout.serves,
        endpoint: seen
            .deployment
            .is_some()
            .then(|| objects::endpoint(namespace, name)),
        available_tools: tools,
        message,
        deployment: seen.deployment.as_ref().map(mirror),
        conditions,
        observed_generation: generation,
    }
}

/// What is worth saying though all is well.
fn notes(progress: &Progress, seen: &Seen) -> Vec<String> {
    let mut notes = match progress {
        Progress::Made { left_out } => left_out.clone(),
        _ => Vec::new(),
    };
    let reasons = seen.served.iter().flat_map(|served| &served.left_out);
    notes.extend(reasons.map(|reason| format!("left out: {reason}")));
    notes
}

/// A condition without its time.
struct Step {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl Step {
    fn new(
        kind: &'static str,
        status: &'static str,
        reason: impl Into<String>,
        message: impl Display,
    ) -> Self {
        Self {
            kind,
            status,
            reason: reason.into(),
            message: Line::new(message).into(),
        }
    }

    fn done(kind: &'static str, reason: &str, message: &str) -> Self {
        Self::new(kind, "True", reason, message)
    }

    fn waits(kind: &'static str) -> Self {
        Self::new(
            kind,
            "Unknown",
            "Waiting",
            "waits for the condition before it",
        )
    }
}

fn steps(progress: &Progress, rollout: &Rollout) -> Vec<Step> {
    const STEPS: [(&str, &str); 3] = [
        ("Accepted", "the spec is valid"),
        ("ResolvedRefs", "all that it names is there"),
        ("Programmed", "all objects are what they should be"),
    ];
    let (done, failed) = match progress {
        Progress::Invalid(problem) => (0, Some((problem.reason.to_string(), problem.to_string()))),
        Progress::Unresolved(missing) => {
            let reason = missing.first().map_or("NotFound", |missing| missing.reason);
            let messages: Vec<_> = missing.iter().map(|missing| &*missing.message).collect();
            (1, Some((reason.to_owned(), messages.join("; "))))
        }
        Progress::Unmade(refusal) => (
            2,
            Some((refusal.reason.to_owned(), refusal.message.clone())),
        ),
        Progress::Made { .. } => (3, None),
    };
    let steps = STEPS[..done].iter();
    let mut steps: Vec<_> = steps
        .map(|(name, words)| Step::done(name, name, words))
        .collect();
    if let Some((reason, message)) = failed {
        steps.push(Step::new(STEPS[done].0, "False", reason, message));
    }
    let waiting = STEPS.iter().skip(steps.len());
    steps.extend(waiting.map(|(name, _)| Step::waits(name)));
    steps.push(match &rollout.waits {
        None => Step::done("Ready", "Serving", "calls are answered"),
        Some((reason, message)) => Step::new("Ready", "False", reason, message),
    });
    steps
}

/// How far the Deployment is.
struct Rollout {
    /// Whether calls are answered, by whatever version.
    serves: bool,
    /// Why the newest version does not serve yet.
    waits: Option<(String, String)>,
}

impl Rollout {
    fn of(seen: &Seen, served_before: bool) -> Self {
        let Some(deployment) = &seen.deployment else {
            return Self {
                serves: false,
                waits: Some((
                    "NoDeployment".to_owned(),
                    "there is no Deployment yet".to_owned(),
                )),
            };
        };
        let status = deployment.status.clone().unwrap_or_default();
        let wanted = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        let ready = status.ready_replicas.unwrap_or(0);
        let left_out = seen.served.as_ref().filter(|served| !served.serves());
        // A host that several share may be ready without this one.
        let answers = match &seen.served {
            Some(served) => served.serves(),
            None => !seen.is_shared || served_before,
        };
        let serves = ready > 0 && answers;
        let is_newest = status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas.unwrap_or(0) >= wanted;
        let waits = if wanted == 0 {
            Some((
                "ScaledToZero".to_owned(),
                "it is scaled to no pods; raise the Deployment's replicas".to_owned(),
            ))
        } else if serves && is_newest && (seen.trouble.is_none() || ready >= wanted) {
            None
        } else if let Some(served) = left_out.filter(|served| is_newest && served.is_known) {
            let reasons = served.left_out.join("; ");
            Some(("ToolsLeftOut".to_owned(), reasons))
        } else if let Some(trouble) = &seen.trouble {
            Some(trouble.clone())
        } else if let Some(trouble) = trouble(&status) {
            Some(trouble)
        } else {
            Some((
                "Progressing".to_owned(),
                "waits for a pod of the newest version to be ready".to_owned(),
            ))
        };
        Self { serves, waits }
    }
}

/// What the Deployment's own controller finds wrong.
fn trouble(status: &k8s_openapi::api::apps::v1::DeploymentStatus) -> Option<(String, String)> {
    let conditions = status.conditions.iter().flatten();
    conditions
        .filter(|condition| {
            (condition.type_ == "ReplicaFailure" && condition.status == "True")
                || (condition.type_ == "Progressing" && condition.status == "False")
        })
        .map(|condition| {
            let reason = condition
                .reason
                .clone()
                .unwrap_or_else(|| condition.type_.clone());
            (reason, condition.message.clone().unwrap_or_default())
        })
        .next()
}

fn mirror(deployment: &Deployment) -> DeploymentStatus {
    let status = deployment.status.clone().unwrap_or_default();
    let conditions = status.conditions.into_iter().flatten();
    DeploymentStatus {
        replicas: status.replicas.unwrap_or(0),
        ready_replicas: status.ready_replicas.unwrap_or(0),
        available_replicas: status.available_replicas.unwrap_or(0),
        updated_replicas: status.updated_replicas.unwrap_or(0),
        conditions: conditions
            .map(|condition| DeploymentCondition {
                kind: condition.type_,
                status: condition.status,
                reason: condition.reason.filter(|reason| !reason.is_empty()),
                message: condition
                    .message
                    .filter(|message| !message.is_empty())
                    .map(|message| Line::new(message).into()),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::{Reason, tests::server};

    fn deployment(generation: i64, status: Value) -> Seen {
        let deployment = json!({ "metadata": { "generation": generation }, "spec": { "replicas": 1, "selector": {}, "template": {} }, "status": status });
        Seen {
            deployment: Some(serde_json::from_value(deployment).unwrap()),
            ..Seen::default()
        }
    }

    fn of(progress: &Progress, seen: &Seen) -> MCPServerStatus {
        let server = server(json!({ "type": "wasm-runtime", "config": {} }));
        status(&server, progress, seen, "now")
    }

    fn summary(status: &MCPServerStatus) -> Vec<String> {
        let conditions = status.conditions.iter();
        conditions
            .map(|condition| {
                format!(
                    "{}={} {}",
                    condition.kind, condition.status, condition.reason
                )
            })
            .collect()
    }

    const MADE: Progress = Progress::Made {
        left_out: Vec::new(),
    };

    #[test]
    fn a_server_is_ready_when_the_newest_version_serves() {
        let serving = json!({ "observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        let ready = of(&MADE, &deployment(2, serving.clone()));
        assert_eq!((ready.phase, ready.ready), (Some(Phase::Ready), true));
        assert_eq!(
            ready.endpoint.as_deref(),
            Some("http://mcpserver-my-mcp.my-namespace.svc.cluster.local:8000")
        );
        assert_eq!(
            summary(&ready),
            [
                "Accepted=True Accepted",
                "ResolvedRefs=True ResolvedRefs",
                "Programmed=True Programmed",
                "Ready=True Serving"
            ]
        );
        let rolling = of(&MADE, &deployment(3, serving));
        assert_eq!((rolling.phase, rolling.ready), (Some(Phase::Pending), true));
        let none = of(&MADE, &deployment(1, json!({ "observedGeneration": 1 })));
        assert_eq!((none.phase, none.ready), (Some(Phase::Pending), false));
    }

    #[test]
    fn a_spec_that_fails_leaves_what_serves() {
        let serving = json!({ "observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        let problem = Problem::new(Reason::InvalidSource, "spec.config.tools", "two of them");
        let failed = of(&Progress::Invalid(problem), &deployment(1, serving));
        assert_eq!((failed.phase, failed.ready), (Some(Phase::Failed), true));
        assert_eq!(failed.message, "spec.config.tools: two of them");
        assert_eq!(
            summary(&failed)[..2],
            [
                "Accepted=False InvalidSource".to_owned(),
                "ResolvedRefs=Unknown Waiting".to_owned()
            ]
        );
    }

    #[test]
    fn what_a_pod_waits_for_is_the_message() {
        let mut seen = deployment(1, json!({ "observedGeneration": 1 }));
        seen.trouble = Some(("Unschedulable".to_owned(), "no node".to_owned()));
        let status = of(&MADE, &seen);
        assert_eq!(
            (status.phase, &*status.message),
            (Some(Phase::Pending), "no node")
        );
    }

    #[test]
    fn what_others_say_is_a_line_of_the_message() {
        let mut seen = deployment(1, json!({ "observedGeneration": 1 }));
        let said = format!("no node\n\u{1b}[2J{}", "x".repeat(1 << 20));
        seen.trouble = Some(("Unschedulable".to_owned(), said));
        let status = of(&MADE, &seen);
        assert!(status.message.starts_with("no node\\n\\u{1b}[2Jxx"));
        for message in [&status.message, &status.conditions[3].message] {
            assert!(message.len() < Line::MAX + 40);
        }
    }

    #[test]
    fn a_host_that_serves_others_is_not_ready_for_this_one() {
        let serving = json!({ "observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        let seen = |served: Option<(bool, &[&str], &[&str])>| Seen {
            is_shared: true,
            served: served.map(|(is_known, tools, left_out)| Served {
                is_known,
                tools: tools.iter().map(|&tool| tool.to_owned()).collect(),
                left_out: left_out.iter().map(|&reason| reason.to_owned()).collect(),
            }),
            ..deployment(1, serving.clone())
        };
        for (served, ready, reason) in [
            (Some((true, &["a"][..], &[][..])), true, "Serving"),
            (Some((true, &["a"], &["b"])), true, "Serving"),
            (Some((true, &[], &["expected ':'"])), false, "ToolsLeftOut"),
            (Some((false, &[], &[])), false, "Progressing"),
            (None, false, "Progressing"),
        ] {
            let status = of(&MADE, &seen(served));
            assert_eq!(
                (status.ready, &*status.conditions[3].reason),
                (ready, reason),
                "{served:?}"
            );
        }
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes() {
        let mut server = server(json!({ "type": "wasm-runtime", "config": {} }));
        let seen = deployment(1, json!({ "observedGeneration": 1 }));
        server.status = Some(status(&server, &MADE, &seen, "then"));
        let serving = json!({ "observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        let status = status(&server, &MADE, &deployment(1, serving), "now");
        let times: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| &*condition.last_transition_time)
            .collect();
        assert_eq!(times, ["then", "then", "then", "now"]);
    }
}
