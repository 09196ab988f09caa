//! Small requests of those that sent nothing since the last commit: they go before all who wait. What a project that sends little waits for is then at most the
//! commit under way and its own.
//!
//! # Invariants
//! - Between two commits one request of a lane goes so, and all of them together are bounded in bytes: nobody is displaced by it for longer than a part of a commit.

use super::lanes::{Class, Lane};
use std::collections::HashSet;

/// A larger request is not small: about a hundred events.
const SMALL_BYTES_MAX: u64 = 128 * 1024;
/// Lanes that are told apart between two commits. More of them: nobody goes first until the next.
const LANES_MAX: usize = 4096;

/// Who went since the last commit.
#[derive(Debug, Default)]
pub(super) struct Firsts {
    lanes: HashSet<Lane>,
    /// Bytes of those that went before others.
    bytes: u64,
}

impl Firsts {
    /// There was a commit.
    pub(super) fn renew(&mut self) {
        self.lanes.clear();
        self.bytes = 0;
    }

    /// A request of a lane went.
    pub(super) fn note(&mut self, lane: Lane) {
        if self.lanes.len() < LANES_MAX {
            self.lanes.insert(lane);
        }
    }

    /// Whether a request goes before those who wait; `bytes_max`: of all that do. If so, that counts.
    pub(super) fn goes(&mut self, lane: Lane, bytes: u64, bytes_max: u64) -> bool {
        let small = lane.class == Class::Live && bytes <= SMALL_BYTES_MAX;
        let goes = small && self.bytes + bytes <= bytes_max && self.lanes.len() < LANES_MAX && !self.lanes.contains(&lane);
        if goes {
            self.bytes += bytes;
        }
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(project: u64) -> Lane {
        Lane { project, class: Class::Live }
    }

    #[test]
    fn one_small_request_of_each_lane_between_two_commits() {
        let mut firsts = Firsts::default();
        assert!(firsts.goes(lane(1), 1000, 200 * 1024));
        firsts.note(lane(1));
        assert!(!firsts.goes(lane(1), 1000, 200 * 1024), "it had its turn");
        assert!(!firsts.goes(lane(2), SMALL_BYTES_MAX + 1, u64::MAX), "not small");
        assert!(!firsts.goes(Lane { project: 2, class: Class::Import }, 1000, u64::MAX), "imports have time");
        assert!(firsts.goes(lane(2), SMALL_BYTES_MAX, 200 * 1024));
        assert!(!firsts.goes(lane(3), SMALL_BYTES_MAX, 200 * 1024), "together they have a bound");
        firsts.renew();
        assert!(firsts.goes(lane(1), SMALL_BYTES_MAX, 200 * 1024));
    }

    #[test]
    fn lanes_beyond_the_bound_wait() {
        let mut firsts = Firsts::default();
        (0..LANES_MAX as u64).for_each(|project| firsts.note(lane(project)));
        assert!(!firsts.goes(lane(u64::MAX), 1, u64::MAX));
    }
}
