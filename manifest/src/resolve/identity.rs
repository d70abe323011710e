//! Who may call.

use std::path::PathBuf;

use serde_saphyr::Location;

use super::{Resolver, Seen, tenant::Tenants};
use crate::{
    Identity, JwtAlgorithm, JwtIssuer, ManifestError, Placed, Scope, TenantName, TenantOf, Token,
    TokenEntry, TokenValue,
    field::Field,
    identity::{IdentityDocument, TokenDocument},
    jwt::JwtDocument,
};

const NOBODY: &str = "nobody could call with it; name one or remove the key";

impl Resolver<'_> {
    pub(super) fn identity(
        &self,
        document: &IdentityDocument,
        place: Location,
        tenants: &Tenants,
    ) -> Result<Identity, ManifestError> {
        if !document.tokens.is_present() && !document.jwt.is_present() {
            return self.refuse(
                place,
                "nobody could call; name `tokens` or `jwt`, or remove `identity`",
            );
        }
        let mut files = Seen::new();
        let mut values = Seen::new();
        let mut tokens = Vec::new();
        for (entry, place) in self.members(&document.tokens, NOBODY)? {
            tokens.push(match entry.file.get() {
                None => TokenEntry::Token(self.token(entry, place, tenants, &mut values)?),
                Some((path, place)) => {
                    let file = self.token_file_path(entry, path, place)?;
                    let what = "this file";
                    self.only_once(&mut files, file.to_path_buf(), what, "remove one", place)?;
                    TokenEntry::File { file }
                }
            });
        }
        let mut audiences = Seen::new();
        let jwt = self
            .members(&document.jwt, NOBODY)?
            .map(|(issuer, _)| self.issuer(issuer, tenants, &mut audiences))
            .collect::<Result<_, _>>()?;
        Ok(Identity {
            tokens,
            jwt,
            resource: document.resource.value().map(|url| url.0.clone()),
        })
    }

    /// The tokens of a file.
    pub(crate) fn token_file(
        &self,
        list: &[Field<TokenDocument>],
        tenants: &Tenants,
    ) -> Result<Vec<Token>, ManifestError> {
        let mut values = Seen::new();
        list.iter()
            .filter_map(Field::get)
            .map(|(token, place)| match token.file.get() {
                None => self.token(token, place, tenants, &mut values),
                Some((_, place)) => self.refuse(
                    place,
                    "a file of tokens names no other file; write it in the manifest",
                ),
            })
            .collect()
    }

    fn token_file_path(
        &self,
        entry: &TokenDocument,
        path: &str,
        place: Location,
    ) -> Result<Placed<PathBuf>, ManifestError> {
        let alone = !entry.sha256.is_present()
            && !entry.secret.is_present()
            && !entry.name.is_present()
            && !entry.tenant.is_present()
            && !entry.scopes.is_present();
        if !alone {
            return self.refuse(
                place,
                "beside `file` nothing else stands; the file says it for each of its tokens",
            );
        }
        self.path("file", path, place)
    }

    fn token(
        &self,
        document: &TokenDocument,
        place: Location,
        tenants: &Tenants,
        values: &mut Seen<TokenValue>,
    ) -> Result<Token, ManifestError> {
        let (value, value_place) = match (document.sha256.get(), document.secret.get()) {
            (Some((hash, place)), None) => (TokenValue::Sha256(hash.0), place),
            (None, Some((_, place))) => (TokenValue::Secret(self.secret(&document.secret)?), place),
            (None, None) => {
                return self.refuse(
                    place,
                    "what the token is compared with is missing; write `sha256`, `secret` or `file`",
                );
            }
            (Some(_), Some((_, place))) => {
                return self.refuse(
                    place,
                    "`sha256` and `secret` cannot stand together; keep one of them",
                );
            }
        };
        self.only_once(
            values,
            value.clone(),
            "this token",
            "remove one",
            value_place,
        )?;
        if let Some((tenant, place)) = document.tenant.get() {
            self.check_tenant(tenant, tenants, place)?;
        }
        Ok(Token {
            value,
            name: document.name.value().map(|name| name.0.clone()),
            tenant: document.tenant.value().cloned().unwrap_or_default(),
            scopes: self.scopes(document, place)?,
        })
    }

    fn scopes(
        &self,
        token: &TokenDocument,
        place: Location,
    ) -> Result<Vec<Placed<Scope>>, ManifestError> {
        if !token.scopes.is_present() {
            return self.refuse(
                place,
                "the key `scopes` is missing; for all tools write `scopes: [\"tools:*\"]`",
            );
        }
        let nothing = "the token could do nothing; for all tools write \"tools:*\"";
        self.once_each(&token.scopes, nothing)?;
        let scopes = self.members(&token.scopes, nothing)?;
        Ok(scopes
            .map(|(scope, place)| self.placed(scope.clone(), place))
            .collect())
    }

    fn issuer(
        &self,
        document: &JwtDocument,
        tenants: &Tenants,
        audiences: &mut Seen<(String, String)>,
    ) -> Result<JwtIssuer, ManifestError> {
        let (issuer, place) = document.issuer.get().expect("a required key");
        let issuer = self.placed(issuer.0.clone(), place);
        Ok(JwtIssuer {
            audience: self.audience(document, &issuer, audiences)?,
            jwks: document
                .jwks
                .get()
                .map(|(url, place)| self.placed(url.0.clone(), place)),
            ca: self.path_field("ca", &document.ca)?,
            tenant: self.tenant_of(document, tenants)?,
            scope_claims: self.scope_claims(document)?,
            algorithms: self.algorithms(document)?,
            issuer,
        })
    }

    /// Two entries for one issuer must differ in their audiences, or it would be open which one holds.
    fn audience(
        &self,
        document: &JwtDocument,
        issuer: &str,
        audiences: &mut Seen<(String, String)>,
    ) -> Result<Vec<String>, ManifestError> {
        let (list, list_place) = document.audience.get().expect("a required key");
        let mut resolved = Vec::new();
        for (audience, place) in list.0.iter().filter_map(Field::get) {
            // A lone text has no place of its own.
            let place = if place == Location::UNKNOWN {
                list_place
            } else {
                place
            };
            if audience.is_empty() {
                return self.refuse(place, "the audience is empty; write what `aud` must have");
            }
            let key = (issuer.to_owned(), audience.clone());
            let what = "this audience of the issuer";
            self.only_once(audiences, key, what, "remove one", place)?;
            resolved.push(audience.clone());
        }
        if resolved.is_empty() {
            return self.refuse(
                list_place,
                "the list is empty: no token could pass; write what `aud` must have",
            );
        }
        Ok(resolved)
    }

    fn tenant_of(
        &self,
        document: &JwtDocument,
        tenants: &Tenants,
    ) -> Result<TenantOf, ManifestError> {
        match (document.tenant.get(), document.tenant_claim.get()) {
            (None, None) => Ok(TenantOf::Fixed(TenantName::default())),
            (Some((tenant, place)), None) => {
                self.check_tenant(tenant, tenants, place)?;
                Ok(TenantOf::Fixed(tenant.clone()))
            }
            (None, Some((claim, place))) => self.claim(claim, place).map(TenantOf::Claim),
            (Some(_), Some((_, place))) => self.refuse(
                place,
                "`tenant` and `tenant_claim` cannot stand together; keep one of them",
            ),
        }
    }

    fn claim(&self, claim: &str, place: Location) -> Result<String, ManifestError> {
        if claim.is_empty() {
            return self.refuse(place, "a claim's name is empty; write it or remove the key");
        }
        Ok(claim.to_owned())
    }

    fn scope_claims(&self, document: &JwtDocument) -> Result<Vec<String>, ManifestError> {
        if !document.scope_claims.is_present() {
            return Ok(JwtIssuer::SCOPE_CLAIMS.map(str::to_owned).to_vec());
        }
        let nothing = "no token could have a scope; name a claim or remove the key";
        for (claim, place) in self.members(&document.scope_claims, nothing)? {
            self.claim(claim, place)?;
        }
        self.once_each(&document.scope_claims, nothing)
    }

    fn algorithms(&self, document: &JwtDocument) -> Result<Vec<JwtAlgorithm>, ManifestError> {
        if !document.algorithms.is_present() {
            return Ok(JwtIssuer::ALGORITHMS.to_vec());
        }
        let nothing = "no token could pass; name an algorithm or remove the key";
        self.once_each(&document.algorithms, nothing)
    }
}
