//! Grants.

use std::collections::BTreeMap;

use http::HeaderValue;
use serde_saphyr::Location;

use super::{Resolver, Seen};
use crate::{
    Allow, FolderGrant, HttpRule, ManifestError, Placed, Store, StoreName, TextOrSecret,
    allow::{AllowDocument, FolderDocument},
    document::Short,
    field::Field,
    http_rule::{HttpRuleBody, HttpRuleDocument},
    scalar,
    secret::{EnvName, TextOrSecretDocument},
};

const GRANTS_NOTHING: &str = "it grants nothing; remove the key";

impl Resolver<'_> {
    pub(super) fn allow(
        &self,
        document: &AllowDocument,
        place: Location,
        stores: &BTreeMap<StoreName, Store>,
    ) -> Result<Allow, ManifestError> {
        let allow = Allow {
            env: self.env(&document.env)?,
            http: self
                .members(&document.http, GRANTS_NOTHING)?
                .map(|(rule, _)| self.http_rule(rule))
                .collect::<Result<_, _>>()?,
            files: self.folders(&document.files)?,
            keyvalue: self.granted_stores(&document.keyvalue, stores)?,
        };
        if allow.is_empty() {
            return self.refuse(place, GRANTS_NOTHING);
        }
        Ok(allow)
    }

    fn env(
        &self,
        field: &Field<BTreeMap<EnvName, Field<TextOrSecretDocument>>>,
    ) -> Result<BTreeMap<String, Placed<TextOrSecret>>, ManifestError> {
        let Some((variables, place)) = field.get() else {
            return Ok(BTreeMap::new());
        };
        if variables.is_empty() {
            return self.refuse(place, GRANTS_NOTHING);
        }
        let mut resolved = BTreeMap::new();
        for (name, value) in variables {
            let (value, place) = value.get().expect("a key has a value");
            let value = self.text_or_secret(value, place)?;
            if matches!(&*value, TextOrSecret::Text(text) if text.contains('\0')) {
                return self.refuse(place, "a variable's value cannot contain NUL");
            }
            resolved.insert(name.0.clone(), value);
        }
        Ok(resolved)
    }

    fn http_rule(&self, document: &HttpRuleDocument) -> Result<HttpRule, ManifestError> {
        let body = match document {
            Short::Full(body) => body,
            Short::Text(short) => return Ok(short.into()),
        };
        let host = body.host.value().cloned().expect("a required key");
        let nothing = "no request could pass; name a method, or remove the key for any";
        let methods = self.once_each(&body.methods, nothing)?;
        let rule = HttpRule {
            methods: methods.into_iter().map(|method| method.0).collect(),
            path: body.path.value().cloned().unwrap_or_default(),
            private: body.private.value().copied().unwrap_or_default(),
            headers: self.headers(body)?,
            ca: self.path_field("ca", &body.ca)?,
            ..HttpRule::to(
                host,
                body.port.value().map_or(HttpRule::PORT, |port| port.0),
            )
        };
        self.check_plain_text(body, &rule)?;
        Ok(rule)
    }

    /// Port 80 is that of HTTP without TLS, and secrets are not sent over the internet in plain text: no request
    /// would pass.
    fn check_plain_text(&self, body: &HttpRuleBody, rule: &HttpRule) -> Result<(), ManifestError> {
        if rule.port.get() != 80 || rule.private || !rule.has_secret() {
            return Ok(());
        }
        let (_, place) = body.port.get().expect("80 is not the default");
        self.refuse(
            place,
            "a secret header would go over port 80 in plain text, so no request passes; use port 443, \
             or write `private: true` for a server of your own network",
        )
    }

    fn headers(
        &self,
        body: &HttpRuleBody,
    ) -> Result<BTreeMap<String, Placed<TextOrSecret>>, ManifestError> {
        let Some((headers, place)) = body.headers.get() else {
            return Ok(BTreeMap::new());
        };
        if headers.is_empty() {
            return self.refuse(place, "it names no header; remove the key");
        }
        let mut seen = Seen::new();
        let mut resolved = BTreeMap::new();
        for (name, value) in headers {
            let (value, place) = value.get().expect("a key has a value");
            let value = self.text_or_secret(value, place)?;
            let lower = name.0.to_ascii_lowercase();
            let what = format_args!("the header {lower}");
            self.only_once(&mut seen, lower.clone(), what, "remove one", place)?;
            // The value is not shown: it may be a credential.
            if matches!(&*value, TextOrSecret::Text(text) if HeaderValue::from_str(text).is_err()) {
                return self.refuse(
                    place,
                    format!("the value of {lower} has characters that no header can have"),
                );
            }
            resolved.insert(lower, value);
        }
        Ok(resolved)
    }

    fn folders(
        &self,
        list: &Field<Vec<Field<FolderDocument>>>,
    ) -> Result<Vec<FolderGrant>, ManifestError> {
        let mut seen = Seen::new();
        let mut folders = Vec::new();
        for (folder, _) in self.members(list, GRANTS_NOTHING)? {
            let (guest, place) = folder.guest.get().expect("a required key");
            let what = format!("a folder at {}", scalar::quoted(&guest.0));
            self.only_once(&mut seen, &guest.0, what, "choose another path", place)?;
            folders.push(FolderGrant {
                host: self
                    .path_field("host", &folder.host)?
                    .expect("a required key"),
                guest: guest.0.clone(),
                access: folder.access.value().copied().unwrap_or_default(),
            });
        }
        Ok(folders)
    }

    fn granted_stores(
        &self,
        list: &Field<Vec<Field<StoreName>>>,
        stores: &BTreeMap<StoreName, Store>,
    ) -> Result<Vec<StoreName>, ManifestError> {
        for (name, place) in self.members(list, GRANTS_NOTHING)? {
            self.check_store(name, place, stores)?;
        }
        self.once_each(list, GRANTS_NOTHING)
    }
}
