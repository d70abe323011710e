//! How often something failed in a row: it is tried again at longer and longer intervals, so that nothing loops hot.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::DynamicObject;
use kube::runtime::reflector::ObjectRef;

use crate::crd::MCPServer;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The failures in a row of each server: its namespace and name.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<(String, String), u32>>);

impl Attempts {
    /// One more; how long to wait until the next attempt.
    pub fn failed(&self, server: &ObjectRef<MCPServer>) -> Duration {
        let mut counts = self.counts();
        let count = counts
            .entry(key(&server.namespace, &server.name))
            .or_default();
        let wait = FIRST * 2u32.saturating_pow((*count).min(16));
        *count += 1;
        jittered(wait.min(LONGEST))
    }

    /// It went well.
    pub fn succeeded(&self, server: &ObjectRef<MCPServer>) {
        self.counts().remove(&key(&server.namespace, &server.name));
    }

    /// It is gone.
    pub fn forget(&self, server: &ObjectRef<DynamicObject>) {
        self.counts().remove(&key(&server.namespace, &server.name));
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<(String, String), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &Option<String>, name: &str) -> (String, String) {
    (namespace.clone().unwrap_or_default(), name.to_owned())
}

/// Up to a tenth longer: what failed together is not tried together for ever.
pub fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1000;
    wait + wait * u32::try_from(random).unwrap_or_default() / 10_000
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
