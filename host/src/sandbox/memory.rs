//! The caps on memory: a guest's own, all linear memories and tables of an instance together, and what the host holds for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

/// A table element is a pointer in the host.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts what an instance has and refuses what would pass its cap.
#[derive(Debug)]
pub(super) struct MemoryCap {
    cap: usize,
    used: usize,
    /// The guest asked for more than the cap. It may have lived with the refusal.
    refused: bool,
}

impl MemoryCap {
    pub(super) fn new(cap: u64) -> Self {
        Self {
            cap: usize::try_from(cap).unwrap_or(usize::MAX),
            used: 0,
            refused: false,
        }
    }

    /// Memories never shrink, so what is used now is the peak.
    pub(super) fn peak(&self) -> u64 {
        self.used as u64
    }

    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, by: usize) -> bool {
        match self.used.checked_add(by) {
            Some(total) if total <= self.cap => {
                self.used = total;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }
}

/// Bytes of the host that a handle of the guest stands for at most: a request has its headers, its path and its authority.
const HANDLE: u64 = 24 << 10;

/// What the host holds for one call (`limits.host_memory`): one half is for what the guest has handles of, which are counted,
/// the other for what is weighed by bytes. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct HostMemory {
    limit: u64,
    /// Bytes that are weighed.
    left: Arc<AtomicU64>,
}

/// Bytes of the host that are in use until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    bytes: u64,
    of: Arc<AtomicU64>,
}

impl HostMemory {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            left: Arc::new(AtomicU64::new(limit / 2)),
        }
    }

    /// The handles that a guest can have at once.
    pub(super) fn handles(&self) -> usize {
        usize::try_from(self.limit / 2 / HANDLE).unwrap_or(usize::MAX)
    }

    /// The right to hold so many bytes; none where they are not left.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reserved> {
        let take = |left: u64| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        Some(Reserved {
            bytes,
            of: Arc::clone(&self.left),
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryCap {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Past its own maximum the growth fails anyway: no matter of the cap.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_cap() {
        let mut cap = MemoryCap::new(1024);
        assert!(cap.memory_growing(0, 512, None).unwrap());
        assert!(cap.table_growing(0, 64, None).unwrap());
        assert!(!cap.refused());
        assert!(!cap.memory_growing(512, 513, None).unwrap());
        assert!(cap.refused());
        assert_eq!(cap.peak(), 1024);
    }

    #[test]
    fn what_the_host_holds_is_bounded_and_given_back() {
        let memory = HostMemory::new(1 << 20);
        assert_eq!(memory.handles(), 21);
        let all = memory.reserve(512 << 10).unwrap();
        assert!(memory.clone().reserve(1).is_none());
        drop(all);
        assert!(memory.reserve(512 << 10).is_some());
    }

    #[test]
    fn a_growth_that_overflows_is_refused() {
        let mut cap = MemoryCap::new(u64::MAX);
        assert!(cap.memory_growing(0, usize::MAX, None).unwrap());
        assert!(!cap.table_growing(0, usize::MAX, None).unwrap());
    }
}
