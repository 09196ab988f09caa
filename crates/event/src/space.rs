//! Room on a file system, and how much of it stays free.

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still write.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
}

impl Space {
    /// Room of a system that does not tell: its own "no space" is then what counts.
    pub const UNKNOWN: Self = Self { free_bytes: u64::MAX, total_bytes: u64::MAX };

    /// What shall stay free: at least `bytes` and `percent` of the whole, but never more than a tenth of it: a small disk must be of use too.
    #[must_use]
    pub fn reserve_bytes(&self, bytes: u64, percent: u8) -> u64 {
        bytes.max(self.total_bytes / 100 * u64::from(percent)).min(self.total_bytes / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_small_disk_a_share_of_a_large_one() {
        let reserve = |total_bytes| Space { free_bytes: 0, total_bytes }.reserve_bytes(1 << 30, 2);
        assert_eq!(reserve(100 << 20), 10 << 20);
        assert_eq!(reserve(20 << 30), 1 << 30);
        assert_eq!(reserve(100 << 40), (100 << 40) / 50);
    }
}
