//! One repository of a registry, spoken to as the OCI distribution spec says.
//!
//! The requests are our own and not those of `oci-client`, which has no bound on a manifest's size, hides `Retry-After`,
//! does not know identity tokens, and asks nobody where it is led to.

use std::sync::Mutex;

use bytes::Bytes;
use http::StatusCode;
use reqwest::Url;
use sandglass_manifest::{Digest, OciReference};
use serde::Deserialize;

use super::OciError;
use super::artifact::Blob;
use super::credentials::{self, Credential};
use crate::source::Fetcher;
use crate::source::attempt::{FetchError, Problem};
use crate::source::http::{Authorization, Expected, Http, Request};

/// Distribution spec, "Pushing Manifests": registries accept at least 4 MiB, and few accept more.
const MAX_MANIFEST: u64 = 4 << 20;

/// A token's answer.
const MAX_TOKEN: u64 = 256 << 10;

/// What a manifest may be: an artifact's, or an index; docker's own types have the same form.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// What a list of referrers is.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What is done with a repository, as tokens name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

impl Action {
    fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// A repository.
pub struct Registry<'a> {
    fetcher: &'a Fetcher,
    reference: &'a OciReference,
    action: Action,
    /// `http` or `https`, and the host.
    base: String,
    login: Mutex<Login>,
}

/// Who we are to a registry.
#[derive(Clone, Default)]
struct Login {
    authorization: Authorization,
    /// Whether credentials are behind it: a token may be anybody's.
    has_credential: bool,
}

impl<'a> Registry<'a> {
    /// Finds out how the registry is spoken to.
    pub async fn new(fetcher: &'a Fetcher, reference: &'a OciReference, action: Action) -> Self {
        // The name that docker has for its own registry is not its host.
        let host = match reference.registry() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let plain = fetcher.may_be_plain(reference)
            || is_loopback(host) && !fetcher.http.speaks_tls(host).await;
        let scheme = if plain { "http" } else { "https" };
        Self {
            fetcher,
            reference,
            action,
            base: format!("{scheme}://{host}"),
            login: Mutex::default(),
        }
    }

    /// What speaks to it.
    pub fn http(&self) -> &'a Http {
        &self.fetcher.http
    }

    /// What all URLs of the repository begin with.
    pub fn repository(&self) -> String {
        format!("{}/v2/{}", self.base, self.reference.repository())
    }

    /// Whether it is spoken to without TLS.
    fn is_plain(&self) -> bool {
        self.base.starts_with("http:")
    }

    /// The manifest that a tag stands for now.
    pub async fn tagged(&self, tag: &str) -> Result<Bytes, OciError> {
        self.manifest(tag, None).await
    }

    /// The manifest of a digest.
    pub async fn pinned(&self, digest: &Digest) -> Result<Bytes, OciError> {
        self.manifest(&digest.to_string(), Some(digest)).await
    }

    async fn manifest(&self, name: &str, digest: Option<&Digest>) -> Result<Bytes, OciError> {
        let expected = Expected {
            digest,
            size: None,
            at_most: MAX_MANIFEST,
        };
        self.get(&format!("manifests/{name}"), Some(MANIFEST), expected)
            .await
            .map_err(|error| self.explain(error, name))
    }

    /// What refers to a digest and is of a type: an index, or nothing where the registry does not know (OCI distribution spec,
    /// "Listing Referrers"). Of a list in several pages it is the first.
    pub async fn referrers(
        &self,
        digest: &Digest,
        artifact_type: &str,
    ) -> Result<Option<Bytes>, OciError> {
        let expected = Expected {
            digest: None,
            size: None,
            at_most: MAX_MANIFEST,
        };
        let artifact_type = artifact_type.replace('/', "%2F").replace('+', "%2B");
        let path = format!("referrers/{digest}?artifactType={artifact_type}");
        match self.get(&path, Some(INDEX), expected).await {
            Ok(index) => Ok(Some(index)),
            Err(error) => match self.explain(error, &path) {
                OciError::Missing { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Bytes that a manifest names.
    pub async fn blob(&self, blob: &Blob) -> Result<Bytes, OciError> {
        let expected = Expected {
            digest: Some(&blob.digest),
            size: Some(blob.size),
            at_most: blob.size,
        };
        let name = blob.digest.to_string();
        self.get(&format!("blobs/{name}"), None, expected)
            .await
            .map_err(|error| self.explain(error, &name))
    }

    /// Asks who we must be, and becomes it.
    pub async fn log_in(&self) -> Result<Authorization, OciError> {
        let expected = Expected {
            digest: None,
            size: None,
            at_most: MAX_TOKEN,
        };
        self.send(&format!("{}/v2/", self.base), None, expected)
            .await
            .map_err(|error| self.explain(error, "/v2/"))?;
        Ok(self.login().authorization)
    }

    async fn get(
        &self,
        path: &str,
        accept: Option<&str>,
        expected: Expected<'_>,
    ) -> Result<Bytes, OciError> {
        let url = format!("{}/{path}", self.repository());
        self.send(&url, accept, expected).await
    }

    /// A request, and where it is refused for want of a login, the same with one.
    async fn send(
        &self,
        url: &str,
        accept: Option<&str>,
        expected: Expected<'_>,
    ) -> Result<Bytes, OciError> {
        let http = &self.fetcher.http;
        let request = Request {
            url,
            accept,
            authorization: &self.login().authorization,
            form: None,
            expected,
        };
        let challenge = match http.fetch(request).await {
            Err(FetchError {
                problem:
                    Problem::Status {
                        status: StatusCode::UNAUTHORIZED,
                        challenge: Some(challenge),
                        ..
                    },
                ..
            }) => challenge,
            other => return Ok(other?),
        };
        let login = self.authorize(&challenge).await?;
        *self.login.lock().expect("nothing panics while it is held") = login.clone();
        let request = Request {
            authorization: &login.authorization,
            ..request
        };
        Ok(http.fetch(request).await?)
    }

    fn login(&self) -> Login {
        let login = self.login.lock();
        login.expect("nothing panics while it is held").clone()
    }

    /// Answers a challenge: `Basic` with the credentials, `Bearer` with a token that they are exchanged for
    /// (distribution's "Token Authentication Specification"). Only now are credentials read.
    async fn authorize(&self, challenge: &str) -> Result<Login, OciError> {
        let asked_for = self.fetcher.settings.registry_auth.as_deref();
        let credential = credentials::find(self.reference.registry(), asked_for).await?;
        let has_credential = !matches!(credential, Credential::None);
        Ok(Login {
            authorization: self.answer(challenge, credential).await?,
            has_credential,
        })
    }

    async fn answer(
        &self,
        challenge: &str,
        credential: Credential,
    ) -> Result<Authorization, OciError> {
        let challenges = http_auth::parse_challenges(challenge).unwrap_or_default();
        let bearer = challenges
            .iter()
            .find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
        let Some(bearer) = bearer else {
            return match credential {
                Credential::Password { user, password } => {
                    Ok(Authorization::Basic { user, password })
                }
                Credential::IdentityToken(_) => {
                    Err(self
                        .no_token("it asks for a password, and there is only an identity token"))
                }
                Credential::None => Err(self.refused(StatusCode::UNAUTHORIZED, false)),
            };
        };
        let parameter = |name: &str| {
            let (_, value) = bearer
                .params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped())
        };
        let realm = parameter("realm").unwrap_or_default();
        self.token(&realm, parameter("service"), credential).await
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        credential: Credential,
    ) -> Result<Authorization, OciError> {
        let mut url = token_url(realm, self.is_plain()).map_err(|reason| self.no_token(reason))?;
        let has_credential = !matches!(credential, Credential::None);
        let scope = format!(
            "repository:{}:{}",
            self.reference.repository(),
            self.action.scope()
        );
        let mut form = None;
        let mut authorization = Authorization::None;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("scope", &scope);
            if let Some(service) = &service {
                query.append_pair("service", service);
            }
        }
        match credential {
            Credential::None => {}
            Credential::Password { user, password } => {
                authorization = Authorization::Basic { user, password };
            }
            Credential::IdentityToken(token) => {
                url.query_pairs_mut()
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", "sandglass")
                    .append_pair("refresh_token", &token);
                form = url.query().map(str::to_owned);
                url.set_query(None);
            }
        }
        let request = Request {
            url: url.as_str(),
            accept: None,
            authorization: &authorization,
            form: form.as_deref(),
            expected: Expected {
                digest: None,
                size: None,
                at_most: MAX_TOKEN,
            },
        };
        let answer = match self.fetcher.http.fetch(request).await {
            Ok(answer) => answer,
            Err(error) => {
                return Err(match error.status() {
                    Some(status) if status.is_client_error() && !error.may_pass() => {
                        self.refused(status, has_credential)
                    }
                    _ => error.into(),
                });
            }
        };
        let answer: TokenAnswer =
            serde_json::from_slice(&answer).map_err(|_| self.no_token("its answer is no token"))?;
        answer
            .token
            .or(answer.access_token)
            .map(Authorization::Bearer)
            .ok_or_else(|| self.no_token("its answer has no token"))
    }

    fn no_token(&self, reason: &'static str) -> OciError {
        OciError::Token {
            registry: self.reference.registry().to_owned(),
            reason,
        }
    }

    fn refused(&self, status: StatusCode, has_credential: bool) -> OciError {
        let registry = self.reference.registry().to_owned();
        let asked_for = self.fetcher.settings.registry_auth.as_deref();
        match credentials::file(asked_for) {
            Some(file) if has_credential => OciError::Refused {
                registry,
                status,
                file,
            },
            _ => OciError::Anonymous { registry, status },
        }
    }

    /// What a status means here.
    fn explain(&self, error: OciError, name: &str) -> OciError {
        let OciError::Fetch(fetch) = &error else {
            return error;
        };
        let repository = self.reference.repository().to_owned();
        let registry = self.reference.registry().to_owned();
        match fetch.status() {
            Some(status @ StatusCode::UNAUTHORIZED) => {
                self.refused(status, self.login().has_credential)
            }
            Some(StatusCode::FORBIDDEN) => OciError::Denied {
                registry,
                repository,
                action: self.action,
            },
            Some(StatusCode::NOT_FOUND) => OciError::Missing {
                registry,
                repository,
                name: name.to_owned(),
            },
            _ => error,
        }
    }
}

/// Where a registry has its tokens fetched. One that speaks TLS may not have credentials sent without.
fn token_url(realm: &str, plain: bool) -> Result<Url, &'static str> {
    let url = Url::parse(realm).map_err(|_| "it names no place for tokens")?;
    if url.scheme() != "https" && !(plain && url.scheme() == "http") {
        return Err("it wants credentials over plain http");
    }
    Ok(url)
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Whether a registry's host, with or without port, is this machine by its name alone: nobody is asked.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, _)) if !registry.ends_with(']') => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_leave_tls() {
        assert!(token_url("https://auth.example/token", false).is_ok());
        assert!(token_url("https://auth.example/token", true).is_ok());
        assert!(token_url("http://localhost:1/token", true).is_ok());
        assert!(token_url("http://auth.example/token", false).is_err());
        assert!(token_url("file:///etc/passwd", true).is_err());
        assert!(token_url("", true).is_err());
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for registry in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
            "[::1]",
        ] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in [
            "localhost.example.org",
            "10.0.0.1:5000",
            "ghcr.io",
            "registry:5000",
        ] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
