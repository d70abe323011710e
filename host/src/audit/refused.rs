//! Requests that are refused before they are calls.
//!
//! Each is counted. A flood of them neither fills the disk nor drowns the calls' records: within an interval the first of a kind
//! leaves a record at once, and all further ones a second record at its end, with their number. Beyond so many kinds
//! of a reason they are counted together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::{Audit, Moment};
use crate::invoke::{Caller, TenantId};

/// After that long those that were counted together are written down.
pub const INTERVAL: Duration = Duration::from_secs(300);

/// Kinds of one reason that are told apart within an interval.
const MAX_KINDS: usize = 16;

/// Why a request is refused before it is a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no credential, and one is needed.
    NoCredential,
    /// The credential is none, or is where it must not be.
    MalformedCredential,
    /// The credential is not accepted.
    InvalidCredential,
    /// The path is another tenant's than the caller's or the port's, or no tenant's.
    ForeignTenant,
    /// The credential does not cover the endpoint.
    Forbidden,
    /// There is no such session for the caller.
    UnknownSession,
    /// The `Host` or `Origin` is not one that may come in, or could be read in two ways.
    HostOrOrigin,
    /// What is sent is no request of the protocol.
    Unreadable,
    /// The body is too large.
    TooLarge,
    /// The body did not come to its end.
    Incomplete,
    /// There is no room for it now.
    Busy,
    /// The host is ending.
    Draining,
}

impl Reason {
    /// All of them, in their order.
    pub const ALL: [Self; 12] = [
        Self::NoCredential,
        Self::MalformedCredential,
        Self::InvalidCredential,
        Self::ForeignTenant,
        Self::Forbidden,
        Self::UnknownSession,
        Self::HostOrOrigin,
        Self::Unreadable,
        Self::TooLarge,
        Self::Incomplete,
        Self::Busy,
        Self::Draining,
    ];

    /// Its name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::MalformedCredential => "malformed_credential",
            Self::InvalidCredential => "invalid_credential",
            Self::ForeignTenant => "foreign_tenant",
            Self::Forbidden => "forbidden",
            Self::UnknownSession => "unknown_session",
            Self::HostOrOrigin => "host_or_origin",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
            Self::Busy => "busy",
            Self::Draining => "draining",
        }
    }
}

/// A request that was refused. Nothing of its credential is here.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Whose tools it asked for, where that is a tenant.
    pub tenant: Option<TenantId>,
    /// Who asked, where that is known.
    pub caller: Option<Caller>,
    /// From where.
    pub peer: Option<IpAddr>,
}

/// What is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    reason: Reason,
    tenant: Option<TenantId>,
    caller: Option<String>,
    peer: Option<IpAddr>,
}

/// Requests of one kind.
#[derive(Debug)]
pub(super) struct Tally {
    kind: Kind,
    first: Moment,
    last: Moment,
    count: u64,
}

impl Tally {
    fn new(kind: Kind, now: Moment) -> Self {
        Self {
            kind,
            first: now,
            last: now,
            count: 1,
        }
    }

    /// The record as a line of JSON, without its end.
    pub(super) fn to_json(&self) -> String {
        let Kind {
            reason,
            tenant,
            caller,
            peer,
        } = &self.kind;
        json!({
            "time": self.first.to_string(),
            "until": self.last.to_string(),
            "refused": reason.as_str(),
            "count": self.count,
            "tenant": tenant.as_ref().map(TenantId::as_str),
            "caller": caller,
            "peer": peer.map(|peer| peer.to_string()),
        })
        .to_string()
    }
}

/// The requests that were refused.
#[derive(Default)]
pub struct Refusals {
    counts: [AtomicU64; Reason::ALL.len()],
    /// Those of this interval, by their kind: after the first one those that no record speaks of yet.
    interval: Mutex<HashMap<Kind, Option<Tally>>>,
}

impl Refusals {
    /// Counts a request, and writes it down where it is the first of its kind in this interval.
    pub(crate) fn add(&self, refused: Refused, audit: Option<&Audit>) {
        self.counts[refused.reason as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(audit) = audit
            && let Some(tally) = self.tally(refused)
        {
            audit.write_refused(tally);
        }
    }

    /// The interval is over: writes down what it had.
    pub(crate) fn tell(&self, audit: &Audit) {
        for tally in self.take() {
            audit.write_refused(tally);
        }
    }

    /// How many there were since the start, by reason.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        let count = |reason: Reason| self.counts[reason as usize].load(Ordering::Relaxed);
        Reason::ALL
            .into_iter()
            .map(move |reason| (reason, count(reason)))
    }

    /// What is to be written down of it at once.
    fn tally(&self, refused: Refused) -> Option<Tally> {
        let now = Moment::now();
        let mut kind = Kind {
            reason: refused.reason,
            tenant: refused.tenant,
            caller: refused
                .caller
                .as_ref()
                .and_then(Caller::name)
                .map(str::to_owned),
            peer: refused.peer,
        };
        let mut interval = self.interval.lock().unwrap_or_else(PoisonError::into_inner);
        if !interval.contains_key(&kind) {
            let of_reason = interval.keys().filter(|known| known.reason == kind.reason);
            if of_reason.count() < MAX_KINDS {
                interval.insert(kind.clone(), None);
                return Some(Tally::new(kind, now));
            }
            kind = Kind {
                reason: kind.reason,
                tenant: None,
                caller: None,
                peer: None,
            };
        }
        match interval.entry(kind.clone()).or_default() {
            Some(tally) => {
                tally.last = now;
                tally.count += 1;
            }
            none => *none = Some(Tally::new(kind, now)),
        }
        None
    }

    fn take(&self) -> Vec<Tally> {
        let mut interval = self.interval.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = std::mem::take(&mut *interval);
        kinds.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    fn refused(reason: Reason, peer: u32) -> Refused {
        Refused {
            reason,
            tenant: None,
            caller: None,
            peer: Some(std::net::Ipv4Addr::from(peer).into()),
        }
    }

    fn read(tally: &Tally) -> Value {
        serde_json::from_str(&tally.to_json()).unwrap()
    }

    #[test]
    fn reasons_are_counted_by_their_place() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn the_first_of_a_kind_is_told_at_once_and_the_others_together() {
        let refusals = Refusals::default();
        let tally = |peer| refusals.tally(refused(Reason::InvalidCredential, peer));
        let first = read(&tally(0x0a00_0001).unwrap());
        assert_eq!(first["refused"], "invalid_credential");
        assert_eq!(first["peer"], "10.0.0.1");
        assert_eq!(first["count"], 1);
        for _ in 0..5 {
            assert!(tally(0x0a00_0001).is_none());
        }
        assert!(tally(0x0a00_0002).is_some());
        let told = refusals.take();
        assert_eq!(told.len(), 1);
        assert_eq!(read(&told[0])["count"], 5);
        assert!(refusals.take().is_empty());
        assert!(tally(0x0a00_0001).is_some(), "another interval");
    }

    #[test]
    fn a_flood_from_everywhere_leaves_few_records_and_hides_no_other_reason() {
        let refusals = Refusals::default();
        let at_once = (0..10_000)
            .filter_map(|peer| refusals.tally(refused(Reason::NoCredential, peer)))
            .count();
        assert_eq!(at_once, MAX_KINDS);
        assert!(refusals.tally(refused(Reason::ForeignTenant, 1)).is_some());
        let told = refusals.take();
        assert_eq!(told.len(), 1);
        let told = read(&told[0]);
        assert_eq!(told["count"], 10_000 - MAX_KINDS);
        assert_eq!(told["peer"], Value::Null);
    }

    #[test]
    fn each_is_counted() {
        let refusals = Refusals::default();
        for _ in 0..3 {
            refusals.add(refused(Reason::TooLarge, 1), None);
        }
        let counts: Vec<_> = refusals.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(Reason::TooLarge, 3)]);
        assert!(refusals.take().is_empty(), "there is no audit");
    }
}
