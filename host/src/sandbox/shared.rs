//! Components that are in memory, by digest: whoever loads the same bytes again shares their machine code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, MutexGuard, Notify};

use crate::source::Digest;

/// What was loaded, as long as somebody has it.
pub(super) struct Shared<T> {
    known: Mutex<HashMap<Digest, Arc<Place<T>>>>,
}

struct Place<T> {
    /// Held while the component is being loaded, so that two do not compile the same; not while somebody waits for a turn.
    loaded: AsyncMutex<Weak<T>>,
    /// Held while somebody looks for what is at hand. It is not `loaded`, which tells whoever has a turn that another one makes
    /// the component.
    finding: AsyncMutex<()>,
    /// Told whenever somebody has loaded it, or has failed to.
    settled: Notify,
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self {
            loaded: AsyncMutex::default(),
            finding: AsyncMutex::default(),
            settled: Notify::new(),
        }
    }
}

impl<T> Place<T> {
    /// Keeps what was made of the bytes, and has those that wait look.
    fn settle<E>(
        &self,
        mut loaded: MutexGuard<'_, Weak<T>>,
        made: Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let made = made
            .map(Arc::new)
            .inspect(|made| *loaded = Arc::downgrade(made));
        drop(loaded);
        self.settled.notify_waiters();
        made
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
        }
    }
}

impl<T> Shared<T> {
    /// What was loaded of these bytes, else what `find` has at hand, else what `make` makes of them; and whether it is new. What
    /// has to be made waits for a turn: of all who wait for the same bytes, whoever's turn comes first makes it for the others.
    pub(super) async fn get_or_load<E, Turn, Found, Waited, Made>(
        &self,
        digest: &Digest,
        find: impl Fn() -> Found,
        turn: impl Fn() -> Waited,
        make: impl Fn() -> Made,
    ) -> Result<(Arc<T>, bool), E>
    where
        Found: Future<Output = Result<Option<T>, E>>,
        Waited: Future<Output = Turn>,
        Made: Future<Output = Result<T, E>>,
    {
        let place = self.place(digest);
        loop {
            // Whatever is settled from here on is heard.
            let settled = place.settled.notified();
            // Whoever makes it is waited for.
            drop(place.loaded.lock().await);
            {
                let _finding = place.finding.lock().await;
                if let Some(loaded) = place.loaded.lock().await.upgrade() {
                    return Ok((loaded, false));
                }
                if let Some(found) = find().await.transpose() {
                    let loaded = place.loaded.lock().await;
                    return place.settle(loaded, found).map(|found| (found, true));
                }
            }
            let _turn = tokio::select! {
                biased;
                () = settled => continue,
                turn = turn() => turn,
            };
            // Where another's turn came first, this one is given back, and that one's end waited for.
            let Ok(loaded) = place.loaded.try_lock() else {
                continue;
            };
            if let Some(loaded) = loaded.upgrade() {
                return Ok((loaded, false));
            }
            return place.settle(loaded, make().await).map(|made| (made, true));
        }
    }

    fn place(&self, digest: &Digest) -> Arc<Place<T>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody has any more, and nobody loads.
        known.retain(|_, place| {
            let is_loaded = |place: &Place<T>| {
                let loaded = place.loaded.try_lock();
                loaded.is_ok_and(|loaded| loaded.strong_count() > 0)
            };
            Arc::strong_count(place) > 1 || is_loaded(place)
        });
        Arc::clone(known.entry(digest.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Makes the value, with a turn for everybody.
    async fn load(shared: &Shared<u32>, digest: &Digest, value: u32) -> Result<Arc<u32>, ()> {
        let loaded = shared.get_or_load(
            digest,
            || async { Ok(None) },
            || async {},
            || async {
                tokio::task::yield_now().await;
                Ok(value)
            },
        );
        loaded.await.map(|(loaded, _)| loaded)
    }

    #[tokio::test]
    async fn what_is_in_memory_is_shared_and_what_is_not_is_loaded_again() {
        let shared = Shared::default();
        let digest = Digest::of(b"component");
        let first = load(&shared, &digest, 1).await.unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &load(&shared, &digest, 2).await.unwrap()
        ));
        drop(first);
        assert_eq!(*load(&shared, &digest, 3).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn those_who_look_for_it_do_not_keep_each_other_from_making_it() {
        let shared: Shared<u32> = Shared::default();
        let digest = Digest::of(b"component");
        let looks = AtomicU32::new(0);
        let load = || {
            shared.get_or_load(
                &digest,
                async || {
                    // A look takes a while, in which the other one gets its turn.
                    looks.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(None)
                },
                || async {},
                || async { Ok(1) },
            )
        };
        let (one, other) = tokio::join!(load(), load());
        assert_eq!((*one.unwrap().0, *other.unwrap().0), (1, 1));
        assert!(looks.load(Ordering::Relaxed) < 10);
    }

    #[tokio::test]
    async fn two_at_once_load_once_and_a_failure_is_not_kept() {
        let shared = Shared::default();
        let digest = Digest::of(b"component");
        let failed = shared.get_or_load(
            &digest,
            || async { Ok(None) },
            || async {},
            || async { Err("no") },
        );
        assert_eq!(failed.await.unwrap_err(), "no");
        let (one, other) = tokio::join!(load(&shared, &digest, 1), load(&shared, &digest, 2));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    }

    /// Whoever waits for bytes that another one waits for too does not wait for that one's turn.
    #[tokio::test]
    async fn whoevers_turn_comes_first_makes_it_for_all() {
        let shared = Arc::new(Shared::<u32>::default());
        let digest = Digest::of(b"component");
        let made = Arc::new(AtomicU32::new(0));
        // The turn of the first never comes.
        let turns = [0, 1].map(|turns| Arc::new(Semaphore::new(turns)));
        let mut waiting = turns.map(|turn| {
            let (shared, digest, made) = (Arc::clone(&shared), digest.clone(), Arc::clone(&made));
            Box::pin(async move {
                let loaded = shared.get_or_load(
                    &digest,
                    || async { Ok(None) },
                    || turn.acquire(),
                    || async { Ok::<_, ()>(made.fetch_add(1, Ordering::SeqCst)) },
                );
                loaded.await.unwrap()
            })
        });
        assert!(futures::poll!(&mut waiting[0]).is_pending());
        let [first, second] = waiting;
        let (second, first) = tokio::join!(second, first);
        assert!(Arc::ptr_eq(&first.0, &second.0));
        assert_eq!((first.1, second.1), (false, true));
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_turn_is_given_back_where_another_makes_the_same() {
        let shared = Shared::<u32>::default();
        let digest = Digest::of(b"component");
        let (turns, go) = (Semaphore::new(0), Notify::new());
        let find = || async { Ok(None) };
        let turn = || turns.acquire();
        let make = || async {
            go.notified().await;
            Ok::<_, ()>(1)
        };
        let load = || Box::pin(shared.get_or_load(&digest, find, turn, make));
        let mut both = [load(), load()];
        for free in [0, 2] {
            turns.add_permits(free);
            for waiting in &mut both {
                assert!(futures::poll!(waiting).is_pending());
            }
        }
        assert_eq!(turns.available_permits(), 1, "one of them makes it");
        go.notify_one();
        let [one, other] = both;
        let (one, other) = tokio::join!(one, other);
        assert!(Arc::ptr_eq(&one.unwrap().0, &other.unwrap().0));
        assert_eq!(turns.available_permits(), 2);
    }

    #[tokio::test]
    async fn what_is_gone_takes_no_place() {
        let shared = Shared::default();
        for number in 0..10_u8 {
            _ = load(&shared, &Digest::of(&[number]), 0).await;
        }
        assert!(shared.known.lock().unwrap().len() <= 1);
    }
}
