//! `sandglass cache`: what is kept on disk.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use indicatif::HumanDuration;
use sandglass_manifest::ByteSize;
use serde_json::{Value, json};

use super::{Exit, Failure, print};
use crate::config;
use crate::source::ByteCache;
use crate::source::cache::Entry;

/// Show or prune the cache folder: downloads and compiled components, by digest. What is not there is fetched or compiled
/// again; nothing is lost but time.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass cache ls
  sandglass cache ls --json | jq 'map(.size) | add'
  sandglass cache prune --size 500MiB
  sandglass cache prune --size 0 --config sandglass.yaml")]
pub struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the files, the longest unused first
    Ls(Folder),
    /// Remove the longest unused files until the rest is small enough
    Prune {
        /// How much may stay [default: the manifest's `engine.cache_size`]
        #[arg(long)]
        size: Option<ByteSize>,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Which cache folder, and how to print.
#[derive(Args)]
struct Folder {
    /// The manifest that names the folder [default: MCP_PARAMS, else ~/.cache/sandglass]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Cache {
    pub fn run(self) -> Result<Exit, Failure> {
        let (folder, prune) = match self.command {
            Command::Ls(folder) => (folder, None),
            Command::Prune { size, folder } => (folder, Some(size)),
        };
        let engine = config::manifest(folder.config.as_ref())?.engine;
        let cache = ByteCache::new(engine.cache_dir);
        let shown = cache.folder().map(|folder| folder.display().to_string());
        let entries = match prune {
            None => cache.entries(),
            Some(size) => cache.prune(size.unwrap_or(engine.cache_size).get()),
        };
        let entries = entries.map_err(|error| {
            let folder = shown.clone().unwrap_or_default();
            Failure::new(Exit::Failed, format!("{folder}: {error}"))
        })?;
        if folder.json {
            print::json(&Value::Array(entries.iter().map(as_json).collect()));
            return Ok(Exit::Done);
        }
        let bytes = print::size(entries.iter().map(|entry| entry.size).sum());
        let verb = prune.map_or("", |_| "removed ");
        print::table(&["kind", "size", "used", "file"], entries.iter().map(row));
        print::line(&format!(
            "{verb}{} files, {bytes}, in {}",
            entries.len(),
            shown.as_deref().unwrap_or("no folder")
        ));
        Ok(Exit::Done)
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let age = SystemTime::now()
        .duration_since(entry.used)
        .unwrap_or_default();
    vec![
        entry.kind.as_str().to_owned(),
        print::size(entry.size),
        format!("{} ago", HumanDuration(age)),
        file_name(entry),
    ]
}

fn as_json(entry: &Entry) -> Value {
    let used = entry
        .used
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    json!({
        "kind": entry.kind,
        "size": entry.size,
        "used": used.as_secs(),
        "file": entry.path,
    })
}

fn file_name(entry: &Entry) -> String {
    let name = entry.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
