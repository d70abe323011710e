//! Asking the API server, as `kubectl` does.

use std::time::Duration;

use reqwest::Certificate;
use serde_json::{Value, json};

use tokio::time::Instant;

use crate::PATIENCE;

/// A user's way to the API.
#[derive(Debug, Clone)]
pub struct Api {
    url: String,
    client: reqwest::Client,
    token: String,
}

impl Api {
    pub(super) fn new(url: &str, certificate: Option<&str>, token: &str) -> Self {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(certificate) = certificate {
            let certificate = Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
            client = client.tls_certs_only([certificate]);
        }
        Self {
            url: url.to_owned(),
            client: client.build().expect("a client"),
            token: token.to_owned(),
        }
    }

    /// A request that is still to be filled in.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// The status and the answer; `None` where nobody answers.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            let kind = match method {
                // A list of steps (RFC 6902), or what is merged (RFC 7396).
                "PATCH" if body.is_array() => "application/json-patch+json",
                "PATCH" => "application/merge-patch+json",
                _ => "application/json",
            };
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// An answer that must be a success.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self
            .raw(method, path, body)
            .await
            .expect("the API server answers");
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None).await
    }

    /// What is there, if it is.
    pub async fn find(&self, path: &str) -> Option<Value> {
        let (status, answer) = self
            .raw("GET", path, None)
            .await
            .expect("the API server answers");
        (status == 200).then_some(answer)
    }

    /// `POST`.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        self.ask("POST", path, Some(object)).await
    }

    /// A merge patch, or the steps of a JSON patch.
    pub async fn patch(&self, path: &str, patch: &Value) -> Value {
        self.ask("PATCH", path, Some(patch)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) {
        self.ask("DELETE", path, None).await;
    }

    /// Makes a namespace of a test's own; its name.
    pub async fn namespace(&self, test: &str) -> String {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "generateName": format!("{test}-") } });
        let created = self.create("/api/v1/namespaces", &object).await;
        created["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    }

    /// Makes a Secret of texts.
    pub async fn secret(&self, namespace: &str, name: &str, values: &Value) {
        let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": values });
        self.create(&format!("/api/v1/namespaces/{namespace}/secrets"), &object)
            .await;
    }

    /// Makes an MCPServer.
    pub async fn server(&self, namespace: &str, name: &str, spec: &Value) -> Value {
        let object = json!({ "apiVersion": "kaos.tools/v1alpha1", "kind": "MCPServer", "metadata": { "name": name }, "spec": spec });
        self.create(&servers(namespace), &object).await
    }

    /// Gives an MCPServer another spec, whatever the operator writes meanwhile.
    pub async fn change(&self, namespace: &str, name: &str, spec: &Value) {
        let steps = json!([{ "op": "replace", "path": "/spec", "value": spec }]);
        self.patch(&format!("{}/{name}", servers(namespace)), &steps)
            .await;
    }

    /// Waits until an MCPServer's status is such.
    pub async fn until(
        &self,
        namespace: &str,
        name: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let path = format!("{}/{name}", servers(namespace));
        let end = Instant::now() + PATIENCE;
        loop {
            let object = self.get(&path).await;
            let status = &object["status"];
            if status["observedGeneration"] == object["metadata"]["generation"] && is_so(status) {
                return status.clone();
            }
            assert!(
                Instant::now() < end,
                "not within {PATIENCE:?}: {what}: {object}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The path of a namespace's MCPServers.
pub(super) fn servers(namespace: &str) -> String {
    format!("/apis/kaos.tools/v1alpha1/namespaces/{namespace}/mcpservers")
}
