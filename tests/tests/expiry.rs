//! What a token opened does not outlive it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use reqwest::{Method, RequestBuilder};
use sandglass_tests::mcp::{self, send};
use sandglass_tests::{Answer, Host, PATIENCE, tool};
use serde_json::{Value, json};

/// Seconds for which the host takes an expired token, since clocks differ.
const LEEWAY: u64 = 60;

/// An issuer that signs what it is told.
struct Issuer {
    url: String,
    key: KeyPair,
}

impl Issuer {
    async fn start() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let x = BASE64_URL_SAFE_NO_PAD.encode(key.der_bytes());
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/keys", get(async move || Json(keys)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, key }
    }

    async fn host(&self) -> Host {
        Host::start(&format!(
            "version: 1\ntools: [\"file:{}\"]\nidentity: {{ jwt: [{{ issuer: \"{url}\", jwks: \"{url}/keys\", audience: a, algorithms: [EdDSA] }}] }}\n",
            tool("calculator"),
            url = self.url,
        ))
        .await
    }

    /// A token that the host takes for so many seconds more.
    fn token(&self, seconds: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let exp = now.expect("later than 1970").as_secs() + seconds - LEEWAY;
        let claims =
            json!({ "iss": self.url, "aud": "a", "sub": "ann", "scope": "tools:*", "exp": exp });
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({ "alg": "EdDSA", "kid": "1" })),
            part(&claims)
        );
        let signature = self.key.sign(signed.as_bytes()).expect("it is our key");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The standalone stream of a session.
fn stream(host: &Host, session: &str, token: &str) -> RequestBuilder {
    host.request(Method::GET, "/mcp")
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session)
        .bearer_auth(token)
}

#[tokio::test]
async fn a_standalone_stream_ends_with_the_token_and_its_client_is_asked_for_another() {
    let issuer = Issuer::start().await;
    let host = issuer.host().await;
    let token = issuer.token(15);
    let initialize = mcp::bare(&host, "initialize", mcp::initialize("2025-11-25"));
    let answer = send(initialize.header("accept", mcp::ACCEPT).bearer_auth(&token)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = answer.header("mcp-session-id").to_owned();

    let response = stream(&host, &session, &token).send().await;
    let response = response.expect("the head of the answer");
    assert_eq!(response.status(), 200);
    let read = tokio::time::timeout(PATIENCE, Answer::read(response));
    read.await.expect("the stream ends properly");
    let again = send(stream(&host, &session, &token)).await;
    assert_eq!(again.status, 401, "{again:?}");
    assert!(
        again.header("www-authenticate").contains("expired"),
        "{again:?}"
    );

    let fresh = issuer.token(600);
    let response = stream(&host, &session, &fresh).send().await;
    assert_eq!(
        response.expect("a head").status(),
        200,
        "the session goes on"
    );
}
