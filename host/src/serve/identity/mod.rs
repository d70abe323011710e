//! Who calls: bearer tokens, static ones and those of OAuth 2.1 issuers, whose resource server this is.
//!
//! - [`bearer`]: the token in a request. [`tokens`], [`jwt`]: whose it is. [`jwks`]: the issuers' keys.
//!   [`verified`]: tokens that were checked before.
//! - [`challenge`]: what a caller is told whose token does not do. [`metadata`]: where to get one.
//!
//! Times and sizes here are what tokens and issuers say: what is reckoned with them saturates, or is checked.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

mod bearer;
mod challenge;
mod jwks;
mod jwt;
pub mod metadata;
mod tokens;
mod verified;

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::uri::Authority;
use sandglass_manifest::{self as manifest, Manifest, ManifestError};

pub use bearer::Bearer;
pub use challenge::{Entrance, MissingScope, Refusal};

use crate::invoke::{Caller, TenantId, Tenants};
use jwt::Issuer;
use tokens::Tokens;
use verified::Verified;

/// Everybody who may call, and how they are told apart.
pub struct Identity {
    tokens: Tokens,
    issuers: Vec<Issuer>,
    verified: Verified,
    tenants: Arc<Tenants>,
    /// The server's public URL, without a slash at its end.
    resource: Option<String>,
    /// `http` or `https`, where no public URL is given.
    scheme: &'static str,
}

impl Identity {
    /// Reads the tokens and fetches the issuers' keys. `scheme` is what the listener speaks.
    ///
    /// # Errors
    /// Tokens that cannot be read, keys that cannot be had.
    pub async fn start(
        manifest: Arc<Manifest>,
        config: &manifest::Identity,
        tenants: Arc<Tenants>,
        scheme: &'static str,
    ) -> Result<Self, ManifestError> {
        let tokens = Tokens::load(manifest)?;
        let mut issuers = Vec::new();
        for issuer in &config.jwt {
            issuers.push(Issuer::start(issuer.clone()).await?);
        }
        Ok(Self {
            tokens,
            issuers,
            verified: Verified::default(),
            tenants,
            resource: config
                .resource
                .as_deref()
                .map(|url| url.trim_end_matches('/').to_owned()),
            scheme,
        })
    }

    /// A word on each scope of a static token that names a tool which its tenant does not have.
    pub fn unmatched_scopes(&self, has: impl Fn(&TenantId, &str) -> bool) -> Vec<ManifestError> {
        self.tokens.unmatched(has)
    }

    /// Who has this token.
    pub async fn caller(&self, bearer: &Bearer) -> Result<Caller, Refusal> {
        let sha256 = bearer.sha256();
        let known = self.tokens.find(&sha256).or_else(|| {
            self.verified
                .get(&sha256, |issuer| self.issuers[issuer].generation())
        });
        if let Some(known) = known {
            return Ok(Caller::Known(known));
        }
        let mut refusal = Refusal::Invalid("it is not known");
        let Some(claimed) = jwt::claimed_issuer(bearer.as_str()) else {
            return Err(refusal);
        };
        // An issuer may be there more than once, with another audience each.
        for (index, issuer) in self.issuers.iter().enumerate() {
            if issuer.name() != claimed {
                continue;
            }
            match issuer.check(bearer.as_str(), &self.tenants).await {
                Ok(checked) => {
                    let known = Arc::clone(&checked.known);
                    self.verified.insert(sha256, index, checked);
                    return Ok(Caller::Known(known));
                }
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    /// The issuers, each once.
    fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers
            .iter()
            .enumerate()
            .filter_map(|(index, issuer)| {
                let again = self.issuers[..index]
                    .iter()
                    .any(|before| before.name() == issuer.name());
                (!again).then(|| issuer.name())
            })
    }

    /// A path of this server as the client reaches it.
    fn url(&self, host: Option<&HeaderValue>, path: &str) -> String {
        if let Some(resource) = &self.resource {
            return format!("{resource}{path}");
        }
        let host = host
            .and_then(|host| Authority::try_from(host.as_bytes()).ok())
            .filter(|host| !host.as_str().contains('@'));
        match host {
            Some(host) => format!("{}://{host}{path}", self.scheme),
            None => path.to_owned(),
        }
    }
}
