//! A real registry: Debian's `docker-registry`, as a process.

use std::process::Stdio;

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use sandglass_manifest::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::certificates::Certificates;
use crate::log::Log;
use crate::{eventually, root};

/// `ada:secret`, as htpasswd writes it.
const HTPASSWD: &str = "ada:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// How a registry is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryKind {
    /// Over HTTP, by anybody.
    Open,
    /// Over HTTP, by `ada` with the password `secret`.
    Private,
    /// Over TLS, by anybody, with a certificate of an authority of the test's own.
    Tls,
}

/// A registry that listens. Dropping it kills the process; its storage stays until then.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    authority: String,
    kind: RegistryKind,
    folder: TempDir,
    client: Client,
}

impl Registry {
    /// Starts a registry on a free port.
    pub async fn start(kind: RegistryKind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let mut http = json!({ "addr": "127.0.0.1:0" });
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": at("storage") } },
        });
        if kind == RegistryKind::Private {
            std::fs::write(at("htpasswd"), HTPASSWD).expect("the folder is ours");
            config["auth"] = json!({ "htpasswd": { "realm": "test", "path": at("htpasswd") } });
        }
        if kind == RegistryKind::Tls {
            let made = Certificates::make();
            for (name, pem) in [
                ("ca.pem", made.authority),
                ("cert.pem", made.certificate),
                ("key.pem", made.key),
            ] {
                std::fs::write(at(name), pem).expect("the folder is ours");
            }
            http["tls"] = json!({ "certificate": at("cert.pem"), "key": at("key.pem") });
        }
        config["http"] = http;
        // JSON is YAML.
        std::fs::write(at("config.yml"), config.to_string()).expect("the folder is ours");
        let program = std::env::var_os("SANDGLASS_DOCKER_REGISTRY").map_or_else(
            || root().join("target/docker-registry/docker-registry"),
            Into::into,
        );
        let mut child = Command::new(&program)
            .arg("serve")
            .arg(at("config.yml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}: run `cargo xtask test`", program.display())
            });
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let authority = eventually("the registry listens", async || {
            assert!(!log.ended(), "the registry ended:\n{}", log.text());
            Log::authority(&log.text(), "listening on ").map(str::to_owned)
        })
        .await;
        Self {
            child,
            authority,
            kind,
            folder,
            client: Client::new(),
        }
    }

    /// Its `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The certificate of its authority, in PEM.
    pub fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Ends the process; nobody listens on its port then.
    pub async fn stop(&mut self) {
        self.child.kill().await.expect("the child is ours");
    }

    /// Has it accept connections and answer nothing, until it is thawed.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It answers again.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.expect("it runs"), signal).expect("the child is ours");
    }

    /// Pushes bytes; their digest.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let url = format!("http://{}/v2/{repository}/blobs/uploads/", self.authority);
        let begun = self.send(self.client.post(url)).await;
        let location = begun.headers()[LOCATION]
            .to_str()
            .expect("a URL")
            .to_owned();
        let digest = Digest::of(bytes);
        let query = [("digest", digest.to_string())];
        let mut location = reqwest::Url::parse(&location).expect("a URL");
        location
            .query_pairs_mut()
            .extend_pairs(query.iter().map(|(key, value)| (key, value)));
        self.send(self.client.put(location).body(bytes.to_vec()))
            .await;
        digest
    }

    /// Pushes a manifest or an index under a tag; its digest.
    pub async fn push_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Digest {
        let media_type = manifest["mediaType"].as_str().expect("a manifest's type");
        let body = manifest.to_string();
        self.push_bytes(repository, tag, media_type, body.as_bytes())
            .await
    }

    /// Pushes a manifest or an index as it is, under a tag or its digest; its digest.
    pub async fn push_bytes(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        body: &[u8],
    ) -> Digest {
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.authority);
        let request = self.client.put(url).header(CONTENT_TYPE, media_type);
        self.send(request.body(body.to_vec())).await;
        Digest::of(body)
    }

    /// Pushes an artifact of these layers, each with its media type; the manifest's digest.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        config: &str,
        layers: &[(&str, &[u8])],
    ) -> Digest {
        let descriptor = |media_type: &str, bytes: &[u8], digest: Digest| {
            json!({
                "mediaType": media_type, "digest": digest, "size": bytes.len(),
            })
        };
        let empty = self.push_blob(repository, b"{}").await;
        let mut described = Vec::new();
        for (media_type, bytes) in layers {
            let digest = self.push_blob(repository, bytes).await;
            described.push(descriptor(media_type, bytes, digest));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(config, b"{}", empty),
            "layers": described,
        });
        self.push_manifest(repository, tag, &manifest).await
    }

    /// The manifest, or index, of a tag.
    pub async fn manifest(&self, repository: &str, tag: &str) -> Value {
        self.get(&format!("{repository}/manifests/{tag}")).await
    }

    /// A blob that is JSON.
    pub async fn blob(&self, repository: &str, digest: &str) -> Value {
        self.get(&format!("{repository}/blobs/{digest}")).await
    }

    async fn get(&self, path: &str) -> Value {
        let request = self
            .client
            .get(format!("http://{}/v2/{path}", self.authority));
        let types =
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let request = request.header(ACCEPT, types);
        let answer = self
            .send(request)
            .await
            .bytes()
            .await
            .expect("a whole answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// The size of something that was pushed, by the hex digits of its digest.
    pub fn blob_size(&self, hex: &str) -> u64 {
        let path = format!(
            "storage/docker/registry/v2/blobs/sha256/{}/{hex}/data",
            &hex[..2]
        );
        let metadata = std::fs::metadata(self.folder.path().join(path)).expect("it was pushed");
        metadata.len()
    }

    async fn send(&self, request: RequestBuilder) -> reqwest::Response {
        let request = match self.kind {
            RegistryKind::Private => request.basic_auth("ada", Some("secret")),
            _ => request,
        };
        let answer = request.send().await.expect("the registry answers");
        let status = answer.status();
        assert!(status.is_success(), "{status} {:?}", answer.text().await);
        answer
    }
}
