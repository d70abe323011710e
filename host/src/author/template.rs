//! The files of a new project. The SDK is among them, so that a project builds wherever it lies, with the SDK of the
//! host that it was made for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::component_name;
use super::language::Language;

/// The project's folder for the SDK.
const SDK: &str = "sandglass-sdk";

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

#[derive(RustEmbed)]
#[folder = "../guest-sdk"]
#[include = "Cargo.toml"]
#[include = "src/*.rs"]
#[include = "examples/*.rs"]
#[include = "macros/Cargo.toml"]
#[include = "macros/src/*.rs"]
struct RustSdk;

#[derive(RustEmbed)]
#[folder = "../guest-sdk/python/sandglass"]
#[include = "*.py"]
struct PythonSdk;

#[derive(RustEmbed)]
#[folder = "../guest-sdk/python/wit"]
#[include = "*.wit"]
struct PythonWit;

#[derive(RustEmbed)]
#[folder = "../guest-sdk/javascript"]
#[include = "package.json"]
#[include = "bin/*"]
#[include = "build/*"]
#[include = "src/*"]
struct JavaScriptSdk;

#[derive(RustEmbed)]
#[folder = "../wit"]
#[include = "*.wit"]
struct Wit;

/// The workspace of which the Rust SDK takes its versions.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// The SDKs' own packages: a package that depends on one cannot have its name. To a compiler `-` and `_` are the same.
const TAKEN: [&str; 3] = ["sandglass", "sandglass-sdk", "sandglass-sdk-macros"];

/// The name of a project, its crate and its component: a letter, then letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(String);

/// Why a project is not made.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// There is something already.
    #[error("{}: is there already; choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl std::str::FromStr for ProjectName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        if !starts_well || !name.chars().all(is_plain) || name.len() > 64 {
            return Err(
                "a name begins with a letter and has letters, digits, `-` and `_`, at most 64"
                    .to_owned(),
            );
        }
        if TAKEN.contains(&name.to_ascii_lowercase().replace('_', "-").as_str()) {
            return Err(
                "it is the name of the SDK, which the project depends on; choose another"
                    .to_owned(),
            );
        }
        Ok(Self(name.to_owned()))
    }
}

impl ProjectName {
    /// As it was given: the folder's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What its package is called: npm wants lower case, and so does Rust's compiler of a crate.
    fn package(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Makes a project in a new folder.
pub fn create(folder: &Path, name: &ProjectName, language: Language) -> Result<(), NewError> {
    if folder.exists() {
        return Err(NewError::Exists(folder.to_owned()));
    }
    let mut files = BTreeMap::new();
    for kind in ["common", kind(language)] {
        for path in Templates::iter() {
            let Some(own) = path
                .strip_prefix(kind)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            // Not under that name among the templates, where it would hide files of our own.
            let own = match own {
                "gitignore" => ".gitignore",
                own => own,
            };
            files.insert(own.to_owned(), fill(&text::<Templates>(&path), name));
        }
    }
    files.extend(sdk(language));
    for (path, text) in files {
        write(&folder.join(path), &text)?;
    }
    Ok(())
}

fn kind(language: Language) -> &'static str {
    match language {
        Language::Rust => "rust",
        Language::Python => "python",
        Language::JavaScript => "javascript",
    }
}

/// The SDK's files, by their path in the project.
fn sdk(language: Language) -> BTreeMap<String, String> {
    let mut files = within::<Wit>("wit");
    match language {
        Language::Rust => {
            files.insert(format!("{SDK}/Cargo.toml"), rust_workspace());
            files.extend(within::<RustSdk>("guest-sdk"));
        }
        Language::Python => {
            files.extend(within::<PythonSdk>("sandglass"));
            files.extend(within::<PythonWit>("python-wit"));
        }
        Language::JavaScript => files.extend(within::<JavaScriptSdk>(".")),
    }
    files
}

/// A folder's files, by their path in the project.
fn within<Folder: RustEmbed>(folder: &str) -> BTreeMap<String, String> {
    Folder::iter()
        .map(|path| (format!("{SDK}/{folder}/{path}"), text::<Folder>(&path)))
        .collect()
}

/// This repository's workspace, with the SDK alone as its members.
fn rust_workspace() -> String {
    WORKSPACE
        .lines()
        .filter(|line| !line.starts_with("exclude = "))
        .map(|line| {
            if line.starts_with("members = ") {
                "members = [\"guest-sdk\", \"guest-sdk/macros\"]\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

fn text<Folder: RustEmbed>(path: &str) -> String {
    let file = Folder::get(path).expect("the path is one of this folder's");
    String::from_utf8_lossy(&file.data).into_owned()
}

fn fill(template: &str, name: &ProjectName) -> String {
    template
        .replace("{{name}}.wasm", &component_name(&name.package()))
        .replace("{{package}}", &name.package())
        .replace("{{name}}", name.as_str())
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    };
    write().map_err(|error| NewError::Io {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates_and_files() {
        for name in ["a", "get-weather", "Tool_2"] {
            assert!(name.parse::<ProjectName>().is_ok(), "{name}");
        }
        for name in [
            "",
            "-a",
            "2a",
            "a/b",
            "a b",
            "..",
            "ä",
            "sandglass-sdk",
            "Sandglass_SDK",
            "sandglass",
        ] {
            assert!(name.parse::<ProjectName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_project_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("get-weather");
        let name: ProjectName = "get-weather".parse().unwrap();
        create(&path, &name, Language::Rust).unwrap();
        let manifest = fs::read_to_string(path.join("sandglass.yaml")).unwrap();
        assert!(manifest.contains("./build/get_weather.wasm"), "{manifest}");
        assert!(path.join(".gitignore").is_file());
        assert!(path.join("sandglass-sdk/wit/tools.wit").is_file());
        assert!(matches!(
            create(&path, &name, Language::Rust),
            Err(NewError::Exists(_))
        ));
    }

    #[test]
    fn a_package_has_a_name_in_lower_case() {
        let folder = tempfile::tempdir().unwrap();
        let name: ProjectName = "Greet-It".parse().unwrap();
        for language in [Language::Rust, Language::Python, Language::JavaScript] {
            let path = folder.path().join(kind(language));
            create(&path, &name, language).unwrap();
            let read = |file: &str| fs::read_to_string(path.join(file)).unwrap();
            assert!(read("sandglass.yaml").contains("./build/greet_it.wasm"));
            assert!(read("README.md").contains("# Greet-It"));
            assert!(read(language.marker()).contains("\"greet-it\""));
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        let name: ProjectName = "x".parse().unwrap();
        for path in Templates::iter() {
            let filled = fill(&text::<Templates>(&path), &name);
            assert!(!filled.contains("{{"), "{path}");
        }
    }
}
