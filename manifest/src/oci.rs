//! References to artifacts in registries.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::{
    Digest,
    scalar::{self, InvalidValue, Scalar},
};

/// An artifact in an OCI registry: `oci://registry/repository:tag`, `oci://registry/repository@sha256:..`, or with both, where
/// the digest counts and the tag is for people (OCI distribution spec, "Pulling manifests").
///
/// Read with or without `oci://` before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OciReference {
    registry: String,
    repository: String,
    version: Version,
}

/// There is no reference without a version: nothing is pulled by a tag that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Version {
    Tag(String),
    Digest { tag: Option<String>, digest: Digest },
}

impl OciReference {
    /// The registry's host, with its port where one is given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry, such as `acme/time`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is given.
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest { tag, .. } => tag.as_deref(),
        }
    }

    /// The digest of the artifact's manifest, if it is pinned to one.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest { digest, .. } => Some(digest),
        }
    }

    /// The last part of the repository, which names the component.
    pub fn name(&self) -> &str {
        self.repository
            .rsplit_once('/')
            .map_or(&*self.repository, |(_, name)| name)
    }

    /// The same repository at another tag, which must be well-formed.
    #[must_use]
    pub fn tagged(&self, tag: String) -> Self {
        debug_assert!(check_tag(&tag).is_ok(), "{tag}");
        Self {
            version: Version::Tag(tag),
            ..self.clone()
        }
    }

    /// The same repository, pinned to a digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            version: Version::Digest {
                tag: self.tag().map(str::to_owned),
                digest,
            },
            ..self.clone()
        }
    }
}

impl Scalar for OciReference {
    const EXPECTED: &'static str = "a reference to an artifact";
}

impl FromStr for OciReference {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        parse(given.strip_prefix("oci://").unwrap_or(given))
            .map_err(|problem| InvalidValue::new::<Self>(given, problem))
    }
}

/// Reads what follows `oci://`; the error says what to write.
pub(crate) fn parse(given: &str) -> Result<OciReference, String> {
    let (name, digest) = match given.split_once('@') {
        None => (given, None),
        Some((name, digest)) => {
            let digest = digest.parse().map_err(|error| format!("{error}"))?;
            (name, Some(digest))
        }
    };
    let (registry, rest) = name.split_once('/').unwrap_or((name, ""));
    check_registry(registry)?;
    let (repository, tag) = match rest.split_once(':') {
        None => (rest, None),
        Some((repository, tag)) => (repository, Some(tag)),
    };
    check_repository(repository)?;
    tag.map_or(Ok(()), check_tag)?;
    let tag = tag.map(str::to_owned);
    let version = match (tag, digest) {
        (tag, Some(digest)) => Version::Digest { tag, digest },
        (Some(tag), None) => Version::Tag(tag),
        (None, None) => {
            return Err(format!(
                "it has neither tag nor digest; write `{name}:latest` if that is what you mean"
            ));
        }
    };
    Ok(OciReference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        version,
    })
}

/// A word alone would be a repository on Docker Hub to some tools, and a host to others: it is neither here.
pub(crate) fn check_registry(registry: &str) -> Result<(), String> {
    let shown = scalar::quoted(registry);
    let refused = || {
        format!(
            "{shown} is not a registry; write its host, such as ghcr.io, localhost or registry:5000, before the repository"
        )
    };
    let (host, port) = match registry.rfind(':') {
        Some(colon) if !registry.ends_with(']') => {
            (&registry[..colon], Some(&registry[colon + 1..]))
        }
        _ => (registry, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    let is_name = |host: &str| {
        host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let is_address = |host: &str| {
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
    };
    if !port.is_none_or(is_port)
        || !(is_address(host)
            || is_name(host) && (port.is_some() || host.contains('.') || host == "localhost"))
    {
        return Err(refused());
    }
    Ok(())
}

/// Distribution spec, "Pulling manifests": lower-case letters and digits, separated by `.`, `_`, `__` or any number of `-`.
pub(crate) fn check_repository(repository: &str) -> Result<(), String> {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_alphanumeric)
            && part.ends_with(is_alphanumeric)
            && part.split(is_alphanumeric).all(|separator| {
                matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
            })
    };
    if repository.is_empty() {
        return Err("the repository is missing; write it after the registry".to_owned());
    }
    if !repository.split('/').all(is_part) {
        return Err(format!(
            "{} is not a repository; it has lower-case letters and digits, with `.`, `_`, `-` and `/` between them",
            scalar::quoted(repository)
        ));
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.len() > 128
        || !tag.starts_with(is_word)
        || !tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
    {
        return Err(format!(
            "{} is not a tag; it has at most 128 letters, digits, `_`, `.` and `-`",
            scalar::quoted(tag)
        ));
    }
    Ok(())
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest() {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_reference_has_a_registry_a_repository_and_a_version() {
        for (given, registry, repository, tag) in [
            ("ghcr.io/acme/time:1.2", "ghcr.io", "acme/time", "1.2"),
            ("localhost/time:latest", "localhost", "time", "latest"),
            ("localhost:5000/time:1", "localhost:5000", "time", "1"),
            ("registry:5000/a/b/c:1", "registry:5000", "a/b/c", "1"),
            ("10.0.0.1/time:1", "10.0.0.1", "time", "1"),
            ("[::1]:5000/time:1", "[::1]:5000", "time", "1"),
            ("[::1]/time:1", "[::1]", "time", "1"),
            ("a.b/a.b_c__d--e:_A.b-c", "a.b", "a.b_c__d--e", "_A.b-c"),
        ] {
            for prefix in ["", "oci://"] {
                let given = format!("{prefix}{given}");
                let reference: OciReference = given.parse().expect(&given);
                assert_eq!(reference.registry(), registry);
                assert_eq!(reference.repository(), repository);
                assert_eq!(reference.tag(), Some(tag));
                assert_eq!(reference.digest(), None);
                assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let digest: Digest = DIGEST.parse().expect("a digest");
        for (given, tag) in [
            ("ghcr.io/acme/time", None),
            ("ghcr.io/acme/time:1", Some("1")),
        ] {
            let given = format!("oci://{given}@{DIGEST}");
            let reference: OciReference = given.parse().expect(&given);
            assert_eq!(reference.tag(), tag);
            assert_eq!(reference.digest(), Some(&digest));
            assert_eq!(reference.name(), "time");
            assert_eq!(reference.to_string(), given);
        }
        let tagged: OciReference = "ghcr.io/time:1".parse().expect("a reference");
        assert_eq!(
            tagged.pinned(digest).to_string(),
            format!("oci://ghcr.io/time:1@{DIGEST}")
        );
    }

    #[test]
    fn what_is_not_a_reference_is_refused_with_what_to_write() {
        let registry = "is not a registry; write its host";
        for (given, part) in [
            ("", "`` is not a registry"),
            ("oci://", "`` is not a registry"),
            ("time", registry),
            ("time:1", "the repository is missing"),
            ("acme/time:1", "`acme` is not a registry"),
            ("user@ghcr.io/time:1", "`ghcr.io/time:1` is no digest"),
            ("ghcr..io/time:1", registry),
            ("ghcr.io:/time:1", registry),
            ("ghcr.io:0/time:1", registry),
            ("ghcr.io:+1/time:1", registry),
            ("ghcr.io:65536/time:1", registry),
            ("[x]/time:1", registry),
            ("ghcr.io", "the repository is missing"),
            ("ghcr.io/", "the repository is missing"),
            ("ghcr.io/:1", "the repository is missing"),
            ("ghcr.io/Acme/time:1", "`Acme/time` is not a repository"),
            ("ghcr.io/a//b:1", "`a//b` is not a repository"),
            ("ghcr.io/../b:1", "`../b` is not a repository"),
            ("ghcr.io/a___b:1", "is not a repository"),
            ("ghcr.io/a..b:1", "is not a repository"),
            ("ghcr.io/a-_b:1", "is not a repository"),
            ("ghcr.io/a%20b:1", "is not a repository"),
            (
                "ghcr.io/acme/time",
                "neither tag nor digest; write `ghcr.io/acme/time:latest` if that is what you mean",
            ),
            ("ghcr.io/time:", "`` is not a tag"),
            ("ghcr.io/time:.1", "`.1` is not a tag"),
            ("ghcr.io/time:a/b", "`a/b` is not a tag"),
            ("ghcr.io/time:1\n", r"`1\n` is not a tag"),
            ("ghcr.io/time@sha256:12", "`sha256:12` is no digest"),
            (
                "ghcr.io/time@md5:00",
                "expected `sha256:` and 64 hex digits",
            ),
        ] {
            let error = given.parse::<OciReference>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
        let long = format!("ghcr.io/time:{}", "a".repeat(129));
        assert!(long.parse::<OciReference>().is_err());
    }
}
