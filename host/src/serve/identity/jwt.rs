//! JSON web tokens (RFC 7519) as access tokens: RFC 9068, and the tokens of issuers that came before it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use sandglass_manifest::{JwtAlgorithm, JwtIssuer, ManifestError, Scope, TenantOf};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::challenge::Refusal;
use super::jwks::Jwks;
use crate::invoke::{Known, Tenants, kept_name};

/// Seconds that the issuer's clock and ours may differ.
const LEEWAY: u64 = 60;

/// The claims that name the caller, most telling first: the subject, else the client in its various spellings. The first that is
/// there counts, and must be a text that is not blank.
const NAME_CLAIMS: [&str; 4] = ["sub", "azp", "appid", "oid"];

/// An issuer whose tokens are accepted.
pub struct Issuer {
    config: JwtIssuer,
    name: Arc<str>,
    jwks: Arc<Jwks>,
}

/// A token that was checked.
#[derive(Debug)]
pub struct Checked {
    /// Whose it is.
    pub known: Arc<Known>,
    /// That of the issuer's keys when it was checked.
    pub generation: u64,
}

impl Issuer {
    /// Fetches the issuer's keys.
    pub async fn start(config: JwtIssuer) -> Result<Self, ManifestError> {
        Ok(Self {
            jwks: Jwks::fetch(&config).await?,
            name: config.issuer.as_str().into(),
            config,
        })
    }

    /// The `iss` claim of its tokens.
    pub fn name(&self) -> &str {
        &self.config.issuer
    }

    /// That of its keys; what was checked with another counts no more.
    pub fn generation(&self) -> u64 {
        self.jwks.generation()
    }

    /// Checks a token of this issuer.
    pub async fn check(&self, token: &str, tenants: &Tenants) -> Result<Checked, Refusal> {
        let generation = self.jwks.generation();
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| Refusal::Invalid("it is malformed, or its algorithm is not accepted"))?;
        check_header(&header)?;
        let accepted = self.config.algorithms.iter().copied();
        let algorithm = accepted
            .into_iter()
            .find(|accepted| algorithm(*accepted) == header.alg)
            .ok_or(Refusal::Invalid("its algorithm is not accepted"))?;
        let key = self
            .jwks
            .find(header.kid.as_deref(), algorithm)
            .await
            .ok_or(Refusal::Invalid("its key is not one of the issuer's"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&*self.config.issuer]);
        validation.set_audience(&self.config.audience);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation)
            .map_err(|error| Refusal::Invalid(reason(error.kind())))?
            .claims;
        Ok(Checked {
            known: Arc::new(self.known(&claims, tenants)?),
            generation,
        })
    }

    fn known(&self, claims: &Map<String, Value>, tenants: &Tenants) -> Result<Known, Refusal> {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let tenant = match &self.config.tenant {
            TenantOf::Fixed(name) => Some(name.as_str()),
            TenantOf::Claim(claim) => text(claim),
        };
        let tenant = tenant
            .and_then(|name| tenants.get(name))
            .ok_or(Refusal::Invalid("it names no tenant that is served here"))?;
        let name = NAME_CLAIMS
            .into_iter()
            .find_map(|claim| claims.get(claim).filter(|name| !name.is_null()))
            .and_then(Value::as_str)
            .filter(|name| !name.trim().is_empty())
            .ok_or(Refusal::Invalid("it does not say whose it is"))?;
        Ok(Known {
            name: kept_name(name),
            issuer: Some(Arc::clone(&self.name)),
            tenant: tenant.clone(),
            scopes: self.scopes(claims),
            expires: expiry(claims),
        })
    }

    /// Scopes of other resources may lie beside ours.
    fn scopes(&self, claims: &Map<String, Value>) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for claim in &self.config.scope_claims {
            match claims.get(claim) {
                Some(Value::String(list)) => scopes.extend(list.split(' ').filter_map(scope)),
                Some(Value::Array(list)) => {
                    scopes.extend(list.iter().filter_map(Value::as_str).filter_map(scope));
                }
                _ => {}
            }
        }
        scopes
    }
}

/// The first moment at which a token is refused: the `exp` claim, in seconds since 1970, counts itself. None where it
/// is further off than clocks go.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is less than nothing is nothing, and what is more than there can be the most"
)]
fn expiry(claims: &Map<String, Value>) -> Option<SystemTime> {
    let exp = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0) as u64;
    let refused = exp.saturating_add(LEEWAY).saturating_add(1);
    UNIX_EPOCH.checked_add(Duration::from_secs(refused))
}

fn scope(text: &str) -> Option<Scope> {
    text.parse().ok()
}

/// The `iss` claim of a token whose signature is not checked yet; none where it is no JSON web token.
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    Some(claims.iss)
}

/// A token made for another purpose must not pass for an access token (RFC 8725, section 3.11).
fn check_header(header: &Header) -> Result<(), Refusal> {
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if !["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str()) {
        return Err(Refusal::Invalid("it is no access token"));
    }
    // RFC 7515, section 4.1.11: what must be understood and is not.
    if header.crit.is_some() {
        return Err(Refusal::Invalid("it has critical extensions"));
    }
    Ok(())
}

fn algorithm(accepted: JwtAlgorithm) -> Algorithm {
    match accepted {
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

fn reason(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss or aud",
        _ => "it is malformed",
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
