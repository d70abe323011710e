//! deploy/aks: values that the chart takes and the host understands, a policy that API Management would, and a tool with the
//! pod's workload identity.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Path, RawForm, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use k8s_openapi::api::core::v1::Service;
use sandglass_manifest::{Manifest, Origin, Surroundings};
use sandglass_tests::{
    Chart, Client, Launch, Mounted, RELEASE, manifest, objects, objects_of, root, strict,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn deploy(name: &str) -> PathBuf {
    root().join("deploy/aks").join(name)
}

/// The manifest that the values have.
fn values_manifest() -> Value {
    let values = objects_of(&deploy("values.yaml")).remove(0);
    let text = values["host"]["manifest"].as_str().expect("a text");
    objects(text).remove(0)
}

#[tokio::test]
async fn the_chart_takes_the_values() {
    let values = std::fs::read_to_string(deploy("values.yaml")).expect("they are there");
    let chart = Chart::render(&values).await;
    let service: Service = strict(chart.object("Service", RELEASE));
    let spec = service.spec.expect("a spec");
    assert_eq!(spec.type_.as_deref(), Some("LoadBalancer"));
    let annotations = service.metadata.annotations.expect("annotations");
    let address = "service.beta.kubernetes.io/azure-pip-name";
    assert_eq!(annotations[address], "PUBLIC_IP_NAME");
    let account = chart.object("ServiceAccount", RELEASE);
    let identity = &account["metadata"]["annotations"]["azure.workload.identity/client-id"];
    assert_eq!(identity, "CLIENT_ID");
    let deployment = chart.object("Deployment", RELEASE);
    let pod = &deployment["spec"]["template"];
    assert_eq!(
        pod["metadata"]["labels"]["azure.workload.identity/use"],
        "true"
    );
    assert_eq!(pod["spec"]["serviceAccountName"], RELEASE);
    let text = values_manifest().to_string();
    let origin = Origin::File("manifest.yaml".into());
    let manifest = Manifest::parse_in(&text, &origin, &Surroundings::default());
    assert!(manifest.is_ok_and(|manifest| manifest.identity.is_some()));
}

/// An XML file as nested lists: name, attributes, text, children.
async fn xml(file: PathBuf) -> Value {
    let script = "import json, sys, xml.etree.ElementTree as E\n\
        tree = lambda e: [e.tag, e.attrib, (e.text or '').strip(), [tree(c) for c in e]]\n\
        print(json.dumps(tree(E.parse(sys.argv[1]).getroot())))";
    let client = Client::program("SANDGLASS_PYTHON_LATEST").args(&["-c", script]);
    client.arg(file).succeed().await.json()
}

/// All elements of a name.
fn elements<'a>(tree: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    if tree[0] == name {
        found.push(tree);
    }
    for child in tree[3].as_array().expect("children") {
        elements(child, name, found);
    }
}

#[tokio::test]
async fn the_policy_checks_tokens_bounds_callers_and_lets_streams_through() {
    let policy = xml(deploy("apim-policy.xml")).await;
    let sections: Vec<&Value> = policy[3]
        .as_array()
        .expect("sections")
        .iter()
        .map(|it| &it[0])
        .collect();
    assert_eq!(sections, ["inbound", "backend", "outbound", "on-error"]);
    let one = |name: &str| {
        let mut found = Vec::new();
        elements(&policy, name, &mut found);
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    };
    let check = one("validate-jwt");
    assert_eq!(check[1]["failed-validation-httpcode"], "401");
    let audience = one("audience");
    assert_eq!(audience[2], "{{audience}}");
    // The host names the same issuer.
    let issuer = one("issuer")[2]
        .as_str()
        .expect("a text")
        .replace("{{tenant-id}}", "TENANT_ID");
    assert_eq!(values_manifest()["identity"]["jwt"][0]["issuer"], issuer);
    let limit = one("rate-limit-by-key");
    let variable = check[1]["output-token-variable-name"]
        .as_str()
        .expect("a name");
    let key = limit[1]["counter-key"].as_str().expect("an expression");
    assert!(key.starts_with("@(") && key.contains(variable), "{key}");
    let forward = one("forward-request");
    assert_eq!(forward[1]["buffer-response"], "false");
    let header = one("set-header");
    assert_eq!(header[1]["name"], "WWW-Authenticate");
    let told = header[3][0][2].as_str().expect("a text");
    let resource = "{{gateway-url}}/.well-known/oauth-protected-resource/mcp";
    assert_eq!(told, format!("Bearer resource_metadata=\"{resource}\""));
}

/// What Entra ID and a storage account were asked.
#[derive(Clone, Default)]
struct Azure {
    exchanges: Arc<AtomicUsize>,
}

const ASSERTION: &str = "the-token-that-kubernetes-mounts";
const ACCESS: &str = "the-token-for-storage";

async fn exchange(
    State(azure): State<Azure>,
    Path(tenant): Path<String>,
    RawForm(form): RawForm,
) -> Json<Value> {
    let form = String::from_utf8_lossy(&form).into_owned();
    let has = |part: &str| form.split('&').any(|it| it == part);
    let is_right = tenant == "contoso"
        && has("client_id=the-client")
        && has(&format!("client_assertion={ASSERTION}"))
        && has("grant_type=client_credentials");
    azure.exchanges.fetch_add(1, Ordering::Relaxed);
    Json(match is_right {
        true => json!({ "access_token": ACCESS, "token_type": "Bearer" }),
        false => json!({ "error": form }),
    })
}

fn is_let_in(headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_some_and(|it| it.as_bytes() == format!("Bearer {ACCESS}").as_bytes())
}

async fn list(headers: HeaderMap) -> String {
    match is_let_in(&headers) {
        true => "<?xml version='1.0'?><EnumerationResults><Blobs><Blob><Name>a.md</Name></Blob><Blob><Name>b.md</Name></Blob></Blobs></EnumerationResults>".to_owned(),
        false => "<Error/>".to_owned(),
    }
}

async fn blob(headers: HeaderMap) -> &'static str {
    if is_let_in(&headers) {
        "# A"
    } else {
        "refused"
    }
}

/// Serves on a free port; the port.
async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    port
}

#[tokio::test]
async fn a_tool_reads_with_the_pods_workload_identity() {
    let azure = Azure::default();
    let router = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(exchange))
        .route("/docs", get(list))
        .route("/docs/{name}", get(blob))
        .with_state(azure.clone());
    let port = serve(router).await;
    let mut tokens = Mounted::default();
    tokens.set(&[("azure-identity-token", ASSERTION.as_bytes())]);
    // The values' own manifest, but for where things are here.
    let mut storage = values_manifest()["tools"][1].clone();
    storage["source"] = json!(deploy("storage.py"));
    let allow = &mut storage["allow"];
    allow["env"]["AZURE_AUTHORITY_HOST"] = json!(format!("http://127.0.0.1:{port}/"));
    allow["env"]["AZURE_STORAGE_ACCOUNT_URL"] = json!(format!("http://127.0.0.1:{port}/"));
    allow["files"][0]["host"] = json!(tokens.path());
    allow["http"] = json!([{ "host": "127.0.0.1", "port": port, "private": true }]);
    let host = Launch::manifest(&manifest(&json!([storage])))
        .env("AZURE_CLIENT_ID", "the-client")
        .env("AZURE_TENANT_ID", "contoso")
        .start()
        .await;
    let listed = host
        .call("list_blobs", json!({ "container": "docs" }))
        .await;
    assert_eq!(
        listed.json(),
        json!({ "result": ["a.md", "b.md"] }),
        "{}",
        host.log()
    );
    let read = host
        .call("read_blob", json!({ "container": "docs", "name": "a.md" }))
        .await;
    assert_eq!(read.json(), json!({ "result": "# A" }));
    assert_eq!(azure.exchanges.load(Ordering::Relaxed), 2, "one a call");
    for secret in [ASSERTION, ACCESS] {
        assert!(!host.log().contains(secret), "{}", host.log());
    }
}
