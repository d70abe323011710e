//! The cap on guest memory: all linear memories and tables of an instance together.

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
    fn a_growth_that_overflows_is_refused() {
        let mut cap = MemoryCap::new(u64::MAX);
        assert!(cap.memory_growing(0, usize::MAX, None).unwrap());
        assert!(!cap.table_growing(0, usize::MAX, None).unwrap());
    }
}
