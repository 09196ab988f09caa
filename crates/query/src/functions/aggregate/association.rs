//! How strongly two columns of values hang together.

use rustc_hash::FxHashMap;

use super::finish::Rows;

/// How often each value of the first column stands beside each value of the second.
pub(super) struct Contingency {
    rows: f64,
    pairs: FxHashMap<(String, String), f64>,
    left: FxHashMap<String, f64>,
    right: FxHashMap<String, f64>,
}

impl Contingency {
    pub(super) fn of(rows: Rows<'_, '_>) -> Self {
        let mut table = Contingency { rows: 0.0, pairs: FxHashMap::default(), left: FxHashMap::default(), right: FxHashMap::default() };
        for row in rows {
            let (left, right) = (format!("{:?}", row[0]), format!("{:?}", row[1]));
            table.rows += 1.0;
            *table.left.entry(left.clone()).or_insert(0.0) += 1.0;
            *table.right.entry(right.clone()).or_insert(0.0) += 1.0;
            *table.pairs.entry((left, right)).or_insert(0.0) += 1.0;
        }
        table
    }

    /// Pearson's mean square: 0 when the columns know nothing of each other.
    fn phi_square(&self) -> f64 {
        let seen = |((left, right), count): (&(String, String), &f64)| count * count / (self.left[left] * self.right[right]);
        self.pairs.iter().map(seen).sum::<f64>() - 1.0
    }

    /// The number of values of the column that has fewer; `None` when one is constant.
    fn narrow(&self) -> Option<f64> {
        let least = self.left.len().min(self.right.len());
        #[expect(clippy::cast_precision_loss, reason = "a number of values")]
        let width = least as f64;
        (least > 1).then_some(width)
    }

    /// From 0 (independent) to 1 (each tells the other).
    pub(super) fn cramers_v(&self) -> Option<f64> {
        if self.rows < 2.0 {
            return None;
        }
        Some(self.narrow().map_or(0.0, |narrow| (self.phi_square() / (narrow - 1.0)).sqrt()))
    }

    /// [`Contingency::cramers_v`] without what chance adds to it.
    #[expect(clippy::cast_precision_loss, reason = "numbers of values")]
    pub(super) fn cramers_v_corrected(&self) -> Option<f64> {
        if self.rows < 2.0 {
            return None;
        }
        let free = self.rows - 1.0;
        let (left, right) = (self.left.len() as f64, self.right.len() as f64);
        let phi = (self.phi_square() - (left - 1.0) * (right - 1.0) / free).max(0.0);
        let (left, right) = (left - (left - 1.0).powi(2) / free, right - (right - 1.0).powi(2) / free);
        Some((phi / (left.min(right) - 1.0)).sqrt())
    }

    /// The part of what is unknown of the first column that the second one tells, below 0 as ClickHouse has it.
    pub(super) fn theils_u(&self) -> Option<f64> {
        if self.rows < 2.0 {
            return None;
        }
        let unknown: f64 = self.left.values().map(|count| count / self.rows * (count / self.rows).ln()).sum();
        let left_over: f64 = self.pairs.iter().map(|((_, right), count)| count / self.rows * (count / self.right[right]).ln()).sum();
        Some(if unknown == 0.0 { 0.0 } else { (unknown - left_over) / unknown })
    }

    /// The coefficient of contingency.
    pub(super) fn coefficient(&self) -> Option<f64> {
        if self.rows < 2.0 {
            return None;
        }
        let phi = self.phi_square();
        Some((phi / (phi + 1.0)).max(0.0).sqrt())
    }
}
