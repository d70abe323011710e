//! Whose signatures components must carry.

use std::path::PathBuf;

use serde_saphyr::Location;

use super::{Resolver, Seen};
use crate::{
    Cosign, ManifestError, Placed, SignatureRule, SourceRef, Verify,
    field::Field,
    source,
    verify::{CosignDocument, SignatureRuleDocument, VerifyDocument},
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
        let keys = &document.value().expect("a required key").key;
        let (list, list_place) = keys.get().expect("a required key");
        let mut seen = Seen::new();
        let mut key = Vec::new();
        for (file, place) in list.0.iter().filter_map(Field::get) {
            // A lone text has no place of its own.
            let place = if place == Location::UNKNOWN {
                list_place
            } else {
                place
            };
            let file = self.key_file(file, place)?;
            self.only_once(&mut seen, file.clone(), "this key", "remove one", place)?;
            key.push(file);
        }
        if key.is_empty() {
            return self.refuse(
                list_place,
                "the list is empty: no signature could be the right one; name the file of a public key",
            );
        }
        Ok(Cosign { key })
    }

    /// A path, with or without `file:` before it.
    fn key_file(&self, file: &str, place: Location) -> Result<PathBuf, ManifestError> {
        let path = match file.strip_prefix("file:").map(source::file_path) {
            None => file,
            Some(Ok(path)) => path,
            Some(Err(problem)) => return self.refuse(place, problem),
        };
        self.path("key", path, place).map(Placed::into_inner)
    }
}
