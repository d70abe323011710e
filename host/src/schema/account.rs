//! What all schemas of a component may have together. A listing of 1 MiB would else be compiled to any size.

/// Bytes of a component's compiled schemas, without their patterns.
const MAX_COMPILED: u64 = 64 << 20;

/// Bytes of its compiled patterns.
const MAX_PATTERNS: u64 = 8 << 20;

/// What it takes to read its patterns; see [`Account::read`].
const MAX_READING: u64 = 16 << 20;

/// Its families of resources: each may have to be held against a URI.
const MAX_TEMPLATES: usize = 100;

/// What is left of it.
#[derive(Debug)]
pub struct Account {
    compiled: u64,
    patterns: u64,
    reading: u64,
    templates: usize,
}

/// It is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// By schemas.
    #[error(
        "is too large: the schemas of a component may take {} MiB compiled, all together",
        MAX_COMPILED >> 20
    )]
    Compiled,
    /// By patterns.
    #[error(
        "has patterns that are too large: those of a component may take {} MiB compiled, all together; shorten repetitions such as `\\p{{L}}{{1,100}}`, or use `maxLength`",
        MAX_PATTERNS >> 20
    )]
    Patterns,
    /// By the text of patterns.
    #[error("has too many patterns with too many classes such as `\\s` and `\\d`")]
    Reading,
    /// By templates.
    #[error("has more than {MAX_TEMPLATES} resource templates")]
    Templates,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            compiled: MAX_COMPILED,
            patterns: MAX_PATTERNS,
            reading: MAX_READING,
            templates: MAX_TEMPLATES,
        }
    }
}

impl Account {
    /// Takes so many bytes for a compiled schema.
    pub(super) fn compile(&mut self, bytes: u64) -> Result<(), Exhausted> {
        take(&mut self.compiled, bytes, Exhausted::Compiled)
    }

    /// Takes so many bytes for a compiled pattern.
    pub(super) fn pattern(&mut self, bytes: u64) -> Result<(), Exhausted> {
        take(&mut self.patterns, bytes, Exhausted::Patterns)
    }

    /// Takes what it costs to read a pattern of so many classes, which jsonschema writes out one by one, and reads it again
    /// each time.
    pub(super) fn read(&mut self, classes: u64, bytes: u64) -> Result<(), Exhausted> {
        take(&mut self.reading, (1 + classes) * bytes, Exhausted::Reading)
    }

    /// One more template.
    pub fn template(&mut self) -> Result<(), Exhausted> {
        self.templates = self.templates.checked_sub(1).ok_or(Exhausted::Templates)?;
        Ok(())
    }
}

fn take(left: &mut u64, amount: u64, exhausted: Exhausted) -> Result<(), Exhausted> {
    *left = left.checked_sub(amount).ok_or(exhausted)?;
    Ok(())
}
