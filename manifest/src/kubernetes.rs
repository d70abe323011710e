//! Keys of ConfigMaps and Secrets: `configmap://namespace/name/key`, `secret://namespace/name/key`.

use std::fmt;

use crate::{scalar::quoted, source::name_of_file};

/// A kind of Kubernetes object that holds bytes by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KubernetesKind {
    /// Anybody in the namespace may read it, by custom.
    ConfigMap,
    /// Few may read it, and it is kept from disks and logs.
    Secret,
}

/// A ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesObject {
    kind: KubernetesKind,
    namespace: String,
    name: String,
}

/// What a ConfigMap or Secret has under one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesKey {
    object: KubernetesObject,
    key: String,
}

impl KubernetesKind {
    /// The kind whose references have this scheme.
    pub(crate) fn of_scheme(scheme: &str) -> Option<Self> {
        [Self::ConfigMap, Self::Secret]
            .into_iter()
            .find(|kind| kind.scheme() == scheme)
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }

    /// The name of the resource in the API's paths and in roles.
    pub fn resource(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
        }
    }
}

/// As Kubernetes writes it.
impl fmt::Display for KubernetesKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
    }
}

impl KubernetesObject {
    /// What it is.
    pub fn kind(&self) -> KubernetesKind {
        self.kind
    }

    /// Its namespace, a label of RFC 1123.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name, a subdomain of RFC 1123.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// For people: `ConfigMap namespace/name`.
impl fmt::Display for KubernetesObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl KubernetesKey {
    /// What has the key.
    pub fn object(&self) -> &KubernetesObject {
        &self.object
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key without `.wasm`, which names the component.
    pub fn name(&self) -> &str {
        name_of_file(&self.key)
    }
}

impl fmt::Display for KubernetesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KubernetesObject {
            kind,
            namespace,
            name,
        } = &self.object;
        write!(f, "{}://{namespace}/{name}/{}", kind.scheme(), self.key)
    }
}

/// Reads what follows `configmap:` or `secret:`.
pub(crate) fn parse(kind: KubernetesKind, rest: &str) -> Result<KubernetesKey, String> {
    let parts: Option<Vec<&str>> = rest
        .strip_prefix("//")
        .map(|path| path.split('/').collect());
    let Some([namespace, name, key]) = parts.as_deref() else {
        return Err(format!("write `{}://NAMESPACE/NAME/KEY`", kind.scheme()));
    };
    if !is_label(namespace) || namespace.len() > LONGEST_LABEL {
        return Err(format!(
            "{} is not a namespace; it has 1 to {LONGEST_LABEL} lower-case letters, digits and `-`, no `-` at an end",
            quoted(namespace)
        ));
    }
    if !name.split('.').all(is_label) || name.len() > LONGEST {
        return Err(format!(
            "{} is not the name of a {kind}; it has 1 to {LONGEST} lower-case letters, digits, `-` and `.`, with a letter or digit at both ends and beside each `.`",
            quoted(name)
        ));
    }
    if !is_key(key) {
        return Err(format!(
            "{} is not a key; it has 1 to {LONGEST} letters, digits, `-`, `_` and `.`, is not `.` and does not begin with `..`",
            quoted(key)
        ));
    }
    Ok(KubernetesKey {
        object: KubernetesObject {
            kind,
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
        },
        key: (*key).to_owned(),
    })
}

/// The longest namespace (RFC 1123, a label).
const LONGEST_LABEL: usize = 63;

/// The longest name of an object (RFC 1123, a subdomain), and the longest key.
const LONGEST: usize = 253;

/// Kubernetes bounds the whole name alone, not the labels in it.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// As Kubernetes' `IsConfigMapKey`: each key can be a file beside `..data` in a mounted folder.
fn is_key(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text != "."
        && !text.starts_with("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What [`parse`] accepts, as a pattern of JSON Schema.
pub(crate) fn pattern() -> String {
    const LABEL: &str = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
    format!(
        r"^(configmap|secret)://(?=[^/]{{1,{LONGEST_LABEL}}}/){LABEL}/(?=[^/]{{1,{LONGEST}}}/){LABEL}(\.{LABEL})*/(?!\.\.|\.$)[A-Za-z0-9._-]{{1,{LONGEST}}}$"
    )
}

#[cfg(test)]
mod tests {
    use crate::SourceRef;

    use super::*;

    #[test]
    fn a_key_is_named_by_namespace_object_and_key() {
        for (given, shown, resource, name) in [
            (
                "configmap://tools/time/time.wasm",
                "ConfigMap tools/time",
                "configmaps",
                "time",
            ),
            (
                "secret://a-1/b.c-d.e/Part_0",
                "Secret a-1/b.c-d.e",
                "secrets",
                "Part_0",
            ),
            ("secret://0/0/x.wasm.gz", "Secret 0/0", "secrets", "x"),
            ("secret://0/0/.wasm", "Secret 0/0", "secrets", ".wasm"),
        ] {
            let source: SourceRef = given.parse().expect(given);
            let SourceRef::Kubernetes(key) = &source else {
                panic!("{source:?}");
            };
            assert_eq!(key.object().to_string(), shown);
            assert_eq!(key.object().kind().resource(), resource);
            assert_eq!(key.name(), name);
            assert_eq!(source.to_string(), given);
        }
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused_with_what_to_write() {
        let long = "a".repeat(LONGEST + 1);
        for (given, part) in [
            ("configmap:a/b/c", "write `configmap://NAMESPACE/NAME/KEY`"),
            ("secret://a/b", "write `secret://NAMESPACE/NAME/KEY`"),
            ("secret://a/b/c/d", "write `secret://NAMESPACE/NAME/KEY`"),
            ("configmap:///b/c", "`` is not a namespace"),
            ("configmap://A/b/c", "`A` is not a namespace"),
            ("configmap://a.b/b/c", "`a.b` is not a namespace"),
            (
                &format!("secret://{}/b/c", &long[..64]),
                "is not a namespace",
            ),
            ("configmap://a/-b/c", "`-b` is not the name of a ConfigMap"),
            ("secret://a/b..c/d", "`b..c` is not the name of a Secret"),
            ("secret://a/b_c/d", "`b_c` is not the name of a Secret"),
            (&format!("secret://a/{long}/c"), "is not the name of"),
            ("configmap://a/b/", "`` is not a key"),
            ("configmap://a/b/.", "`.` is not a key"),
            ("configmap://a/b/..c", "`..c` is not a key"),
            ("configmap://a/b/c*", "`c*` is not a key"),
            ("configmap://a/b/c?d", "`c?d` is not a key"),
            (&format!("secret://a/b/{long}"), "is not a key"),
        ] {
            let error = given.parse::<SourceRef>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
        assert!(
            format!("secret://a/{0}/{0}", &long[1..])
                .parse::<SourceRef>()
                .is_ok()
        );
    }
}
