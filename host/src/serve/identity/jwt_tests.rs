//! Tokens of an issuer that is a real server on loopback, with keys made for the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use sandglass_manifest::TenantName;
use serde_json::json;

use super::*;

/// A key of an issuer.
struct SigningKey {
    id: &'static str,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl SigningKey {
    fn ec(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            id,
            algorithm: Algorithm::ES256,
            encoding: EncodingKey::from_ec_der(pair.serialized_der()),
        }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        Self {
            id,
            algorithm: Algorithm::RS256,
            // The wrapping of PKCS#8 is 26 bytes; PKCS#1, which is wanted, comes after.
            encoding: EncodingKey::from_rsa_der(&pair.serialized_der()[26..]),
        }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        header
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.encoding).unwrap()
    }
}

/// An issuer that can be asked for its keys.
struct Server {
    url: String,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(keys: &[&SigningKey]) -> Self {
        let server = Self {
            url: String::new(),
            keys: Arc::default(),
            asked: Arc::default(),
        };
        server.publish(keys);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/login", listener.local_addr().unwrap());
        let (published, asked) = (Arc::clone(&server.keys), Arc::clone(&server.asked));
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let router = Router::new()
            .route(
                "/login/keys",
                get(async move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    Json(
                        published
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .clone(),
                    )
                }),
            )
            .route(
                "/.well-known/oauth-authorization-server/login",
                get(async move || Json(metadata.clone())),
            );
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, ..server }
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        *self.keys.lock().unwrap() = json!({ "keys": keys });
    }

    fn config(&self) -> JwtIssuer {
        JwtIssuer {
            issuer: self.url.clone().into(),
            audience: vec!["api://sandglass".to_owned()],
            jwks: None,
            ca: None,
            tenant: TenantOf::Fixed(TenantName::default()),
            scope_claims: JwtIssuer::SCOPE_CLAIMS.map(str::to_owned).to_vec(),
            algorithms: JwtIssuer::ALGORITHMS.to_vec(),
        }
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.url,
            "aud": "api://sandglass",
            "exp": now() + 600,
            "sub": "ann",
            "scope": "openid tools:echo",
        })
    }
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// Claims with one that is other.
fn with(mut claims: Value, claim: &str, value: Value) -> Value {
    claims[claim] = value;
    claims
}

fn without(mut claims: Value, claim: &str) -> Value {
    claims.as_object_mut().unwrap().remove(claim);
    claims
}

async fn start(config: JwtIssuer) -> Issuer {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Issuer::start(config).await.unwrap()
}

async fn check(issuer: &Issuer, token: &str) -> Result<Arc<Known>, &'static str> {
    let tenants = Tenants::new(["acme".into()]);
    match issuer.check(token, &tenants).await {
        Ok(checked) => Ok(checked.known),
        Err(Refusal::Invalid(reason)) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_of_the_issuer_says_who_calls_and_what_they_may() {
    let (ec, rsa) = (SigningKey::ec("ec"), SigningKey::rsa("rsa"));
    let server = Server::start(&[&ec, &rsa]).await;
    let issuer = start(server.config()).await;
    for key in [&ec, &rsa] {
        let token = key.sign(&server.claims());
        assert_eq!(claimed_issuer(&token), Some(server.url.clone()));
        let known = check(&issuer, &token).await.unwrap();
        assert_eq!(known.name, "ann");
        assert_eq!(known.issuer.as_deref(), Some(server.url.as_str()));
        assert_eq!(known.scopes, [Scope::Tool("echo".to_owned())]);
    }
    let several = with(server.claims(), "aud", json!(["other", "api://sandglass"]));
    assert!(check(&issuer, &ec.sign(&several)).await.is_ok());
    let fresh = with(server.claims(), "nbf", json!(now() + 30));
    assert!(
        check(&issuer, &ec.sign(&fresh)).await.is_ok(),
        "clocks may differ a little"
    );
}

#[tokio::test]
async fn a_token_that_is_not_for_us_or_not_for_now_is_refused() {
    let key = SigningKey::ec("key");
    let server = Server::start(&[&key]).await;
    let issuer = start(server.config()).await;
    let claims = || server.claims();
    for (wrong, reason) in [
        (with(claims(), "exp", json!(now() - 61)), "it has expired"),
        (
            with(claims(), "nbf", json!(now() + 90)),
            "it is not valid yet",
        ),
        (
            with(claims(), "aud", json!("api://other")),
            "it is for another audience",
        ),
        (
            with(claims(), "aud", json!([])),
            "it is for another audience",
        ),
        (
            with(claims(), "iss", json!(format!("{}/", server.url))),
            "it is of another issuer",
        ),
        (without(claims(), "exp"), "it lacks exp, iss or aud"),
        (without(claims(), "aud"), "it lacks exp, iss or aud"),
        (without(claims(), "iss"), "it lacks exp, iss or aud"),
        (without(claims(), "sub"), "it does not say whose it is"),
    ] {
        assert_eq!(
            check(&issuer, &key.sign(&wrong)).await.err(),
            Some(reason),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn who_calls_has_a_name_and_not_an_endless_one() {
    let key = SigningKey::ec("key");
    let server = Server::start(&[&key]).await;
    let issuer = start(server.config()).await;
    let of_client = || with(server.claims(), "azp", json!("client"));
    for sub in [json!(""), json!(" "), json!(7)] {
        let wrong = with(of_client(), "sub", sub);
        let refused = check(&issuer, &key.sign(&wrong)).await;
        assert_eq!(
            refused.err(),
            Some("it does not say whose it is"),
            "{wrong}"
        );
    }
    let known = async |claims: &Value| check(&issuer, &key.sign(claims)).await.unwrap();
    for claims in [
        without(of_client(), "sub"),
        with(of_client(), "sub", json!(null)),
    ] {
        assert_eq!(known(&claims).await.name, "client");
    }
    let long = "x".repeat(100_000);
    let one = known(&with(server.claims(), "sub", json!(long))).await;
    let other = known(&with(server.claims(), "sub", json!(long + "y"))).await;
    assert!(one.name.len() < 400, "{}", one.name.len());
    assert_ne!(one.name, other.name);
}

#[tokio::test]
async fn a_token_that_the_issuer_did_not_sign_is_refused() {
    let (rsa, ec) = (SigningKey::rsa("rsa"), SigningKey::ec("ec"));
    let server = Server::start(&[&rsa, &ec]).await;
    let issuer = start(server.config()).await;
    let claims = server.claims();
    let refused = async |token: String| check(&issuer, &token).await.expect_err(&token);

    let forged = SigningKey::ec("ec").sign(&claims);
    assert_eq!(refused(forged).await, "its signature is wrong");
    // Another payload under a good signature.
    let (good, other) = (
        ec.sign(&claims),
        ec.sign(&with(claims.clone(), "sub", json!("eve"))),
    );
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mixed = [&parts(&good)[0], &parts(&other)[1], &parts(&good)[2]]
        .map(String::as_str)
        .join(".");
    assert_eq!(refused(mixed).await, "its signature is wrong");

    // `alg: none`, with and without a signature.
    let encoded = |value: Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let none = encoded(json!({"alg": "none", "typ": "JWT", "kid": "ec"}));
    let body = &parts(&good)[1];
    for token in [
        format!("{none}.{body}."),
        format!("{none}.{body}.{}", parts(&good)[2]),
    ] {
        assert_eq!(
            refused(token).await,
            "it is malformed, or its algorithm is not accepted"
        );
    }

    // The public key as the secret of an HMAC.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("rsa".to_owned());
    let public = rsa.public().to_string();
    let confused = encode(
        &header,
        &claims,
        &EncodingKey::from_secret(public.as_bytes()),
    )
    .unwrap();
    assert_eq!(refused(confused).await, "its algorithm is not accepted");

    // One kind of key under the other's name.
    let mut header = ec.header();
    header.kid = Some("rsa".to_owned());
    let swapped = encode(&header, &claims, &ec.encoding).unwrap();
    assert_eq!(refused(swapped).await, "its key is not one of the issuer's");
    // A good key with an algorithm that is not on the list.
    let mut header = Header::new(Algorithm::PS256);
    header.kid = Some("rsa".to_owned());
    let unlisted = encode(&header, &claims, &rsa.encoding).unwrap();
    assert_eq!(refused(unlisted).await, "its algorithm is not accepted");
    // A token that is no access token, and one with a key of its own.
    let mut header = ec.header();
    header.typ = Some("logout+jwt".to_owned());
    let logout = encode(&header, &claims, &ec.encoding).unwrap();
    assert_eq!(refused(logout).await, "it is no access token");
    let eve = SigningKey::ec("eve");
    let mut header = eve.header();
    header.jwk = serde_json::from_value(eve.public()).unwrap();
    let own = encode(&header, &claims, &eve.encoding).unwrap();
    assert_eq!(refused(own).await, "its key is not one of the issuer's");
}

#[tokio::test]
async fn a_new_key_is_fetched_and_an_old_one_counts_no_more() {
    let (old, new) = (SigningKey::ec("old"), SigningKey::ec("new"));
    let server = Server::start(&[&old]).await;
    let issuer = start(server.config()).await;
    let generation = issuer.generation();
    server.publish(&[&new]);
    // Asked just now: unknown keys ask the issuer no more than once in a while.
    for _ in 0..20 {
        assert!(check(&issuer, &new.sign(&server.claims())).await.is_err());
    }
    assert_eq!(server.asked.load(Ordering::Relaxed), 1);
    issuer.jwks.forget_when_asked().await;
    assert!(check(&issuer, &new.sign(&server.claims())).await.is_ok());
    assert!(check(&issuer, &old.sign(&server.claims())).await.is_err());
    assert_eq!(server.asked.load(Ordering::Relaxed), 2);
    assert!(
        issuer.generation() > generation,
        "what was checked with the old key counts no more"
    );
}

#[tokio::test]
async fn an_issuer_that_is_out_costs_nobody_their_access() {
    let (key, new) = (SigningKey::ec("key"), SigningKey::ec("new"));
    let server = Server::start(&[&key]).await;
    let issuer = start(server.config()).await;
    *server.keys.lock().unwrap() = json!({"error": "try again later"});
    issuer.jwks.forget_when_asked().await;
    assert!(check(&issuer, &new.sign(&server.claims())).await.is_err());
    assert_eq!(server.asked.load(Ordering::Relaxed), 2);
    assert!(check(&issuer, &key.sign(&server.claims())).await.is_ok());
}

#[tokio::test]
async fn an_issuer_without_keys_stops_the_start_and_is_named() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = Server::start(&[]).await;
    let start = async |config: JwtIssuer| Issuer::start(config).await.err().unwrap().to_string();
    let error = start(server.config()).await;
    assert!(
        error.contains(&server.url) && error.contains("no key"),
        "{error}"
    );
    let elsewhere = JwtIssuer {
        issuer: format!("{}/other", server.url).into(),
        ..server.config()
    };
    assert!(start(elsewhere).await.contains("404"));
}

/// The claims that Microsoft Entra ID puts into tokens of its two versions, for a tenant by `tid`.
#[tokio::test]
async fn the_tokens_of_entra_id_are_read_in_both_versions() {
    const TID: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let key = SigningKey::rsa("entra");
    let server = Server::start(&[&key]).await;
    let issuer = start(JwtIssuer {
        tenant: TenantOf::Claim("tid".to_owned()),
        ..server.config()
    })
    .await;
    let tenants = Tenants::new([TID.into()]);
    let version_1 = json!({
        "aud": "api://sandglass", "iss": server.url, "iat": now(), "nbf": now(), "exp": now() + 3600,
        "aio": "E2ZgYPhf", "appid": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "appidacr": "1",
        "idp": server.url, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "scp": "tools:add tools:echo",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": TID, "uti": "fqiBqXLPj0eQa82S", "ver": "1.0",
    });
    let version_2 = json!({
        "aud": "api://sandglass", "iss": server.url, "iat": now(), "nbf": now(), "exp": now() + 3600,
        "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "azpacr": "1", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "roles": ["tools:*", "Other.Role"], "tid": TID, "uti": "fqiBqXLPj0eQa82S", "ver": "2.0",
    });
    let check = async |claims: &Value| issuer.check(&key.sign(claims), &tenants).await;
    let first = check(&version_1).await.unwrap().known;
    assert_eq!(
        first.scopes,
        ["add", "echo"].map(|tool| Scope::Tool(tool.to_owned()))
    );
    assert_eq!(
        (first.tenant.to_string().as_str(), first.name.as_str()),
        (TID, "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ")
    );
    let second = check(&version_2).await.unwrap().known;
    assert_eq!(second.scopes, [Scope::AllTools]);
    assert_eq!(second.name, "6e74172b-be56-4843-9ff4-e66a39bb12e3");
    let stranger = with(
        version_2.clone(),
        "tid",
        json!("f8cdef31-a31e-4b4a-93e4-5f571e91255a"),
    );
    for claims in [stranger, without(version_2, "tid")] {
        assert_eq!(
            check(&claims).await.err(),
            Some(Refusal::Invalid("it names no tenant that is served here"))
        );
    }
}
