//! Patterns of sources.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::{
    OciReference, SourceRef, oci,
    scalar::{self, InvalidValue, Scalar},
};

/// Artifacts of registries, whatever their tag or digest: `oci://registry/repository`, `oci://registry/folder/*` for all below the
/// folder, `oci://registry/*`, or `oci://*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePattern {
    written: String,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Of all registries.
    All,
    /// Below a folder, which ends with `/`; or, where that is empty, of a registry.
    Below { registry: String, folder: String },
    /// One repository.
    Repository {
        registry: String,
        repository: String,
    },
}

impl SourcePattern {
    /// Whether a source is one of those that are meant.
    pub fn covers(&self, source: &SourceRef) -> bool {
        match source {
            SourceRef::Oci(reference) => self.covers_artifact(reference),
            _ => false,
        }
    }

    fn covers_artifact(&self, reference: &OciReference) -> bool {
        let same = |registry: &str| registry == same_name(reference.registry());
        match &self.part {
            Part::All => true,
            Part::Below { registry, folder } => {
                same(registry) && reference.repository().starts_with(folder)
            }
            Part::Repository {
                registry,
                repository,
            } => same(registry) && reference.repository() == repository,
        }
    }
}

/// The one name of a registry that has several: another way to write it must not lead around a rule.
fn same_name(registry: &str) -> String {
    let name = registry.to_ascii_lowercase();
    let name = name.strip_suffix(":443").unwrap_or(&name);
    match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        name => name.to_owned(),
    }
}

impl Scalar for SourcePattern {
    const EXPECTED: &'static str = "a pattern of sources";
}

impl FromStr for SourcePattern {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        match part(given) {
            Ok(part) => Ok(Self {
                written: given.to_owned(),
                part,
            }),
            Err(problem) => Err(InvalidValue::new::<Self>(given, problem)),
        }
    }
}

fn part(given: &str) -> Result<Part, String> {
    let Some(rest) = given.strip_prefix("oci://") else {
        return Err(
            "only artifacts of registries carry signatures; write `oci://REGISTRY/FOLDER/*`, or `oci://*` for all"
                .to_owned(),
        );
    };
    if rest == "*" {
        return Ok(Part::All);
    }
    let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
    oci::check_registry(registry)?;
    let registry = same_name(registry);
    if path == "*" {
        let folder = String::new();
        return Ok(Part::Below { registry, folder });
    }
    let (repository, below) = match path.strip_suffix("/*") {
        Some(folder) => (folder, true),
        None => (path, false),
    };
    if repository.contains('*') {
        return Err("`*` stands at the end, after a `/`, for all that is below".to_owned());
    }
    if repository.contains([':', '@']) {
        return Err("tags and digests do not count; leave them out".to_owned());
    }
    oci::check_repository(repository)?;
    Ok(if below {
        let folder = format!("{repository}/");
        Part::Below { registry, folder }
    } else {
        let repository = repository.to_owned();
        Part::Repository {
            registry,
            repository,
        }
    })
}

scalar::read_as_text!(SourcePattern);

impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for SourcePattern {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_is_below_it_and_nothing_beside() {
        for (pattern, covered, others) in [
            (
                "oci://*",
                vec!["ghcr.io/a:1", "localhost:5000/a/b:1"],
                vec![],
            ),
            (
                "oci://ghcr.io/*",
                vec!["ghcr.io/a:1", "ghcr.io/a/b:1", "GHCR.io:443/a:1"],
                vec!["ghcr.io.example.org/a:1", "ghcr.io:444/a:1"],
            ),
            (
                "oci://GHCR.io/acme/*",
                vec!["ghcr.io/acme/time:1", "ghcr.io/acme/a/b:1"],
                vec!["ghcr.io/acme:1", "ghcr.io/acme2/time:1", "a.io/acme/time:1"],
            ),
            (
                "oci://ghcr.io/acme/time",
                vec!["ghcr.io/acme/time:1", "ghcr.io/acme/time:2"],
                vec!["ghcr.io/acme/time2:1", "ghcr.io/acme/time/x:1"],
            ),
            (
                "oci://docker.io/acme/*",
                vec!["index.docker.io/acme/a:1", "registry-1.docker.io/acme/a:1"],
                vec!["docker.com/acme/a:1"],
            ),
        ] {
            let parsed: SourcePattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.to_string(), pattern);
            let covers = |reference: &&str| {
                let source = format!("oci://{reference}");
                parsed.covers(&source.parse().expect(&source))
            };
            assert!(covered.iter().all(covers), "{pattern} {covered:?}");
            assert!(!others.iter().any(covers), "{pattern} {others:?}");
            assert!(!parsed.covers(&SourceRef::File("/ghcr.io/acme/time".into())));
        }
    }

    #[test]
    fn a_pattern_that_would_cover_something_else_is_refused() {
        for (given, part) in [
            ("*", "only artifacts of registries"),
            ("ghcr.io/acme/*", "only artifacts of registries"),
            ("./tools/*", "only artifacts of registries"),
            ("oci://", "not a registry"),
            ("oci://acme/*", "not a registry"),
            ("oci://*.io/acme", "not a registry"),
            ("oci://ghcr.io", "the repository is missing"),
            ("oci://ghcr.io/acme*", "after a `/`"),
            ("oci://ghcr.io/*/time", "after a `/`"),
            ("oci://ghcr.io/acme/time:1", "leave them out"),
            ("oci://ghcr.io/Acme/*", "is not a repository"),
        ] {
            let error = given.parse::<SourcePattern>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }
}
