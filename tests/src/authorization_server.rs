//! A real authorization server: oidc-provider, in Node.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::mcp::send;
use crate::{Host, PATIENCE, client_program, root, tool};

/// The public URL of the hosts that take its tokens.
const RESOURCE: &str = "https://mcp.example.com";

/// The server, stopped when dropped.
#[derive(Debug)]
pub struct AuthorizationServer {
    issuer: String,
    _process: Child,
}

impl AuthorizationServer {
    /// One whose tokens have this scope.
    pub async fn start(scope: &str) -> Self {
        let inspector = client_program("SANDGLASS_INSPECTOR");
        let modules = inspector
            .ancestors()
            .find(|folder| folder.ends_with("node_modules"))
            .expect("the inspector is an npm package");
        let mut process = Command::new(client_program("SANDGLASS_NODE"))
            .arg(root().join("tests/clients/node/authorization-server.mjs"))
            .arg(modules)
            .arg(format!("{RESOURCE}/mcp"))
            .arg(scope)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node can be started");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let issuer = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("it listens")
            .expect("a pipe of ours")
            .expect("it prints its issuer");
        Self {
            issuer,
            _process: process,
        }
    }

    /// A host that takes this server's tokens.
    pub async fn host(&self) -> Host {
        Host::start(&format!(
            "version: 1\ntools: [\"file:{}\"]\nidentity:\n  resource: {RESOURCE}\n  jwt: [{{ issuer: \"{}\", audience: \"{RESOURCE}/mcp\" }}]\n",
            tool("calculator"),
            self.issuer,
        ))
        .await
    }
}

/// What a client does that knows only the host: it follows the challenge to the metadata, the metadata to the
/// authorization server, and gets a token there.
pub async fn token(host: &Host, scope: &str) -> String {
    let challenge = host.get("/mcp").await;
    assert_eq!(challenge.status, 401);
    let metadata = challenge.header("www-authenticate");
    let metadata = metadata
        .split('"')
        .nth(1)
        .and_then(|url| url.strip_prefix(RESOURCE))
        .unwrap_or_else(|| panic!("no metadata: {metadata}"));
    let document = host.get(metadata).await.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let issuer = text(&document["authorization_servers"][0]);
    let client = reqwest::Client::new();
    let found = client.get(format!("{issuer}/.well-known/openid-configuration"));
    let found = send(found).await.json();
    let grant = format!(
        "grant_type=client_credentials&scope={scope}&resource={}",
        text(&document["resource"])
    );
    let request = client
        .post(text(&found["token_endpoint"]))
        .basic_auth("agent", Some("secret"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(grant);
    text(&send(request).await.json()["access_token"])
}
