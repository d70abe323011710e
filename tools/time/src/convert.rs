//! From a wall-clock time in one zone to that in another.

use jiff::{civil::Time, tz::AmbiguousOffset};
use sandglass_sdk::{
    schemars::{self, JsonSchema},
    serde::{self, Serialize},
};

use crate::{
    clock::{Clock, TimeResult, present},
    zone,
};

/// The same moment in two zones.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct TimeConversionResult {
    source: TimeResult,
    target: TimeResult,
    time_difference: String,
}

impl Clock {
    /// Today's `time` (`HH:MM`) in the source zone, and what it is then in
    /// the target zone. Of two such times, where the clock is set back, it is the first.
    ///
    /// # Errors
    /// A zone has no such name, `time` is none, or it is skipped today.
    pub fn convert(
        self,
        source: &str,
        time: &str,
        target: &str,
    ) -> Result<TimeConversionResult, String> {
        present("source_timezone", source)?;
        present("target_timezone", target)?;
        let source_zone = zone::named(source)?;
        let target_zone = zone::named(target)?;
        let wall_clock = hours_and_minutes(time)
            .ok_or("Invalid time format. Expected HH:MM [24-hour format]")?;

        let today = self.0.to_zoned(source_zone.clone()).date();
        let moment = source_zone.to_ambiguous_zoned(today.to_datetime(wall_clock));
        if matches!(moment.offset(), AmbiguousOffset::Gap { .. }) {
            return Err(format!(
                "Invalid time: {time} does not exist in {source} on {today} (skipped by a clock change)"
            ));
        }
        let source_time = moment
            .earlier()
            .map_err(|error| format!("Invalid time: {error}"))?;
        let target_time = source_time.with_time_zone(target_zone);
        Ok(TimeConversionResult {
            time_difference: difference(
                target_time.offset().seconds() - source_time.offset().seconds(),
            ),
            source: TimeResult::new(&source_time, source),
            target: TimeResult::new(&target_time, target),
        })
    }
}

/// Reads what Python's `strptime` takes for `%H:%M`: one or two digits each.
fn hours_and_minutes(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    Time::new(number(hours)?, number(minutes)?, 0, 0).ok()
}

fn number(digits: &str) -> Option<i8> {
    let digits_only = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only || digits.len() > 2 {
        return None;
    }
    digits.parse().ok()
}

/// Whole hours with one decimal, others with as many as they need, two at most.
fn difference(seconds: i32) -> String {
    let hours = f64::from(seconds) / 3600.0;
    if seconds % 3600 == 0 {
        return format!("{hours:+.1}h");
    }
    let hours = format!("{hours:+.2}");
    format!("{}h", hours.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::{TimeConversionResult, difference};
    use crate::clock::Clock;

    fn convert(
        day: &str,
        source: &str,
        time: &str,
        target: &str,
    ) -> Result<TimeConversionResult, String> {
        Clock(format!("{day}T00:00:00Z").parse().unwrap()).convert(source, time, target)
    }

    /// The cases of mcp-server-time's own tests, and the answers of its code.
    #[test]
    fn conversions_are_those_of_the_python_server() {
        #[rustfmt::skip]
        let cases = [
            ("2024-01-01", "Europe/Warsaw", "12:00", "Europe/London", ("2024-01-01T12:00:00+01:00", false, "2024-01-01T11:00:00+00:00", false, "-1.0h")),
            ("2024-10-28", "Europe/Warsaw", "12:00", "America/New_York", ("2024-10-28T12:00:00+01:00", false, "2024-10-28T07:00:00-04:00", true, "-5.0h")),
            ("2024-11-04", "Europe/Warsaw", "12:00", "America/New_York", ("2024-11-04T12:00:00+01:00", false, "2024-11-04T06:00:00-05:00", false, "-6.0h")),
            ("2024-01-01", "Europe/Warsaw", "12:00", "Asia/Kathmandu", ("2024-01-01T12:00:00+01:00", false, "2024-01-01T16:45:00+05:45", false, "+4.75h")),
            ("2024-01-01", "Asia/Kathmandu", "12:00", "Europe/Warsaw", ("2024-01-01T12:00:00+05:45", false, "2024-01-01T07:15:00+01:00", false, "-4.75h")),
            ("2024-04-07", "Europe/Warsaw", "12:00", "Australia/Lord_Howe", ("2024-04-07T12:00:00+02:00", true, "2024-04-07T20:30:00+10:30", false, "+8.5h")),
            ("2016-04-30", "Europe/Warsaw", "12:00", "America/Caracas", ("2016-04-30T12:00:00+02:00", true, "2016-04-30T05:30:00-04:30", false, "-6.5h")),
            ("2024-03-31", "Europe/Warsaw", "12:00", "Antarctica/Troll", ("2024-03-31T12:00:00+02:00", true, "2024-03-31T12:00:00+02:00", true, "+0.0h")),
            ("2024-01-01", "Europe/Warsaw", "23:00", "Pacific/Kiritimati", ("2024-01-01T23:00:00+01:00", false, "2024-01-02T12:00:00+14:00", false, "+13.0h")),
            ("2024-10-27", "Europe/Warsaw", "02:30", "UTC", ("2024-10-27T02:30:00+02:00", true, "2024-10-27T00:30:00+00:00", false, "-2.0h")),
            ("2024-01-15", "Europe/Dublin", "12:00", "UTC", ("2024-01-15T12:00:00+00:00", true, "2024-01-15T12:00:00+00:00", false, "+0.0h")),
            ("2024-06-01", "Pacific/Kiritimati", "00:00", "Pacific/Pago_Pago", ("2024-06-01T00:00:00+14:00", false, "2024-05-30T23:00:00-11:00", false, "-25.0h")),
        ];
        for (day, source, time, target, expected) in cases {
            let converted = convert(day, source, time, target).unwrap();
            let told = (
                converted.source.datetime.as_str(),
                converted.source.is_dst,
                converted.target.datetime.as_str(),
                converted.target.is_dst,
                converted.time_difference.as_str(),
            );
            assert_eq!(told, expected, "{day} {source} {time} {target}");
        }
    }

    #[test]
    fn a_time_that_the_clock_skips_is_an_error() {
        assert_eq!(
            convert("2024-03-31", "Europe/Warsaw", "02:30", "UTC").unwrap_err(),
            "Invalid time: 02:30 does not exist in Europe/Warsaw on 2024-03-31 (skipped by a clock change)"
        );
    }

    #[test]
    fn a_time_has_one_or_two_digits_each() {
        for (text, read) in [
            ("9:5", "09:05"),
            ("00:00", "00:00"),
            ("23:59", "23:59"),
            ("7:30", "07:30"),
        ] {
            let converted = convert("2024-01-01", "UTC", text, "UTC").unwrap();
            assert_eq!(
                converted.source.datetime,
                format!("2024-01-01T{read}:00+00:00")
            );
        }
        for text in [
            "24:00", "12:60", "12", "12:", ":30", "", "012:00", "12:000", "+1:00", " 9:00", "9: 5",
            "12:30:00", "noon",
        ] {
            assert_eq!(
                convert("2024-01-01", "UTC", text, "UTC").unwrap_err(),
                "Invalid time format. Expected HH:MM [24-hour format]",
                "{text}"
            );
        }
    }

    #[test]
    fn the_source_zone_is_checked_first_then_the_target_zone_then_the_time() {
        let error = |source, target, time| convert("2024-01-01", source, time, target).unwrap_err();
        assert_eq!(
            error("A/B", "C/D", "x"),
            "Invalid timezone: 'No time zone found with key A/B'"
        );
        assert_eq!(
            error("UTC", "C/D", "x"),
            "Invalid timezone: 'No time zone found with key C/D'"
        );
        assert_eq!(
            error("UTC", "UTC", "x"),
            "Invalid time format. Expected HH:MM [24-hour format]"
        );
        assert_eq!(
            error("UTC", "", "x"),
            "Missing required argument: target_timezone"
        );
    }

    #[test]
    fn differences_have_as_many_decimals_as_they_need() {
        let cases = [
            (0, "+0.0h"),
            (-18_000, "-5.0h"),
            (17_100, "+4.75h"),
            (30_600, "+8.5h"),
            (1_234, "+0.34h"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(difference(seconds), expected);
        }
    }
}
