//! What a component said of itself, noted for the next start: the same bytes in the same program say the same again.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use sandglass_manifest::Limits;
use serde::{Deserialize, Serialize};

use super::compiled::Inspection;
use super::engine::Engine;
use super::provided::Provided;
use super::reflect::LeftOut;
use crate::source::Digest;
use crate::watch::Stamp;

/// The note.
#[derive(Serialize, Deserialize)]
pub(super) struct Listing {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    pub left_out: Vec<LeftOut>,
    /// The limits that its listing kept to.
    limits: String,
    provided: Provided,
}

impl Listing {
    pub fn new(inspection: &Inspection, limits: &Limits, provided: &Provided) -> Self {
        Self {
            imports: inspection.imports.clone(),
            exports: inspection.exports.clone(),
            left_out: inspection.left_out.clone(),
            limits: text(limits),
            provided: provided.clone(),
        }
    }

    /// What was noted of a component, by this program.
    pub async fn find(engine: &Engine, digest: &Digest) -> Option<Self> {
        let program = program(engine)?;
        let (cache, digest) = (engine.cache.clone(), digest.clone());
        let find = move || serde_json::from_slice(&cache.note(&digest, program)?).ok();
        tokio::task::spawn_blocking(find).await.ok().flatten()
    }

    /// What it has, if it was listed with these limits.
    pub fn of(self, limits: &Limits) -> Option<Provided> {
        (self.limits == text(limits)).then_some(self.provided)
    }

    /// Notes it.
    pub async fn keep(self, engine: &Engine, digest: &Digest) {
        let Some(program) = program(engine) else {
            return;
        };
        let Ok(note) = serde_json::to_vec(&self) else {
            return;
        };
        let (cache, digest) = (engine.cache.clone(), digest.clone());
        _ = tokio::task::spawn_blocking(move || cache.keep_note(&digest, program, &note)).await;
    }
}

fn text(limits: &Limits) -> String {
    serde_json::to_string(limits).unwrap_or_default()
}

/// Tells this program's notes from those of others, which may make other tools of the same component.
fn program(engine: &Engine) -> Option<u64> {
    static STAMP: LazyLock<Option<Stamp>> =
        LazyLock::new(|| Stamp::of(&std::env::current_exe().ok()?));
    let mut hasher = DefaultHasher::new();
    STAMP.as_ref()?.hash(&mut hasher);
    engine.compatibility_hash().hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::EngineSettings;
    use crate::sandbox::cache::CodeCache;
    use crate::sandbox::compile::Compiler;

    #[tokio::test]
    async fn what_was_noted_holds_for_the_same_limits_only() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::new(EngineSettings {
            max_memory: 1 << 20,
            max_instances: 1,
            compiler: Compiler::InProcess,
            cache: CodeCache::new(None, Some(folder.path().to_owned())),
        })
        .unwrap();
        let digest = Digest::of(b"component");
        let inspection = Inspection {
            digest: digest.clone(),
            size: 9,
            imports: vec!["wasi:cli/environment@0.2.0".to_owned()],
            exports: Vec::new(),
            left_out: Vec::new(),
        };
        let limits = Limits::DEFAULT;
        Listing::new(&inspection, &limits, &Provided::default())
            .keep(&engine, &digest)
            .await;
        let find = async || Listing::find(&engine, &digest).await.unwrap();
        assert_eq!(find().await.imports, inspection.imports);
        assert!(find().await.of(&limits).is_some());
        let fewer = Limits {
            log: sandglass_manifest::ByteSize::bytes(1),
            ..limits
        };
        assert!(find().await.of(&fewer).is_none());
        let other = Digest::of(b"other");
        assert!(Listing::find(&engine, &other).await.is_none());
    }
}
