//! What all scalar values of a manifest share: their error, their digits, their way through serde.

use std::{fmt, marker::PhantomData, str::FromStr};

use sandglass_text::Line;
use serde::de::{Deserializer, Error, Visitor};

use crate::keys;

/// A value that could not be read; the text quotes what was given and says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not {expected}: {problem}")]
pub struct InvalidValue {
    given: String,
    expected: &'static str,
    problem: String,
}

impl InvalidValue {
    pub(crate) fn new<T: Scalar>(given: &str, problem: impl Into<String>) -> Self {
        Self {
            given: quoted(given),
            expected: T::EXPECTED,
            problem: problem.into(),
        }
    }
}

/// A type that is written as one scalar; a bare number is read by the same grammar as text.
pub(crate) trait Scalar: FromStr<Err = InvalidValue> {
    /// Completes "this is not ...".
    const EXPECTED: &'static str;
}

/// Quotes foreign text for a message.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    format!("`{}`", Line::within(LONGEST, text))
}

/// Reads a scalar that may be a number or text.
pub(crate) fn deserialize<'de, T: Scalar, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    input.deserialize_any(NumberOrText(PhantomData))
}

/// Reads a scalar that is text; in YAML `no`, `on` and `2024` are text here, quoted or not.
pub(crate) fn deserialize_text<'de, T: Scalar, D: Deserializer<'de>>(
    input: D,
) -> Result<T, D::Error> {
    input.deserialize_str(NumberOrText(PhantomData))
}

/// Makes types that are written as text readable.
macro_rules! read_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                $crate::scalar::deserialize_text(input)
            }
        }
    )+};
}

pub(crate) use read_as_text;

/// What one of a few words stands for.
pub(crate) fn word<T: Scalar + Copy>(given: &str, words: &[(&str, T)]) -> Result<T, InvalidValue> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == given) {
        return Ok(*value);
    }
    let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let problem = match keys::nearest(given, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("write {}", known.join(", ")),
    };
    Err(InvalidValue::new::<T>(given, problem))
}

struct NumberOrText<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for NumberOrText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    // `2e9` is a whole number to JSON and to JSON Schema; what has a fraction fails by its text.
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Splits `128MiB` into the number and the unit; the number may have single `_` between digits.
pub(crate) fn number_and_unit<T: Scalar>(given: &str) -> Result<(u64, &str), InvalidValue> {
    let end = given
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(given.len());
    let (number, unit) = given.split_at(end);
    if number.is_empty() {
        let problem = match given.chars().next() {
            None => "it is empty".to_owned(),
            Some('-') => "it is negative".to_owned(),
            Some(first) => format!("it starts with {}, not a digit", quoted(&first.to_string())),
        };
        return Err(InvalidValue::new::<T>(given, problem));
    }
    if number.split('_').any(str::is_empty) {
        return Err(InvalidValue::new::<T>(
            given,
            format!(
                "in {} each `_` must stand between two digits",
                quoted(number)
            ),
        ));
    }
    if unit.starts_with('.') {
        return Err(InvalidValue::new::<T>(
            given,
            "only whole numbers are accepted; use a smaller unit",
        ));
    }
    let value = number
        .replace('_', "")
        .parse()
        .map_err(|_| too_large::<T>(given))?;
    Ok((value, unit))
}

/// Reads a SHA-256 in hex digits.
pub(crate) fn sha256(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(hex, &mut hash).ok()?;
    Some(hash)
}

/// The value does not fit its type.
pub(crate) fn too_large<T: Scalar>(given: &str) -> InvalidValue {
    InvalidValue::new::<T>(given, "it is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_stays_on_one_line_and_is_cut() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), r"`a\nb\u{1b}[31m`");
        assert!(quoted(&"x".repeat(5000)).len() < 120);
    }
}
