//! `kaos.tools/v1alpha1` MCPServer: the fields of KAOS' guide, and those that this operator adds.
//!
//! What is read here is what the API server's schema lets through; [`plan`](crate::plan) says whether it makes sense.

mod install;
mod schema;
mod status;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use install::{InstallError, install};
pub use status::{Condition, DeploymentCondition, DeploymentStatus, MCPServerStatus, Phase};

use crate::plan::ReferenceKind;

/// The label that says who made an object, and its value on everything that this operator makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "sandglass-operator");

/// A server of tools that agents use.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "kaos.tools",
    version = "v1alpha1",
    kind = "MCPServer",
    plural = "mcpservers",
    singular = "mcpserver",
    namespaced,
    status = "MCPServerStatus",
    doc = "A server of tools that agents use.",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Endpoint","type":"string","jsonPath":".status.endpoint","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerSpec {
    /// The runtime: `wasm-runtime`, or `python-runtime` where the operator adopts it.
    #[serde(rename = "type")]
    pub runtime: String,
    /// The tools, and their environment.
    pub config: Config,
    /// Overrides the generated pod spec by a strategic merge patch; the container is `mcp-server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub pod_spec: Option<Map<String, Value>>,
    /// How a gateway leads to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_route: Option<GatewayRoute>,
    /// Whether the server is a tenant of the host that all such servers of its namespace share.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// How many pods there are. Without this key: one at first, and then whatever others scale it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// A HorizontalPodAutoscaler for the server. Not together with `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// A PodDisruptionBudget for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// Why it could not be read: the API server has taken it by another version's schema.
    #[serde(skip)]
    pub unreadable: Option<String>,
}

impl MCPServer {
    /// Reads what the API server has; a spec that cannot be read says why.
    pub fn read(mut object: DynamicObject) -> Self {
        let mut part = |name: &str| object.data[name].take();
        let (spec, status) = (part("spec"), part("status"));
        let spec = serde_json::from_value(spec).unwrap_or_else(|error| MCPServerSpec {
            unreadable: Some(error.to_string()),
            ..MCPServerSpec::default()
        });
        Self {
            metadata: object.metadata,
            spec,
            status: serde_json::from_value(status).ok(),
        }
    }
}

impl MCPServerSpec {
    /// Whether it names this ConfigMap or Secret somewhere.
    pub fn names(&self, kind: ReferenceKind, name: &str) -> bool {
        let tools = &self.config.tools;
        let variables = self
            .config
            .env
            .iter()
            .filter_map(|variable| variable.value_from.as_ref());
        let (source, variables): (_, Vec<_>) = match kind {
            ReferenceKind::ConfigMap => (
                &tools.from_config_map_key_ref,
                variables
                    .filter_map(|from| from.config_map_key_ref.as_ref())
                    .collect(),
            ),
            ReferenceKind::Secret => (
                &tools.from_secret_key_ref,
                variables
                    .filter_map(|from| from.secret_key_ref.as_ref())
                    .collect(),
            ),
        };
        let key = tools
            .verify
            .as_ref()
            .and_then(|verify| verify.get("cosign")?.get("configMapKeyRef")?.get("name"));
        source
            .iter()
            .chain(variables)
            .any(|reference| reference.name == name)
            || (kind == ReferenceKind::ConfigMap && key.is_some_and(|key| key == name))
    }
}

/// The tools, and their environment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Where the tools come from, and what they may do.
    #[serde(default)]
    pub tools: Tools,
    /// Environment variables: the tools see exactly these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
}

/// Where the tools come from (one of the `from..`), and what they may do.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    /// A package's name that the operator's package map knows, or an OCI reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_package: Option<String>,
    /// Python source: each top-level function is a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_string: Option<String>,
    /// A Secret's key that holds a component, or source text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_secret_key_ref: Option<KeyRef>,
    /// A ConfigMap's key that holds a component, or source text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_config_map_key_ref: Option<KeyRef>,
    /// An artifact in a registry: `oci://registry/repository:tag`, or with `@sha256:..`.
    #[serde(default, rename = "fromOCI", skip_serializing_if = "Option::is_none")]
    pub from_oci: Option<String>,
    /// The signature that an artifact must carry, as in the manifest of `sandglass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub verify: Option<Map<String, Value>>,
    /// Limits of each call, as in the manifest of `sandglass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub limits: Option<Map<String, Value>>,
    /// What the tools may reach beside `env`, as in the manifest of `sandglass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub allow: Option<Map<String, Value>>,
}

/// One key of a ConfigMap or Secret of the server's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub struct KeyRef {
    /// The object's name.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether the server may do without it; only in `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// An environment variable, as containers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from, in the place of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a variable's value comes from: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    /// A Secret's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A ConfigMap's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A field of the pod, as Kubernetes has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub field_ref: Option<Map<String, Value>>,
    /// A resource of the container, as Kubernetes has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub resource_field_ref: Option<Map<String, Value>>,
}

/// How a gateway leads to the server.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct GatewayRoute {
    /// How long a request may take (a duration of the Gateway API): 30s without this key; 0s: what the gateway has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// When pods are added and removed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// The fewest pods: 1 without this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_replicas: Option<i32>,
    /// The most pods.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,
    /// The share of the requested CPU, in percent, that is aimed at: 80 without this key.
    #[serde(
        default,
        rename = "targetCPUUtilizationPercentage",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1))]
    pub target_cpu_utilization_percentage: Option<i32>,
}

/// How many pods may be missing while nodes are drained: one of the two.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisruptionBudget {
    /// How many pods stay: a number, or a share in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub min_available: Option<Value>,
    /// How many pods may be missing: a number, or a share in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub max_unavailable: Option<Value>,
}

/// The definition that the operator installs, and prints for charts.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = MCPServer::crd();
    let (name, value) = MANAGED_BY;
    let labels = definition.metadata.labels.get_or_insert_default();
    labels.insert(name.to_owned(), value.to_owned());
    let versions = definition.spec.versions.iter_mut();
    let schemas =
        versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    schemas.for_each(|schema| {
        schema::drop_defaults(schema);
        schema::bound_integers(schema);
    });
    definition
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_definition_is_the_one_that_is_in_the_repository() {
        let expected = include_str!("definition.yaml");
        let printed = serde_saphyr::to_string(&definition()).unwrap();
        assert_eq!(
            printed, expected,
            "run `cargo run -p sandglass-operator -- crds > operator/src/crd/definition.yaml`"
        );
    }

    #[test]
    fn a_number_that_cannot_be_read_is_none_of_the_schema() {
        let definition = json!(definition());
        let properties = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            ["spec"]["properties"];
        let autoscaling = &properties["autoscaling"]["properties"];
        for (number, least) in [
            (&properties["replicas"], 0.0),
            (&autoscaling["minReplicas"], 1.0),
            (&autoscaling["maxReplicas"], 1.0),
            (&autoscaling["targetCPUUtilizationPercentage"], 1.0),
        ] {
            assert_eq!(
                (&number["minimum"], &number["maximum"]),
                (&json!(least), &json!(f64::from(i32::MAX)))
            );
        }
    }

    #[test]
    fn the_guides_full_specification_is_read() {
        let server: MCPServer = serde_saphyr::from_str(
            r#"
apiVersion: kaos.tools/v1alpha1
kind: MCPServer
metadata: { name: my-mcp, namespace: my-namespace }
spec:
  type: python-runtime
  config:
    tools:
      fromSecretKeyRef: { name: my-tools-secret, key: tools.py }
    env:
    - { name: LOG_LEVEL, value: "INFO" }
    - { name: API_KEY, valueFrom: { secretKeyRef: { name: mcp-secrets, key: api-key } } }
  podSpec:
    containers:
    - name: mcp-server
      resources: { requests: { memory: "128Mi", cpu: "100m" } }
  gatewayRoute: { timeout: "30s" }
"#,
        )
        .unwrap();
        let spec = server.spec;
        assert_eq!(spec.runtime, "python-runtime");
        assert_eq!(
            spec.config.tools.from_secret_key_ref.unwrap().key,
            "tools.py"
        );
        assert_eq!(spec.config.env.len(), 2);
        assert!(spec.pod_spec.unwrap().contains_key("containers"));
    }
}
