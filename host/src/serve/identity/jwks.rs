//! An issuer's keys: fetched, kept, and fetched again.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use reqwest::Url;
use reqwest::redirect::Policy;
use sandglass_manifest::{JwtAlgorithm, JwtIssuer, ManifestError};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::serve::guard::is_loopback;
use crate::supervise::Supervisor;

/// How often the keys are fetched in the background.
const REFRESH: Duration = Duration::from_secs(600);

/// How often an unknown key may make us ask the issuer: a flood of such tokens must not become one of requests.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// A whole request to the issuer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Until the issuer is connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an issuer's document.
const MAX_DOCUMENT: usize = 1 << 20;

/// The keys of an issuer.
pub struct Jwks {
    issuer: String,
    /// Where the keys are; without it, the issuer's metadata says it.
    url: Option<String>,
    client: reqwest::Client,
    keys: ArcSwap<Vec<Arc<Key>>>,
    generation: AtomicU64,
    /// When the issuer was asked last.
    asked: Mutex<Instant>,
    _refreshing: Option<AbortOnDropHandle<()>>,
}

/// A key that signs tokens.
#[derive(Debug)]
pub struct Key {
    id: Option<String>,
    algorithms: Vec<JwtAlgorithm>,
    /// What checks its signatures.
    pub decoding: DecodingKey,
    /// As it was published: tells whether it changed.
    published: Jwk,
}

impl Jwks {
    /// Fetches an issuer's keys, and again every ten minutes for as long as they are held.
    ///
    /// # Errors
    /// Certificates that cannot be read, an issuer that does not answer or has no keys.
    pub async fn fetch(config: &JwtIssuer) -> Result<Arc<Self>, ManifestError> {
        let jwks = Self {
            issuer: config.issuer.to_string(),
            url: config.jwks.as_ref().map(|url| url.to_string()),
            client: client(config)?,
            keys: ArcSwap::default(),
            generation: AtomicU64::new(0),
            asked: Mutex::new(Instant::now()),
            _refreshing: None,
        };
        jwks.refresh()
            .await
            .map_err(|reason| no_keys(config, &reason))?;
        Ok(Arc::new_cyclic(|held| {
            let (task, held) = (format!("keys of {}", jwks.issuer), held.clone());
            let refreshing = Supervisor::get().keep(task, move || refresh_often(held.clone()));
            Self {
                _refreshing: Some(refreshing),
                ..jwks
            }
        }))
    }

    /// Grows whenever the keys change: what was checked with those before counts no more.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The key with which a token of this header is checked. The issuer is asked for one that is not known yet.
    pub async fn find(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Option<Arc<Key>> {
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        // All who come meanwhile wait for the same answer.
        let mut asked = self.asked.lock().await;
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        if asked.elapsed() < ASK_AGAIN {
            return None;
        }
        *asked = Instant::now();
        self.refresh_or_log().await;
        self.known(id, algorithm)
    }

    /// A token without a key's id needs an issuer that has one fitting key.
    fn known(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        let mut fitting = keys
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm));
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
            None => {
                let only = fitting.next()?;
                fitting.next().is_none().then(|| Arc::clone(only))
            }
        }
    }

    /// As if a while had passed.
    #[cfg(test)]
    pub(super) async fn forget_when_asked(&self) {
        *self.asked.lock().await -= ASK_AGAIN;
    }

    async fn refresh_or_log(&self) {
        if let Err(reason) = self.refresh().await {
            tracing::warn!(
                issuer = self.issuer,
                reason,
                "the issuer's keys cannot be had; those from before count on"
            );
        }
    }

    async fn refresh(&self) -> Result<(), String> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let url = checked(&url)?;
        let document = self.get(url.clone()).await?;
        let keys = parse(&document).map_err(|reason| format!("{url}: {reason}"))?;
        let before = self.keys.load();
        let same = before.len() == keys.len()
            && before
                .iter()
                .zip(&keys)
                .all(|(old, new)| old.published == new.published);
        if !same {
            tracing::info!(issuer = self.issuer, keys = keys.len(), "new keys");
            self.keys.store(Arc::new(keys));
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Where the issuer says that its keys are: OpenID Connect Discovery 1.0, else RFC 8414.
    async fn discover(&self) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let mut reasons = Vec::new();
        for url in discovery_urls(&self.issuer)? {
            let found = self.get(url.clone()).await.and_then(|document| {
                let metadata: Metadata = serde_json::from_slice(&document)
                    .map_err(|error| format!("{url}: no issuer metadata: {error}"))?;
                if metadata.issuer != self.issuer {
                    return Err(format!("{url}: it is the metadata of {}", metadata.issuer));
                }
                Ok(metadata.jwks_uri)
            });
            match found {
                Ok(keys) => return Ok(keys),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, String> {
        let fail = |error: reqwest::Error| format!("{url}: {}", with_causes(&error.without_url()));
        let mut response = self.client.get(url.clone()).send().await.map_err(fail)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{url}: it answers {}", response.status()));
        }
        let mut document = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(fail)? {
            if document.len().saturating_add(piece.len()) > MAX_DOCUMENT {
                return Err(format!("{url}: it is larger than 1 MiB"));
            }
            document.extend_from_slice(&piece);
        }
        Ok(document)
    }
}

/// For as long as the keys are held.
async fn refresh_often(held: Weak<Jwks>) -> Infallible {
    loop {
        tokio::time::sleep(REFRESH).await;
        if let Some(jwks) = held.upgrade() {
            jwks.refresh_or_log().await;
        }
    }
}

fn no_keys(config: &JwtIssuer, reason: &str) -> ManifestError {
    let (field, place) = match &config.jwks {
        Some(jwks) => ("jwks", jwks),
        None => ("issuer", &config.issuer),
    };
    let issuer = &*config.issuer;
    place.error(format!(
        "identity.jwt.{field}: the keys of {issuer} cannot be had: {reason}; check `issuer` and `jwks`, and that this host can reach them (`ca` adds a certificate authority)"
    ))
}

fn client(config: &JwtIssuer) -> Result<reqwest::Client, ManifestError> {
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none());
    if let Some(file) = &config.ca {
        let certificates = certificates(file).map_err(|problem| {
            let shown = file.display();
            file.error(format!(
                "identity.jwt.ca: the certificates in {shown} cannot be used: {problem}; name a PEM file with certificates"
            ))
        })?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|error| no_keys(config, &with_causes(&error)))
}

fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let pem = std::fs::read(file).map_err(|error| error.to_string())?;
    let certificates =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| with_causes(&error))?;
    if certificates.is_empty() {
        return Err("there are none".to_owned());
    }
    Ok(certificates)
}

/// Keys that anybody on the way could exchange are none.
fn checked(url: &str) -> Result<Url, String> {
    let url: Url = url.parse().map_err(|error| format!("{url}: {error}"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        _ => Err(format!("{url}: keys are fetched with https only")),
    }
}

fn discovery_urls(issuer: &str) -> Result<[Url; 2], String> {
    let url = checked(issuer)?;
    let path = url.path().trim_end_matches('/');
    let (mut openid, mut oauth) = (url.clone(), url.clone());
    openid.set_path(&format!("{path}/.well-known/openid-configuration"));
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok([openid, oauth])
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The keys of a JWK set (RFC 7517) that can sign tokens. Keys of other kinds and uses may lie beside them.
fn parse(document: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set =
        serde_json::from_slice(document).map_err(|error| format!("no JWK set: {error}"))?;
    let keys: Vec<_> = set
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter_map(usable)
        .map(Arc::new)
        .collect();
    if keys.is_empty() {
        return Err("it holds no key that can sign tokens".to_owned());
    }
    Ok(keys)
}

fn usable(key: Jwk) -> Option<Key> {
    use JwtAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let common = &key.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let mut algorithms = match &key.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![EdDSA]
        }
        _ => return None,
    };
    if let Some(only) = common.key_algorithm {
        algorithms.retain(|algorithm| format!("{algorithm:?}") == only.to_string());
    }
    if !for_signatures || algorithms.is_empty() {
        return None;
    }
    Some(Key {
        id: common.key_id.clone(),
        algorithms,
        decoding: DecodingKey::from_jwk(&key).ok()?,
        published: key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lies_behind_the_issuers_path_or_before_it() {
        let urls = |issuer| discovery_urls(issuer).map(|urls| urls.map(|url| url.to_string()));
        assert_eq!(
            urls("https://login.example/tenant/v2.0").unwrap(),
            [
                "https://login.example/tenant/v2.0/.well-known/openid-configuration",
                "https://login.example/.well-known/oauth-authorization-server/tenant/v2.0",
            ]
        );
        assert_eq!(
            urls("https://login.example/").unwrap()[0],
            "https://login.example/.well-known/openid-configuration"
        );
        assert!(urls("http://127.0.0.1:8080").is_ok());
        assert!(urls("http://login.example").is_err());
    }

    #[test]
    fn keys_that_cannot_check_a_signature_are_left_out() {
        let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let count =
            |keys: &str| parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).map(|keys| keys.len());
        assert_eq!(count(&format!("{{{ed}}}")), Ok(1));
        assert_eq!(
            count(&format!(
                r#"{{{ed},"alg":"EdDSA","use":"sig"}},{{"kty":"new"}}"#
            )),
            Ok(1)
        );
        for other in [
            String::new(),
            format!(r#"{{{ed},"use":"enc"}}"#),
            format!(r#"{{{ed},"alg":"ES256"}}"#),
            format!(r#"{{{ed},"key_ops":["encrypt"]}}"#),
            r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
        ] {
            assert!(count(&other).is_err(), "{other}");
        }
        assert!(parse(b"<html>").is_err());
    }
}
