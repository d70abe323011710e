//! Components that are in memory, by digest: whoever loads the same bytes again shares their machine code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as AsyncMutex;

use crate::source::Digest;

/// What was loaded, as long as somebody has it.
pub(super) struct Shared<T> {
    known: Mutex<HashMap<Digest, Arc<Place<T>>>>,
}

/// Held while its component is being loaded, so that two do not compile the same.
type Place<T> = AsyncMutex<Weak<T>>;

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
        }
    }
}

impl<T> Shared<T> {
    /// What was loaded of these bytes, else what `load` makes of them.
    pub(super) async fn get_or_load<E>(
        &self,
        digest: &Digest,
        load: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let place = self.place(digest);
        let mut known = place.lock().await;
        if let Some(loaded) = known.upgrade() {
            return Ok(loaded);
        }
        let loaded = Arc::new(load().await?);
        *known = Arc::downgrade(&loaded);
        Ok(loaded)
    }

    fn place(&self, digest: &Digest) -> Arc<Place<T>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody has any more, and nobody loads.
        known.retain(|_, place| {
            Arc::strong_count(place) > 1
                || place.try_lock().is_ok_and(|known| known.strong_count() > 0)
        });
        Arc::clone(known.entry(digest.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_in_memory_is_shared_and_what_is_not_is_loaded_again() {
        let shared = Shared::<u32>::default();
        let digest = Digest::of(b"component");
        let load = |value: u32| shared.get_or_load(&digest, async move || Ok::<_, ()>(value));
        let first = load(1).await.unwrap();
        assert!(Arc::ptr_eq(&first, &load(2).await.unwrap()));
        drop(first);
        assert_eq!(*load(3).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn two_at_once_load_once_and_a_failure_is_not_kept() {
        let shared = Shared::<u32>::default();
        let digest = Digest::of(b"component");
        let failed = shared.get_or_load(&digest, async || Err("no"));
        assert_eq!(failed.await.unwrap_err(), "no");
        let load = |value: u32| {
            shared.get_or_load(&digest, async move || {
                tokio::task::yield_now().await;
                Ok::<_, ()>(value)
            })
        };
        let (one, other) = tokio::join!(load(1), load(2));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    }

    #[tokio::test]
    async fn what_is_gone_takes_no_place() {
        let shared = Shared::<u32>::default();
        for number in 0..10_u8 {
            let load = async || Ok::<_, ()>(0);
            _ = shared.get_or_load(&Digest::of(&[number]), load).await;
        }
        assert!(shared.known.lock().unwrap().len() <= 1);
    }
}
