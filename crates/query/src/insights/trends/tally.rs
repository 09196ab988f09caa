//! What is kept while rows pass, per cell, and how two halves of it become one.

use super::math::Math;
use super::rows::{NO_CELL, Rows};
use crate::insights::labels::Labels;
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
    pub(super) labels: Labels,
    counts: Vec<f64>,
    numbers: Vec<Numbers>,
    keys: HashMap<String, u32>,
    key_names: Vec<String>,
    /// What each key measures: how long a session lasts. Unknown: NaN.
    key_values: Vec<f64>,
    keyed: FxHashSet<(u32, u32)>,
    stamps: Vec<u32>,
    /// Labels of rows that count.
    seen: Vec<bool>,
}

impl Tally {
    /// Makes room for all cells of the labels seen so far.
    pub(super) fn grow(&mut self, width: usize, math: Math) {
        let cells = self.labels.len().max(1) * width;
        self.counts.resize(cells.max(self.counts.len()), 0.0);
        if matches!(math, Math::Values(_) | Math::PerPerson(_) | Math::SessionDuration(_)) {
            self.numbers.resize(cells.max(self.numbers.len()), Numbers::default());
        }
        self.stamps.resize(cells.max(self.stamps.len()), u32::MAX);
    }

    /// Memory that it holds, or will hold when it has grown to its labels, about.
    pub(super) fn bytes(&self, width: usize, math: Math) -> usize {
        let of_numbers =
            if matches!(math, Math::Values(_) | Math::PerPerson(_) | Math::SessionDuration(_)) { size_of::<Numbers>() } else { 0 };
        let cells = (self.labels.len().max(1) * width).max(self.counts.len());
        let kept: usize = self.numbers.iter().map(|numbers| numbers.all.capacity() * size_of::<f64>()).sum();
        let keys: usize = self.key_names.iter().map(|name| 2 * (name.len() + size_of::<String>())).sum();
        cells * (size_of::<f64>() + size_of::<u32>() + of_numbers)
            + kept
            + keys
            + self.keyed.capacity() * size_of::<(u32, u32)>()
            + self.labels.bytes()
    }

    /// Notes which labels have rows that count.
    pub(super) fn see(&mut self, rows: &Rows, width: usize) {
        self.seen.resize(self.labels.len(), false);
        if !rows.labels.is_empty() {
            for cell in rows.cells.iter().filter(|cell| **cell != NO_CELL) {
                self.seen[*cell as usize / width] = true;
            }
        }
    }

    #[inline]
    pub(super) fn count(&mut self, cell: u32) {
        self.counts[cell as usize] += 1.0;
    }

    /// Counts a cell once for the actor number `actor`; an actor's rows come together.
    #[inline]
    pub(super) fn count_once(&mut self, cell: u32, actor: u32) {
        let stamp = &mut self.stamps[cell as usize];
        if *stamp != actor {
            *stamp = actor;
            self.counts[cell as usize] += 1.0;
        }
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

    /// Adds another tally, whose labels are renumbered; answers their new numbers.
    pub(super) fn absorb(&mut self, other: Tally, width: usize, math: Math) -> Vec<u32> {
        let to: Vec<u32> =
            (0..other.labels.len()).map(|code| self.labels.intern(&other.labels.texts(u32::try_from(code).unwrap_or(u32::MAX)))).collect();
        self.grow(width, math);
        self.seen.resize(self.labels.len(), false);
        for (label, seen) in to.iter().zip(&other.seen) {
            self.seen[*label as usize] |= seen;
        }
        let place = |cell: usize| to.get(cell / width).map_or(cell, |label| *label as usize * width + cell % width);
        // A key that both halves have seen in a cell counts once.
        for (cell, key) in other.keyed {
            let cell = u32::try_from(place(cell as usize)).unwrap_or(u32::MAX);
            match (&other.key_names[key as usize], other.key_values[key as usize]) {
                (name, value) if value.is_nan() => self.key(cell, name),
                (name, value) => self.key_of(cell, name, value),
            }
        }
        for (cell, count) in other.counts.into_iter().enumerate().filter(|(_, count)| *count != 0.0) {
            self.counts[place(cell)] += count;
        }
        for (cell, numbers) in other.numbers.into_iter().enumerate() {
            self.numbers[place(cell)].absorb(numbers);
        }
        to
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

    /// The value of each bucket of each label that has rows that count, in order of appearance. Without breakdowns there is one, without texts.
    pub(super) fn finish(mut self, width: usize, math: Math) -> Lines {
        if matches!(math, Math::Keys | Math::Sessions | Math::ActiveKeys { .. }) {
            for (cell, _) in &self.keyed {
                self.counts[*cell as usize] += 1.0;
            }
        }
        if let Math::SessionDuration(statistic) = math {
            for (cell, key) in std::mem::take(&mut self.keyed) {
                self.number(cell, self.key_values[key as usize], statistic);
            }
        }
        let counts = std::mem::take(&mut self.counts);
        let mut numbers = std::mem::take(&mut self.numbers);
        let mut values = |label: usize| -> Vec<f64> {
            let cells = label * width..(label + 1) * width;
            match math {
                Math::Values(statistic) | Math::PerPerson(statistic) | Math::SessionDuration(statistic) => {
                    numbers[cells].iter_mut().map(|numbers| numbers.value(statistic)).collect()
                }
                _ => counts[cells].to_vec(),
            }
        };
        if self.labels.len() == 0 {
            return vec![(Vec::new(), values(0))];
        }
        // Of these, a row may pass without being the one that counts.
        let by_value = matches!(math, Math::First { .. } | Math::Active { .. } | Math::ActiveKeys { .. });
        (0..self.labels.len())
            .map(|label| (label, values(label)))
            .filter(|(label, values)| if by_value { values.iter().any(|value| *value != 0.0) } else { self.seen[*label] })
            .map(|(label, values)| (self.labels.texts(u32::try_from(label).unwrap_or(u32::MAX)), values))
            .collect()
    }
}
