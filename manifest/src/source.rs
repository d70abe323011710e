//! References to where components lie.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use crate::{
    Digest, Inline, KubernetesKey, KubernetesObject, Language, OciReference, Part, Parts,
    kubernetes::{self, KubernetesKind},
    oci,
    scalar::{self, InvalidValue, Scalar},
    url,
};

/// Where a component's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceRef {
    /// A component's file, or a folder of components. In a [`Manifest`](crate::Manifest) the path is
    /// absolute as long as the working directory is known.
    File(PathBuf),
    /// An artifact in a registry.
    Oci(OciReference),
    /// A file on a web server.
    Https(HttpsSource),
    /// What a ConfigMap or Secret has under one key.
    Kubernetes(KubernetesKey),
    /// Parts that are one component when they are joined.
    Joined(Parts),
    /// Source text in the manifest itself; it has a key of its own there.
    Inline(Inline),
}

impl SourceRef {
    /// Whether others can make it stand for something else, as a tag that is pushed again, or a
    /// ConfigMap that is edited.
    pub fn can_move(&self) -> bool {
        match self {
            Self::Oci(reference) => reference.digest().is_none(),
            Self::File(_) | Self::Https(_) | Self::Inline(_) => false,
            Self::Kubernetes(_) | Self::Joined(_) => self.objects().next().is_some(),
        }
    }

    /// Whether others than this machine have it: to fetch it may take long.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Oci(_) | Self::Https(_) => true,
            Self::File(_) | Self::Inline(_) => false,
            Self::Kubernetes(_) | Self::Joined(_) => self.objects().next().is_some(),
        }
    }

    /// The ConfigMaps and Secrets that it names.
    pub fn objects(&self) -> impl Iterator<Item = &KubernetesObject> {
        let (whole, parts) = match self {
            Self::Kubernetes(key) => (Some(key), &[][..]),
            Self::Joined(parts) => (None, parts.as_slice()),
            Self::Oci(_) | Self::Https(_) | Self::File(_) | Self::Inline(_) => (None, &[][..]),
        };
        let parts = parts.iter().filter_map(|part| match part {
            Part::Kubernetes(key) => Some(key),
            Part::File(_) => None,
        });
        whole.into_iter().chain(parts).map(KubernetesKey::object)
    }

    /// What it is written in, where it is source text or its name says so.
    pub fn language(&self) -> Option<Language> {
        match self {
            Self::Inline(inline) => Some(inline.language),
            Self::File(path) => Language::of_file(path),
            Self::Kubernetes(key) => Language::of_file(key.key()),
            Self::Oci(_) | Self::Https(_) | Self::Joined(_) => None,
        }
    }

    /// The files and folders that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (whole, parts) = match self {
            Self::File(path) => (Some(path.as_path()), &[][..]),
            Self::Joined(parts) => (None, parts.as_slice()),
            Self::Oci(_) | Self::Https(_) | Self::Kubernetes(_) | Self::Inline(_) => {
                (None, &[][..])
            }
        };
        let parts = parts.iter().filter_map(|part| match part {
            Part::File(path) => Some(path.as_path()),
            Part::Kubernetes(_) => None,
        });
        whole.into_iter().chain(parts)
    }
}

/// A file on a web server and the digest that it must have: `https://host/tool.wasm@sha256:..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpsSource {
    url: String,
    digest: Digest,
}

impl HttpsSource {
    /// The URL, without the digest.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The digest of the file as it is served.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The URL's file name without `.wasm`, which names the component.
    pub fn name(&self) -> &str {
        name_of_file(self.url.rsplit('/').next().unwrap_or_default())
    }
}

/// A file's name without `.wasm` and what follows it, and without the end of a language's files.
pub(crate) fn name_of_file(file: &str) -> &str {
    match file.split_once(".wasm") {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => match file.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() && Language::of_file(file).is_some() => stem,
            _ => file,
        },
    }
}

impl fmt::Display for HttpsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.url, self.digest)
    }
}

impl Scalar for SourceRef {
    const EXPECTED: &'static str = "a source";
}

impl FromStr for SourceRef {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        match without_user(given) {
            Some(shown) => Err(InvalidValue::new::<Self>(
                &shown,
                "it has a user; leave it out, for references stand in logs: registries take credentials from docker's configuration",
            )),
            None => parse(given).map_err(|problem| InvalidValue::new::<Self>(given, problem)),
        }
    }
}

/// The reference of a registry or web server with its user and password hidden, if it has any (RFC 3986, section 3.2.1).
fn without_user(given: &str) -> Option<String> {
    let (scheme, rest) = given.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let user = rest[..end].rfind('@')?;
    if rest[user..].starts_with("@sha256:") {
        return None;
    }
    Some(format!("{scheme}://…{}", &rest[user..]))
}

fn parse(given: &str) -> Result<SourceRef, String> {
    if given.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(stranger) = given.chars().find(|c| c.is_control()) {
        let stranger = scalar::quoted(&stranger.to_string());
        return Err(format!("it cannot contain {stranger}"));
    }
    match scheme(given) {
        Some(("file", path)) => file_path(path).map(|path| SourceRef::File(path.into())),
        Some(("oci", rest)) => match rest.strip_prefix("//") {
            Some(reference) => oci::parse(reference).map(SourceRef::Oci),
            None => Err("write `oci://` before the registry".to_owned()),
        },
        Some(("https", _)) => https(given).map(SourceRef::Https),
        Some(("http", _)) => Err(
            "whoever is on the way could give other bytes; use `https:` and a digest".to_owned(),
        ),
        Some((scheme, rest)) => match KubernetesKind::of_scheme(scheme) {
            Some(kind) => kubernetes::parse(kind, rest).map(SourceRef::Kubernetes),
            None => registry_reference(given).unwrap_or_else(|| {
                Err(format!(
                    "the scheme {} is unknown; use `oci:`, `https:`, `configmap:`, `secret:`, `file:` or a path such as ./tool.wasm",
                    scalar::quoted(&format!("{scheme}:"))
                ))
            }),
        },
        None if looks_like_a_path(given) => Ok(SourceRef::File(given.into())),
        None => registry_reference(given).unwrap_or_else(|| {
            Err("a path starts with ./, ../, ~/ or /, or ends with .wasm, .py, .js or /; or write `file:` or `oci://` before it"
                .to_owned())
        }),
    }
}

/// A reference without its `oci://`, as registries' own tools write it. What stands before the first `/` must be a registry
/// beyond doubt: it has a port; or a dot, or is `localhost`, and the rest is whole (docker's rule).
fn registry_reference(given: &str) -> Option<Result<SourceRef, String>> {
    let (registry, _) = given.split_once('/')?;
    let parsed = oci::parse(given).map(SourceRef::Oci);
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match registry.split_once(':') {
        Some((_, port)) => is_number(port).then_some(parsed),
        None if registry.contains('.') || registry == "localhost" => {
            parsed.is_ok().then_some(parsed)
        }
        None => None,
    }
}

/// What is on a web server can change at any time, so its digest is required. A query is refused: it may hold a
/// credential, and references stand in logs.
fn https(given: &str) -> Result<HttpsSource, String> {
    let (url, digest) = given
        .rsplit_once('@')
        .filter(|(_, digest)| digest.starts_with("sha256:"))
        .ok_or(
            "its digest is missing; write it after the URL, as in https://host/tool.wasm@sha256:<64 hex digits> \
             (`sha256sum FILE` prints them)",
        )?;
    let digest = digest.parse().map_err(|error| format!("{error}"))?;
    url::parts(url)?;
    let (_, path) = url["https://".len()..].split_once('/').unwrap_or_default();
    if url.contains('?') {
        return Err("it has a query; leave `?` and the rest out".to_owned());
    }
    if path.is_empty() || path.contains('@') {
        return Err("after the host stands the path of a file, without `@`".to_owned());
    }
    Ok(HttpsSource {
        url: url.to_owned(),
        digest,
    })
}

/// A URI's scheme (RFC 3986, section 3.1) and what follows its colon.
fn scheme(given: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = given.split_once(':')?;
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    well_formed.then_some((scheme, rest))
}

/// `file:x`, `file:/x` and `file:///x`; nothing is percent-decoded.
pub(crate) fn file_path(path: &str) -> Result<&str, String> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(
                "between `file://` and the next `/` stands a host; write `file:` and the path"
                    .to_owned(),
            );
        }
    };
    if path.is_empty() {
        return Err("after `file:` the path is missing".to_owned());
    }
    Ok(path)
}

/// Not any text is a path: `ghcr.io/acme/time` without its `oci://` should not become a missing file.
fn looks_like_a_path(given: &str) -> bool {
    let starts = ["/", "./", "../", "~/"];
    starts.iter().any(|start| given.starts_with(start))
        || matches!(given, "." | ".." | "~")
        || given.ends_with(".wasm")
        || Language::of_file(given).is_some()
        || given.ends_with('/')
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Oci(reference) => reference.fmt(f),
            Self::Https(source) => source.fmt(f),
            Self::Kubernetes(key) => key.fmt(f),
            Self::Joined(parts) => parts.fmt(f),
            Self::Inline(inline) => inline.fmt(f),
        }
    }
}

impl Serialize for SourceRef {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Joined(parts) => output.collect_seq(parts.as_slice().iter().map(Part::to_string)),
            one => output.collect_str(one),
        }
    }
}

impl SourceRef {
    /// As a tool's entry has it: under `source`, or under its language.
    pub(crate) fn as_entry<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut entry = output.serialize_map(Some(1))?;
        match self {
            Self::Inline(inline) => {
                entry.serialize_entry(inline.language.as_str(), &*inline.text)?
            }
            one => entry.serialize_entry("source", one)?,
        }
        entry.end()
    }
}

impl<'de> Deserialize<'de> for SourceRef {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize_text(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_sources() {
        for (given, path) in [
            ("./x.wasm", "./x.wasm"),
            ("../x.wasm", "../x.wasm"),
            ("/x.wasm", "/x.wasm"),
            ("/srv/tools", "/srv/tools"),
            ("dir/", "dir/"),
            (".", "."),
            ("x.wasm", "x.wasm"),
            ("a/b:c.wasm", "a/b:c.wasm"),
            ("~/tools", "~/tools"),
            ("x.py", "x.py"),
            ("file:x", "x"),
            ("file:./x.wasm", "./x.wasm"),
            ("file:/x.wasm", "/x.wasm"),
            ("file:///x.wasm", "/x.wasm"),
        ] {
            let source: SourceRef = given.parse().expect(given);
            assert_eq!(source, SourceRef::File(path.into()), "{given}");
            assert_eq!(source.to_string().parse(), Ok(source), "{given}");
        }
    }

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn artifacts_and_files_on_the_web_are_sources() {
        let given = "oci://ghcr.io/acme/time:1.2";
        let source: SourceRef = given.parse().expect(given);
        assert!(matches!(&source, SourceRef::Oci(reference) if reference.tag() == Some("1.2")));
        assert_eq!(source.to_string(), given);
        for bare in [
            "ghcr.io/acme/time:1.2",
            "localhost:5000/acme/time:1.2",
            "localhost/time:1.2",
            "127.0.0.1:5000/time:1.2",
            &format!("registry.local:5000/acme/time@{DIGEST}"),
        ] {
            let source: SourceRef = bare.parse().expect(bare);
            assert_eq!(source.to_string(), format!("oci://{bare}"));
        }
        for (url, name) in [
            ("https://example.org/tools/time.wasm", "time"),
            ("https://example.org:8443/time.wasm.gz", "time"),
            ("https://[::1]/time", "time"),
        ] {
            let given = format!("{url}@{DIGEST}");
            let source: SourceRef = given.parse().expect(&given);
            let SourceRef::Https(web) = &source else {
                panic!("{source:?}");
            };
            assert_eq!((web.url(), web.name()), (url, name));
            assert_eq!(web.digest().to_string(), DIGEST);
            assert_eq!(source.to_string(), given);
        }
    }

    #[test]
    fn a_file_on_the_web_has_a_digest_and_no_secret() {
        let digest_missing = "its digest is missing; write it after the URL";
        for (given, part) in [
            ("https://example.org/x.wasm", digest_missing),
            ("https://example.org/x.wasm@md5:00", digest_missing),
            ("https://example.org/x.wasm@sha256:00", "is no digest"),
            (&format!("https:@{DIGEST}"), "starts with `https://`"),
            (
                &format!("https://example.org@{DIGEST}"),
                "the path of a file",
            ),
            (
                &format!("https://example.org/@{DIGEST}"),
                "the path of a file",
            ),
            (&format!("https://example.org/a@b@{DIGEST}"), "without `@`"),
            (
                &format!("https://u:p@example.org/x@{DIGEST}"),
                "`https://…@example.org/x@sha256:",
            ),
            ("oci://u:p@example.org/x:1", "it has a user"),
            (
                &format!("https://example.org/x?sig=1@{DIGEST}"),
                "it has a query",
            ),
            (
                &format!("https://example.org/x#1@{DIGEST}"),
                "it has a fragment",
            ),
            (
                &format!("http://example.org/x@{DIGEST}"),
                "use `https:` and a digest",
            ),
        ] {
            let error = given.parse::<SourceRef>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }

    #[test]
    fn what_is_not_a_source_is_refused_with_what_to_write() {
        for (given, part) in [
            ("", "it is empty"),
            ("a\0.wasm", r"cannot contain `\u{0}`"),
            ("file:", "after `file:` the path is missing"),
            ("file://host/x.wasm", "stands a host"),
            (
                "oci:ghcr.io/acme/time:1",
                "write `oci://` before the registry",
            ),
            ("oci://ghcr.io/acme/time", "neither tag nor digest"),
            ("ftp://example.org/x.wasm", "the scheme `ftp:` is unknown"),
            ("configmap:x", "write `configmap://NAMESPACE/NAME/KEY`"),
            ("ghcr.io/acme/time", "a path starts with ./"),
            ("acme/time:1.2", "a path starts with ./"),
            ("tools.d/../time", "a path starts with ./"),
            ("localhost:5000/time", "neither tag nor digest"),
            ("localhost:x/time:1", "the scheme `localhost:` is unknown"),
            ("time", "a path starts with ./"),
        ] {
            let error = given.parse::<SourceRef>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
            assert!(error.contains("is not a source"), "{error}");
        }
    }
}
