//! KAOS' operator, as far as the pod of an MCPServer goes: what it makes of the resource is started as a host here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::{EnvVar, PodSpec, Volume};
use serde_json::{Value, json};

use crate::{Folder, Launch, Mounted, objects_of, root, strict};

/// The container of each MCPServer.
const CONTAINER: &str = "mcp-server";

/// The registry of runtimes, and the objects of a namespace.
#[derive(Debug)]
pub struct Kaos {
    runtimes: Value,
    objects: Vec<Value>,
    replaced: Vec<(String, String)>,
}

/// The pod of an MCPServer: the host to be started, and what is mounted there.
#[derive(Debug)]
pub struct Pod {
    /// The host, with the pod's environment.
    pub launch: Launch,
    /// They must outlive the host.
    pub volumes: Volumes,
}

/// What is mounted in a pod.
#[derive(Debug, Default)]
pub struct Volumes {
    /// ConfigMaps and Secrets, by the volume's name.
    pub mounted: BTreeMap<String, Mounted>,
    /// Folders that can be written to, by the volume's name.
    pub writable: BTreeMap<String, Folder>,
}

impl Kaos {
    /// With the runtimes that deploy/kaos registers, and the objects of one of its samples.
    pub fn sample(name: &str) -> Self {
        let deploy = root().join("deploy/kaos");
        let values = objects_of(&deploy.join("values.yaml")).remove(0);
        let mut runtimes = values["mcpRuntimes"]["custom"].clone();
        // The entry of KAOS' own chart, whose image is the one of values-python-string.yaml.
        runtimes["python-string"] =
            json!({ "type": "python", "paramsEnvVar": "MCP_TOOLS_STRING", "transport": "http" });
        Self {
            runtimes,
            objects: objects_of(&deploy.join("samples").join(name)),
            replaced: Vec::new(),
        }
    }

    /// Has something else stand for a text in environments, such as another registry.
    pub fn replacing(mut self, text: &str, by: &str) -> Self {
        self.replaced.push((text.to_owned(), by.to_owned()));
        self
    }

    /// The MCPServers.
    pub fn servers(&self) -> impl Iterator<Item = &Value> {
        let objects = self.objects.iter();
        objects.filter(|object| object["kind"] == "MCPServer")
    }

    /// An MCPServer's pod.
    pub fn pod(&self, name: &str) -> Pod {
        let server = self
            .servers()
            .find(|server| server["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("there is no MCPServer {name}"));
        let spec = &server["spec"];
        let runtime = &self.runtimes[spec["runtime"].as_str().expect("a runtime")];
        let pod: PodSpec = strict(&spec["podSpec"]);
        let mut built = Pod {
            launch: Launch::serve().arg("--allow-anonymous"),
            volumes: Volumes::default(),
        };
        let mut replaced = self.replaced.clone();
        let container = pod.containers.iter().find(|it| it.name == CONTAINER);
        let container = container.expect("podSpec names the container that KAOS makes");
        let volumes = pod.volumes.iter().flatten();
        let volumes: BTreeMap<_, _> = volumes.map(|it| (it.name.as_str(), it)).collect();
        for mount in container.volume_mounts.iter().flatten() {
            let folder = self.mount(volumes[mount.name.as_str()], &mut built.volumes);
            // The host sees the test's own file system: paths lead to the folder that stands for the mount.
            replaced.push((mount.mount_path.clone(), folder.display().to_string()));
        }
        let parameter = runtime["paramsEnvVar"].as_str().expect("a variable");
        let params = spec["params"].as_str().expect("params are text");
        let mut environment = vec![(parameter.to_owned(), params.to_owned())];
        for variable in spec["container"]["env"].as_array().into_iter().flatten() {
            let variable: EnvVar = strict(variable);
            environment.push((variable.name, variable.value.unwrap_or_default()));
        }
        environment.push(("LOG_LEVEL".to_owned(), "INFO".to_owned()));
        let mut known: Vec<(String, String)> = Vec::new();
        for (name, value) in environment {
            let mut value = expand(&value, &known);
            for (text, by) in &replaced {
                value = value.replace(text, by);
            }
            built.launch = built.launch.env(&name, &value);
            known.push((name, value));
        }
        built
    }

    /// Makes the folder of a volume.
    fn mount(&self, volume: &Volume, mounts: &mut Volumes) -> PathBuf {
        let name = volume.name.clone();
        if volume.empty_dir.is_some() {
            let folder = mounts.writable.entry(name).or_default();
            return folder.path().to_owned();
        }
        let keys = match (&volume.config_map, &volume.secret) {
            (Some(config_map), None) => self.keys("ConfigMap", &config_map.name),
            (None, Some(secret)) => {
                let secret = secret.secret_name.as_deref().expect("a secret's name");
                self.keys("Secret", secret)
            }
            _ => panic!("{name}: only ConfigMaps, Secrets and empty folders are mounted here"),
        };
        let keys: Vec<(&str, &[u8])> = keys
            .iter()
            .map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
            .collect();
        let mounted = mounts.mounted.entry(name).or_default();
        mounted.set(&keys);
        mounted.path().to_owned()
    }

    fn keys(&self, kind: &str, name: &str) -> Vec<(String, Vec<u8>)> {
        let object = self
            .objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("the sample has no {kind} {name}"));
        let of = |field: &str| object[field].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let decode = |value: &Value| STANDARD.decode(text(value)).expect("base64");
        of("data")
            .chain(of("stringData"))
            .map(|(key, value)| (key.clone(), text(value).into_bytes()))
            .chain(of("binaryData").map(|(key, value)| (key.clone(), decode(value))))
            .collect()
    }
}

/// What Kubernetes makes of a variable's value: `$(NAME)` is what a variable before it has, `$$` is `$`.
fn expand(value: &str, known: &[(String, String)]) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let variable = after.strip_prefix('(').and_then(|it| it.split_once(')'));
        let found = variable.and_then(|(name, after)| {
            let (_, value) = known.iter().rev().find(|(known, _)| known == name)?;
            Some((value, after))
        });
        rest = match found {
            Some((value, after)) => {
                expanded.push_str(value);
                after
            }
            None => {
                expanded.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    expanded + rest
}

/// The files of a folder of samples.
pub fn samples(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn values_refer_to_variables_before_them() {
        let known = [("A".to_owned(), "1".to_owned())];
        for (value, expanded) in [
            ("x$(A)y", "x1y"),
            ("$(B) $(", "$(B) $("),
            ("$$(A) $$ $", "$(A) $ $"),
            ("def f(): return '$5'", "def f(): return '$5'"),
        ] {
            assert_eq!(expand(value, &known), expanded);
        }
    }
}
