//! Tools that are written as source text, for an interpreter.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// A language that tools can be written in as source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
}

/// Source text that stands in the manifest itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inline {
    /// What it is written in.
    pub language: Language,
    /// The text.
    pub text: Arc<str>,
}

impl Language {
    const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// Its word: the manifest's key for inline text, and the name of its interpreter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The end of its files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Python => "py",
            Self::JavaScript => "js",
        }
    }

    /// The language of a file of this name, as its end says.
    pub fn of_file(name: impl AsRef<Path>) -> Option<Self> {
        let extension = name.as_ref().extension()?;
        Self::ALL
            .into_iter()
            .find(|language| language.extension() == extension)
    }
}

impl Scalar for Language {
    const EXPECTED: &'static str = "a language";
}

impl FromStr for Language {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let words = Self::ALL.map(|language| (language.as_str(), language));
        scalar::word(given, &words)
    }
}

scalar::read_as_text!(Language);

impl JsonSchema for Language {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": Self::ALL.map(Self::as_str) })
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(self.as_str())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        })
    }
}

/// For people: the text itself is long, and may hold what is not for the log.
impl fmt::Display for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inline {}", self.language)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Manifest, SourceRef, manifest::tests::parse};

    use super::*;

    const ADD: &str = "def add(a: int, b: int) -> int:\n    return a + b\n";

    #[test]
    fn inline_text_is_a_source_and_written_back_as_it_was() {
        let text = "tools:\n  - python: |\n      def add(a: int, b: int) -> int:\n          return a + b\n    name: calculator\n    partial: true";
        let manifest: Manifest = parse(text).expect("a manifest");
        let [tool] = &manifest.tools.as_deref().expect("tools") else {
            panic!("{manifest:?}");
        };
        let inline = Inline {
            language: Language::Python,
            text: ADD.into(),
        };
        assert_eq!(tool.source, SourceRef::Inline(inline));
        assert!(tool.partial);
        assert!(!tool.source.to_string().contains("def"), "{}", tool.source);
        assert_eq!(parse(&manifest.to_yaml()), Ok(manifest));
        let text = "tools:\n  - javascript: |\n      export function add() {}";
        let manifest: Manifest = parse(text).expect("a manifest");
        let [tool] = &manifest.tools.as_deref().expect("tools") else {
            panic!("{manifest:?}");
        };
        assert_eq!(tool.source.language(), Some(Language::JavaScript));
        assert_eq!(parse(&manifest.to_yaml()), Ok(manifest));
    }

    #[test]
    fn the_language_of_a_source_is_that_of_its_name_or_is_written() {
        let text =
            "tools:\n  - ./tools.py\n  - { source: secret://ns/name/tools, language: python }";
        let manifest: Manifest = parse(text).expect("a manifest");
        let [file, secret] = &manifest.tools.as_deref().expect("tools") else {
            panic!("{manifest:?}");
        };
        assert_eq!(file.source.language(), Some(Language::Python));
        assert_eq!(
            (secret.source.language(), secret.language),
            (None, Some(Language::Python))
        );
        assert_eq!(Language::of_file("tools.js"), Some(Language::JavaScript));
        assert_eq!(parse(&manifest.to_yaml()), Ok(manifest));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (tool, error) in [
            (
                "{ name: a }",
                "1:9: the key `source` is missing; write `source`, or `python` or `javascript` with source text",
            ),
            (
                "{ python: x, javascript: x }",
                "`python` and `javascript` cannot stand together; make two tools of them",
            ),
            (
                "{ source: ./x.js, javascript: x }",
                "`source` and `javascript` cannot stand together; keep one of them",
            ),
            (
                "{ source: ./x.py, python: x }",
                "`source` and `python` cannot stand together; keep one of them",
            ),
            (
                "{ python: x, language: python }",
                "`python` says the language already; remove `language`",
            ),
            (
                "{ python: x, pin: true }",
                "nobody else can change it; remove `pin`",
            ),
            ("{ python: ' ' }", "the source text is empty"),
            ("{ python: [a] }", "expected a text"),
            (
                "{ source: ./x, language: pyton }",
                "`pyton` is not a language: did you mean `python`?",
            ),
            (
                "{ python: x, verify: { cosign: { key: a.pub } } }",
                "only artifacts of registries carry signatures",
            ),
        ] {
            let text = format!("tools: [{tool}]");
            let found = parse(&text).expect_err(&text).to_string();
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
