//! Counts of actors by what goes with them and by success, and the odds ratios that follow.

use crate::elements;
use hashbrown::HashMap;
use serde_json::{Value, json};

/// Between what an event is called, a key and its value.
pub(super) const DIVIDER: &str = "::";
/// Between the kind of an autocaptured event and its elements.
pub(super) const ELEMENTS_DIVIDER: &str = "__~~__";
/// What the elements of an event are called where properties have their key.
pub(super) const ELEMENTS_KEY: &str = "elements_chain";

/// Added to every count, so that none is zero.
const PRIOR: u64 = 1;
/// As many actors are enough to say something, however many there are in all.
const ACTORS_SIGNIFICANT: f64 = 25.0;
/// Else this share of them.
const SHARE_SIGNIFICANT: f64 = 0.02;
/// Success and failure differ by at most this factor, or the answer is said to be skewed.
const FACTOR_EVEN: f64 = 10.0;
/// How many are shown of each kind.
const SHOWN: usize = 10;
/// Values of properties that fewer actors have are left out.
const ACTORS_FREQUENT: u64 = 3;

/// Actors by success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) success: u64,
    pub(super) failure: u64,
}

impl Counts {
    pub(super) fn add(&mut self, converted: bool) {
        *(if converted { &mut self.success } else { &mut self.failure }) += 1;
    }

    pub(super) fn absorb(&mut self, other: Counts) {
        self.success += other.success;
        self.failure += other.failure;
    }

    fn all(self) -> u64 {
        self.success + self.failure
    }
}

/// For each thing that may go with success, the actors that had it, and all actors.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The thing with the key of a property in it, when it has one.
    rows: Vec<(Thing, Counts)>,
    total: Counts,
}

/// Something that may go with success.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Thing {
    pub(super) name: String,
    /// Of properties: the key.
    pub(super) key: Option<String>,
}

/// A thing and what it tells.
#[derive(Debug)]
pub(super) struct Odds<'t> {
    name: &'t str,
    counts: Counts,
    ratio: f64,
}

impl Table {
    pub(super) fn new(rows: impl IntoIterator<Item = (Thing, Counts)>, total: Counts) -> Self {
        Self { rows: rows.into_iter().filter(|(_, counts)| counts.all() > 0).collect(), total }
    }

    /// Counted one by one.
    pub(super) fn counted(each: impl IntoIterator<Item = (Thing, bool)>, total: Counts) -> Self {
        let mut rows: HashMap<Thing, Counts> = HashMap::new();
        for (thing, converted) in each {
            rows.entry(thing).or_default().add(converted);
        }
        Self::new(rows, total)
    }

    /// Leaves out what hardly anybody has, and properties that are not wanted.
    pub(super) fn keep_frequent(&mut self, wanted: impl Fn(&str) -> bool) {
        self.rows.retain(|(thing, counts)| counts.all() >= ACTORS_FREQUENT && thing.key.as_deref().is_none_or(&wanted));
    }

    /// Whether success and failure are too far apart to tell much.
    #[expect(clippy::cast_precision_loss, reason = "counts of actors")]
    pub(super) fn is_skewed(&self) -> bool {
        let (success, failure) = (self.total.success as f64, self.total.failure as f64);
        self.total.success == 0 || self.total.failure == 0 || success / failure > FACTOR_EVEN || failure / success > FACTOR_EVEN
    }

    /// What goes with success, the strongest first, then what goes with failure, the strongest first.
    #[expect(clippy::cast_precision_loss, reason = "counts of actors")]
    pub(super) fn ranked(&self) -> Vec<Odds<'_>> {
        if self.total.success == 0 || self.total.failure == 0 {
            return Vec::new();
        }
        let least = ACTORS_SIGNIFICANT.min(SHARE_SIGNIFICANT * self.total.all() as f64);
        let significant = self.rows.iter().filter(|(_, counts)| counts.all() as f64 >= least);
        let all = significant.map(|(thing, counts)| Odds { name: &thing.name, counts: *counts, ratio: self.ratio(*counts) });
        let (mut with, mut against): (Vec<_>, Vec<_>) = all.partition(|odds| odds.is_of_success());
        // Equal ones in the order of their names, so that the answer is one.
        with.sort_by(|a, b| b.ratio.total_cmp(&a.ratio).then_with(|| a.name.cmp(b.name)));
        against.sort_by(|a, b| a.ratio.total_cmp(&b.ratio).then_with(|| a.name.cmp(b.name)));
        with.truncate(SHOWN);
        against.truncate(SHOWN);
        with.extend(against);
        with
    }

    /// The odds of success with it, against those without it.
    #[expect(clippy::cast_precision_loss, reason = "counts of actors")]
    fn ratio(&self, with: Counts) -> f64 {
        let without = Counts { success: self.total.success - with.success, failure: self.total.failure - with.failure };
        let odds = |success: u64, failure: u64| (success + PRIOR) as f64 * (failure + PRIOR) as f64;
        odds(with.success, without.failure) / odds(without.success, with.failure)
    }
}

impl Odds<'_> {
    fn is_of_success(&self) -> bool {
        self.ratio > 1.0
    }

    /// As results show it. `is_of_elements`: names end in the elements of an event.
    pub(super) fn shown(&self, is_of_elements: bool) -> Value {
        let mut event = json!({"event": self.name, "properties": {}, "elements": []});
        let prefix = [super::AUTOCAPTURE, ELEMENTS_KEY, ""].join(DIVIDER);
        if let Some((kind, chain)) =
            self.name.strip_prefix(&prefix).filter(|_| is_of_elements).and_then(|told| told.split_once(ELEMENTS_DIVIDER))
        {
            event["properties"] = json!({"$event_type": kind});
            event["elements"] = Value::Array(elements::elements(chain));
        }
        json!({
            "event": event,
            "success_count": self.counts.success,
            "failure_count": self.counts.failure,
            "odds_ratio": self.ratio,
            "correlation_type": if self.is_of_success() { "success" } else { "failure" },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(name: &str) -> Thing {
        Thing { name: name.to_owned(), key: None }
    }

    fn table(rows: &[(&str, u64, u64)], total: (u64, u64)) -> Table {
        let counts = |success, failure| Counts { success, failure };
        Table::new(rows.iter().map(|(name, success, failure)| (thing(name), counts(*success, *failure))), counts(total.0, total.1))
    }

    fn shown(table: &Table) -> Vec<(String, f64)> {
        table.ranked().iter().map(|odds| (odds.name.to_owned(), odds.ratio)).collect()
    }

    #[test]
    fn odds_are_compared_with_those_of_everybody_else() {
        let table = table(&[("helps", 5, 0), ("hinders", 0, 5), ("neither", 3, 3)], (10, 10));
        let expected = [("helps", 11.0), ("hinders", 1.0 / 11.0), ("neither", 1.0)];
        assert_eq!(shown(&table), expected.map(|(name, odds)| (name.to_owned(), odds)));
        assert!(!table.is_skewed());
    }

    #[test]
    fn what_few_had_tells_nothing() {
        // 2 % of 200 are 4
        assert_eq!(shown(&table(&[("rare", 3, 0), ("enough", 4, 0)], (100, 100))).len(), 1);
        // 25 are always enough
        assert_eq!(shown(&table(&[("rare", 24, 0), ("enough", 25, 0)], (10_000, 10_000))).len(), 1);
    }

    #[test]
    fn ten_of_each_kind_are_shown() {
        let rows: Vec<(String, u64, u64)> =
            (0..30).map(|at| (format!("{at:02}"), if at < 15 { 5 } else { 0 }, if at < 15 { 0 } else { 5 })).collect();
        let rows: Vec<(&str, u64, u64)> = rows.iter().map(|(name, success, failure)| (name.as_str(), *success, *failure)).collect();
        let names: Vec<String> = shown(&table(&rows, (10, 10))).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, (0..10).chain(15..25).map(|at| format!("{at:02}")).collect::<Vec<_>>());
    }

    #[test]
    fn one_sided_answers_are_skewed() {
        assert!(table(&[], (1, 0)).is_skewed());
        assert!(table(&[], (0, 0)).is_skewed());
        assert!(table(&[], (11, 1)).is_skewed());
        assert!(!table(&[], (10, 1)).is_skewed());
        assert_eq!(shown(&table(&[("a", 1, 0)], (1, 0))).len(), 0);
    }

    #[test]
    fn elements_are_shown_as_objects() {
        let name = "$autocapture::elements_chain::click__~~__a:href=\"/movie\"";
        let table = table(&[(name, 5, 0)], (10, 10));
        let shown = table.ranked()[0].shown(true);
        assert_eq!(shown["event"]["properties"], json!({"$event_type": "click"}));
        assert_eq!(shown["event"]["elements"][0]["href"], json!("/movie"));
        assert_eq!(table.ranked()[0].shown(false)["event"]["elements"], json!([]));
    }
}
