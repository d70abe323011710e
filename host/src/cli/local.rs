//! One component from the command line, loaded as a server would load it.

use std::path::PathBuf;
use std::sync::Arc;

use sandglass_manifest::{InvalidValue, Manifest, SourceRef, Surroundings};

use super::{Exit, Failure};
use crate::catalog::{Catalog, Interpreters, Loader, Source};
use crate::config::{self, Installation, Setup};
use crate::sandbox::{Engine, GrantedFolders, Stores};
use crate::source::Fetcher;

/// A component on the command line: a reference with a scheme, or a path of any form.
pub fn reference(given: &str) -> Result<SourceRef, InvalidValue> {
    if given.contains("://") || given.starts_with("file:") {
        given.parse()
    } else {
        Ok(SourceRef::File(given.into()))
    }
}

/// Loads sources that no manifest names, into an engine of their own; all of them or none.
pub async fn load(sources: Vec<Source>) -> Result<(Engine, Arc<Catalog>), Failure> {
    let manifest = Manifest::absent(&Surroundings::of_process());
    let engine = engine(&manifest)?;
    let fetcher = Fetcher::new(config::fetching(&manifest));
    let loader = Loader::new(
        engine.clone(),
        Stores::default(),
        GrantedFolders::default(),
        fetcher,
        interpreters()?,
    );
    let snapshot = loader.load(sources).await;
    if let Some((source, reason)) = snapshot.failures().next() {
        let reason = format!("{}: {reason}", source.location);
        return Err(Failure::new(Exit::NothingLoaded, reason));
    }
    Ok((engine, Arc::clone(loader.catalog())))
}

/// What a server would read with this `--config`.
pub fn setup(config: Option<PathBuf>) -> Result<Setup, Failure> {
    Ok(Setup::new(config, Installation::find()?.tools()))
}

/// The interpreters of source text.
pub fn interpreters() -> Result<Interpreters, Failure> {
    Ok(Interpreters::new(Installation::find()?.interpreters()))
}

/// An engine for one call.
pub fn engine(manifest: &Manifest) -> Result<Engine, Failure> {
    let mut settings = Installation::find()?.engine(manifest);
    settings.max_instances = 1;
    Engine::new(settings).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}
