//! What "the same event again" means: the key of an event, and the window.

use aqueduct_event::{ProjectId, UnixMicros};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;
use std::time::Duration;
use uuid::Uuid;

/// One arrival of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Key of the event by [`SeenRule::key`].
    pub key: u128,
    /// When its request was received.
    pub received_at: UnixMicros,
}

/// When an event counts as one that was there before: its key is that of a stored event, and the two were received within the window of each other.
///
/// A key is a SipHash-1-3 of 128 bits under a secret of the store, so that nobody can make two events whose keys collide. With n keys in the window
/// a new event is taken for another one with probability n / 2^128: 3e-31 at 100 million.
#[derive(Clone, Copy)]
pub struct SeenRule {
    secret: u128,
    window_micros: u64,
}

impl SeenRule {
    /// A rule with a secret and a window.
    #[must_use]
    pub fn new(secret: u128, window: Duration) -> Self {
        Self { secret, window_micros: u64::try_from(window.as_micros()).unwrap_or(u64::MAX) }
    }

    /// The key of an event. Project, name and distinct id as sent: what processing makes of them later may depend on the day.
    #[must_use]
    pub fn key(&self, project: ProjectId, uuid: Uuid, event: &str, distinct_id: &str) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret as u64, (self.secret >> 64) as u64);
        let mut head = [0; 28];
        head[..16].copy_from_slice(uuid.as_bytes());
        head[16..20].copy_from_slice(&project.0.to_le_bytes());
        // With its length before it, no other split into name and distinct id has the same bytes.
        head[20..].copy_from_slice(&(event.len() as u64).to_le_bytes());
        hasher.write(&head);
        hasher.write(event.as_bytes());
        hasher.write(distinct_id.as_bytes());
        hasher.finish128().as_u128()
    }

    /// Whether an arrival makes a stored one a duplicate: not more than the window lies between them, whichever clock ran ahead.
    #[must_use]
    pub fn covers(&self, stored: UnixMicros, again: UnixMicros) -> bool {
        stored.0.abs_diff(again.0) <= self.window_micros
    }

    /// The window in µs.
    pub(crate) fn window(&self) -> i64 {
        i64::try_from(self.window_micros).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for SeenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenRule").field("window_micros", &self.window_micros).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn every_part_counts() {
        let rule = SeenRule::new(1, Duration::from_secs(1));
        let key = rule.key(ProjectId(1), ID, "ab", "c");
        assert_eq!(key, rule.key(ProjectId(1), ID, "ab", "c"));
        let others = [
            rule.key(ProjectId(2), ID, "ab", "c"),
            rule.key(ProjectId(1), Uuid::from_u128(8), "ab", "c"),
            rule.key(ProjectId(1), ID, "a", "bc"),
            rule.key(ProjectId(1), ID, "ab", "C"),
            SeenRule::new(2, Duration::from_secs(1)).key(ProjectId(1), ID, "ab", "c"),
        ];
        assert!(others.iter().all(|other| *other != key));
    }

    /// Keys lie in files: they must stay what they are.
    #[test]
    fn keys_are_what_they_were() {
        let secret = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        let key = SeenRule::new(secret, Duration::ZERO).key(ProjectId(1), ID, "$pageview", "ann");
        assert_eq!(key, 0xde62_162b_3b4f_c78c_70cf_d3d6_c4b8_738a, "{key:#x}");
    }

    #[test]
    fn the_edge_of_the_window_is_exact() {
        let rule = SeenRule::new(0, Duration::from_micros(10));
        let at = UnixMicros;
        assert!(rule.covers(at(100), at(110)) && rule.covers(at(110), at(100)));
        assert!(!rule.covers(at(100), at(111)) && !rule.covers(at(111), at(100)));
        assert!(!rule.covers(at(i64::MIN), at(i64::MAX)));
    }
}
