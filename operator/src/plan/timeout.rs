//! How long a gateway waits for an answer.

use std::str::FromStr;
use std::time::Duration;

/// What holds where a server says nothing (KAOS' CRD guide, `gatewayRoute`).
const DEFAULT: &str = "30s";

/// Nine tenths of less are no whole millisecond, which a tool's limit has.
const SHORTEST: Duration = Duration::from_millis(2);

/// A route's timeout: a duration of the Gateway API (GEP-2257), or the gateway's own where it is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTimeout {
    written: String,
    duration: Duration,
}

impl RouteTimeout {
    /// As a route has it; `None`: the gateway's own.
    pub fn of_route(&self) -> Option<&str> {
        (!self.duration.is_zero()).then_some(&self.written)
    }

    /// How long a call may take, so that its caller hears of it before the gateway gives up: nine tenths.
    pub fn longest_call(&self) -> Option<Duration> {
        (!self.duration.is_zero()).then(|| self.duration * 9 / 10)
    }
}

impl Default for RouteTimeout {
    fn default() -> Self {
        DEFAULT.parse().expect("a duration")
    }
}

impl FromStr for RouteTimeout {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{given}` is no duration of the Gateway API; write up to four numbers of at most five digits with h, m, s or ms, such as `30s` or `1m30s`"
            )
        };
        let (mut rest, mut parts, mut duration) = (given, 0, Duration::ZERO);
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
            let unit = units.iter().find(|(unit, _)| after.starts_with(unit));
            let (Some((unit, milliseconds)), 1..=5) = (unit, digits) else {
                return Err(wrong());
            };
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let more = Duration::from_millis(number.saturating_mul(*milliseconds));
            duration = duration.saturating_add(more);
            rest = &after[unit.len()..];
            parts += 1;
        }
        if !(1..=4).contains(&parts) {
            return Err(wrong());
        }
        if !duration.is_zero() && duration < SHORTEST {
            return Err(format!(
                "`{given}` is too short for any call, which ends before; write at least {}ms, or `0s` for what the gateway has",
                SHORTEST.as_millis()
            ));
        }
        Ok(Self {
            written: given.to_owned(),
            duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_of_the_gateway_api_is_read() {
        for (given, milliseconds) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("2ms", 2),
            ("1h", 3_600_000),
        ] {
            let timeout: RouteTimeout = given.parse().unwrap();
            assert_eq!(timeout.of_route(), Some(given));
            assert_eq!(
                timeout.longest_call().unwrap().as_millis(),
                milliseconds * 9 / 10
            );
        }
        let own: RouteTimeout = "0s".parse().unwrap();
        assert_eq!((own.of_route(), own.longest_call()), (None, None));
        let error = "1ms".parse::<RouteTimeout>().unwrap_err();
        assert!(error.contains("write at least 2ms"), "{error}");
        for given in [
            "",
            "30",
            "s",
            "1.5s",
            "-1s",
            "30 s",
            "100000s",
            "1s1s1s1s1s",
            "5d",
        ] {
            let error = given.parse::<RouteTimeout>().unwrap_err();
            assert!(error.contains("is no duration"), "{given}: {error}");
        }
    }
}
