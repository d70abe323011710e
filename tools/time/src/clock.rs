//! What time it is, and in which words that is told.

use std::time::SystemTime;

use jiff::{Timestamp, Zoned};
use sandglass_sdk::{
    schemars::{self, JsonSchema},
    serde::{self, Serialize},
};

use crate::{daylight, zone};

/// A clock that was read once.
#[derive(Clone, Copy)]
pub struct Clock(pub Timestamp);

/// A time in a zone.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct TimeResult {
    timezone: String,
    pub datetime: String,
    day_of_week: String,
    pub is_dst: bool,
}

impl Clock {
    /// The host's clock.
    pub fn now() -> Self {
        Self(
            SystemTime::now()
                .try_into()
                .expect("the clock shows a year below 10000"),
        )
    }

    /// The time in the zone of this name.
    ///
    /// # Errors
    /// No zone has this name.
    pub fn time_in(self, timezone: &str) -> Result<TimeResult, String> {
        present("timezone", timezone)?;
        Ok(TimeResult::new(
            &self.0.to_zoned(zone::named(timezone)?),
            timezone,
        ))
    }
}

impl TimeResult {
    /// A time under the name of its zone.
    pub fn new(time: &Zoned, timezone: &str) -> Self {
        Self {
            timezone: timezone.to_owned(),
            // An offset of old has seconds, and `%:z` writes them as Python's isoformat does.
            datetime: time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            day_of_week: time.strftime("%A").to_string(),
            is_dst: daylight::is_saved(time, timezone),
        }
    }
}

/// Refuses an empty argument as if it were not there.
pub fn present(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("Missing required argument: {name}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Clock, TimeResult};

    fn time(now: &str, timezone: &str) -> TimeResult {
        Clock(now.parse().unwrap()).time_in(timezone).unwrap()
    }

    #[test]
    fn a_time_is_told_in_its_zone() {
        assert_eq!(
            time("2024-11-01T12:00:00.999Z", "Europe/Warsaw"),
            TimeResult {
                timezone: "Europe/Warsaw".to_owned(),
                datetime: "2024-11-01T13:00:00+01:00".to_owned(),
                day_of_week: "Friday".to_owned(),
                is_dst: false,
            }
        );
        assert_eq!(
            time("2024-11-01T12:00:00Z", "UTC").datetime,
            "2024-11-01T12:00:00+00:00"
        );
        assert_eq!(
            time("1900-01-01T00:00:00Z", "Europe/Paris").datetime,
            "1900-01-01T00:09:21+00:09:21"
        );
        assert_eq!(
            time("2024-01-01T00:00:00Z", "America/St_Johns").datetime,
            "2023-12-31T20:30:00-03:30"
        );
    }

    /// Expected values were printed by CPython's zoneinfo: `bool(now.dst())`.
    #[test]
    fn daylight_saving_is_told_as_zoneinfo_tells_it() {
        #[rustfmt::skip]
        let cases = [
            ("2024-01-15T12:00:00Z", "Europe/Dublin", "2024-01-15T12:00:00+00:00", true),
            ("2024-07-15T12:00:00Z", "Europe/Dublin", "2024-07-15T13:00:00+01:00", false),
            ("2024-07-15T12:00:00Z", "Antarctica/Troll", "2024-07-15T14:00:00+02:00", true),
            ("2024-01-15T12:00:00Z", "Antarctica/Troll", "2024-01-15T12:00:00+00:00", false),
            ("2005-01-15T12:00:00Z", "Antarctica/Troll", "2005-01-15T12:00:00+00:00", false),
            ("2024-01-15T12:00:00Z", "Africa/Casablanca", "2024-01-15T13:00:00+01:00", false),
            ("2024-03-20T12:00:00Z", "Africa/Casablanca", "2024-03-20T12:00:00+00:00", true),
            ("1994-03-20T21:59:59Z", "Africa/Windhoek", "1994-03-20T23:59:59+02:00", false),
            ("1994-03-20T22:00:00Z", "Africa/Windhoek", "1994-03-20T23:00:00+01:00", true),
            ("2017-10-23T21:59:59Z", "Africa/Windhoek", "2017-10-23T23:59:59+02:00", false),
            ("2017-10-23T22:00:00Z", "Africa/Windhoek", "2017-10-24T00:00:00+02:00", false),
            ("1971-10-31T01:59:59Z", "Europe/Dublin", "1971-10-31T02:59:59+01:00", false),
            ("1971-10-31T02:00:00Z", "Europe/Dublin", "1971-10-31T02:00:00+00:00", true),
            ("2018-10-28T01:59:59Z", "Africa/El_Aaiun", "2018-10-28T02:59:59+01:00", true),
            ("2018-10-28T02:00:00Z", "Africa/El_Aaiun", "2018-10-28T03:00:00+01:00", false),
            ("2026-09-20T00:59:59Z", "Africa/El_Aaiun", "2026-09-20T01:59:59+01:00", false),
            ("2026-09-20T01:00:00Z", "Africa/El_Aaiun", "2026-09-20T01:00:00+00:00", false),
            ("1946-12-01T01:59:59Z", "Europe/Bratislava", "1946-12-01T02:59:59+01:00", false),
            ("1946-12-01T02:00:00Z", "Europe/Bratislava", "1946-12-01T02:00:00+00:00", true),
            ("1947-02-23T01:59:59Z", "Europe/Bratislava", "1947-02-23T01:59:59+00:00", true),
            ("1947-02-23T02:00:00Z", "Europe/Bratislava", "1947-02-23T03:00:00+01:00", false),
            ("2017-12-15T12:00:00Z", "Africa/Windhoek", "2017-12-15T14:00:00+02:00", false),
            ("2016-07-15T12:00:00Z", "Africa/Windhoek", "2016-07-15T13:00:00+01:00", true),
            ("2024-01-15T12:00:00Z", "Australia/Lord_Howe", "2024-01-15T23:00:00+11:00", true),
            ("2024-07-15T12:00:00Z", "America/New_York", "2024-07-15T08:00:00-04:00", true),
            ("1943-07-15T12:00:00Z", "America/New_York", "1943-07-15T08:00:00-04:00", true),
            ("1947-01-15T12:00:00Z", "Europe/Prague", "1947-01-15T12:00:00+00:00", true),
            ("2050-07-15T12:00:00Z", "Europe/Dublin", "2050-07-15T13:00:00+01:00", false),
            ("2050-01-15T12:00:00Z", "Europe/Dublin", "2050-01-15T12:00:00+00:00", true),
            ("2050-01-15T12:00:00Z", "America/Sao_Paulo", "2050-01-15T09:00:00-03:00", false),
        ];
        for (now, timezone, datetime, is_dst) in cases {
            let time = time(now, timezone);
            assert_eq!(
                (time.datetime.as_str(), time.is_dst),
                (datetime, is_dst),
                "{now} {timezone}"
            );
        }
    }

    #[test]
    fn an_empty_name_is_a_missing_argument() {
        let error = Clock::now().time_in("").unwrap_err();
        assert_eq!(error, "Missing required argument: timezone");
    }
}
