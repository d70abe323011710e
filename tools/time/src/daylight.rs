//! Whether a time is daylight saving time.

use std::ops::Range;

use jiff::{Zoned, tz::Dst};

/// Where the law calls the summer's time the standard one and the winter's (or
/// Ramadan's) the exception, which then is what Python's zoneinfo reports as
/// daylight saving time. jiff's database is compiled from tzdata's "rearguard"
/// form, which has it the other way round. Names and seconds since 1970.
const EXCEPTION_IS_WINTER: [(&str, Range<i64>); 7] = [
    // From 1971-10-31 02:00Z on.
    ("Europe/Dublin", 57_722_400..i64::MAX),
    ("Eire", 57_722_400..i64::MAX),
    // 2018-10-28 02:00Z to 2026-09-20 01:00Z.
    ("Africa/Casablanca", 1_540_692_000..1_789_866_000),
    ("Africa/El_Aaiun", 1_540_692_000..1_789_866_000),
    // 1994-03-20 22:00Z to 2017-10-23 22:00Z.
    ("Africa/Windhoek", 764_200_800..1_508_796_000),
    // 1946-12-01 02:00Z to 1947-02-23 02:00Z.
    ("Europe/Prague", -728_517_600..-721_260_000),
    ("Europe/Bratislava", -728_517_600..-721_260_000),
];

/// As `bool(time.dst())` in Python. `name` is the zone's.
pub fn is_saved(time: &Zoned, name: &str) -> bool {
    let marked = time.time_zone().to_offset_info(time.timestamp()).dst() == Dst::Yes;
    let second = time.timestamp().as_second();
    let inverted = EXCEPTION_IS_WINTER
        .iter()
        .any(|(zone, period)| *zone == name && period.contains(&second));
    marked != inverted
}

#[cfg(test)]
mod tests {
    use super::EXCEPTION_IS_WINTER;
    use crate::zone;

    #[test]
    fn all_exceptions_are_zones_of_the_database() {
        for (name, _) in EXCEPTION_IS_WINTER {
            assert!(zone::named(name).is_ok(), "{name}");
        }
    }
}
