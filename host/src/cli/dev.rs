//! `sandglass dev`: a project, served while it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use sandglass_text::Line;

use super::serve::Serve;
use super::{Exit, Failure};
use crate::author::Project;
use crate::author::project::Sources;
use crate::catalog::Loader;
use crate::supervise::Supervisor;
use crate::watch::Watch;

/// Build and serve a project, and build and serve it again whenever its source changes. The log shows each call with
/// its fuel and time.
///
/// What is served, and what it may reach, is in the project's sandglass.yaml (or --config). Calls in flight are not cut,
/// and while the source does not compile the last component that did goes on serving, and `/ready` says so.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass dev
  sandglass dev greet --port 9000")]
pub struct Dev {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    serve: Serve,
}

impl Dev {
    pub async fn run(mut self) -> Result<Exit, Failure> {
        let project = Project::find(&self.folder)?;
        let sources = built(&project).await;
        self.serve
            .config
            .get_or_insert_with(|| self.folder.join("sandglass.yaml"));
        let mut following = None;
        let follow = |loader: &Arc<Loader>| {
            let builds = follow(project, sources, Arc::clone(loader));
            following = Some(Supervisor::get().need("builds", builds));
        };
        self.serve.run_with(follow).await
    }
}

/// Builds again, as often as it takes, until there is a component.
async fn built(project: &Project) -> Sources {
    loop {
        // Before the build: what is written meanwhile is newer.
        let sources = project.sources();
        match build(project).await {
            Ok(()) => return sources,
            Err(_) => changed(project, &sources).await,
        }
    }
}

/// Builds whenever the source changes; the host sees the component change by itself.
async fn follow(project: Project, mut sources: Sources, loader: Arc<Loader>) -> Result<(), String> {
    loop {
        changed(&project, &sources).await;
        sources = project.sources();
        let problem = build(&project).await.err();
        loader.outdated(project.folder(), problem).await;
    }
}

/// Waits until the source is no longer this.
async fn changed(project: &Project, before: &Sources) {
    loop {
        let now = project.sources();
        let watch = Watch::new(now.folders.iter().map(PathBuf::as_path));
        // Looked at after the watch began: nothing is missed in between.
        if !project.sources().same_files(before) {
            return;
        }
        watch.changed().await;
    }
}

/// Builds once; else what `/ready` says.
async fn build(project: &Project) -> Result<(), Line> {
    tracing::info!("building");
    match project.build().await {
        Ok(component) => {
            tracing::info!("built {}", name(&component));
            Ok(())
        }
        Err(error) => {
            tracing::error!("{error}; waiting for a change");
            Err(Line::new(format_args!(
                "the project does not build: {error}"
            )))
        }
    }
}

fn name(component: &Path) -> String {
    let name = component.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
