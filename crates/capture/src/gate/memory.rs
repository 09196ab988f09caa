//! A budget of bytes for requests under way: what bodies and their records hold at once.
//!
//! # Invariants
//! - Bytes are counted as they arrive, not as they are announced: a client that announces much and sends little holds little.
//! - What was taken is given back when the [`Held`] is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The budget.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_max: u64,
    used: AtomicU64,
    /// The process as a whole is near its ceiling.
    short: AtomicBool,
}

/// A part of the budget.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, used: AtomicU64::new(0), short: AtomicBool::new(false) }
    }

    pub(super) fn set_short(&self, short: bool) {
        self.short.store(short, Ordering::Relaxed);
    }

    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Nothing yet.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Takes `bytes` more; false when they are not there.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let used = self.memory.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.memory.bytes_max || self.memory.is_short() {
            self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Counts `bytes` instead of what it held, which exist already; whoever comes next finds less.
    pub(crate) fn become_bytes(&mut self, bytes: u64) {
        self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let memory = Arc::new(Memory::new(100));
        let (mut first, mut second) = (memory.hold(), memory.hold());
        assert!(first.try_grow(60) && !second.try_grow(41) && second.try_grow(40) && !first.try_grow(1));
        first.become_bytes(90);
        assert_eq!(memory.used_bytes(), 130);
        drop(second);
        assert!(!first.try_grow(11) && first.try_grow(10));
        drop(first);
        assert_eq!(memory.used_bytes(), 0);
        memory.set_short(true);
        assert!(!memory.hold().try_grow(1));
    }
}
