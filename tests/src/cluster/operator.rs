//! The operator as a process.

use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::api::Api;
use super::proxy::Proxy;
use crate::log::Log;
use crate::{PATIENCE, eventually, root};

/// The operator's namespace in tests.
const OWN_NAMESPACE: &str = "default";

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct OperatorLaunch {
    namespace: String,
    arguments: Vec<String>,
    url: String,
}

/// A running operator. Dropping it kills the process.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: Log,
    _folder: TempDir,
}

impl OperatorLaunch {
    /// One for this namespace, which reaches the API server by the proxy.
    pub fn new(proxy: &Proxy, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            arguments: Vec::new(),
            url: proxy.url(),
        }
    }

    /// One argument more.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts it.
    pub fn spawn(&self) -> Operator {
        let program = std::env::var_os("SANDGLASS_OPERATOR_BIN").map_or_else(
            || root().join("target/debug/sandglass-operator"),
            PathBuf::from,
        );
        assert!(
            program.is_file(),
            "{} is missing: run `cargo xtask test`",
            program.display()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig.yaml");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "clusters": [{ "name": "test", "cluster": { "server": self.url } }],
            "users": [{ "name": "test", "user": {} }],
        });
        // JSON is YAML.
        std::fs::write(&kubeconfig, config.to_string()).expect("the folder is ours");
        let mut child = Command::new(&program)
            .args([
                "run",
                "--image",
                "sandglass:test",
                "--listen",
                "127.0.0.1:0",
            ])
            .args([
                "--namespace",
                &self.namespace,
                "--own-namespace",
                OWN_NAMESPACE,
            ])
            .args(["--tools-interval", "1"])
            .args(&self.arguments)
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .env("LOG_LEVEL", "DEBUG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        Operator {
            child,
            log,
            _folder: folder,
        }
    }

    /// Starts it, and waits until it knows the cluster.
    pub async fn start(&self) -> Operator {
        let operator = self.spawn();
        eventually("the operator knows the cluster", async || {
            assert!(
                !operator.log.ended(),
                "the operator ended:\n{}",
                operator.log()
            );
            operator.log().contains("is known").then_some(())
        })
        .await;
        operator
    }
}

impl Operator {
    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// `GET` on its own port.
    pub async fn get(&self, path: &str) -> String {
        let url = eventually("the operator listens", async || {
            self.log.url("health and metrics on")
        })
        .await;
        let answer = reqwest::get(format!("{url}{path}"))
            .await
            .expect("it answers");
        answer.text().await.expect("a whole answer")
    }

    /// Ends it as a lost node does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the child is ours");
    }

    /// Tells it to stop, as a kubelet does.
    pub fn terminate(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, Signal::TERM).expect("the child is ours");
    }

    /// Waits until it ended; its exit code and what it wrote.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("still running:\n{}", self.log()));
        eventually("stderr ends", async || self.log.ended().then_some(())).await;
        (status.expect("the child is ours").code(), self.log())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the operator's log:\n{}", self.log());
        }
    }
}

/// The path of the definition.
pub fn definition() -> &'static str {
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mcpservers.kaos.tools"
}

/// Writes a Deployment's status as its controller does when all pods of the newest version are ready.
pub async fn serving(api: &Api, namespace: &str, name: &str) {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment = api.get(&path).await;
    let replicas = deployment["spec"]["replicas"].clone();
    let status = json!({ "status": {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
        "conditions": [{ "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "" }],
    } });
    let answer: Value = api.patch(&format!("{path}/status"), &status).await;
    assert_eq!(answer["status"]["readyReplicas"], replicas, "{answer}");
}
