//! Amounts that cannot be zero: fuel and counts.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// Fuel: about one unit for each WebAssembly instruction. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fuel(NonZeroU64);

/// How many at once. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(NonZeroU32);

impl Fuel {
    pub(crate) const fn new(units: u64) -> Option<Self> {
        match NonZeroU64::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The number of units.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl Count {
    pub(crate) const fn new(count: u32) -> Option<Self> {
        match NonZeroU32::new(count) {
            Some(count) => Some(Self(count)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Scalar for Fuel {
    const EXPECTED: &'static str = "an amount of fuel such as 2_000_000_000";
}

impl Scalar for Count {
    const EXPECTED: &'static str = "a count such as 32";
}

fn whole_number<T: Scalar>(given: &str) -> Result<u64, InvalidValue> {
    match scalar::number_and_unit::<T>(given)? {
        (0, "") => Err(InvalidValue::new::<T>(given, "it must be at least 1")),
        (number, "") => Ok(number),
        (_, unit) => {
            let problem = format!("it takes no unit, found {}", scalar::quoted(unit));
            Err(InvalidValue::new::<T>(given, problem))
        }
    }
}

impl FromStr for Fuel {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let number = whole_number::<Self>(given)?;
        Self::new(number).ok_or_else(|| scalar::too_large::<Self>(given))
    }
}

impl FromStr for Count {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let number = whole_number::<Self>(given)?;
        u32::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| scalar::too_large::<Self>(given))
    }
}

impl fmt::Display for Fuel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Fuel {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(output)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(output)
    }
}

impl<'de> Deserialize<'de> for Fuel {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_numbers_with_underscores() {
        for (given, value) in [("1", 1), ("2_000_000_000", 2_000_000_000), ("007", 7)] {
            assert_eq!(given.parse::<Fuel>().map(Fuel::get), Ok(value));
            assert_eq!(given.parse::<Count>().map(Count::get), Ok(value as u32));
        }
        assert_eq!(
            u64::MAX.to_string().parse::<Fuel>().map(Fuel::get),
            Ok(u64::MAX)
        );
    }

    #[test]
    fn zero_fractions_units_and_overflow_are_refused() {
        for (given, part) in [
            ("0", "it must be at least 1"),
            ("0_0", "it must be at least 1"),
            ("1.5", "only whole numbers"),
            ("2k", "it takes no unit, found `k`"),
            ("-3", "it is negative"),
            ("18446744073709551616", "too large"),
        ] {
            let fuel = given.parse::<Fuel>().expect_err(given).to_string();
            let count = given.parse::<Count>().expect_err(given).to_string();
            assert!(fuel.contains(part), "{given}: {fuel}");
            assert!(count.contains(part), "{given}: {count}");
        }
        assert!("4294967296".parse::<Count>().is_err());
    }
}
