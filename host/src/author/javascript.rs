//! JavaScript and TypeScript, by the SDK's `sandglass-build`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::run;
use super::project::BuildError;

const INSTALL_NODE: &str = "install Node.js 20 or newer from https://nodejs.org";

/// What of `package.json` counts here.
#[derive(Deserialize)]
struct Package {
    name: String,
    main: String,
}

/// Builds the component; where it lies then.
pub async fn build(folder: &Path, into: &Path) -> Result<PathBuf, BuildError> {
    let path = folder.join("package.json");
    let text =
        std::fs::read(&path).map_err(|error| BuildError::Io(path.display().to_string(), error))?;
    let package: Package =
        serde_json::from_slice(&text).map_err(|error| BuildError::NoComponent {
            mend: format!(
                "{}: {error}; it needs a `name`, and a `main` that names the module of the tools",
                path.display()
            ),
        })?;
    if !folder.join("node_modules/sandglass").exists() {
        let arguments = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
        run("npm", &arguments, folder, INSTALL_NODE).await?;
    }
    let component = into.join(super::component_name(&package.name));
    let output = component.display().to_string();
    let arguments = [
        "--no-install",
        "sandglass-build",
        &package.main,
        "--output",
        &output,
    ];
    run("npx", &arguments, folder, INSTALL_NODE).await?;
    Ok(component)
}
