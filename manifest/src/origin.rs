//! Where a manifest's text comes from, and what its relative paths are relative to.

use std::{
    env, fmt,
    path::{Component, Path, PathBuf},
};

/// Where a manifest's text comes from; the beginning of each of its errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file; relative paths in it start at its folder.
    File(PathBuf),
    /// An environment variable; relative paths start at the working directory.
    Environment(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment(variable) => f.write_str(variable),
        }
    }
}

/// What a manifest takes from the process around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Where relative paths start.
    pub working_dir: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// Where caches go; `~/.cache` where it is not set.
    pub cache_home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process: its working directory, `HOME` and `XDG_CACHE_HOME`.
    ///
    /// A variable that is empty or not an absolute path counts as not set, as the
    /// [XDG base directory specification](https://specifications.freedesktop.org/basedir-spec/latest/) asks.
    pub fn of_process() -> Self {
        let folder = |variable| {
            env::var_os(variable)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        Self {
            working_dir: env::current_dir().unwrap_or_default(),
            home: folder("HOME"),
            cache_home: folder("XDG_CACHE_HOME"),
        }
    }

    /// The folder that relative paths of a document start at.
    pub(crate) fn base(&self, origin: &Origin) -> PathBuf {
        match origin {
            Origin::File(file) => self
                .working_dir
                .join(file.parent().unwrap_or(Path::new(""))),
            Origin::Environment(_) => self.working_dir.clone(),
        }
    }

    /// A document's path with `~` and relative paths resolved; the error completes "the path ...".
    pub(crate) fn locate(&self, path: &Path, base: &Path) -> Result<PathBuf, &'static str> {
        let located = match path.components().next() {
            Some(Component::Normal(first)) if first == "~" => {
                let home = self
                    .home
                    .as_deref()
                    .ok_or("HOME is not set, so `~` stands for nothing; write an absolute path")?;
                home.join(path.strip_prefix("~").unwrap_or(path))
            }
            Some(Component::Normal(first)) if first.to_string_lossy().starts_with('~') => {
                return Err("only `~/` is known; for a name that begins with `~` write `./~..`");
            }
            _ => base.join(path),
        };
        // Collecting the components drops the `.` between them; `..` stays, for it may cross a link.
        Ok(located.components().collect())
    }

    /// Where compiled components are kept if the document says nothing.
    pub(crate) fn default_cache_dir(&self) -> Option<PathBuf> {
        let caches = match (&self.cache_home, &self.home) {
            (Some(caches), _) => caches.clone(),
            (None, Some(home)) => home.join(".cache"),
            (None, None) => return None,
        };
        Some(caches.join("sandglass"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            working_dir: "/work".into(),
            home: Some("/home/ada".into()),
            cache_home: None,
        }
    }

    #[test]
    fn paths_start_at_the_files_folder_or_the_working_directory() {
        let environment = Origin::Environment("MCP_PARAMS");
        for (origin, path, located) in [
            (
                Origin::File("/etc/sg/a.yaml".into()),
                "./x.wasm",
                "/etc/sg/x.wasm",
            ),
            (
                Origin::File("conf/a.yaml".into()),
                "x.wasm",
                "/work/conf/x.wasm",
            ),
            (Origin::File("a.yaml".into()), "tools/", "/work/tools"),
            (
                Origin::File("a.yaml".into()),
                "../x.wasm",
                "/work/../x.wasm",
            ),
            (environment.clone(), "./x.wasm", "/work/x.wasm"),
            (environment.clone(), "/x.wasm", "/x.wasm"),
            (environment.clone(), "~/x.wasm", "/home/ada/x.wasm"),
            (environment.clone(), "~", "/home/ada"),
            (environment.clone(), "./~/x.wasm", "/work/~/x.wasm"),
        ] {
            let here = surroundings();
            let found = here.locate(Path::new(path), &here.base(&origin));
            assert_eq!(found.as_deref(), Ok(Path::new(located)), "{path}");
        }
    }

    #[test]
    fn a_tilde_without_a_home_is_refused() {
        let homeless = Surroundings {
            home: None,
            ..surroundings()
        };
        let error = homeless.locate(Path::new("~/x"), Path::new("/"));
        assert!(error.expect_err("no home").contains("HOME is not set"));
        assert!(
            surroundings()
                .locate(Path::new("~bob/x"), Path::new("/"))
                .is_err()
        );
    }

    #[test]
    fn the_cache_goes_to_the_cache_home_then_the_home_then_nowhere() {
        let mut here = surroundings();
        assert_eq!(
            here.default_cache_dir(),
            Some("/home/ada/.cache/sandglass".into())
        );
        here.cache_home = Some("/var/cache".into());
        assert_eq!(
            here.default_cache_dir(),
            Some("/var/cache/sandglass".into())
        );
        assert_eq!(Surroundings::default().default_cache_dir(), None);
    }
}
