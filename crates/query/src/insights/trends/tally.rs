//! What is kept while rows pass, per cell, and how two halves of it become one.

use super::math::Math;
use super::rows::{NO_CELL, Rows};
use crate::insights::labels::SharedLabels;
use crate::insights::statistic::Statistic;
use hashbrown::HashMap;
use rustc_hash::FxHashSet;

/// For each combination of breakdown values its texts, and the value of each bucket.
pub(super) type Lines = Vec<(Vec<String>, Vec<f64>)>;

/// Numbers of one cell: enough for the statistic.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// All of them, when quantiles are asked for.
    all: Vec<f64>,
}

impl Numbers {
    fn push(&mut self, value: f64, keep: bool) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.count += 1;
        self.sum += value;
        if keep {
            self.all.push(value);
        }
    }

    fn absorb(&mut self, other: Numbers) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.all.extend(other.all);
    }

    fn value(&mut self, statistic: Statistic) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let count = self.count as f64;
        match statistic {
            _ if self.count == 0 => 0.0,
            Statistic::Sum => self.sum,
            Statistic::Avg => self.sum / count,
            Statistic::Min => self.min,
            Statistic::Max => self.max,
            Statistic::Quantile(_) => statistic.over(&mut self.all),
        }
    }
}

/// Results of some rows of a series. Cells are numbered as in [`super::rows::Rows`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Vec<u64>,
    numbers: Vec<Numbers>,
    keys: HashMap<String, u32>,
    key_names: Vec<String>,
    /// What each key measures: how long a session lasts. Unknown: NaN.
    key_values: Vec<f64>,
    keyed: FxHashSet<(u32, u32)>,
    /// For each cell the last actor that was counted there.
    stamps: Vec<u32>,
    /// Number of the actor at hand.
    actor: u32,
    /// Labels of rows that count.
    seen: Vec<bool>,
}

impl Tally {
    /// Makes room for so many cells.
    #[inline]
    pub(super) fn grow(&mut self, cells: usize, math: Math) {
        if cells <= self.counts.len() {
            return;
        }
        self.counts.resize(cells, 0);
        self.stamps.resize(cells, u32::MAX);
        if matches!(math, Math::Values(_) | Math::PerPerson(_) | Math::PerSession(_)) {
            self.numbers.resize(cells, Numbers::default());
        }
    }

    /// Memory that it holds, about.
    pub(super) fn bytes(&self, math: Math) -> usize {
        let of_numbers = if matches!(math, Math::Values(_) | Math::PerPerson(_) | Math::PerSession(_)) { size_of::<Numbers>() } else { 0 };
        let cells = self.counts.len();
        let kept: usize = self.numbers.iter().map(|numbers| numbers.all.capacity() * size_of::<f64>()).sum();
        let keys: usize = self.key_names.iter().map(|name| 2 * (name.len() + size_of::<String>())).sum();
        cells * (size_of::<f64>() + size_of::<u32>() + of_numbers) + kept + keys + self.keyed.capacity() * size_of::<(u32, u32)>()
    }

    /// Notes which labels have rows that count.
    pub(super) fn see(&mut self, rows: &Rows, width: usize) {
        if !rows.labels.is_empty() {
            self.seen.resize((rows.cells_end / width).max(self.seen.len()), false);
            for cell in rows.cells.iter().filter(|cell| **cell != NO_CELL) {
                self.seen[*cell as usize / width] = true;
            }
        }
    }

    #[inline]
    pub(super) fn count(&mut self, cell: u32) {
        self.counts[cell as usize] += 1;
    }

    /// Counts every row that has a cell.
    pub(super) fn count_all(&mut self, cells: &[u32]) {
        // Two tables by turns: a row mostly has the cell of the one before it, and would wait for that count to be written. The last place of each
        // takes what does not count.
        let none = self.counts.len();
        let mut lanes = [vec![0_u64; none + 1], vec![0_u64; none + 1]];
        let [even, odd] = &mut lanes;
        let mut pairs = cells.chunks_exact(2);
        for pair in &mut pairs {
            even[(pair[0] as usize).min(none)] += 1;
            odd[(pair[1] as usize).min(none)] += 1;
        }
        for cell in pairs.remainder() {
            even[(*cell as usize).min(none)] += 1;
        }
        for lane in &lanes {
            self.counts.iter_mut().zip(lane).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Begins with the next actor; its rows come together.
    #[inline]
    pub(super) fn next_actor(&mut self) {
        self.actor = self.actor.wrapping_add(1);
    }

    /// Counts a cell once for the actor at hand.
    #[inline]
    pub(super) fn count_once(&mut self, cell: u32) {
        let stamp = &mut self.stamps[cell as usize];
        self.counts[cell as usize] += u64::from(*stamp != self.actor);
        *stamp = self.actor;
    }

    pub(super) fn number(&mut self, cell: u32, value: f64, statistic: Statistic) {
        self.numbers[cell as usize].push(value, matches!(statistic, Statistic::Quantile(_)));
    }

    /// Notes a key for a cell.
    pub(super) fn key(&mut self, cell: u32, key: &str) {
        let key = self.key_code(key);
        self.keyed.insert((cell, key));
    }

    /// Notes a key for a cell and what it measures, which is the same wherever it appears.
    pub(super) fn key_of(&mut self, cell: u32, key: &str, value: f64) {
        let key = self.key_code(key);
        self.keyed.insert((cell, key));
        self.key_values[key as usize] = value;
    }

    /// The number of a key.
    pub(super) fn key_code(&mut self, key: &str) -> u32 {
        if let Some(code) = self.keys.get(key) {
            return *code;
        }
        let code = u32::try_from(self.key_names.len()).unwrap_or(u32::MAX);
        self.keys.insert(key.to_owned(), code);
        self.key_names.push(key.to_owned());
        self.key_values.push(f64::NAN);
        code
    }

    /// Adds another tally.
    pub(super) fn add(&mut self, other: Tally, math: Math) {
        self.grow(other.counts.len(), math);
        self.seen.resize(other.seen.len().max(self.seen.len()), false);
        self.seen.iter_mut().zip(other.seen).for_each(|(own, seen)| *own |= seen);
        // A key that both have seen in a cell counts once.
        for (cell, key) in other.keyed {
            match (&other.key_names[key as usize], other.key_values[key as usize]) {
                (name, value) if value.is_nan() => self.key(cell, name),
                (name, value) => self.key_of(cell, name, value),
            }
        }
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.numbers.iter_mut().zip(other.numbers).for_each(|(own, numbers)| own.absorb(numbers));
    }

    /// Keeps each key in its first bucket of each label alone.
    pub(super) fn keep_first_buckets(&mut self, width: usize) {
        let width = u32::try_from(width.max(1)).unwrap_or(u32::MAX);
        let mut first: HashMap<(u32, u32), u32> = HashMap::new();
        for (cell, key) in &self.keyed {
            let known = first.entry((cell / width, *key)).or_insert(*cell);
            *known = (*known).min(*cell);
        }
        self.keyed = first.into_iter().map(|((_, key), cell)| (cell, key)).collect();
    }

    /// The value of each bucket of each label that has rows that count, in order of number. Without breakdowns there is one, without texts.
    pub(super) fn finish(mut self, labels: &SharedLabels, width: usize, math: Math) -> Lines {
        self.grow(labels.len().max(1) * width, math);
        if matches!(math, Math::Keys | Math::Sessions | Math::ActiveKeys { .. }) {
            for (cell, _) in &self.keyed {
                self.counts[*cell as usize] += 1;
            }
        }
        if let Math::PerSession(statistic) = math {
            for (cell, key) in std::mem::take(&mut self.keyed) {
                self.number(cell, self.key_values[key as usize], statistic);
            }
        }
        let counts = std::mem::take(&mut self.counts);
        let mut numbers = std::mem::take(&mut self.numbers);
        let mut values = |label: usize| -> Vec<f64> {
            let cells = label * width..(label + 1) * width;
            match math {
                Math::Values(statistic) | Math::PerPerson(statistic) | Math::PerSession(statistic) => {
                    numbers[cells].iter_mut().map(|numbers| numbers.value(statistic)).collect()
                }
                #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
                _ => counts[cells].iter().map(|count| *count as f64).collect(),
            }
        };
        if labels.len() == 0 {
            return vec![(Vec::new(), values(0))];
        }
        // Whether a row passes and whether it is the one that counts are two things, but where all rows that pass count.
        let by_row = matches!(math, Math::Count | Math::Keys | Math::Sessions | Math::Values(_) | Math::PerSession(_));
        let is_seen = |label: usize| self.seen.get(label).copied().unwrap_or(false);
        (0..labels.len())
            .map(|label| (label, values(label)))
            .filter(|(label, values)| if by_row { is_seen(*label) } else { values.iter().any(|value| *value != 0.0) })
            .map(|(label, values)| (labels.texts(u32::try_from(label).unwrap_or(u32::MAX)), values))
            .collect()
    }
}
