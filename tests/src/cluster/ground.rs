//! A namespace of a test's own, with the operator's way into it.

use std::sync::Arc;

use serde_json::Value;

use super::{Api, ControlPlane, Kubelet, Operator, OperatorLaunch, Proxy};

/// What a test of the operator stands on.
#[derive(Debug)]
pub struct Ground {
    /// The API, for an administrator.
    pub api: Api,
    /// The operator's way to it.
    pub proxy: Proxy,
    /// The test's namespace.
    pub namespace: String,
    /// What runs pods there.
    pub kubelet: Kubelet,
    _plane: Arc<ControlPlane>,
}

impl Ground {
    /// A namespace of the control plane that the tests of a file share; `None` where there can be none.
    pub async fn new(test: &str) -> Option<Self> {
        Some(Self::on(ControlPlane::shared().await?, test).await)
    }

    /// The same on this control plane.
    pub async fn on(plane: Arc<ControlPlane>, test: &str) -> Self {
        plane.grant().await;
        let api = plane.api();
        let namespace = api.namespace(test).await;
        Self {
            proxy: Proxy::start(plane.api_of_operator()).await,
            kubelet: Kubelet::new(&api, &namespace),
            api,
            namespace,
            _plane: plane,
        }
    }

    /// An operator of this namespace.
    pub fn launch(&self) -> OperatorLaunch {
        OperatorLaunch::new(&self.proxy, &self.namespace)
    }

    /// A running one that adopts KAOS' Python runtime.
    pub async fn operator(&self) -> Operator {
        self.launch()
            .arg("--adopt")
            .arg("python-runtime")
            .start()
            .await
    }

    /// Makes an MCPServer.
    pub async fn server(&self, name: &str, spec: &Value) {
        self.api.server(&self.namespace, name, spec).await;
    }

    /// Waits until an MCPServer's status is such.
    pub async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.api.until(&self.namespace, name, what, is_so).await
    }

    /// Waits until it is in this phase.
    pub async fn phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |status| status["phase"] == phase)
            .await
    }

    /// The path of a Deployment.
    pub fn deployment(&self, server: &str) -> String {
        format!(
            "/apis/apps/v1/namespaces/{}/deployments/mcpserver-{server}",
            self.namespace
        )
    }

    /// A path in the namespace, of the core API.
    pub fn core(&self, path: &str) -> String {
        format!("/api/v1/namespaces/{}/{path}", self.namespace)
    }
}
