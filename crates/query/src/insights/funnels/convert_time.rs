//! How long conversion takes, as a histogram.

use super::operator::{Case, Study};
use super::plan::Plan;
use super::steps::Attempts;
use crate::error::QueryError;
use crate::insights::statistic::Statistic;
use serde_json::{Value, json};

const BINS_MAX: i64 = 90;
const BINS_MAX_BY_SIZE: i64 = 60;
/// Width of a bin when all took equally long.
const WIDTH_DEFAULT: i64 = 60;

/// Collects how long actors took from one step to another.
#[derive(Debug)]
pub(super) struct ConversionTimes {
    attempts: Attempts,
    /// Steps, from 0.
    from: usize,
    to: usize,
    pub(super) seconds: Vec<f64>,
}

impl ConversionTimes {
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self { attempts: Attempts::default(), from, to, seconds: Vec::new() }
    }
}

impl Study for ConversionTimes {
    fn see(&mut self, plan: &Plan, case: Case<'_>) -> Result<(), QueryError> {
        let attempt = self.attempts.best(plan.order, &plan.rules, &case).filter(|attempt| attempt.last >= self.to);
        self.seconds.extend(attempt.and_then(|attempt| attempt.seconds(self.from, self.to)));
        Ok(())
    }

    fn absorb(&mut self, other: Self, _: &[u32]) {
        self.seconds.extend(other.seconds);
    }
}

/// Bins of equal width over whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeBins {
    start: i64,
    width: i64,
    /// Their number, without the one more at the end that the largest value may need.
    count: i64,
}

impl TimeBins {
    /// Bins for these times. `count`: how many; else the cube root of the number of times.
    pub(super) fn over(seconds: &[f64], count: Option<i64>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a small root of a count")]
        let by_size = || ((seconds.len() as f64).cbrt().ceil() as i64).clamp(1, BINS_MAX_BY_SIZE);
        let count = count.map_or_else(by_size, |count| count.clamp(1, BINS_MAX));
        if seconds.is_empty() {
            return Self { start: 0, width: WIDTH_DEFAULT, count };
        }
        let low = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = seconds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a conversion window")]
        let (start, end) = (low.floor() as i64, high.ceil() as i64);
        let width = (end - start + count - 1) / count;
        Self { start, width: if width > 0 { width } else { WIDTH_DEFAULT }, count }
    }

    fn counts(self, seconds: &[f64]) -> Vec<[i64; 2]> {
        let mut bins: Vec<[i64; 2]> = (0..=self.count).map(|bin| [self.start + bin * self.width, 0]).collect();
        for time in seconds {
            #[expect(clippy::cast_possible_truncation, reason = "seconds of a conversion window")]
            let bin = (time.floor() as i64 - self.start).div_euclid(self.width);
            if let Some([_, count]) = usize::try_from(bin).ok().and_then(|bin| bins.get_mut(bin)) {
                *count += 1;
            }
        }
        bins
    }
}

/// The result object.
pub(super) fn item(seconds: &mut [f64], bins: TimeBins) -> Value {
    let statistic = |of: Statistic, seconds: &mut [f64]| if seconds.is_empty() { Value::Null } else { json!(of.over(seconds)) };
    let bins = bins.counts(seconds);
    json!({
        "bins": bins,
        "average_conversion_time": statistic(Statistic::Avg, seconds),
        "median_conversion_time": statistic(Statistic::Quantile(0.5), seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_time() {
        let times = [2220.0, 3600.0, 82800.0];
        let bins = TimeBins::over(&times, None);
        assert_eq!(bins.counts(&times), [[2220, 2], [42510, 0], [82800, 1]]);
    }

    #[test]
    fn one_time_alone_has_a_bin_of_a_minute() {
        assert_eq!(TimeBins::over(&[10.5], None).counts(&[10.5]), [[10, 1], [11, 0]]);
        assert_eq!(TimeBins::over(&[10.0], None).counts(&[10.0]), [[10, 1], [70, 0]]);
        assert_eq!(TimeBins::over(&[], None).counts(&[]), [[0, 0], [60, 0]]);
    }

    #[test]
    fn a_number_of_bins_is_kept_within_bounds() {
        assert_eq!(TimeBins::over(&[0.0, 100.0], Some(4)), TimeBins { start: 0, width: 25, count: 4 });
        assert_eq!(TimeBins::over(&[0.0, 100.0], Some(0)).count, 1);
        assert_eq!(TimeBins::over(&[0.0, 100.0], Some(1_000)).count, 90);
    }
}
