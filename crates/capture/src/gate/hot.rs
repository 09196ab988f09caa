//! Distinct ids that send more than their rate: a leaking bucket each, in a table of fixed size.
//!
//! As in PostHog, a project's `token:distinct_id` over its rate and burst goes to the overflow lane. Nothing of it is lost and its order is kept;
//! when there is not room for all, it has a lane of its own and a smaller part, so that it does not delay the others of its project.

use std::time::Duration;

/// Buckets: 96 KiB.
const PLACES: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    key: u64,
    /// Events over the rate so far.
    level: f32,
    at: Duration,
}

/// Who is hot.
#[derive(Debug)]
pub(super) struct HotKeys {
    buckets: Box<[Bucket]>,
    events_per_second: f32,
    burst: f32,
}

impl HotKeys {
    /// A rate of 0 makes nobody hot.
    pub(super) fn new(events_per_second: u32, burst: u32) -> Self {
        let buckets = vec![Bucket::default(); PLACES].into_boxed_slice();
        // Rates of one sender are far below 2^24.
        Self { buckets, events_per_second: events_per_second as f32, burst: burst as f32 }
    }

    /// `events` more of a key at a time; whether it is hot.
    pub(super) fn note(&mut self, key: u64, events: usize, now: Duration) -> bool {
        if self.events_per_second <= 0.0 {
            return false;
        }
        // INVARIANT: the index is less than the number of buckets.
        let bucket = &mut self.buckets[key as usize % PLACES];
        let leaked = now.saturating_sub(bucket.at).as_secs_f32() * self.events_per_second;
        let level = (bucket.level - leaked).max(0.0);
        if bucket.key != key && level > events as f32 {
            // A hotter one has the place.
            return false;
        }
        let before = if bucket.key == key { level } else { 0.0 };
        *bucket = Bucket { key, level: (before + events as f32).min(2.0 * self.burst + events as f32), at: now };
        bucket.level > self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn over_rate_and_burst_is_hot_and_cools() {
        let mut hot = HotKeys::new(100, 1000);
        assert!((0..60).all(|at| !hot.note(7, 100, second(at))), "at its rate for ever");
        assert!(!hot.note(7, 800, second(60)));
        assert!(hot.note(7, 400, second(60)));
        assert!(!hot.note(8, 100, second(60)), "others are not");
        assert!(hot.note(7, 1, second(61)));
        assert!(!hot.note(7, 1, second(80)));
    }

    #[test]
    fn a_place_is_of_the_hotter_one() {
        let mut hot = HotKeys::new(100, 1000);
        let other = 7 + PLACES as u64;
        assert!(hot.note(7, 1500, second(1)));
        assert!(!hot.note(other, 10, second(1)));
        assert!(hot.note(7, 1, second(2)));
        assert!(!hot.note(other, 10, second(100)), "the first has cooled");
        assert!(hot.note(other, 1500, second(100)));
        assert!(!HotKeys::new(0, 0).note(1, 1_000_000, second(0)), "0 is off");
    }
}
