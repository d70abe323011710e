//! How often something failed in a row: it is tried again at longer and longer intervals, so that nothing loops hot.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::apply::Refusal;
use crate::crd::MCPServer;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The failures in a row of each server: its namespace and name.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<(String, String), Failures>>);

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    refused: Option<Refused>,
}

/// What was refused, of which generation, and when it is tried again.
#[derive(Debug)]
struct Refused {
    generation: Option<i64>,
    refusal: Refusal,
    until: Instant,
}

impl Attempts {
    /// One more; how long to wait until the next attempt.
    pub fn failed(&self, server: &ObjectRef<MCPServer>) -> Duration {
        let mut failures = self.failures();
        let failures = failures
            .entry(key(&server.namespace, &server.name))
            .or_default();
        let wait = FIRST.saturating_mul(2u32.saturating_pow(failures.count));
        failures.count = failures.count.saturating_add(1);
        jittered(wait.min(LONGEST))
    }

    /// What the API server refused of this generation, and for how long it is not asked again, whatever else happens: a
    /// refusal may be worded anew each time, and its status would be what the next look is for.
    pub fn refusal(&self, server: &MCPServer) -> Option<(Refusal, Duration)> {
        let failures = self.failures();
        let failures = failures.get(&key_of(server))?;
        let refused = failures.refused.as_ref()?;
        let wait = refused.until.saturating_duration_since(Instant::now());
        let holds = refused.generation == server.metadata.generation && !wait.is_zero();
        holds.then(|| (refused.refusal.clone(), wait))
    }

    /// The API server refused something; how long to wait until the next attempt.
    pub fn refused(&self, server: &MCPServer, refusal: Refusal) -> Duration {
        let wait = self.failed(&ObjectRef::from_obj(server));
        let mut failures = self.failures();
        failures.entry(key_of(server)).or_default().refused = Some(Refused {
            generation: server.metadata.generation,
            refusal,
            until: Instant::now() + wait,
        });
        wait
    }

    /// It went well.
    pub fn succeeded(&self, server: &ObjectRef<MCPServer>) {
        self.failures()
            .remove(&key(&server.namespace, &server.name));
    }

    /// It is gone.
    pub fn forget(&self, server: &ObjectRef<DynamicObject>) {
        self.failures()
            .remove(&key(&server.namespace, &server.name));
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(String, String), Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &Option<String>, name: &str) -> (String, String) {
    (namespace.clone().unwrap_or_default(), name.to_owned())
}

fn key_of(server: &MCPServer) -> (String, String) {
    key(&server.metadata.namespace, &server.name_any())
}

/// Up to a tenth longer: what failed together is not tried together for ever.
pub fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1000;
    let more = wait.saturating_mul(u32::try_from(random).unwrap_or_default()) / 10_000;
    wait.saturating_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let attempts = Attempts::default();
        let server = ObjectRef::new("a").within("b");
        let waits: Vec<_> = (0..12)
            .map(|_| attempts.failed(&server).as_millis())
            .collect();
        assert!((1000..=1100).contains(&waits[0]), "{waits:?}");
        assert!((2000..=2200).contains(&waits[1]), "{waits:?}");
        assert!((300_000..=330_000).contains(&waits[11]), "{waits:?}");
        attempts.succeeded(&server);
        assert!(attempts.failed(&server).as_millis() <= 1100);
    }
}
