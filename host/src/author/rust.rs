//! Rust, by cargo.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::run;
use super::project::BuildError;

const TARGET: &str = "wasm32-wasip2";
const INSTALL_RUST: &str = "install Rust from https://rustup.rs";

/// One line of `cargo build --message-format=json` (the cargo book, "External tools").
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    manifest_path: Option<PathBuf>,
}

/// Builds the component; where it lies then.
pub async fn build(folder: &Path) -> Result<PathBuf, BuildError> {
    look_for_target(folder).await?;
    let arguments = [
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ];
    let messages = run("cargo", &arguments, folder, INSTALL_RUST).await?;
    let manifest = folder.join("Cargo.toml");
    let is_own = |message: &Message| {
        message.reason == "compiler-artifact"
            && message.manifest_path.as_deref() == Some(manifest.as_path())
    };
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .filter(is_own)
        .flat_map(|message: Message| message.filenames)
        .find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .ok_or_else(|| BuildError::NoComponent {
            mend: format!(
                "set `crate-type = [\"cdylib\"]` under `[lib]` in {}",
                manifest.display()
            ),
        })
}

/// Without its standard library cargo's own words would fill a screen.
async fn look_for_target(folder: &Path) -> Result<(), BuildError> {
    let arguments = ["--print", "target-libdir", "--target", TARGET];
    let printed = run("rustc", &arguments, folder, INSTALL_RUST).await?;
    let library = PathBuf::from(String::from_utf8_lossy(&printed).trim());
    if library.is_dir() {
        return Ok(());
    }
    Err(BuildError::Missing {
        what: format!("Rust's standard library for {TARGET} is not installed"),
        install: "run `rustup target add wasm32-wasip2`",
    })
}
