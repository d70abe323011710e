//! Spans of time.

use std::{fmt, str::FromStr, time};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::{self, InvalidValue, Scalar};

/// A span of time of at least a millisecond; written as `250ms`, `10s`, `5m` or `1h`.
///
/// It always has a unit: a bare number could be meant in seconds or in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    millis: u64,
}

/// From the largest, so that the first that divides a span gives its shortest exact form.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Duration {
    pub(crate) const fn secs(seconds: u64) -> Self {
        assert!(seconds > 0);
        Self {
            millis: seconds * 1000,
        }
    }

    /// The span as the standard library's type.
    pub const fn get(self) -> time::Duration {
        time::Duration::from_millis(self.millis)
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.get()
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as 10s";
}

impl FromStr for Duration {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let (number, unit) = scalar::number_and_unit::<Self>(given)?;
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let problem = if unit.is_empty() {
                format!("it has no unit, write {number}s or {number}ms")
            } else {
                format!("unknown unit {}, use ms, s, m or h", scalar::quoted(unit))
            };
            return Err(InvalidValue::new::<Self>(given, problem));
        };
        match number.checked_mul(*factor) {
            None => Err(scalar::too_large::<Self>(given)),
            Some(0) => Err(InvalidValue::new::<Self>(
                given,
                "it must be more than zero",
            )),
            Some(millis) => Ok(Self { millis }),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.millis.is_multiple_of(*factor))
            .expect("one millisecond divides every duration");
        write!(f, "{}{name}", self.millis / factor)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        scalar::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_in_their_shortest_exact_form() {
        for (given, millis, shown) in [
            ("1ms", 1, "1ms"),
            ("250ms", 250, "250ms"),
            ("10s", 10_000, "10s"),
            ("1000ms", 1000, "1s"),
            ("1500ms", 1500, "1500ms"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1m"),
            ("2h", 7_200_000, "2h"),
            ("1_000s", 1_000_000, "1000s"),
        ] {
            let duration: Duration = given.parse().expect(given);
            assert_eq!(duration.get().as_millis(), millis, "{given}");
            assert_eq!(duration.to_string(), shown, "{given}");
            assert_eq!(shown.parse(), Ok(duration), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_the_offending_part() {
        for (given, part) in [
            ("", "it is empty"),
            ("10", "it has no unit, write 10s or 10ms"),
            ("0s", "it must be more than zero"),
            ("-5s", "it is negative"),
            ("1.5s", "only whole numbers"),
            ("10 s", "unknown unit ` s`"),
            ("10sec", "unknown unit `sec`"),
            ("1m30s", "unknown unit `m30s`"),
            ("5d", "unknown unit `d`"),
            ("18446744073709551615h", "too large"),
        ] {
            let error = given.parse::<Duration>().expect_err(given).to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
    }
}
