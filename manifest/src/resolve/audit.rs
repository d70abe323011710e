//! The audit.

use super::Resolver;
use crate::{
    Audit, AuditTarget, ManifestError,
    audit::{AuditDocument, AuditWord},
};

impl Resolver<'_> {
    pub(super) fn audit(&self, document: &AuditDocument) -> Result<Audit, ManifestError> {
        let (word, to_place) = document.to.get().expect("a required key");
        let path = self.path_field("path", &document.path)?;
        let to = match (word, path) {
            (AuditWord::Stdout, _) => {
                let of_files = document
                    .path
                    .get()
                    .map(|(_, place)| place)
                    .or(document.max_size.get().map(|(_, place)| place))
                    .or(document.keep.get().map(|(_, place)| place));
                if let Some(place) = of_files {
                    return self.refuse(
                        place,
                        "this has an effect only with `to: file`; write that or remove it",
                    );
                }
                AuditTarget::Stdout
            }
            (AuditWord::File, None) => {
                return self.refuse(to_place, "the key `path` is missing; it names the file");
            }
            (AuditWord::File, Some(path)) => AuditTarget::File {
                path,
                max_size: match document.max_size.get() {
                    Some((size, place)) if size.get() == 0 => {
                        return self
                            .refuse(place, "max_size 0 leaves no room for any record; raise it");
                    }
                    size => size.map_or(AuditTarget::MAX_SIZE, |(size, _)| *size),
                },
                keep: document.keep.value().copied().unwrap_or(AuditTarget::KEEP),
            },
        };
        let key = match document.key.value() {
            Some(key) => Some(self.secret(&key.secret)?),
            None => None,
        };
        Ok(Audit { to, key })
    }
}
