//! How fast refusals leave. To refuse costs processor time too: the body is read and thrown away, and a client that is answered at once comes back at once. Over its
//! rate a refusal waits, its body unread, so that a flood is held up at its source by its own connections.
//!
//! # Invariants
//! - Up to the rate a refusal leaves at once; none waits longer than the bound, however many there are.
//! - Who waits holds a connection and nothing else.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// A refusal waits no longer than this. With the wait in a lane before it, it stays below the time-outs of SDKs (10 s and more).
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Gives refusals their times.
#[derive(Debug)]
pub(super) struct Brake {
    gap: Duration,
    /// When the next one may leave.
    next: Mutex<Instant>,
}

impl Brake {
    /// A rate of 0 holds nothing up.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let gap = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { gap, next: Mutex::new(now) }
    }

    /// How long a refusal of `now` has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let mut next = self.next.lock();
        let wait = next.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return WAIT_MAX;
        }
        *next = (*next).max(now) + self.gap;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_the_wait_is_bounded() {
        let now = Instant::now();
        let brake = Brake::new(1000, now);
        let waits: Vec<_> = (0..8000).map(|_| brake.wait(now)).collect();
        assert_eq!(waits[..3], [0, 1, 2].map(Duration::from_millis));
        assert_eq!(waits[2999], Duration::from_millis(2999));
        assert_eq!(waits[7999], WAIT_MAX);
        assert_eq!(brake.wait(now + Duration::from_secs(2)), Duration::from_millis(1001), "what left is worked off");
        assert_eq!(brake.wait(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn no_rate_no_wait() {
        let now = Instant::now();
        let brake = Brake::new(0, now);
        assert!((0..1000).all(|_| brake.wait(now) == Duration::ZERO));
    }
}
