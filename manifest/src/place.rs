//! Where a value stands in its document.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use sandglass_text::Line;
use serde::{Serialize, Serializer};
use serde_saphyr::Location;

use crate::{ManifestError, Origin};

/// Where something stands: a document, and a place in it; or nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The document; `None` for what stands in none.
    origin: Option<Arc<str>>,
    pub position: Option<Position>,
}

/// A place in a text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub line: u64,
    /// In characters.
    pub column: u64,
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

impl Place {
    /// A document as a whole.
    pub(crate) fn whole(origin: &Origin) -> Self {
        Self {
            origin: Some(String::from(Line::new(origin)).into()),
            position: None,
        }
    }

    /// A part of a document.
    pub(crate) fn at(place: Location, origin: &Origin) -> Self {
        Self {
            position: Some(place.into()),
            ..Self::whole(origin)
        }
    }
}

/// The beginning of an error: `sandglass.yaml:7:5: `, or nothing.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(origin) = &self.origin else {
            return Ok(());
        };
        f.write_str(origin)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")
    }
}

/// A value of a manifest that refers to something outside: whether it can be used shows only then, and that
/// error too names the [place](Self::error).
///
/// Two of them are the same if their values are, wherever they stand.
#[derive(Clone, Default)]
pub struct Placed<T> {
    value: T,
    place: Place,
}

impl<T> Placed<T> {
    pub(crate) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// The error that this value cannot be used. `message` says which field it is, what is wrong, and what to do.
    pub fn error(&self, message: impl fmt::Display) -> ManifestError {
        ManifestError::placed(self.place.clone(), message)
    }

    /// The value without its place.
    pub fn into_inner(self) -> T {
        self.value
    }
}

/// A value that stands in no document.
impl<T> From<T> for Placed<T> {
    fn from(value: T) -> Self {
        Self::new(value, Place::default())
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Placed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Placed<T> {}

impl<T: PartialOrd> PartialOrd for Placed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Placed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: Hash> Hash for Placed<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.value.hash(hasher);
    }
}

impl<T: Serialize> Serialize for Placed<T> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(output)
    }
}
