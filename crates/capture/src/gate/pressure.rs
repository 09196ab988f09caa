//! How much may be accepted and not yet visible: the arithmetic of back-pressure, without time or locks of its own.
//!
//! In: what became visible and how long it took. Out: the *ceiling*, the most bytes that may be on their way between the edge and the store, and the *lead*,
//! the most of them that may stand in the one order of the journal, before whatever comes next.
//!
//! ```text
//! window  = measured rate × the time that a backlog may take
//! ceiling = window; more while a backlog from before is worked off, or while nothing can become visible at all
//! lead    = measured rate × a few milliseconds while several send; what else is on its way waits for its turn, by project
//! ```
//! Nothing is switched on or off: each byte that becomes visible makes room for one byte, so what is admitted follows what is processed.
//!
//! # Invariants
//! - The ceiling lies between the window and `bytes_max`, but for windows below [`WINDOW_BYTES_MIN`].
//! - The lead never holds back what an outage or a start with a backlog lets in: then it is as long as the ceiling.
//! - A backlog over the window shrinks by at least half of what becomes visible: old work is caught up with while new work is taken.

use std::time::Duration;

/// Less is no window: one commit is about as large.
pub(super) const WINDOW_BYTES_MIN: u64 = 1024 * 1024;
/// Taken for the rate until it was measured.
const RATE_ASSUMED: f64 = 16.0 * 1024.0 * 1024.0;
/// Less is no lead: about one request of a hundred events, and one under way behind it.
pub(super) const LEAD_BYTES_MIN: u64 = 128 * 1024;
/// What was measured this much busy time ago counts for a third.
const MEMORY_SECONDS: f64 = 2.0;
/// A commit tells the rate when it holds at least this part of what may stand before it: a trickle says what a commit costs, not how fast many events are.
const TELLING_PART: u64 = 4;

/// Processing, as the edge sees it.
#[derive(Debug)]
pub(super) struct Pressure {
    target: Duration,
    /// The time that the lead may take while several send.
    lead: Duration,
    shared: bool,
    bytes_max: u64,
    bytes: f64,
    seconds: f64,
    visible: u64,
    ceiling: u64,
    stalled: bool,
}

impl Pressure {
    pub(super) fn new(target: Duration, lead: Duration, bytes_max: u64) -> Self {
        let bytes_max = bytes_max.max(WINDOW_BYTES_MIN);
        let mut pressure =
            Self { target, lead, shared: false, bytes_max, bytes: RATE_ASSUMED, seconds: 1.0, visible: 0, ceiling: 0, stalled: false };
        pressure.ceiling = pressure.window();
        pressure
    }

    /// Bytes that become visible in a second while there is enough to do.
    pub(super) fn rate(&self) -> f64 {
        self.bytes / self.seconds
    }

    /// Whether several share the way.
    pub(super) fn share(&mut self, shared: bool) {
        self.shared = shared;
    }

    /// What may be under way as a rule.
    pub(super) fn window(&self) -> u64 {
        self.bytes_in(self.target).clamp(WINDOW_BYTES_MIN, self.bytes_max)
    }

    fn bytes_in(&self, time: Duration) -> u64 {
        // A rate of bytes is far below 2^53.
        (self.rate() * time.as_secs_f64()) as u64
    }

    /// While fewer bytes than this stand in the journal, the next in turn may join them.
    pub(super) fn lead(&self) -> u64 {
        let window = self.window();
        if self.shared && self.ceiling <= window {
            return self.bytes_in(self.lead).clamp(LEAD_BYTES_MIN, window);
        }
        self.ceiling
    }

    /// What may be under way now.
    pub(super) fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// Bytes of this process's own that are visible.
    pub(super) fn visible_bytes(&self) -> u64 {
        self.visible
    }

    /// A commit became visible; it took `busy`. `replayed` bytes of it were in the journal before this process began, `fresh` ones came since, of which
    /// `backlog` are left.
    pub(super) fn progress(&mut self, replayed: u64, fresh: u64, busy: Duration, backlog: u64) {
        let bytes = replayed + fresh;
        if bytes >= self.lead() / TELLING_PART {
            let kept = (-busy.as_secs_f64() / MEMORY_SECONDS).exp();
            self.bytes = self.bytes * kept + bytes as f64;
            self.seconds = (self.seconds * kept + busy.as_secs_f64()).max(1e-6);
        }
        if std::mem::take(&mut self.stalled) {
            self.ceiling = self.ceiling.min(backlog + self.window());
        }
        self.visible += fresh;
        let window = self.window();
        self.ceiling = if replayed > 0 {
            // New work waits behind old work, so its backlog is no sign of too much of it.
            (self.ceiling + replayed / 2).min(self.bytes_max).max(window)
        } else if backlog <= window {
            window
        } else {
            self.ceiling.saturating_sub(fresh / 2).max(window)
        };
    }

    /// Nothing can become visible at present, for another reason than too much work. The journal takes what comes, up to its bound.
    pub(super) fn stall(&mut self) {
        self.stalled = true;
        self.ceiling = self.bytes_max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn paced(mib_per_second: u64) -> Pressure {
        let mut pressure = Pressure::new(Duration::from_millis(500), Duration::from_millis(10), 1024 * MIB);
        for _ in 0..100 {
            pressure.progress(0, mib_per_second * MIB, Duration::from_secs(1), 0);
        }
        pressure
    }

    #[test]
    fn the_window_follows_the_rate_that_many_events_have() {
        let mut pressure = paced(40);
        assert_eq!(pressure.window() / MIB, 20);
        // A trickle: a thousandth of a window in each commit.
        for _ in 0..10_000 {
            pressure.progress(0, 20 * 1024, Duration::from_millis(5), 0);
        }
        assert_eq!(pressure.window() / MIB, 20);
        for _ in 0..20 {
            pressure.progress(0, 10 * MIB, Duration::from_secs(1), 0);
        }
        assert_eq!(pressure.window() / MIB, 5);
    }

    #[test]
    fn several_have_a_short_lead() {
        let mut pressure = paced(40);
        assert_eq!(pressure.lead() / MIB, 20, "who is alone waits for nobody");
        pressure.share(true);
        assert_eq!((pressure.window() / MIB, pressure.lead() / 1024), (20, 409));
        // Its own commits tell the rate: a tenth of a second's work would be a trickle now.
        for _ in 0..2000 {
            pressure.progress(0, 200 * 1024, Duration::from_millis(10), 0);
        }
        assert_eq!((pressure.window() / MIB, pressure.lead() / 1024), (9, 200));
        for _ in 0..200 {
            pressure.progress(0, 100 * 1024, Duration::from_millis(100), 0);
        }
        assert_eq!(pressure.lead(), LEAD_BYTES_MIN, "however slow");
        pressure.share(false);
        assert_eq!(pressure.lead(), pressure.window());
    }

    #[test]
    fn nobody_waits_for_a_turn_behind_an_outage_or_a_replay() {
        let mut pressure = paced(40);
        pressure.share(true);
        pressure.stall();
        assert_eq!(pressure.lead(), 1024 * MIB);
        pressure.progress(0, 4 * MIB, Duration::from_millis(100), 96 * MIB);
        assert_eq!(pressure.lead(), pressure.ceiling());
        let mut pressure = paced(40);
        pressure.share(true);
        pressure.progress(4 * MIB, 0, Duration::from_millis(100), 0);
        assert_eq!(pressure.lead(), pressure.ceiling());
        pressure.progress(0, 4 * MIB, Duration::from_millis(100), 0);
        assert_eq!(pressure.lead() / 1024, 409);
    }

    #[test]
    fn windows_have_bounds() {
        assert_eq!(Pressure::new(Duration::ZERO, Duration::ZERO, 1024 * MIB).window(), WINDOW_BYTES_MIN);
        assert_eq!(Pressure::new(Duration::from_secs(3600), Duration::ZERO, 100 * MIB).window(), 100 * MIB);
        assert_eq!(Pressure::new(Duration::from_secs(1), Duration::ZERO, 0).window(), WINDOW_BYTES_MIN);
    }

    /// A closed loop at full demand: everything that fits is admitted at once.
    fn flooded(pressure: &mut Pressure, mut backlog: u64, commits: u64) -> Vec<u64> {
        let mut after = Vec::new();
        for _ in 0..commits {
            backlog = backlog.max(pressure.ceiling());
            backlog -= 4 * MIB;
            pressure.progress(0, 4 * MIB, Duration::from_millis(100), backlog);
            after.push(backlog / MIB);
        }
        after
    }

    #[test]
    fn after_an_outage_the_backlog_shrinks_at_half_speed_while_work_is_taken() {
        let mut pressure = paced(40);
        pressure.stall();
        assert_eq!(pressure.ceiling(), 1024 * MIB);
        // 100 MiB were taken during the outage.
        pressure.progress(0, 4 * MIB, Duration::from_millis(100), 96 * MIB);
        let after = flooded(&mut pressure, 96 * MIB, 60);
        assert!(after[0] > 100, "room for new work at once: {after:?}");
        assert!(after.windows(2).all(|pair| pair[0] - pair[1] <= 4), "{after:?}");
        assert_eq!(after.last(), Some(&16), "back to the window: {after:?}");
    }

    #[test]
    fn a_backlog_from_before_does_not_keep_new_work_out() {
        let mut pressure = paced(40);
        let window = pressure.ceiling();
        for _ in 0..10 {
            pressure.progress(4 * MIB, 0, Duration::from_millis(100), 0);
        }
        assert_eq!(pressure.ceiling(), window + 20 * MIB);
    }
}
