//! A tenant's share of what waits for files and of the files and sockets that may be open.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::open_files;

/// Threads that wait for files for the calls of one tenant.
const THREADS: usize = 16;

/// The share of one tenant. Clones are the same share.
#[derive(Clone)]
pub(super) struct FileShare {
    threads: Arc<Semaphore>,
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The files and sockets of all guests.
#[derive(Clone)]
pub(super) struct GuestFiles(Arc<Semaphore>);

/// A file or a socket that is open, until this is dropped.
pub(super) struct Opened {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl GuestFiles {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(open_files::for_guests())))
    }

    /// Half of them: one tenant never takes them all.
    pub(super) fn share(&self) -> FileShare {
        FileShare {
            threads: Arc::new(Semaphore::new(THREADS)),
            own: Arc::new(Semaphore::new((open_files::for_guests() / 2).max(1))),
            all: Arc::clone(&self.0),
        }
    }
}

impl FileShare {
    /// The right to have a thread wait for the file system, when there is one.
    pub(super) fn turn(
        &self,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + use<> {
        Arc::clone(&self.threads).acquire_owned()
    }

    /// The right to have one more file or socket open; none where the share is used up.
    pub(super) fn open(&self) -> Option<Opened> {
        Some(Opened {
            _own: Arc::clone(&self.own).try_acquire_owned().ok()?,
            _all: Arc::clone(&self.all).try_acquire_owned().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn one_tenant_takes_at_most_half_of_the_files_and_gives_them_back() {
        let files = GuestFiles::new();
        let (greedy, other) = (files.share(), files.share());
        let taken: Vec<_> = std::iter::from_fn(|| greedy.open()).collect();
        assert_eq!(taken.len(), open_files::for_guests() / 2);
        assert!(other.open().is_some());
        drop(taken);
        assert!(greedy.open().is_some());
    }

    #[tokio::test]
    async fn a_tenant_whose_files_hang_keeps_no_other_waiting() {
        let files = GuestFiles::new();
        let (hanging, other) = (files.share(), files.share());
        let mut turns = Vec::new();
        for _ in 0..THREADS {
            turns.push(hanging.turn().await.unwrap());
        }
        let next = hanging.turn().now_or_never();
        assert!(next.is_none(), "all its threads are in use");
        assert!(other.turn().await.is_ok());
    }
}
