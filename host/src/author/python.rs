//! Python, by componentize-py.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::run;
use super::project::BuildError;

const INSTALL: &str = "run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` in the project's folder";

/// What loads the module of the tools, and tells its author what is wrong with it.
const MODULE: &str = "sandglass.app";

/// What of `pyproject.toml` counts here (PyPA, "pyproject.toml specification").
#[derive(Deserialize)]
struct PyProject {
    project: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Builds the component; where it lies then.
pub async fn build(folder: &Path, into: &Path) -> Result<PathBuf, BuildError> {
    let path = folder.join("pyproject.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| BuildError::Io(path.display().to_string(), error))?;
    let python: PyProject = toml::from_str(&text).map_err(|error| BuildError::NoComponent {
        mend: format!("{}: {error}", path.display()),
    })?;
    let own = folder.join(".venv/bin/componentize-py");
    let program = if own.is_file() {
        own.display().to_string()
    } else {
        "componentize-py".to_owned()
    };
    let component = into.join(super::component_name(&python.project.name));
    let output = component.display().to_string();
    let arguments = [
        "--quiet",
        "--wit-path",
        "sandglass-sdk/wit",
        "--wit-path",
        "sandglass-sdk/python-wit",
        "--world",
        "sandglass:python/provider",
        "componentize",
        MODULE,
        "--python-path",
        ".",
        "--python-path",
        "sandglass-sdk",
        "--output",
        &output,
    ];
    run(&program, &arguments, folder, INSTALL).await?;
    Ok(component)
}
