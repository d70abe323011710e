//! With a real authorization server (oidc-provider, in Node), as an MCP client finds and uses it.

use reqwest::Method;
use sandglass_tests::mcp::send;
use sandglass_tests::{AuthorizationServer, Client, token};
use serde_json::json;

#[tokio::test]
async fn a_client_that_knows_only_the_host_gets_a_token_and_calls() {
    let server = AuthorizationServer::start("tools:add").await;
    let host = server.host().await;
    let token = token(&host, "tools:add").await;
    let call = async |tool: &str| {
        let request = host.prepare(tool, &json!({ "a": 1, "b": 2 }));
        send(request.bearer_auth(&token)).await
    };
    assert_eq!(call("add").await.json(), json!({ "result": 3 }));
    assert_eq!(call("subtract").await.status, 403);
    let (signed, signature) = token.rsplit_once('.').expect("a JSON web token");
    let spoilt = format!("{signed}.AAAA{}", &signature[4..]);
    let request = host.request(Method::GET, "/mcp/tools").bearer_auth(spoilt);
    let refused = send(request).await;
    assert_eq!(refused.status, 401);
    assert!(!host.log().contains(&token), "{}", host.log());
    let client = Client::python("SANDGLASS_PYTHON_LATEST", "bearer.py")
        .arg("auto")
        .arg(format!("{}/mcp", host.url()));
    let seen = client.env("TOKEN", &token).succeed().await.json();
    assert_eq!(seen["tools"], json!(["add"]));
}

#[tokio::test]
async fn the_keys_outlive_their_server() {
    let server = AuthorizationServer::start("tools:*").await;
    let host = server.host().await;
    let token = token(&host, "tools:*").await;
    drop(server);
    let request = host.prepare("add", &json!({ "a": 1, "b": 2 }));
    assert_eq!(send(request.bearer_auth(token)).await.status, 200);
}
