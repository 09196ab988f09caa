//! Statistics over numbers in memory: exact, with linear interpolation where a quantile falls between two values.

/// A number from many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    Sum,
    Avg,
    Min,
    Max,
    /// Between 0 and 1.
    Quantile(f64),
}

impl Statistic {
    /// The statistic that a math is called after.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Statistic::Sum,
            "avg" => Statistic::Avg,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "median" => Statistic::Quantile(0.5),
            "p75" => Statistic::Quantile(0.75),
            "p90" => Statistic::Quantile(0.9),
            "p95" => Statistic::Quantile(0.95),
            "p99" => Statistic::Quantile(0.99),
            _ => return None,
        })
    }

    /// The statistic of some numbers, 0 of none.
    pub(crate) fn over(self, values: &mut [f64]) -> f64 {
        if values.is_empty() {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of values in memory")]
        let count = values.len() as f64;
        match self {
            Statistic::Sum => values.iter().sum(),
            Statistic::Avg => values.iter().sum::<f64>() / count,
            Statistic::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Statistic::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Quantile(at) => quantile(values, at),
        }
    }
}

/// The quantile with linear interpolation between neighbours, exact.
fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a count of values in memory")]
    let place = at * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of values")]
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics() {
        let of = |statistic: Statistic| statistic.over(&mut [4.0, 1.0, 3.0, 2.0]);
        assert_eq!(of(Statistic::Sum), 10.0);
        assert_eq!(of(Statistic::Avg), 2.5);
        assert_eq!(of(Statistic::Min), 1.0);
        assert_eq!(of(Statistic::Max), 4.0);
        assert_eq!(of(Statistic::Quantile(0.5)), 2.5);
        assert_eq!(Statistic::Max.over(&mut []), 0.0);
    }
}
