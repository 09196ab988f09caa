//! The rows of one part that matter to a funnel.
//!
//! Two ways lead from a part to an actor's events. Rows are *packed* when filters, keys or places have a say: what passes is written down, times, masks and
//! codes. They are *lean* when nothing but names, times and one short list of values tells: then they are read where they lie, person by person.

use super::engine::{Mask, Sequence};
use super::lean::Lean;
use super::rows::{Buffer, Events, Place, Row, is_ascending};
use aqueduct_store::{Part, PersonRuns};
use hashbrown::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// No key: the row belongs to no actor.
pub(super) const NO_KEY: u32 = u32::MAX;

/// What a row is to the search for a person's first events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidate {
    /// Steps whose first event it may be.
    pub(super) steps: u32,
    /// It is an event of the funnel too, not only of the past.
    pub(super) is_live: bool,
}

/// The rows of one part that matter.
#[derive(Debug)]
pub(super) enum Hits {
    Packed(Packed),
    Lean(Lean),
}

/// Rows that matter, in the order of the part. The vectors are of one length, but those that the plan does not need, which are empty.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) part: Arc<dyn Part>,
    pub(super) rows: Vec<u32>,
    pub(super) times: Vec<i64>,
    pub(super) masks: Vec<Mask>,
    pub(super) candidates: Vec<Candidate>,
    /// Codes of breakdown values; for cohorts the set of those that the row's person is in.
    pub(super) labels: Vec<u32>,
    /// Codes of actors.
    pub(super) keys: Vec<u32>,
    /// Where persons begin among them; persons without any are left out.
    pub(super) runs: Arc<PersonRuns>,
}

/// Texts of actors, numbered in order of appearance.
#[derive(Debug, Default)]
pub(super) struct Keys {
    codes: HashMap<String, u32>,
    pub(super) names: Vec<String>,
    /// What the texts take, in the map and in the list.
    text_bytes: usize,
}

impl Keys {
    pub(super) fn code(&mut self, key: &str) -> u32 {
        if let Some(code) = self.codes.get(key) {
            return *code;
        }
        let code = u32::try_from(self.names.len()).unwrap_or(NO_KEY);
        self.codes.insert(key.to_owned(), code);
        self.names.push(key.to_owned());
        self.text_bytes += 2 * (key.len() + size_of::<String>());
        code
    }

    /// Memory of them, about.
    pub(super) fn bytes(&self) -> usize {
        self.text_bytes
    }
}

impl Hits {
    pub(super) fn part(&self) -> &Arc<dyn Part> {
        match self {
            Self::Packed(packed) => &packed.part,
            Self::Lean(lean) => lean.part(),
        }
    }

    /// Where persons begin among the rows.
    pub(super) fn runs(&self) -> Arc<PersonRuns> {
        match self {
            Self::Packed(packed) => Arc::clone(&packed.runs),
            Self::Lean(lean) => lean.runs(),
        }
    }

    /// What they take of memory, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.bytes(),
            Self::Lean(lean) => lean.bytes(),
        }
    }

    /// Moves labels to other codes.
    pub(super) fn relabel(&mut self, to: &[u32]) {
        let labels = match self {
            Self::Packed(packed) => packed.labels.iter_mut(),
            Self::Lean(lean) => lean.labels_mut(),
        };
        for label in labels {
            *label = to.get(*label as usize).copied().unwrap_or(*label);
        }
    }

    /// Moves keys to other codes.
    pub(super) fn rekey(&mut self, to: &[u32]) {
        if let Self::Packed(packed) = self {
            for key in packed.keys.iter_mut().filter(|key| **key != NO_KEY) {
                *key = to[*key as usize];
            }
        }
    }

    /// A person's events where they lie, when they are in order there: no two at one moment.
    pub(super) fn in_place(&self, rows: Range<usize>) -> Option<Events<'_>> {
        let Self::Packed(packed) = self else { return None };
        let (times, masks) = (&packed.times[rows.clone()], &packed.masks[rows.clone()]);
        let labels = packed.labels.get(rows).unwrap_or_default();
        is_ascending(times).then_some(Events { sequence: Sequence { times, masks, labels }, places: &[] })
    }

    /// When the first of these rows was, which are at least one, µs.
    pub(super) fn begin(&self, rows: &Range<usize>) -> i64 {
        match self {
            Self::Packed(packed) => packed.times[rows.start],
            Self::Lean(lean) => lean.time(rows.start),
        }
    }

    /// Adds these rows to events, without their places.
    pub(super) fn add_to(&self, events: &mut Buffer, rows: Range<usize>) {
        match self {
            Self::Packed(packed) => {
                let labels = packed.labels.get(rows.clone()).unwrap_or_default();
                events.extend(&packed.times[rows.clone()], &packed.masks[rows], labels);
            }
            Self::Lean(lean) => lean.add_to(events, rows),
        }
    }

    /// These rows, each with its place in part number `part`.
    pub(super) fn rows(&self, rows: Range<usize>, part: u32, out: &mut Vec<Row>) {
        match self {
            Self::Packed(packed) => out.extend(rows.map(|at| packed.row(at, part))),
            Self::Lean(lean) => lean.rows(rows, part, out),
        }
    }
}

impl Packed {
    /// What they take of memory, about.
    fn bytes(&self) -> usize {
        let each = size_of::<u32>() + size_of::<i64>() + size_of::<Mask>();
        self.rows.len() * each
            + self.candidates.len() * size_of::<Candidate>()
            + (self.labels.len() + self.keys.len()) * size_of::<u32>()
            + self.runs.persons.len() * size_of::<(u128, u32)>()
    }

    pub(super) fn is_candidate(&self, at: usize) -> bool {
        self.candidates.get(at).is_some_and(|candidate| candidate.steps != 0)
    }

    pub(super) fn keep(&mut self, kept: &[bool]) {
        fn pack<T>(values: &mut Vec<T>, kept: &[bool]) {
            let mut kept = kept.iter();
            values.retain(|_| kept.next().copied().unwrap_or(false));
        }
        if kept.iter().all(|kept| *kept) {
            return;
        }
        pack(&mut self.rows, kept);
        pack(&mut self.times, kept);
        pack(&mut self.masks, kept);
        pack(&mut self.candidates, kept);
        pack(&mut self.labels, kept);
        pack(&mut self.keys, kept);
    }

    fn row(&self, at: usize, part: u32) -> Row {
        Row {
            key: self.keys.get(at).copied().unwrap_or(NO_KEY),
            time: self.times[at],
            mask: self.masks[at],
            label: self.labels.get(at).copied().unwrap_or(0),
            candidate: self.candidates.get(at).copied().unwrap_or_default(),
            place: Place { part, row: self.rows[at] },
        }
    }
}
