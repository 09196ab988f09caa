//! Until when an arrival is kept. Measured by arrivals, never by the wall clock: what is a duplicate depends on records alone, today and when they are
//! processed again.

/// How far arrivals may lie behind newer ones that were processed before them and still find everything that their window covers.
const DISORDER_MICROS: i64 = 3_600_000_000;
/// How far one request can move the horizon on: a clock that was wrong for a moment must not end the life of everything.
const STEP_MICROS: i64 = 3_600_000_000;

/// The newest arrival, as far as it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Horizon {
    newest: Option<i64>,
    /// The request that moved it last.
    latest: Option<i64>,
}

impl Horizon {
    pub(crate) fn from_newest(newest: Option<i64>) -> Self {
        Self { newest, latest: newest }
    }

    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Takes note of an event that was received `at` then.
    pub(crate) fn arrived(&mut self, at: i64, window: i64) {
        if self.latest == Some(at) {
            return;
        }
        self.latest = Some(at);
        self.newest = Some(match self.newest {
            // The clock was ahead by more than the window, and was set right.
            Some(newest) if at < newest.saturating_sub(window) => at,
            Some(newest) => newest.max(at.min(newest.saturating_add(STEP_MICROS))),
            None => at,
        });
    }

    /// Arrivals before this are not asked for any more.
    pub(crate) fn oldest_kept(&self, window: i64) -> i64 {
        self.newest.map_or(i64::MIN, |newest| newest.saturating_sub(window).saturating_sub(DISORDER_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const WINDOW: i64 = 168 * HOUR;

    fn after(arrivals: &[i64]) -> i64 {
        let mut horizon = Horizon::default();
        arrivals.iter().for_each(|at| horizon.arrived(*at, WINDOW));
        horizon.newest().expect("something arrived")
    }

    #[test]
    fn follows_the_arrivals() {
        assert_eq!(after(&[5]), 5);
        assert_eq!(after(&[HOUR, HOUR + 7, HOUR + 3]), HOUR + 7);
        let mut horizon = Horizon::default();
        assert_eq!(horizon.oldest_kept(WINDOW), i64::MIN);
        horizon.arrived(WINDOW, WINDOW);
        assert_eq!(horizon.oldest_kept(WINDOW), -HOUR);
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_moment_moves_little() {
        let events_of_one_request = [1000 * HOUR; 500];
        assert_eq!(after(&[&[0], &events_of_one_request[..], &[1]].concat()), HOUR);
        assert_eq!(after(&[1000 * HOUR, 10 * HOUR, 10 * HOUR + 1]), 10 * HOUR + 1, "back by more than the window");
    }
}
