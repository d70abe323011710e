//! The host that servers of one namespace share: each is a tenant with a port of its own, which its Service leads to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::desired::hash;
use super::pod::{self, Parts};
use super::{Desired, Kind, Owner, access, network_policy, route};
use crate::crd::MANAGED_BY;
use crate::plan::{Egress, Plan, ReferenceKind, object_folder};
use crate::settings::Settings;

/// The name of the host's Deployment and of all else that is not one server's.
pub const NAME: &str = "sandglass-shared";

/// The Secret whose key seals sessions.
pub const STATE_SECRET: &str = "sandglass-shared-state";

/// The label of what belongs to the host.
pub const LABEL: &str = "sandglass.dev/shared";

/// The tenants' ports: below those that Linux gives to connections.
pub const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The key of the manifest, in the ConfigMap.
const MANIFEST: &str = "manifest.json";

/// The most bytes that the host's ConfigMap has: Kubernetes takes 1 MiB of an object, metadata included.
pub const MAX_MANIFEST: usize = 1_000_000;

const MANIFEST_FOLDER: &str = "/etc/sandglass/manifest";

/// The annotation by which pods are replaced when the manifest is another.
const MANIFEST_HASH: &str = "sandglass.dev/manifest";

/// A server of a shared host, with all that the host needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The server's name, which is the tenant's.
    pub name: String,
    /// The server's id.
    pub uid: String,
    /// The tenant's port.
    pub port: u16,
    /// The entry of its tools; it stands in the manifest.
    #[serde(skip)]
    pub tools: Map<String, Value>,
    /// What it names, to be mounted.
    pub objects: BTreeSet<(ReferenceKind, String)>,
    /// What its tools' registry is.
    pub egress: BTreeSet<Egress>,
}

impl Tenant {
    /// The tenant that a server becomes.
    pub fn new(plan: &Plan, uid: &str, port: u16) -> Self {
        let references = plan.references().into_iter();
        Self {
            name: plan.name.clone(),
            uid: uid.to_owned(),
            port,
            tools: plan.entry.fields().clone(),
            objects: references
                .map(|reference| (reference.kind, reference.name))
                .collect(),
            egress: plan.entry.egress(),
        }
    }
}

/// The tenants that a host's ConfigMap has, by name.
pub fn recorded(config_map: &Value) -> BTreeMap<String, Tenant> {
    let data = &config_map["data"];
    let manifest = data[MANIFEST].as_str().unwrap_or_default();
    let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    let texts = data.as_object().into_iter().flatten();
    let texts = texts
        .filter(|(key, _)| *key != MANIFEST)
        .filter_map(|(_, value)| value.as_str());
    let tenants = texts.filter_map(|text| {
        let mut tenant: Tenant = serde_json::from_str(text).ok()?;
        let entry = &manifest["tenants"][&tenant.name]["tools"][0];
        tenant.tools = entry.as_object()?.clone();
        Some((tenant.name.clone(), tenant))
    });
    tenants.collect()
}

/// Whether a host's ConfigMap has this tenant.
pub fn is_recorded(config_map: &Value, name: &str) -> bool {
    config_map["data"].get(key_of(name)).is_some()
}

/// The objects of the host of these tenants, none where there is no tenant, and the names of those that it has no place for:
/// what is too much is what is new, and is left as it was `before`, the largest first.
pub fn within_limit(
    namespace: &str,
    mut tenants: Vec<Tenant>,
    before: &BTreeMap<String, Tenant>,
    settings: &Settings,
) -> (Vec<Desired>, BTreeSet<String>) {
    let mut too_large = BTreeSet::new();
    loop {
        if tenants.is_empty() {
            return (Vec::new(), too_large);
        }
        let host = of_host(namespace, &tenants, settings);
        if size(&host) <= MAX_MANIFEST {
            return (host, too_large);
        }
        let news = tenants.iter().enumerate();
        let news = news.filter(|(_, tenant)| before.get(&tenant.name) != Some(tenant));
        let largest = news.max_by_key(|(_, tenant)| json!(tenant.tools).to_string().len());
        let Some((index, _)) = largest else {
            return (host, too_large);
        };
        let tenant = tenants.remove(index);
        if let Some(before) = before.get(&tenant.name) {
            tenants.insert(index, before.clone());
        }
        too_large.insert(tenant.name);
    }
}

/// The bytes of the ConfigMap.
fn size(host: &[Desired]) -> usize {
    let config_map = host.iter().find(|object| object.kind == Kind::ConfigMap);
    config_map.map_or(0, |found| found.object["data"].to_string().len())
}

fn key_of(tenant: &str) -> String {
    format!("tenant-{tenant}.json")
}

/// What the host's pods are selected by.
pub fn selector() -> Value {
    json!({ "app": "mcpserver", LABEL: "true" })
}

/// The owners of what belongs to the host: when the last of them goes, Kubernetes removes it.
pub fn owners(tenants: &[Tenant]) -> Vec<Value> {
    let owners = tenants.iter().map(|tenant| {
        json!({ "apiVersion": "kaos.tools/v1alpha1", "kind": "MCPServer", "name": tenant.name, "uid": tenant.uid })
    });
    owners.collect()
}

/// What stands on each object of the host.
pub fn labels() -> Value {
    let (key, value) = MANAGED_BY;
    json!({ "app": "mcpserver", LABEL: "true", key: value })
}

/// The objects of the host, of which there is one for these tenants.
pub(super) fn of_host(namespace: &str, tenants: &[Tenant], settings: &Settings) -> Vec<Desired> {
    let ports = tenants
        .iter()
        .map(|tenant| json!({ "port": tenant.port, "protocol": "TCP" }));
    let ports: Vec<Value> = [json!({ "port": "http", "protocol": "TCP" })]
        .into_iter()
        .chain(ports)
        .collect();
    let places = tenants
        .iter()
        .flat_map(|tenant| tenant.egress.clone())
        .collect();
    let manifest = manifest(tenants);
    let policy = network_policy::network_policy(&selector(), &ports, places, settings);
    let all = [
        (Kind::ServiceAccount, access::service_account()),
        (Kind::ConfigMap, config_map(tenants, &manifest)),
        (Kind::NetworkPolicy, policy),
        (Kind::Deployment, deployment(tenants, &manifest, settings)),
    ];
    let objects = all.into_iter().map(|(kind, body)| {
        let metadata = json!({
            "name": NAME,
            "namespace": namespace,
            "labels": labels(),
            "ownerReferences": owners(tenants),
        });
        Desired::new(kind, NAME.to_owned(), metadata, body)
    });
    objects.collect()
}

/// The objects of one server of a shared host.
pub fn of_tenant(plan: &Plan, owner: &Owner, port: u16, settings: &Settings) -> Vec<Desired> {
    let service = access::service(&selector(), &json!(port));
    let route = settings
        .gateway
        .as_ref()
        .map(|gateway| (Kind::HttpRoute, route::route(plan, gateway)));
    let all = [Some((Kind::Service, service)), route]
        .into_iter()
        .flatten();
    all.map(|(kind, body)| Desired::of_server(kind, body, &plan.namespace, owner))
        .collect()
}

fn manifest(tenants: &[Tenant]) -> String {
    let tenants: Map<String, Value> = tenants
        .iter()
        .map(|tenant| {
            (
                tenant.name.clone(),
                json!({ "port": tenant.port, "tools": [tenant.tools] }),
            )
        })
        .collect();
    json!({
        "version": 1,
        "engine": { "cache_dir": pod::CACHE_FOLDER },
        "tools": [],
        "tenants": tenants,
    })
    .to_string()
}

/// The manifest, and each tenant by itself: one whose spec fails later goes on as it was.
fn config_map(tenants: &[Tenant], manifest: &str) -> Map<String, Value> {
    let mut data = Map::from_iter([(MANIFEST.to_owned(), json!(manifest))]);
    data.extend(tenants.iter().map(|tenant| {
        let text = json!(tenant).to_string();
        (key_of(&tenant.name), json!(text))
    }));
    Map::from_iter([("data".to_owned(), Value::Object(data))])
}

fn deployment(tenants: &[Tenant], manifest: &str, settings: &Settings) -> Map<String, Value> {
    let (mut volumes, mut mounts) = pod::own_volumes(STATE_SECRET);
    volumes.push(json!({ "name": "manifest", "configMap": { "name": NAME, "items": [{ "key": MANIFEST, "path": MANIFEST }] } }));
    mounts.push(json!({ "name": "manifest", "mountPath": MANIFEST_FOLDER, "readOnly": true }));
    let objects: BTreeSet<_> = tenants.iter().flat_map(|tenant| &tenant.objects).collect();
    for (index, (kind, object)) in objects.into_iter().enumerate() {
        let name = format!("object-{index}");
        // One that goes takes its own tenant along, and no other.
        let more = ("optional", json!(true));
        volumes.push(pod::volume(&name, *kind, object, more));
        mounts.push(
            json!({ "name": name, "mountPath": object_folder(*kind, object), "readOnly": true }),
        );
    }
    let mut environment = vec![json!({ "name": "LOG_LEVEL", "value": "INFO" })];
    environment.extend(pod::listening());
    let ports = tenants
        .iter()
        .map(|tenant| json!({ "containerPort": tenant.port, "protocol": "TCP" }));
    let parts = Parts {
        account: NAME.to_owned(),
        arguments: json!([
            "serve",
            "--allow-anonymous",
            "--config",
            format!("{MANIFEST_FOLDER}/{MANIFEST}")
        ]),
        environment,
        ports: ports.collect(),
        volumes,
        mounts,
    };
    let spec = json!({
        "selector": { "matchLabels": selector() },
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": {
            "metadata": { "labels": labels(), "annotations": { MANIFEST_HASH: hash(&json!(manifest)) } },
            "spec": parts.pod(settings),
        },
    });
    Map::from_iter([("spec".to_owned(), spec)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{server, settings};

    #[test]
    fn what_is_recorded_is_read_back_and_each_source_stands_there_once() {
        let source = "def tool() -> str:\n    return 'once only'\n";
        let tenants: Vec<Tenant> = ["a", "b"]
            .iter()
            .zip(20_000..)
            .map(|(name, port)| {
                let mut server = server(json!({ "type": "wasm-runtime", "shared": true, "config": { "tools": { "fromString": source } } }));
                server.metadata.name = Some((*name).to_owned());
                Tenant::new(&Plan::parse(&server, &settings()).unwrap(), "0-1", port)
            })
            .collect();
        let written = config_map(&tenants, &manifest(&tenants));
        let written = Value::Object(written);
        let read: Vec<Tenant> = recorded(&written).into_values().collect();
        assert_eq!(read, tenants);
        assert!(is_recorded(&written, "b") && !is_recorded(&written, "c"));
        assert_eq!(written.to_string().matches("once only").count(), 2);
    }
}
