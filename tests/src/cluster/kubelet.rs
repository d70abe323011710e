//! What Deployment controller, scheduler and kubelet do: a pod for a Deployment, whose container is the built `sandglass`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::api::Api;
use super::operator::serving;
use crate::{Folder, Host, Launch, Mounted, eventually, free_ports, root};

/// Where a manifest's cache goes: what was compiled for one test is compiled.
const CACHE: &str = "target/e2e-home/.cache/sandglass";

/// Plays a namespace's nodes.
#[derive(Debug)]
pub struct Kubelet {
    api: Api,
    namespace: String,
}

/// A pod that runs.
#[derive(Debug)]
pub struct PlayedPod {
    /// Its container.
    pub host: Host,
    /// Its name.
    pub name: String,
    /// The ports that it listens on in the place of those that its container has.
    pub ports: BTreeMap<u64, u16>,
    /// Folders by the path at which the container would see them.
    volumes: BTreeMap<String, Volume>,
}

#[derive(Debug)]
enum Volume {
    Cache(PathBuf),
    Empty(Folder),
    /// Of a ConfigMap or Secret, with its items.
    Object {
        mounted: Mounted,
        source: Value,
    },
}

impl Volume {
    fn path(&self) -> &Path {
        match self {
            Self::Cache(path) => path,
            Self::Empty(folder) => folder.path(),
            Self::Object { mounted, .. } => mounted.path(),
        }
    }
}

impl Kubelet {
    /// The one of this namespace.
    pub fn new(api: &Api, namespace: &str) -> Self {
        Self {
            api: api.clone(),
            namespace: namespace.to_owned(),
        }
    }

    /// A Deployment, once it is there.
    pub async fn deployment(&self, name: &str) -> Value {
        let path = format!(
            "/apis/apps/v1/namespaces/{}/deployments/{name}",
            self.namespace
        );
        eventually("there is a Deployment", async || self.api.find(&path).await).await
    }

    /// Runs a pod of a server's Deployment, until it is ready, and says so in the API.
    pub async fn run(&self, server: &str) -> PlayedPod {
        self.run_deployment(&format!("mcpserver-{server}")).await
    }

    /// The same for any Deployment of the operator's.
    pub async fn run_deployment(&self, name: &str) -> PlayedPod {
        let deployment = self.deployment(name).await;
        let template = &deployment["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["name"], "mcp-server");
        let mut volumes = BTreeMap::new();
        for mount in list(&container["volumeMounts"]) {
            let volume = list(&template["spec"]["volumes"])
                .iter()
                .find(|volume| volume["name"] == mount["name"])
                .expect("a mount has a volume");
            volumes.insert(text(&mount["mountPath"]), self.volume(volume).await);
        }
        let ports: BTreeMap<u64, u16> = list(&container["ports"])
            .iter()
            .filter(|port| port["name"].is_null())
            .filter_map(|port| Some((port["containerPort"].as_u64()?, free_ports::<1>()[0])))
            .collect();
        let here = |text: &str| {
            // The container sees these folders elsewhere, and has all ports to itself; here it runs beside others.
            let text = volumes
                .iter()
                .fold(text.to_owned(), |text, (path, volume)| {
                    text.replace(path, &volume.path().display().to_string())
                });
            ports.iter().fold(text, |text, (port, free)| {
                text.replace(&format!("\"port\":{port},"), &format!("\"port\":{free},"))
            })
        };
        for volume in volumes.values() {
            let manifest = volume.path().join("manifest.json");
            if let Ok(text) = std::fs::read_to_string(&manifest) {
                std::fs::write(manifest, here(&text)).expect("the folder is ours");
            }
        }
        let arguments: Vec<String> = list(&container["args"]).iter().map(text).collect();
        assert_eq!(arguments[0], "serve");
        let mut launch = Launch::serve();
        for argument in &arguments[1..] {
            launch = launch.arg(here(argument));
        }
        for (name, value) in self.environment(container).await {
            launch = match &*name {
                // Many hosts run here at once.
                "MCP_HOST" | "SANDGLASS_MANAGEMENT_HOST" => launch.env(&name, "127.0.0.1"),
                "MCP_PORT" | "SANDGLASS_MANAGEMENT_PORT" => launch.env(&name, "0"),
                _ => launch.env(&name, here(&value)),
            };
        }
        let host = launch.start().await;
        let pod = self.announce(name, template, &host).await;
        serving(&self.api, &self.namespace, name).await;
        PlayedPod {
            host,
            name: pod,
            ports,
            volumes,
        }
    }

    /// Renews what a pod has mounted, as a kubelet does within a minute.
    pub async fn sync(&self, pod: &mut PlayedPod) {
        for volume in pod.volumes.values_mut() {
            if let Volume::Object { mounted, source } = volume {
                let values = self.values(source).await;
                let values: Vec<_> = values
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect();
                mounted.set(&values);
            }
        }
    }

    /// Removes a pod.
    pub async fn stop(&self, pod: PlayedPod) {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}?gracePeriodSeconds=0",
            self.namespace, pod.name
        );
        self.api.delete(&path).await;
    }

    async fn announce(&self, deployment: &str, template: &Value, host: &Host) -> String {
        let port = |url: &str| -> u16 {
            url.rsplit_once(':')
                .and_then(|(_, port)| port.parse().ok())
                .expect("a port")
        };
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "generateName": format!("{deployment}-"), "labels": template["metadata"]["labels"] },
            "spec": { "containers": [{
                "name": "mcp-server", "image": template["spec"]["containers"][0]["image"],
                "ports": [
                    { "name": "http", "containerPort": port(host.url()) },
                    { "name": "management", "containerPort": port(&host.management("")) },
                ],
            }] },
        });
        let pods = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let name = text(&self.api.create(&pods, &pod).await["metadata"]["name"]);
        let status = json!({ "status": {
            "phase": "Running", "podIP": "127.0.0.1",
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        self.api
            .patch(&format!("{pods}/{name}/status"), &status)
            .await;
        name
    }

    async fn volume(&self, volume: &Value) -> Volume {
        if volume["emptyDir"].is_object() {
            return match volume["name"].as_str() {
                Some("cache") => Volume::Cache(root().join(CACHE)),
                _ => Volume::Empty(Folder::default()),
            };
        }
        let values = self.values(volume).await;
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let mut mounted = Mounted::default();
        mounted.set(&values);
        Volume::Object {
            mounted,
            source: volume.clone(),
        }
    }

    /// What a volume of a ConfigMap or Secret holds.
    async fn values(&self, volume: &Value) -> Vec<(String, Vec<u8>)> {
        let (resource, source, name) = match &volume["secret"] {
            Value::Null => (
                "configmaps",
                &volume["configMap"],
                &volume["configMap"]["name"],
            ),
            secret => ("secrets", secret, &secret["secretName"]),
        };
        let path = format!(
            "/api/v1/namespaces/{}/{resource}/{}",
            self.namespace,
            text(name)
        );
        let found = self.api.find(&path).await;
        let object = match found {
            Some(object) => object,
            None if source["optional"] == true => return Vec::new(),
            // A pod does not start before that.
            None => {
                eventually("what a volume names is there", async || {
                    self.api.find(&path).await
                })
                .await
            }
        };
        let all = values(&object);
        match &source["items"] {
            Value::Null => all.into_iter().collect(),
            items => list(items)
                .iter()
                .filter_map(|item| {
                    Some((text(&item["path"]), all.get(&text(&item["key"]))?.clone()))
                })
                .collect(),
        }
    }

    /// The variables of a container, with `$(NAME)` in their place.
    async fn environment(&self, container: &Value) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            let value = if from.is_null() {
                expanded(variable["value"].as_str().unwrap_or_default(), &variables)
            } else {
                let (resource, key) = match &from["secretKeyRef"] {
                    Value::Null => ("configmaps", &from["configMapKeyRef"]),
                    secret => ("secrets", secret),
                };
                let object = self.object(resource, &text(&key["name"])).await;
                let values = values(&object);
                let value = values.get(&text(&key["key"])).expect("the key is there");
                String::from_utf8(value.clone()).expect("text")
            };
            variables.push((text(&variable["name"]), value));
        }
        variables
    }

    async fn object(&self, resource: &str, name: &str) -> Value {
        let path = format!("/api/v1/namespaces/{}/{resource}/{name}", self.namespace);
        self.api.get(&path).await
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text: {value}"))
        .to_owned()
}

/// The values of a ConfigMap or Secret by key.
fn values(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let decoded = |value: &Value| STANDARD.decode(text(value)).expect("base64");
    let is_secret = object["kind"] == "Secret";
    let data = object["data"].as_object().into_iter().flatten();
    let binary = object["binaryData"].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        (
            key.clone(),
            if is_secret {
                decoded(value)
            } else {
                text(value).into_bytes()
            },
        )
    })
    .chain(binary.map(|(key, value)| (key.clone(), decoded(value))))
    .collect()
}

/// `$(NAME)` stands for a variable before, `$$` for `$` (Kubernetes API reference, "EnvVar").
fn expanded(value: &str, variables: &[(String, String)]) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'))
        {
            match variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => result.push_str(value),
                None => result.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}
