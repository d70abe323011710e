//! The error of a manifest.

use std::fmt;

use sandglass_text::Line;
use serde_saphyr::Location;

use crate::{Origin, place::Place};

/// Why a manifest cannot be used; shown as one line: `sandglass.yaml:7:5: what is wrong, what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    place: Place,
    message: Line,
}

impl ManifestError {
    /// The document as a whole cannot be used.
    pub(crate) fn whole(origin: &Origin, message: impl fmt::Display) -> Self {
        Self::placed(Place::whole(origin), message)
    }

    /// Something at one place of the document is wrong.
    pub(crate) fn at(place: Location, origin: &Origin, message: impl fmt::Display) -> Self {
        Self::placed(Place::at(place, origin), message)
    }

    /// The text may hold parts of the document, or of the parser's words.
    pub(crate) fn placed(place: Place, message: impl fmt::Display) -> Self {
        Self {
            place,
            message: Line::new(message),
        }
    }

    /// The line, from 1, if the error has a place in the text.
    pub fn line(&self) -> Option<u64> {
        self.place.position.map(|position| position.line)
    }

    /// The column in characters, from 1, if the error has a place in the text.
    pub fn column(&self) -> Option<u64> {
        self.place.position.map(|position| position.column)
    }

    /// What is wrong and what to do, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.message)
    }
}
