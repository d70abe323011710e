//! A key of a document that may be missing, with the place of its value.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};
use serde_saphyr::{Location, Spanned};

/// A key's value and its place, or nothing.
///
/// Unlike an `Option` it takes no `null`: a key whose value was commented out is an error, for its
/// writer may think that it says something.
#[derive(Debug, Clone)]
pub(crate) struct Field<T>(Option<Spanned<T>>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Field<T> {
    /// The value and its place, if the key is there.
    pub(crate) fn get(&self) -> Option<(&T, Location)> {
        self.0
            .as_ref()
            .map(|found| (&found.value, found.referenced))
    }

    /// A value that is not in the text by itself.
    pub(crate) fn unplaced(value: T) -> Self {
        Self(Some(Spanned::new(
            value,
            Location::UNKNOWN,
            Location::UNKNOWN,
        )))
    }

    /// The value, if the key is there.
    pub(crate) fn value(&self) -> Option<&T> {
        self.get().map(|(value, _)| value)
    }

    /// Whether the key is there.
    pub(crate) fn is_present(&self) -> bool {
        self.0.is_some()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let found = Spanned::<NotNull<T>>::deserialize(input)?;
        Ok(Self(Some(Spanned::new(
            found.value.0,
            found.referenced,
            found.defined,
        ))))
    }
}

/// The YAML parser would read `null` as an empty list or object.
struct NotNull<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NotNull<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_option(NotNullVisitor(PhantomData))
    }
}

struct NotNullVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NotNullVisitor<T> {
    type Value = NotNull<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value (or remove the key)")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Err(E::invalid_type(Unexpected::Other("nothing"), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        T::deserialize(input).map(NotNull)
    }
}

/// The schema is that of the value; that the key may be missing is said by the object around it.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
