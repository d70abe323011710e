//! Installing the definition, where none is that somebody else made.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::{MANAGED_BY, definition};
use crate::cluster::words;
use crate::control::FIELD_MANAGER;

/// The ConfigMap that KAOS' operator reads its runtimes from.
const KAOS_RUNTIMES: &str = "kaos-mcp-runtimes";

/// How long the API server may take to serve a new definition.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the operator does not start.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// KAOS is here.
    #[error(
        "KAOS' operator is in this cluster (ConfigMap {namespace}/{KAOS_RUNTIMES}), and serves MCPServers itself: do not run this operator beside it; register the runtime `wasm` there instead (deploy/kaos)"
    )]
    Kaos {
        /// Where its ConfigMap is.
        namespace: String,
    },
    /// The definition is another's.
    #[error(
        "the definition {name} was not made by this operator (its label {} is not `{}`), and is not altered: where KAOS made it, register the runtime `wasm` there instead (deploy/kaos); where nobody uses it, delete it and start again",
        MANAGED_BY.0,
        MANAGED_BY.1
    )]
    Foreign {
        /// Its name.
        name: String,
    },
    /// It was made, and does not come to be served.
    #[error("the definition {name} is not served within {} s: {reason}", PATIENCE.as_secs())]
    NotEstablished {
        /// Its name.
        name: String,
        /// The API server's words.
        reason: String,
    },
    /// The API server does not answer, or does not let us.
    #[error(
        "the definition of MCPServer cannot be had: {}; grant `get`, `create` and `patch` on customresourcedefinitions, or install what `sandglass-operator crds` prints", words(.0)
    )]
    Api(kube::Error),
}

impl From<kube::Error> for InstallError {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

/// Makes the definition what this version needs, unless it is another's, or KAOS is here.
pub async fn install(client: &Client, namespace: Option<&str>) -> Result<(), InstallError> {
    refuse_kaos(client, namespace).await?;
    let wanted = definition();
    let name = wanted.name_any();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let (label, value) = MANAGED_BY;
    let is_ours = |found: &CustomResourceDefinition| {
        found
            .labels()
            .get(label)
            .is_some_and(|found| found == value)
    };
    if api
        .get_opt(&name)
        .await?
        .is_some_and(|found| !is_ours(&found))
    {
        return Err(InstallError::Foreign { name });
    }
    // The fields are ours, whoever wrote them with our label: a chart, or `kubectl apply`.
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&wanted))
        .await?;
    let end = Instant::now() + PATIENCE;
    loop {
        let found = api.get(&name).await?;
        let conditions = found
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        if conditions
            .iter()
            .any(|condition| condition.type_ == "Established" && condition.status == "True")
        {
            return Ok(());
        }
        if Instant::now() >= end {
            let reasons = conditions
                .into_iter()
                .filter_map(|condition| condition.message);
            let reason = reasons.collect::<Vec<_>>().join("; ");
            return Err(InstallError::NotEstablished { name, reason });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn refuse_kaos(client: &Client, namespace: Option<&str>) -> Result<(), InstallError> {
    let of_kaos = ListParams::default().fields(&format!("metadata.name={KAOS_RUNTIMES}"));
    let everywhere: Api<ConfigMap> = Api::all(client.clone());
    let found = match (everywhere.list(&of_kaos).await, namespace) {
        // An operator of one namespace may see no other.
        (Err(kube::Error::Api(status)), Some(namespace)) if status.code == 403 => {
            Api::<ConfigMap>::namespaced(client.clone(), namespace)
                .list(&of_kaos)
                .await?
        }
        (found, _) => found?,
    };
    match found.items.first() {
        None => Ok(()),
        Some(found) => Err(InstallError::Kaos {
            namespace: found.namespace().unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mock::{self, failure, list, not_found};

    const DEFINITION: &str =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mcpservers.kaos.tools";

    /// The definition, made by whoever the labels say.
    fn found(labels: &Value, conditions: &Value) -> (u16, Value) {
        let mut definition = json!(definition());
        definition["metadata"]["labels"] = labels.clone();
        definition["status"] = json!({ "conditions": conditions });
        (200, definition)
    }

    #[tokio::test]
    async fn beside_kaos_nothing_is_written() {
        let (client, asked) = mock::client(|_| {
            list(&[json!({ "metadata": { "name": KAOS_RUNTIMES, "namespace": "kaos-system" } })])
        });
        let error = install(&client, None).await.unwrap_err();
        assert!(matches!(&error, InstallError::Kaos { namespace } if namespace == "kaos-system"));
        assert_eq!(asked.writes(), []);
    }

    #[tokio::test]
    async fn anothers_definition_is_not_altered() {
        let (client, asked) = mock::client(|asked| match &*asked.path {
            DEFINITION => found(
                &json!({ "app.kubernetes.io/managed-by": "Helm" }),
                &json!([]),
            ),
            _ => list(&[]),
        });
        let error = install(&client, None).await.unwrap_err();
        assert!(matches!(error, InstallError::Foreign { .. }), "{error}");
        assert_eq!(asked.writes(), []);
    }

    #[tokio::test]
    async fn an_operator_of_one_namespace_looks_for_kaos_there() {
        let (client, asked) = mock::client(|asked| match &*asked.path {
            "/api/v1/configmaps" => failure(403, "Forbidden", "configmaps is forbidden"),
            "/api/v1/namespaces/mine/configmaps" => list(&[]),
            _ if asked.method == http::Method::GET && asked.body.is_null() => not_found(),
            _ => failure(422, "Invalid", "that is all of this test"),
        });
        install(&client, Some("mine")).await.unwrap_err();
        assert_eq!(asked.writes()[0].path, DEFINITION);
        let error = install(&client, None).await.unwrap_err();
        assert!(error.to_string().contains("configmaps is forbidden"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_that_is_never_served_is_told_with_the_reason() {
        let (client, _) = mock::client(|asked| match &*asked.path {
            DEFINITION => found(
                &json!({ MANAGED_BY.0: MANAGED_BY.1 }),
                &json!([{
                    "type": "NamesAccepted", "status": "False", "reason": "PluralConflict",
                    "message": "\"mcpservers\" is already in use", "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]),
            ),
            _ => list(&[]),
        });
        let error = install(&client, None).await.unwrap_err();
        assert!(error.to_string().contains("already in use"), "{error}");
    }
}
