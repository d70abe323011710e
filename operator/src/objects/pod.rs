//! The pod of a host.

use serde_json::{Map, Value, json};

use super::{MANAGEMENT_PORT, PORT, confine, name_of, state_secret_of};
use crate::merge;
use crate::plan::{
    MountedKey, Placement, Plan, Problem, Reason, ReferenceKind, Source, object_folder,
};
use crate::settings::Settings;

/// The container's name (KAOS' contract).
pub const CONTAINER: &str = "mcp-server";

/// The variable that a host of its own has its manifest in (KAOS' contract).
const MANIFEST: &str = "MCP_PARAMS";

/// The name of the port that the operator asks.
pub const MANAGEMENT_PORT_NAME: &str = "management";

/// The user of the image.
const USER: u32 = 65532;

/// Where what was fetched and compiled is kept.
pub(super) const CACHE_FOLDER: &str = "/var/cache/sandglass";
const STATE_FOLDER: &str = "/etc/sandglass/state";

/// The key of the Secret that seals sessions.
pub const STATE_KEY: &str = "key";

/// What pods of hosts differ in.
pub(super) struct Parts {
    pub account: String,
    pub arguments: Value,
    pub environment: Vec<Value>,
    /// Beside those of the host's own.
    pub ports: Vec<Value>,
    pub volumes: Vec<Value>,
    pub mounts: Vec<Value>,
}

impl Parts {
    /// The spec of a pod that can do nothing but serve.
    pub fn pod(self, settings: &Settings) -> Map<String, Value> {
        let mut ports = vec![
            json!({ "name": "http", "containerPort": PORT, "protocol": "TCP" }),
            json!({ "name": MANAGEMENT_PORT_NAME, "containerPort": MANAGEMENT_PORT, "protocol": "TCP" }),
        ];
        ports.extend(self.ports);
        let mut spec = json!({
            "serviceAccountName": self.account,
            "automountServiceAccountToken": false,
            // Services of the namespace are nothing that a host looks for in its environment.
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": CONTAINER,
                "image": settings.image,
                "args": self.arguments,
                "env": self.environment,
                "ports": ports,
                // Callers who take all places of their port do not make the host look dead.
                "livenessProbe": {
                    "httpGet": { "path": "/health", "port": MANAGEMENT_PORT },
                    "initialDelaySeconds": 20,
                    "timeoutSeconds": 3,
                },
                // The port opens once the tools are loaded.
                "readinessProbe": { "tcpSocket": { "port": "http" }, "initialDelaySeconds": 15 },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                // A host that ends says why in its last line, which then stands in the server's status.
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": self.mounts,
            }],
            "volumes": self.volumes,
        });
        // What is not said is left to Kubernetes.
        if let Some(policy) = settings.image_pull_policy {
            spec["containers"][0]["imagePullPolicy"] = json!(policy);
        }
        let secrets = settings.image_pull_secrets.iter();
        let secrets: Vec<Value> = secrets
            .map(|name| json!({ "name": name.to_string() }))
            .collect();
        if !secrets.is_empty() {
            spec["imagePullSecrets"] = json!(secrets);
        }
        match spec {
            Value::Object(spec) => spec,
            _ => unreachable!("it is written as an object"),
        }
    }
}

/// The spec of the pod of one server, with the server's own patch.
pub fn spec(plan: &Plan, settings: &Settings) -> Result<Map<String, Value>, Problem> {
    let (volumes, mounts) = volumes(plan);
    let account = name_of(&plan.name);
    let parts = Parts {
        account: account.clone(),
        arguments: json!(["serve", "--allow-anonymous"]),
        environment: environment(plan),
        ports: Vec::new(),
        volumes,
        mounts,
    };
    let generated = parts.pod(settings);
    let Some(patch) = &plan.pod_patch else {
        return Ok(generated);
    };
    let spec = merge::merge(generated, patch.fields()).map_err(|error| {
        let field = match &*error.path {
            "" => "spec.podSpec".to_owned(),
            path => format!("spec.podSpec.{path}"),
        };
        Problem::new(Reason::InvalidPodSpec, field, error.message)
    })?;
    check(&spec)?;
    if settings.confine_pod_spec {
        confine::check(&spec, &account)?;
    }
    Ok(spec)
}

/// A patch cannot take away what serves.
fn check(spec: &Map<String, Value>) -> Result<(), Problem> {
    let field = "spec.podSpec.containers";
    let refuse =
        |field: String, message: String| Err(Problem::new(Reason::InvalidPodSpec, field, message));
    let containers = || {
        spec.get("containers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let Some(container) = containers().find(|container| container["name"] == CONTAINER) else {
        return refuse(
            field.to_owned(),
            format!("the patch removes the container `{CONTAINER}`, which serves; keep it"),
        );
    };
    let items = |key: &str| container[key].as_array().into_iter().flatten();
    if !items("env").any(|variable| variable["name"] == MANIFEST) {
        return refuse(
            format!("{field}[{CONTAINER}].env"),
            format!("the patch removes the variable `{MANIFEST}`, which has the tools; keep it"),
        );
    }
    if !items("ports").any(|port| port["name"] == "http" && port["containerPort"] == PORT) {
        return refuse(
            format!("{field}[{CONTAINER}].ports"),
            format!(
                "the patch removes the port {PORT} named `http`, which the Service leads to; keep it"
            ),
        );
    }
    let context = &container["securityContext"];
    if context["privileged"] == true && context["allowPrivilegeEscalation"] == false {
        return refuse(
            format!("{field}[{CONTAINER}].securityContext.privileged"),
            "it cannot be with `allowPrivilegeEscalation: false`, which the operator sets; better remove it, or set that to `true`".to_owned(),
        );
    }
    Ok(())
}

/// In the contract's order: the manifest, the server's own, those of traces, the log's level; then where the host listens.
fn environment(plan: &Plan) -> Vec<Value> {
    let own = &plan.environment;
    let mut variables = vec![json!({ "name": MANIFEST, "value": manifest(plan) })];
    variables.extend(own.of_container());
    if own.has("OTEL_EXPORTER_OTLP_ENDPOINT") && !own.has("OTEL_SERVICE_NAME") {
        variables.push(json!({ "name": "OTEL_SERVICE_NAME", "value": plan.name }));
    }
    if !own.has("LOG_LEVEL") {
        variables.push(json!({ "name": "LOG_LEVEL", "value": "INFO" }));
    }
    variables.extend(listening());
    variables
}

/// Where a host listens, and finds the key of sessions.
pub(super) fn listening() -> impl Iterator<Item = Value> {
    let variables = [
        ("MCP_HOST", "0.0.0.0".to_owned()),
        ("MCP_PORT", PORT.to_string()),
        ("SANDGLASS_MANAGEMENT_HOST", "0.0.0.0".to_owned()),
        ("SANDGLASS_MANAGEMENT_PORT", MANAGEMENT_PORT.to_string()),
        (
            "SANDGLASS_STATE_KEY_FILE",
            format!("{STATE_FOLDER}/{STATE_KEY}"),
        ),
    ];
    variables
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
}

/// The folders that every host has: for its cache, and with the key of sessions.
pub(super) fn own_volumes(state_secret: &str) -> (Vec<Value>, Vec<Value>) {
    let volumes = vec![
        json!({ "name": "cache", "emptyDir": { "sizeLimit": "2Gi" } }),
        json!({ "name": "state", "secret": { "secretName": state_secret } }),
    ];
    let mounts = vec![
        json!({ "name": "cache", "mountPath": CACHE_FOLDER }),
        json!({ "name": "state", "mountPath": STATE_FOLDER, "readOnly": true }),
    ];
    (volumes, mounts)
}

/// The host's manifest. Kubernetes reads `$(NAME)` in a variable's value, and `$$` as one `$`.
fn manifest(plan: &Plan) -> String {
    let manifest = json!({
        "version": 1,
        "engine": { "cache_dir": CACHE_FOLDER },
        "tools": [plan.entry.fields()],
    });
    manifest.to_string().replace('$', "$$")
}

fn volumes(plan: &Plan) -> (Vec<Value>, Vec<Value>) {
    let (mut volumes, mut mounts) = own_volumes(&state_secret_of(&plan.name));
    if let Source::Mounted(MountedKey { kind, name, key }) = &plan.source {
        volumes.push(volume("tools", *kind, name, files([&**key])));
        mounts.push(json!({ "name": "tools", "mountPath": Placement::Alone.tools_folder(*kind, name), "readOnly": true }));
    }
    if let Some(key) = plan.entry.key() {
        volumes.push(volume(
            "keys",
            ReferenceKind::ConfigMap,
            &key.name,
            files([&*key.key]),
        ));
        mounts.push(json!({ "name": "keys", "mountPath": Placement::Alone.keys_folder(&key.name), "readOnly": true }));
    }
    for (index, ((kind, object), keys)) in plan.environment.files().into_iter().enumerate() {
        let name = format!("env-{index}");
        volumes.push(volume(&name, kind, object, files(keys)));
        mounts.push(
            json!({ "name": name, "mountPath": object_folder(kind, object), "readOnly": true }),
        );
    }
    (volumes, mounts)
}

/// Some keys of an object, as files: the others are not for this pod.
fn files<'a>(keys: impl IntoIterator<Item = &'a str>) -> (&'static str, Value) {
    let items = keys
        .into_iter()
        .map(|key| json!({ "key": key, "path": key }))
        .collect();
    ("items", Value::Array(items))
}

/// An object as a volume, with something more that is said of it.
pub(super) fn volume(
    volume: &str,
    kind: ReferenceKind,
    object: &str,
    (key, value): (&str, Value),
) -> Value {
    match kind {
        ReferenceKind::ConfigMap => {
            json!({ "name": volume, "configMap": { "name": object, key: value } })
        }
        ReferenceKind::Secret => {
            json!({ "name": volume, "secret": { "secretName": object, key: value } })
        }
    }
}
