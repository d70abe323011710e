//! A component in several parts, joined in order: `source: [./time.part0, ./time.part1]`.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use crate::{
    KubernetesKey, SourceRef,
    scalar::{self, InvalidValue, Scalar},
};

/// The parts of one component, two or more, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parts(Vec<Part>);

/// A part of a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A file.
    File(PathBuf),
    /// What a ConfigMap or Secret has under one key.
    Kubernetes(KubernetesKey),
}

impl Parts {
    /// The parts, in order.
    pub fn as_slice(&self) -> &[Part] {
        &self.0
    }

    /// The parts with other places for their files.
    pub(crate) fn located<E>(
        &self,
        locate: impl Fn(&PathBuf) -> Result<PathBuf, E>,
    ) -> Result<Self, E> {
        let locate = |part: &Part| match part {
            Part::File(path) => locate(path).map(Part::File),
            Part::Kubernetes(key) => Ok(Part::Kubernetes(key.clone())),
        };
        self.0
            .iter()
            .map(locate)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<Part> for SourceRef {
    fn from(part: Part) -> Self {
        match part {
            Part::File(path) => Self::File(path),
            Part::Kubernetes(key) => Self::Kubernetes(key),
        }
    }
}

impl Scalar for Part {
    const EXPECTED: &'static str = "a part of a component";
}

impl FromStr for Part {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        match given.parse()? {
            SourceRef::File(path) => Ok(Self::File(path)),
            SourceRef::Kubernetes(key) => Ok(Self::Kubernetes(key)),
            _ => Err(InvalidValue::new::<Self>(
                given,
                "parts are files, and keys of ConfigMaps and Secrets",
            )),
        }
    }
}

scalar::read_as_text!(Part);

/// As they stand in a manifest.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SourceRef::from(self.clone()).fmt(f)
    }
}

/// For people; in a manifest it is a list.
impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " + " };
            write!(f, "{separator}{part}")?;
        }
        Ok(())
    }
}

/// What stands after `source:`.
#[derive(Debug, Clone)]
pub(crate) struct WholeOrParts(pub SourceRef);

impl<'de> Deserialize<'de> for WholeOrParts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(WholeOrPartsVisitor)
    }
}

struct WholeOrPartsVisitor;

impl<'de> Visitor<'de> for WholeOrPartsVisitor {
    type Value = WholeOrParts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source, or a list of a component's parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WholeOrParts, E> {
        text.parse().map(WholeOrParts).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<WholeOrParts, A::Error> {
        let parts = Vec::<Part>::deserialize(SeqAccessDeserializer::new(list))?;
        if parts.len() < 2 {
            return Err(A::Error::custom(
                "a list joins the parts of one component, two or more; write one source without brackets",
            ));
        }
        Ok(WholeOrParts(SourceRef::Joined(Parts(parts))))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Manifest, manifest::tests::parse};

    use super::*;

    #[test]
    fn a_list_of_parts_is_one_source_and_written_back_as_a_list() {
        let text =
            "tools: [{ source: [configmap://ns/time-0/part, ./time.part1, 'secret://ns/time/2'] }]";
        let manifest: Manifest = parse(text).expect("a manifest");
        let SourceRef::Joined(parts) = &manifest.tools.as_ref().expect("tools")[0].source else {
            panic!("{manifest:?}");
        };
        let [
            Part::Kubernetes(first),
            Part::File(second),
            Part::Kubernetes(_),
        ] = parts.as_slice()
        else {
            panic!("{parts:?}");
        };
        assert_eq!(first.to_string(), "configmap://ns/time-0/part");
        assert!(second.is_absolute(), "{second:?}");
        assert!(
            parts
                .to_string()
                .starts_with("configmap://ns/time-0/part + file:/")
        );
        assert_eq!(parse(&manifest.to_yaml()), Ok(manifest));
    }

    #[test]
    fn what_is_no_list_of_parts_is_refused_with_what_to_write() {
        for (source, part) in [
            ("[]", "write one source without brackets"),
            ("[./a.wasm]", "write one source without brackets"),
            (
                "[./a.part0, oci://ghcr.io/acme/time:1]",
                "`oci://ghcr.io/acme/time:1` is not a part of a component: parts are files",
            ),
            ("[./a.part0, time]", "a path starts with ./"),
            ("[./a.part0, [./b]]", "expected a text"),
            ("{ a: b }", "a source, or a list of a component's parts"),
        ] {
            let error = parse(&format!("tools: [{{ source: {source} }}]"))
                .expect_err(source)
                .to_string();
            assert!(error.contains(part), "{source}: {error}");
        }
        assert!(parse("tools: [[./a.part0, ./a.part1]]").is_err());
    }
}
