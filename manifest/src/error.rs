//! The error of a manifest.

use std::fmt;

use serde_saphyr::Location;

use crate::Origin;

/// Why a manifest cannot be used; shown as one line: `sandglass.yaml:7:5: what is wrong, what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    origin: String,
    position: Option<Position>,
    message: String,
}

/// A place in the text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: u64,
    column: u64,
}

/// The parser places the parts of a document but not the whole: that is at the beginning.
impl From<Location> for Position {
    fn from(place: Location) -> Self {
        Self {
            line: place.line().max(1),
            column: place.column().max(1),
        }
    }
}

impl ManifestError {
    /// The document as a whole cannot be used.
    pub(crate) fn whole(origin: &Origin, message: impl Into<String>) -> Self {
        Self {
            origin: one_line(&origin.to_string()),
            position: None,
            message: one_line(&message.into()),
        }
    }

    /// Something at one place of the document is wrong.
    pub(crate) fn at(place: Location, origin: &Origin, message: impl Into<String>) -> Self {
        Self {
            position: Some(place.into()),
            ..Self::whole(origin, message)
        }
    }

    /// The line, from 1, if the error has a place in the text.
    pub fn line(&self) -> Option<u64> {
        self.position.map(|position| position.line)
    }

    /// The column in characters, from 1, if the error has a place in the text.
    pub fn column(&self) -> Option<u64> {
        self.position.map(|position| position.column)
    }

    /// What is wrong and what to do, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The text may hold parts of the document, or of the parser's words: no control character survives.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}
