//! What the tools behind a reference were like when they were first seen, so that a change is noticed: also one that
//! was made while the host was down.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sandglass_manifest::SourceRef;

use super::definition::Definitions;
use crate::invoke::TenantId;
use crate::source::{Digest, cache};

/// The definitions that were last accepted, by tenant and reference: in the folder `tools` of the cache, and in memory.
#[derive(Debug)]
pub struct Pins {
    folder: Option<PathBuf>,
    known: Mutex<HashMap<String, Definitions>>,
}

/// Whose reference it is.
#[derive(Debug, Clone)]
pub struct PinKey(String);

impl PinKey {
    /// Tenants have records of their own: what one has accepted says nothing of the others.
    pub fn new(tenant: &TenantId, reference: &SourceRef) -> Self {
        let text = format!("{tenant}\n{reference}");
        Self(Digest::of(text.as_bytes()).hex())
    }
}

/// A record that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of its tools, {}, cannot be read ({_1})", .0.display())]
pub struct Damaged(PathBuf, String);

impl Pins {
    /// Those in a cache folder.
    pub fn new(cache: Option<&Path>) -> Self {
        Self {
            folder: cache.map(|folder| folder.join("tools")),
            known: Mutex::default(),
        }
    }

    /// What was accepted; none where nothing was. Blocks.
    pub fn accepted(&self, key: &PinKey) -> Result<Option<Definitions>, Damaged> {
        if let Some(known) = self.known().get(&key.0) {
            return Ok(Some(known.clone()));
        }
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(&key.0)) else {
            return Ok(None);
        };
        let read = || {
            let mut bytes = Vec::new();
            // What another user has accepted is not accepted here.
            cache::open_own(&path)?.read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Damaged(path, error.to_string())),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Damaged(path, error.to_string())),
        }
    }

    /// Accepts definitions. Blocks.
    pub fn accept(&self, key: &PinKey, definitions: &Definitions) {
        if self
            .accepted(key)
            .is_ok_and(|known| known.as_ref() == Some(definitions))
        {
            return;
        }
        self.known().insert(key.0.clone(), definitions.clone());
        let Some(folder) = &self.folder else { return };
        let bytes = serde_json::to_vec(definitions).expect("names and digests are JSON");
        if let Err(error) = cache::write_whole(folder, &key.0, &[&bytes]) {
            tracing::warn!(folder = %folder.display(), %error, "the record of tools is not kept: a change of them while the host is down is not noticed; set engine.cache_dir to a writable folder");
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Definitions>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_known_again_to_the_same_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let reference: SourceRef = "oci://localhost/a/b:1".parse().unwrap();
        let key = |tenant: &str| PinKey::new(&tenant.into(), &reference);
        let pins = Pins::new(Some(folder.path()));
        assert_eq!(pins.accepted(&key("acme")), Ok(None));
        pins.accept(&key("acme"), &Definitions::default());
        let later = Pins::new(Some(folder.path()));
        assert_eq!(
            later.accepted(&key("acme")),
            Ok(Some(Definitions::default()))
        );
        assert_eq!(later.accepted(&key("zoo")), Ok(None));
    }

    #[test]
    fn a_damaged_record_is_not_the_same_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let key = PinKey::new(&"acme".into(), &"oci://localhost/a/b:1".parse().unwrap());
        Pins::new(Some(folder.path())).accept(&key, &Definitions::default());
        let record = folder.path().join("tools").join(&key.0);
        std::fs::write(record, "{").unwrap();
        assert!(Pins::new(Some(folder.path())).accepted(&key).is_err());
    }

    #[test]
    fn a_record_that_others_could_have_written_counts_for_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let key = PinKey::new(&"acme".into(), &"oci://localhost/a/b:1".parse().unwrap());
        Pins::new(Some(folder.path())).accept(&key, &Definitions::default());
        let record = folder.path().join("tools").join(&key.0);
        std::fs::set_permissions(record, std::fs::Permissions::from_mode(0o666)).unwrap();
        let told = Pins::new(Some(folder.path())).accepted(&key).unwrap_err();
        assert!(
            told.to_string().contains("others can write to it"),
            "{told}"
        );
    }

    #[test]
    fn without_a_folder_the_process_remembers() {
        let pins = Pins::new(None);
        let key = PinKey::new(&"acme".into(), &"oci://localhost/a/b:1".parse().unwrap());
        pins.accept(&key, &Definitions::default());
        assert_eq!(pins.accepted(&key), Ok(Some(Definitions::default())));
    }
}
