//! Room for the bytes that callers make the host hold. It is bounded in all, and for each tenant: one alone has no more
//! than half, and has its even part whatever the others hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all tenants together may hold.
#[derive(Debug)]
pub struct Room {
    most: usize,
    /// What a tenant may hold whatever the others do.
    part: usize,
    used: AtomicUsize,
}

/// What a tenant may hold.
#[derive(Debug)]
pub struct RoomShare {
    of: Arc<Room>,
    most: usize,
    used: AtomicUsize,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Held {
    share: Arc<RoomShare>,
    bytes: usize,
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The tenant holds too much.
    #[error(
        "The tenant's requests hold too much memory: try again in a second, with fewer at once"
    )]
    OfTenant,
    /// All tenants together do.
    #[error("Requests hold too much memory: try again in a second")]
    OfHost,
    /// The tenant has more requests and streams open than its part of the connections.
    #[error(
        "The tenant has too many requests and streams open: end some, or try again in a second"
    )]
    OfRequests,
}

impl Room {
    /// So many bytes, for so many tenants.
    pub fn new(most: usize, tenants: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            part: most / tenants.max(1),
            used: AtomicUsize::new(0),
        })
    }

    /// A tenant's share: half of all, or all where there is no other tenant.
    pub fn share(self: &Arc<Self>) -> Arc<RoomShare> {
        Arc::new(RoomShare {
            of: Arc::clone(self),
            most: self.part.max(self.most / 2),
            used: AtomicUsize::new(0),
        })
    }
}

impl RoomShare {
    /// The most that it can be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Bytes that are held.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Holds so many bytes.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Full> {
        self.take(bytes)?;
        Ok(self.held(bytes))
    }

    /// Holds so many bytes of what is there already: where that is too much, nothing more is let in until it is gone.
    pub fn hold_anyway(self: &Arc<Self>, bytes: usize) -> Held {
        let mut held = self.held(0);
        held.grow_anyway(bytes);
        held
    }

    /// Errors if there is no room at all.
    pub fn check(&self) -> Result<(), Full> {
        self.take(0)
    }

    fn held(self: &Arc<Self>, bytes: usize) -> Held {
        Held {
            share: Arc::clone(self),
            bytes,
        }
    }

    fn take(&self, bytes: usize) -> Result<(), Full> {
        let of_tenant = add(&self.used, bytes);
        let of_all = add(&self.of.used, bytes);
        let refused = if of_tenant > self.most {
            Full::OfTenant
        } else if of_all > self.of.most && of_tenant > self.of.part {
            Full::OfHost
        } else {
            return Ok(());
        };
        self.give_back(bytes);
        Err(refused)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.of.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn add(used: &AtomicUsize, bytes: usize) -> usize {
    used.fetch_add(bytes, Ordering::Relaxed)
        .saturating_add(bytes)
}

impl Held {
    /// Holds so many bytes more, of what is there already, for as long as what is returned lasts.
    pub fn beside(&self, bytes: usize) -> Self {
        self.share.hold_anyway(bytes)
    }

    /// Holds so many more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.share.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Holds so many more of what is there already.
    pub fn grow_anyway(&mut self, bytes: usize) {
        add(&self.share.used, bytes);
        add(&self.share.of.used, bytes);
        self.bytes += bytes;
    }

    /// Holds so many less.
    pub fn shrink(&mut self, bytes: usize) {
        let less = bytes.min(self.bytes);
        self.bytes -= less;
        self.share.give_back(less);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_half_and_its_part_whatever_others_do() {
        let all = Room::new(100, 4);
        let [one, two, three] = [all.share(), all.share(), all.share()];
        assert_eq!(one.hold(51).unwrap_err(), Full::OfTenant);
        let mut held = one.hold(40).unwrap();
        assert_eq!(held.grow(11), Err(Full::OfTenant));
        held.grow(10).unwrap();
        let _all_the_rest = two.hold(50).unwrap();
        assert_eq!(three.hold(26).unwrap_err(), Full::OfHost);
        let part = three.hold(25).unwrap();
        assert_eq!(three.hold(1).unwrap_err(), Full::OfHost);
        drop((held, part));
        assert_eq!(all.used.load(Ordering::Relaxed), 50);
        assert!(three.hold(50).is_ok());
    }

    #[test]
    fn the_only_tenant_has_all() {
        let all = Room::new(100, 1);
        let share = all.share();
        let mut held = share.hold(100).unwrap();
        assert_eq!(share.hold(1).unwrap_err(), Full::OfTenant);
        held.shrink(70);
        let answer = share.hold_anyway(71);
        assert_eq!(share.check(), Err(Full::OfTenant));
        drop(answer);
        assert!(share.hold(70).is_ok());
    }
}
