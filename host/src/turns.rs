//! Places that tenants share: for compiling, loading, downloading.
//!
//! No share has more than half of the places at once, so that one that asks for ever more leaves some to the others; and what
//! becomes free goes round the shares that wait, not round their requests. So whoever waits does so for one turn of each other
//! share at most, however many requests these have.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Whose turn it is: those of one share wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Share(Option<Arc<str>>);

impl Share {
    /// What the host does for itself.
    pub const HOST: Self = Self(None);

    /// That of everything of this name.
    pub fn of(name: &str) -> Self {
        Self(Some(name.into()))
    }
}

/// A number of places, and who waits for one.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

/// A place that is taken until this is dropped.
pub(crate) struct Turn {
    turns: Turns,
    share: Share,
}

struct Queue {
    free: usize,
    /// The most that one share has at once.
    most: usize,
    /// The shares that wait and may have one more, in the order of their turns.
    round: VecDeque<Share>,
    /// Those that have a place, or wait for one.
    shares: HashMap<Share, Places>,
}

/// What a share has.
#[derive(Default)]
struct Places {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    is_in_round: bool,
}

impl Turns {
    /// So many places: at least two, or one share could have all of them.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: places,
            most: (places / 2).max(1),
            round: VecDeque::new(),
            shares: HashMap::new(),
        })))
    }

    /// Waits for a place. Who is dropped meanwhile waits no longer.
    pub async fn wait(&self, share: &Share) -> Turn {
        let (waiter, turn) = oneshot::channel();
        self.change(|queue| queue.wait(share, waiter));
        turn.await.expect("the queue lasts as long as its turns")
    }

    /// Changes the queue, and hands over the places that are free then.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let given = {
            let mut queue = self.queue();
            change(&mut queue);
            queue.give()
        };
        for (waiter, share) in given {
            let turn = Turn {
                turns: self.clone(),
                share,
            };
            // Nobody waits any more: it is free again, which changes the queue once more.
            _ = waiter.send(turn);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.change(|queue| queue.free(&self.share));
    }
}

impl Queue {
    fn wait(&mut self, share: &Share, waiter: oneshot::Sender<Turn>) {
        let places = self.shares.entry(share.clone()).or_default();
        places.waiting.retain(|waiter| !waiter.is_closed());
        places.waiting.push_back(waiter);
        self.line_up(share);
    }

    fn free(&mut self, share: &Share) {
        self.free += 1;
        if let Some(places) = self.shares.get_mut(share) {
            places.taken -= 1;
        }
        self.line_up(share);
    }

    /// A share that waits and may have one more comes last; one that does not wait is forgotten with its last place.
    fn line_up(&mut self, share: &Share) {
        let Some(places) = self.shares.get_mut(share) else {
            return;
        };
        if places.waiting.is_empty() {
            if places.taken == 0 && !places.is_in_round {
                self.shares.remove(share);
            }
        } else if !places.is_in_round && places.taken < self.most {
            places.is_in_round = true;
            self.round.push_back(share.clone());
        }
    }

    /// Takes the free places for those whose turn it is.
    fn give(&mut self) -> Vec<(oneshot::Sender<Turn>, Share)> {
        let mut given = Vec::new();
        while self.free > 0
            && let Some(share) = self.round.pop_front()
        {
            let places = self.shares.get_mut(&share);
            let places = places.expect("a share in the round has somebody who waits");
            places.is_in_round = false;
            let waiting = &mut places.waiting;
            let waiter = std::iter::from_fn(|| waiting.pop_front()).find(|it| !it.is_closed());
            if let Some(waiter) = waiter {
                places.taken += 1;
                self.free -= 1;
                given.push((waiter, share.clone()));
            }
            self.line_up(&share);
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Turn>>>;

    /// Somebody who waits from now on.
    fn wait(turns: &Turns, share: &'static str) -> Waiting {
        let turns = turns.clone();
        let mut waiting: Waiting = Box::pin(async move { turns.wait(&Share::of(share)).await });
        match poll(&mut waiting) {
            Some(turn) => Box::pin(std::future::ready(turn)),
            None => waiting,
        }
    }

    fn poll(waiting: &mut Waiting) -> Option<Turn> {
        match waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_share_never_has_all_places() {
        let turns = Turns::new(2);
        let mut a: Vec<Waiting> = (0..10).map(|_| wait(&turns, "a")).collect();
        let first = poll(&mut a[0]).expect("nobody is before it");
        assert!(poll(&mut a[1]).is_none(), "half of the places are taken");
        let mut b = wait(&turns, "b");
        let other = poll(&mut b).expect("a place is left for the others");
        drop(first);
        let second = poll(&mut a[1]).expect("its turn comes with its own place");
        assert!(poll(&mut a[2]).is_none());
        drop((other, second));
    }

    #[test]
    fn who_comes_waits_for_one_turn_and_not_for_all_that_others_ask_for() {
        let turns = Turns::new(2);
        let mut a: Vec<Waiting> = (0..10).map(|_| wait(&turns, "a")).collect();
        let mut b: Vec<Waiting> = (0..10).map(|_| wait(&turns, "b")).collect();
        let (of_a, of_b) = (poll(&mut a[0]).unwrap(), poll(&mut b[0]).unwrap());
        let mut c = wait(&turns, "c");
        assert!(poll(&mut c).is_none(), "all places are taken");
        drop(of_a);
        let of_c = poll(&mut c).expect("it is next, though nine of `a` came before it");
        assert!(poll(&mut a[1]).is_none());
        drop(of_b);
        let of_a = poll(&mut a[1]).expect("then they take turns again");
        drop(of_c);
        let of_b = poll(&mut b[1]).unwrap();
        drop((of_a, of_b));
    }

    #[test]
    fn who_does_not_wait_any_more_keeps_nobody_waiting() {
        let turns = Turns::new(2);
        let mut a: Vec<Waiting> = (0..3).map(|_| wait(&turns, "a")).collect();
        let first = poll(&mut a[0]).unwrap();
        drop(a.remove(1));
        drop(first);
        let last = poll(&mut a[1]).expect("the one between them is gone");
        // One that is given a place, and never looks.
        let unseen = wait(&turns, "a");
        drop(last);
        assert_eq!(turns.queue().free, 1);
        drop(unseen);
        assert_eq!(turns.queue().free, 2);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let turns = Turns::new(2);
        for share in ["a", "b", "c"] {
            drop(wait(&turns, share));
        }
        let queue = turns.queue();
        assert_eq!((queue.free, queue.shares.len()), (2, 0));
        assert!(queue.round.is_empty());
    }

    #[test]
    fn many_places_are_shared_by_halves() {
        let turns = Turns::new(8);
        let mut a: Vec<Waiting> = (0..10).map(|_| wait(&turns, "a")).collect();
        let taken: Vec<Turn> = a.iter_mut().filter_map(poll).collect();
        assert_eq!(taken.len(), 4);
    }
}
