//! Kubernetes' own API server and etcd, as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::api::Api;
use crate::certificates::Certificates;
use crate::{free_ports, root, within};

/// How long the two may take to start on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Who asks, with the token and the group.
const USERS: &str = "admin-token,admin,1,system:masters\noperator-token,operator,2\n";

/// A control plane without controllers, scheduler and nodes. Dropping it ends the processes.
#[derive(Debug)]
pub struct ControlPlane {
    processes: Vec<Child>,
    url: String,
    certificate: String,
    // Last: what lies in it is used until the processes have ended.
    folder: TempDir,
}

static SHARED: Mutex<Weak<ControlPlane>> = Mutex::new(Weak::new());

impl ControlPlane {
    /// The one that the tests of a file share while they run at once; `None` where there can be none, and then it is said.
    pub async fn shared() -> Option<Arc<Self>> {
        // Not held while it starts: the other tests' threads would be blocked.
        static STARTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _starts = STARTS.lock().await;
        let find = || {
            SHARED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .upgrade()
        };
        if let Some(running) = find() {
            return Some(running);
        }
        let started = Arc::new(Self::start().await?);
        *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&started);
        Some(started)
    }

    /// One of its own.
    pub async fn start() -> Option<Self> {
        if let Some(reason) = std::env::var_os("SANDGLASS_NO_KUBERNETES") {
            eprintln!(
                "SKIPPED: there is no API server of Kubernetes: {}",
                reason.display()
            );
            return None;
        }
        let programs = std::env::var_os("SANDGLASS_KUBERNETES")
            .map_or_else(|| root().join("target/kubernetes"), PathBuf::from);
        assert!(
            programs.join("kube-apiserver").is_file(),
            "{} has no kube-apiserver: run `cargo xtask test`",
            programs.display()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::make();
        for (name, text) in [
            ("cert.pem", &*certificates.certificate),
            ("key.pem", &*certificates.key),
            ("users.csv", USERS),
        ] {
            std::fs::write(folder.path().join(name), text).expect("the folder is ours");
        }
        let [clients, peers, port] = free_ports();
        let mut plane = Self {
            processes: Vec::new(),
            url: format!("https://127.0.0.1:{port}"),
            certificate: certificates.authority,
            folder,
        };
        let etcd = format!("http://127.0.0.1:{clients}");
        let peer = format!("http://127.0.0.1:{peers}");
        let data = plane.at("etcd");
        plane.spawn(
            &programs.join("etcd"),
            &[
                "--data-dir",
                &data,
                "--listen-client-urls",
                &etcd,
                "--advertise-client-urls",
                &etcd,
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
                "--initial-cluster",
                &format!("default={peer}"),
                // A test that is broken off loses nothing.
                "--unsafe-no-fsync",
            ],
        );
        let (certificate, key, users) = (
            plane.at("cert.pem"),
            plane.at("key.pem"),
            plane.at("users.csv"),
        );
        plane.spawn(
            &programs.join("kube-apiserver"),
            &[
                "--etcd-servers",
                &etcd,
                "--bind-address",
                "127.0.0.1",
                "--advertise-address",
                "127.0.0.1",
                "--secure-port",
                &port.to_string(),
                "--insecure-port",
                "0",
                "--tls-cert-file",
                &certificate,
                "--tls-private-key-file",
                &key,
                "--token-auth-file",
                &users,
                "--authorization-mode",
                "RBAC",
                "--service-account-issuer",
                "https://sandglass.test",
                "--service-account-signing-key-file",
                &key,
                "--service-account-key-file",
                &certificate,
                "--service-cluster-ip-range",
                "10.0.0.0/16",
                "--disable-admission-plugins",
                "ServiceAccount",
                // A test may create hundreds of objects at once.
                "--max-requests-inflight",
                "2000",
                "--max-mutating-requests-inflight",
                "1000",
            ],
        );
        let api = plane.api();
        within(STARTS_WITHIN, "the API server is ready", async || {
            plane.check();
            let ready = api.raw("GET", "/readyz", None).await;
            let default = api.raw("GET", "/api/v1/namespaces/default", None).await;
            (ready.is_some_and(|answer| answer.0 == 200)
                && default.is_some_and(|answer| answer.0 == 200))
            .then_some(())
        })
        .await;
        Some(plane)
    }

    /// The API, for an administrator.
    pub fn api(&self) -> Api {
        Api::new(&self.url, Some(&self.certificate), "admin-token")
    }

    /// The API, for the operator: it may what its own rules grant.
    pub fn api_of_operator(&self) -> Api {
        Api::new(&self.url, Some(&self.certificate), "operator-token")
    }

    /// What both processes wrote.
    pub fn log(&self) -> String {
        ["etcd", "kube-apiserver"]
            .map(|name| {
                std::fs::read_to_string(self.at(&format!("{name}.log"))).unwrap_or_default()
            })
            .concat()
    }

    fn check(&mut self) {
        for index in 0..self.processes.len() {
            if let Some(status) = self.processes[index].try_wait().expect("the child is ours") {
                panic!("a process ended with {status}:\n{}", self.log());
            }
        }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn spawn(&mut self, program: &Path, arguments: &[&str]) {
        let name = program.file_name().expect("a program").to_string_lossy();
        let log =
            std::fs::File::create(self.at(&format!("{name}.log"))).expect("the folder is ours");
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        self.processes.push(child);
    }

    /// Grants the operator what it says that it needs, and no more.
    pub async fn grant(&self) {
        let rules = [
            sandglass_operator::rbac::RULES,
            sandglass_operator::rbac::CLUSTER_RULES,
            sandglass_operator::rbac::OWN_RULES,
        ]
        .concat();
        let group = "rbac.authorization.k8s.io";
        let path = format!("/apis/{group}/v1");
        let api = self.api();
        let role = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": { "name": "operator" },
            "rules": sandglass_operator::rbac::as_json(&rules),
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": "operator" },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "operator" },
            "subjects": [{ "kind": "User", "apiGroup": group, "name": "operator" }],
        });
        // Another test may have done it.
        _ = api
            .raw("POST", &format!("{path}/clusterroles"), Some(&role))
            .await;
        _ = api
            .raw(
                "POST",
                &format!("{path}/clusterrolebindings"),
                Some(&binding),
            )
            .await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The API server first: without its store it writes much.
        for child in self.processes.iter_mut().rev() {
            _ = child.kill();
            _ = child.wait();
        }
    }
}
