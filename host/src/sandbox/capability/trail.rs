//! What a call reached, and what it was refused: for the audit. And what it changed: for those who watch it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Different entries of each kind that are kept of one call.
const MAX_ENTRIES: usize = 32;

/// Bytes of an entry: a host's name has 253 at most, but a guest may ask for what is none.
const MAX_ENTRY: usize = 320;

/// Resources that one call says it changed.
const MAX_UPDATED: usize = 256;

/// Bytes of a resource's URI.
pub const MAX_URI: usize = 2_048;

/// What a call reached with its grants, and what it was refused.
///
/// Clones share one record: what a call does goes on beside the guest.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    hosts: BTreeSet<String>,
    denials: BTreeSet<String>,
    updated: BTreeSet<String>,
}

impl Trail {
    /// A host, with its port, that the call was connected to.
    pub fn reached(&self, host: String) {
        keep(&mut self.lock().hosts, host);
    }

    /// A use of a capability that was refused, in words for the operator: no values, no secrets.
    pub fn denied(&self, what: String) {
        keep(&mut self.lock().denials, what);
    }

    /// The hosts that the call reached, with their ports.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = String> {
        Vec::from_iter(self.lock().hosts.iter().cloned()).into_iter()
    }

    /// What the call was refused.
    pub fn denials(&self) -> impl ExactSizeIterator<Item = String> {
        Vec::from_iter(self.lock().denials.iter().cloned()).into_iter()
    }

    /// A resource that the call has changed.
    pub(in crate::sandbox) fn updated(&self, uri: String) {
        let updated = &mut self.lock().updated;
        if uri.len() <= MAX_URI && updated.len() < MAX_UPDATED {
            updated.insert(uri);
        }
    }

    /// Adds what another run of the same call did.
    pub fn extend(&self, other: &Self) {
        for host in other.hosts() {
            self.reached(host);
        }
        for denial in other.denials() {
            self.denied(denial);
        }
    }

    /// The resources that the call has changed.
    pub fn take_updated(&self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.lock().updated).into_iter()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(entries: &mut BTreeSet<String>, mut entry: String) {
    if entries.len() < MAX_ENTRIES {
        entry.truncate(entry.floor_char_boundary(MAX_ENTRY));
        entries.insert(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_make_the_trail_grow_without_end() {
        let trail = Trail::default();
        for number in 0..1000 {
            trail.denied(format!("{number}{}", "é".repeat(1000)));
        }
        assert_eq!(trail.denials().len(), MAX_ENTRIES);
        assert!(trail.denials().all(|entry| entry.len() <= MAX_ENTRY));
    }

    #[test]
    fn clones_share_one_record() {
        let trail = Trail::default();
        trail.clone().reached("a:1".to_owned());
        assert!(trail.hosts().eq(["a:1"]));
    }
}
