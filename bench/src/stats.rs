//! Percentiles of durations.

use serde::Serialize;
use std::time::Duration;

/// Measured durations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations(Vec<Duration>);

/// What is told of them, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Durations {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// `None` when nothing was measured.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        // The nearest rank: the smallest value that at least the share has stayed under.
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted[rank.saturating_sub(1).min(last)].as_secs_f64() * 1000.0
        };
        Some(Percentiles { count: sorted.len(), p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentiles(), None);
        (1..=1000).rev().for_each(|millis| durations.push(Duration::from_millis(millis)));
        let expected = Percentiles { count: 1000, p50_ms: 500.0, p90_ms: 900.0, p99_ms: 990.0, p999_ms: 999.0, max_ms: 1000.0 };
        assert_eq!(durations.percentiles(), Some(expected));
    }
}
