//! Sizes in bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// A number of bytes; written as `128MiB`, `1KiB`, `2GiB` or plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// From the largest, so that the first that divides a size gives its shortest exact form.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 bytes. Overflow is refused when the constant is compiled.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// This many times 1024 KiB. Overflow is refused when the constant is compiled.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// The size in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Scalar for ByteSize {
    const EXPECTED: &'static str = "a size such as 128MiB";
}

impl FromStr for ByteSize {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let (number, unit) = scalar::number_and_unit::<Self>(given)?;
        let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => {
                let unit = scalar::quoted(unit);
                let problem = format!("unknown unit {unit}, use KiB, MiB, GiB or plain bytes");
                return Err(InvalidValue::new::<Self>(given, problem));
            }
        };
        number
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| scalar::too_large::<Self>(given))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_in_their_shortest_exact_form() {
        for (given, bytes, shown) in [
            ("0", 0, "0"),
            ("1000", 1000, "1000"),
            ("1KiB", 1024, "1KiB"),
            ("1024", 1024, "1KiB"),
            ("1025KiB", 1025 * 1024, "1025KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("128MiB", 128 << 20, "128MiB"),
            ("2GiB", 2 << 30, "2GiB"),
            ("1_048_576", 1 << 20, "1MiB"),
            ("1_0MiB", 10 << 20, "10MiB"),
            ("18446744073709551615", u64::MAX, "18446744073709551615"),
        ] {
            let size: ByteSize = given.parse().expect(given);
            assert_eq!(size.get(), bytes, "{given}");
            assert_eq!(size.to_string(), shown, "{given}");
            assert_eq!(shown.parse(), Ok(size), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_the_offending_part() {
        for (given, part) in [
            ("", "it is empty"),
            ("-1", "it is negative"),
            ("MiB", "it starts with `M`, not a digit"),
            ("12XiB", "unknown unit `XiB`"),
            ("128MB", "unknown unit `MB`"),
            ("128Mi", "unknown unit `Mi`"),
            ("128mib", "unknown unit `mib`"),
            ("128 MiB", "unknown unit ` MiB`"),
            ("1.5MiB", "only whole numbers"),
            ("1__0", "in `1__0` each `_`"),
            ("1_", "in `1_` each `_`"),
            ("_1", "in `_1` each `_`"),
            ("18446744073709551616", "too large"),
            ("17179869184GiB", "too large"),
            ("1\n", r"unknown unit `\n`"),
        ] {
            let error = given.parse::<ByteSize>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
            assert!(error.contains("is not a size such as 128MiB"), "{error}");
        }
    }
}
