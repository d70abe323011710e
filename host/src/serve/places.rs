//! Places for connections, and who gives one up where all are taken.
//!
//! What waits for its client, for a request or for an answer to be taken, gives way first: of the peer that has most, what has
//! waited for longest. A peer that has fewer than the newcomer's gives nothing up. Where nothing waits, a peer that has more than
//! the newcomer's gives up its oldest request: mostly a stream without an end, whose client comes back. So nobody can keep
//! others out by taking all places.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Newcomers that wait for a place at once, each with a file open: this part of the places, and no more than so many.
const WAITING_OF: usize = 32;
const MAX_WAITING: usize = 16;

/// Where all places are taken, this part of them is freed at once: to look for what gives way takes a while.
const FREED_AT_ONCE: usize = 64;

/// Who connects: an address, of IPv6 a network of 64 bits, which is what one customer has (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// As many connections as there may be, on all ports that share them.
pub struct Places {
    most: usize,
    taken: Mutex<Taken>,
    freed: Notify,
    began: Instant,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
    of_peer: HashMap<Peer, usize>,
    waiting: usize,
}

/// What is known of a connection.
struct Seat {
    peer: Peer,
    /// When it began to do what it does: milliseconds since `began`, with [`SERVING`] while a request is served.
    since: AtomicU64,
    given_up: CancellationToken,
}

const SERVING: u64 = 1 << 63;

impl Seat {
    fn is_serving(&self) -> bool {
        self.since.load(Ordering::Relaxed) & SERVING != 0
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed) & !SERVING
    }
}

/// A connection's place, until it is dropped.
pub struct Place {
    number: u64,
    address: SocketAddr,
    seat: Arc<Seat>,
    places: Arc<Places>,
}

impl Places {
    /// So many.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            taken: Mutex::default(),
            freed: Notify::new(),
            began: Instant::now(),
        })
    }

    /// A place for a connection from this address, as soon as there is one; none where too many wait for that.
    pub async fn take(self: &Arc<Self>, address: SocketAddr) -> Option<Place> {
        if let Some(place) = self.enter(address) {
            return Some(place);
        }
        let _waiting = Waiting::begin(self)?;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.enter(address) {
                return Some(place);
            }
            freed.await;
        }
    }

    fn enter(self: &Arc<Self>, address: SocketAddr) -> Option<Place> {
        let peer = Peer::from(address.ip());
        let mut taken = self.taken();
        if taken.seats.len() >= self.most && !taken.free(peer, self.most / FREED_AT_ONCE) {
            return None;
        }
        let seat = Arc::new(Seat {
            peer,
            since: AtomicU64::new(self.now()),
            given_up: CancellationToken::new(),
        });
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        *taken.of_peer.entry(peer).or_default() += 1;
        Some(Place {
            number,
            address,
            seat,
            places: Arc::clone(self),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX) & !SERVING
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Makes room for a newcomer, at most so many places at once. False where nobody has to give way.
    fn free(&mut self, newcomer: Peer, most: usize) -> bool {
        let count = |peer: &Peer| self.of_peer.get(peer).copied().unwrap_or_default();
        let waiting = self.seats.values().filter(|seat| !seat.is_serving());
        let of_most =
            |peers: &mut dyn Iterator<Item = Peer>| peers.max_by_key(|peer| (count(peer), *peer));
        let of_newcomer = count(&newcomer);
        let waiting = of_most(&mut waiting.map(|seat| seat.peer));
        if let Some(peer) = waiting.filter(|peer| count(peer) >= of_newcomer) {
            let of_peer = self.seats.iter();
            let of_peer = of_peer.filter(|(_, seat)| seat.peer == peer && !seat.is_serving());
            let mut idle: Vec<_> = of_peer
                .map(|(number, seat)| (seat.since(), *number))
                .collect();
            idle.sort_unstable();
            for (_, number) in idle.into_iter().take(most.max(1)) {
                self.give_up(number);
            }
            return true;
        }
        let Some(peer) = of_most(&mut self.of_peer.keys().copied()) else {
            return false;
        };
        if count(&peer) <= of_newcomer + 1 {
            return false;
        }
        let of_peer = self.seats.iter().filter(|(_, seat)| seat.peer == peer);
        let oldest = of_peer.min_by_key(|(number, seat)| (seat.since(), **number));
        let Some((&number, _)) = oldest else {
            return false;
        };
        self.give_up(number);
        true
    }

    fn give_up(&mut self, number: u64) {
        if let Some(seat) = self.remove(number) {
            seat.given_up.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(&number)?;
        if let Some(count) = self.of_peer.get_mut(&seat.peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&seat.peer);
            }
        }
        Some(seat)
    }
}

impl Place {
    /// Where its client is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on a request is served, until the next one is waited for.
    pub fn serves(&self) {
        self.seat
            .since
            .store(self.places.now() | SERVING, Ordering::Relaxed);
    }

    /// From now on its client is waited for.
    pub fn waits(&self) {
        self.seat.since.store(self.places.now(), Ordering::Relaxed);
    }

    /// Waits until another connection needs the place.
    pub async fn given_up(&self) {
        self.seat.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.number);
        self.places.freed.notify_one();
    }
}

/// A newcomer without a place.
struct Waiting<'a>(&'a Places);

impl<'a> Waiting<'a> {
    fn begin(places: &'a Places) -> Option<Self> {
        let mut taken = places.taken();
        if taken.waiting == (places.most / WAITING_OF).clamp(1, MAX_WAITING) {
            return None;
        }
        taken.waiting += 1;
        Some(Self(places))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.taken().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures::FutureExt;

    fn address(last: u8) -> SocketAddr {
        (IpAddr::from([10, 0, 0, last]), 1).into()
    }

    fn peer(last: u8) -> Peer {
        address(last).ip().into()
    }

    fn take(places: &Arc<Places>, last: u8) -> Option<Place> {
        places.take(address(last)).now_or_never().flatten()
    }

    fn has_given_up(place: &Place) -> bool {
        place.given_up().now_or_never().is_some()
    }

    #[test]
    fn an_address_is_a_peer_and_so_is_a_network_of_ipv6() {
        let of = |address: &str| Peer::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(of("::ffff:10.0.0.1"), peer(1));
        assert_ne!(peer(1), peer(2));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn what_waits_for_longest_gives_way_and_first_that_of_who_has_most() {
        let places = Places::new(4);
        let alone = take(&places, 1).unwrap();
        let many: Vec<_> = (0..3).map(|_| take(&places, 2).unwrap()).collect();
        many[0].serves();
        let newcomer = take(&places, 3).unwrap();
        assert!(has_given_up(&many[1]), "the one that waits for longest");
        for place in [&alone, &many[0], &many[2], &newcomer] {
            assert!(!has_given_up(place));
        }
    }

    #[test]
    fn who_has_many_takes_nothing_from_who_has_few() {
        let places = Places::new(3);
        let few = take(&places, 1).unwrap();
        let many: Vec<_> = (0..2).map(|_| take(&places, 2).unwrap()).collect();
        for place in &many {
            place.serves();
        }
        assert!(take(&places, 2).is_none());
        assert!(!has_given_up(&few));
        // One whose client takes no answer waits too.
        many[1].waits();
        assert!(take(&places, 2).is_some());
        assert!(has_given_up(&many[1]));
    }

    #[test]
    fn where_nothing_waits_who_has_most_gives_up_its_oldest_request_to_who_has_few() {
        let places = Places::new(3);
        let mut serving: Vec<_> = (0..3)
            .map(|_| {
                let place = take(&places, 1).unwrap();
                place.serves();
                place
            })
            .collect();
        assert!(take(&places, 1).is_none(), "it takes nothing from itself");
        let newcomer = take(&places, 2).unwrap();
        newcomer.serves();
        assert!(has_given_up(&serving[0]));
        assert!(take(&places, 2).is_none(), "both have about as many");
        drop(serving.pop());
        assert!(take(&places, 2).is_some());
    }

    #[tokio::test]
    async fn newcomers_wait_for_a_place_and_not_too_many_of_them() {
        let places = Places::new(1);
        let place = take(&places, 1).unwrap();
        place.serves();
        let mut waiting = Box::pin(places.take(address(1)));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(places.take(address(1)).await.is_none());
        drop(place);
        let place = waiting.await.unwrap();
        place.serves();
        assert!(take(&places, 1).is_none());
        drop(place);
        assert!(take(&places, 1).is_some());
    }
}
