//! Whose signatures components must carry.

use std::path::PathBuf;

use serde_saphyr::Location;

use super::{Resolver, Seen};
use crate::{
    Cosign, Keyless, ManifestError, Placed, SignatureRule, SourceRef, Verify,
    field::Field,
    list::OneOrMore,
    source,
    verify::{CosignDocument, KeylessDocument, SignatureRuleDocument, VerifyDocument},
};

impl Resolver<'_> {
    /// What a source's components must carry; only artifacts of registries can.
    pub(super) fn verify(
        &self,
        document: &Field<VerifyDocument>,
        source: &SourceRef,
    ) -> Result<Option<Verify>, ManifestError> {
        let Some((verify, place)) = document.get() else {
            return Ok(None);
        };
        if !matches!(source, SourceRef::Oci(_)) {
            return self.refuse(
                place,
                "only artifacts of registries carry signatures; push the component to one (`sandglass push`), or remove the key",
            );
        }
        let cosign = self.cosign(&verify.cosign)?;
        Ok(Some(Verify { cosign }))
    }

    pub(super) fn signature_rules(
        &self,
        document: &Field<Vec<Field<SignatureRuleDocument>>>,
    ) -> Result<Vec<SignatureRule>, ManifestError> {
        self.members(document, "no signature is required; remove the key")?
            .map(|(rule, _)| {
                Ok(SignatureRule {
                    source: rule.source.value().expect("a required key").clone(),
                    cosign: self.cosign(&rule.cosign)?,
                })
            })
            .collect()
    }

    fn cosign(&self, document: &Field<CosignDocument>) -> Result<Cosign, ManifestError> {
        let (cosign, place) = document.get().expect("a required key");
        let keyless = match cosign.keyless.get() {
            Some((keyless, place)) => Some(self.placed(self.keyless(keyless)?, place)),
            None => None,
        };
        let key = match cosign.key.get() {
            Some((list, place)) => self.keys(list, place)?,
            None if keyless.is_some() => Vec::new(),
            None => {
                return self.refuse(
                    place,
                    "neither `key` nor `keyless` is here: name the file of a public key, or whom the certificate is for",
                );
            }
        };
        Ok(Cosign { key, keyless })
    }

    fn keyless(&self, document: &KeylessDocument) -> Result<Keyless, ManifestError> {
        let (file, place) = document.trust_root.get().expect("a required key");
        Ok(Keyless {
            identity: document.identity.value().expect("a required key").clone(),
            issuer: document.issuer.value().expect("a required key").0.clone(),
            trust_root: self.file("trust_root", file, place)?,
        })
    }

    fn keys(&self, list: &OneOrMore, list_place: Location) -> Result<Vec<PathBuf>, ManifestError> {
        let mut seen = Seen::new();
        let mut key = Vec::new();
        for (file, place) in list.0.iter().filter_map(Field::get) {
            // A lone text has no place of its own.
            let place = if place == Location::UNKNOWN {
                list_place
            } else {
                place
            };
            let file = self.file("key", file, place)?;
            self.only_once(&mut seen, file.clone(), "this key", "remove one", place)?;
            key.push(file);
        }
        if key.is_empty() {
            return self.refuse(
                list_place,
                "the list is empty: no signature could be the right one; name the file of a public key",
            );
        }
        Ok(key)
    }

    /// A path, with or without `file:` before it.
    fn file(&self, name: &str, file: &str, place: Location) -> Result<PathBuf, ManifestError> {
        let path = match file.strip_prefix("file:").map(source::file_path) {
            None => file,
            Some(Ok(path)) => path,
            Some(Err(problem)) => return self.refuse(place, problem),
        };
        self.path(name, path, place).map(Placed::into_inner)
    }
}
