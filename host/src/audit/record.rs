//! What is written of a call: never its arguments or its result.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::invoke::{Caller, Outcome, TenantId};
use crate::sandbox::{Trail, Usage};
use crate::source::Digest;
use crate::source::verify::SignerName;
use crate::telemetry::trace::TraceParent;

/// A call that is over.
#[derive(Debug)]
pub struct Record {
    /// When it came in.
    pub at: Moment,
    /// Whose tools it asked for.
    pub tenant: TenantId,
    /// Who asked.
    pub caller: Caller,
    /// The tool's name, also of one that is not there.
    pub tool: String,
    /// The name of the tool's source.
    pub source: Option<String>,
    /// The component's digest.
    pub digest: Option<Digest>,
    /// Who signed it, of those that must have.
    pub signed_by: Arc<[SignerName]>,
    /// The HMAC-SHA256 of its arguments.
    pub arguments: Option<[u8; 32]>,
    /// How it ended.
    pub outcome: Outcome,
    /// What its guest used.
    pub usage: Usage,
    /// From when it came in to its end, queue included.
    pub duration: Duration,
    /// What it reached and was refused.
    pub trail: Trail,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

impl Record {
    /// The record as a line of JSON, without its end.
    pub fn to_json(&self) -> String {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        add("time", self.at.to_string().into());
        add("tenant", self.tenant.to_string().into());
        add("caller", self.caller.name().into());
        add("tool", self.tool.as_str().into());
        add("source", self.source.as_deref().into());
        add(
            "component",
            self.digest.as_ref().map(Digest::to_string).into(),
        );
        add(
            "signed_by",
            self.signed_by.iter().map(SignerName::id).collect(),
        );
        add("arguments_hmac", self.arguments.map(hex::encode).into());
        add("outcome", self.outcome.as_str().into());
        add("fuel", self.usage.fuel.into());
        add("peak_memory", self.usage.peak_memory.into());
        add("duration_us", json!(self.duration.as_micros()));
        add("hosts", self.trail.hosts().collect());
        add("denials", self.trail.denials().collect());
        if let Some(trace) = &self.trace {
            add("trace_id", trace.trace_id().into());
        }
        Value::Object(fields).to_string()
    }
}

/// A moment of the calendar, written as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        // A clock from before 1970 is as wrong as 1970.
        Self(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let milliseconds = self.0.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"
        )
    }
}

/// Year, month and day of a day after 1970-01-01, in the Gregorian calendar; years begin in March,
/// so that the leap day is the last of its year (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
impl Record {
    /// Any call that ended so.
    pub(crate) fn sample(outcome: Outcome) -> Self {
        Self {
            at: Moment(Duration::from_millis(1_790_000_000_123)),
            tenant: TenantId::default(),
            caller: Caller::Anonymous,
            tool: "echo".to_owned(),
            source: Some("echo".to_owned()),
            digest: Some(Digest::of(b"")),
            signed_by: Arc::default(),
            arguments: Some([0xab; 32]),
            outcome,
            usage: Usage {
                fuel: 7,
                peak_memory: 65_536,
                duration: Duration::from_micros(40),
            },
            duration: Duration::from_micros(50),
            trail: Trail::default(),
            trace: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_600_001, "2025-01-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let moment = Moment(Duration::from_millis(milliseconds));
            assert_eq!(moment.to_string(), text);
        }
    }

    #[test]
    fn a_record_says_all_but_the_arguments() {
        let record = Record::sample(Outcome::Ok);
        record.trail.reached("api.example.com:443".to_owned());
        record.trail.denied("http: evil.example:80".to_owned());
        let expected = json!({
            "time": "2026-09-21T14:13:20.123Z",
            "tenant": "default",
            "caller": null,
            "tool": "echo",
            "source": "echo",
            "component": Digest::of(b"").to_string(),
            "signed_by": [],
            "arguments_hmac": "ab".repeat(32),
            "outcome": "ok",
            "fuel": 7,
            "peak_memory": 65_536,
            "duration_us": 50,
            "hosts": ["api.example.com:443"],
            "denials": ["http: evil.example:80"],
        });
        assert_eq!(record.to_json(), expected.to_string());
    }
}
