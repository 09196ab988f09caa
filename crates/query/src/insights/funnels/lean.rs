//! Rows of one part that are read where they lie, person by person: the name says what an event is, and nothing is written down before its person comes.

use super::engine::Mask;
use super::hits::{Candidate, NO_KEY};
use super::rows::{Buffer, Place, Row};
use crate::scan::{RowValues, within};
use aqueduct_store::{Part, PersonRuns};
use arrow::buffer::ScalarBuffer;
use std::ops::Range;
use std::sync::Arc;

/// All rows of a part.
#[derive(Debug)]
pub(super) struct Lean {
    part: Arc<dyn Part>,
    runs: Arc<PersonRuns>,
    times: ScalarBuffer<i64>,
    masks: RowValues<Mask>,
    /// Codes of breakdown values, if there is a breakdown.
    labels: Option<RowValues<u32>>,
    /// Times that count, µs, both included.
    range: (i64, i64),
    /// Events that are no step and exclude nothing count too.
    all: bool,
}

impl Lean {
    pub(super) fn new(
        part: &Arc<dyn Part>,
        (runs, times): (Arc<PersonRuns>, ScalarBuffer<i64>),
        masks: RowValues<Mask>,
        labels: Option<RowValues<u32>>,
        (range, all): ((i64, i64), bool),
    ) -> Self {
        Self { part: Arc::clone(part), runs, times, masks, labels, range, all }
    }

    pub(super) fn part(&self) -> &Arc<dyn Part> {
        &self.part
    }

    pub(super) fn runs(&self) -> Arc<PersonRuns> {
        Arc::clone(&self.runs)
    }

    /// What it takes of memory beyond the part, about.
    pub(super) fn bytes(&self) -> usize {
        self.masks.bytes() + self.labels.as_ref().map_or(0, RowValues::bytes)
    }

    pub(super) fn labels_mut(&mut self) -> std::slice::IterMut<'_, u32> {
        self.labels.as_mut().map_or_else(|| [].iter_mut(), RowValues::values_mut)
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    fn counts(&self, mask: Mask) -> bool {
        self.all | !mask.is_empty()
    }

    /// Adds those of these rows that count to events.
    pub(super) fn add_to(&self, events: &mut Buffer, rows: Range<usize>) {
        let rows = within(&self.times, rows, self.range);
        let mut room = events.room(rows.len(), self.labels.is_some());
        match &self.labels {
            None => self.masks.each_with(rows, &self.times, |time, mask| room.put(time, mask, self.counts(mask))),
            Some(labels) => rows.for_each(|row| {
                let mask = self.masks.of(row);
                room.put_labelled(self.times[row], mask, labels.of(row), self.counts(mask));
            }),
        }
        room.close();
    }

    /// Those of these rows that count, each with its place in part number `part`.
    pub(super) fn rows(&self, rows: Range<usize>, part: u32, out: &mut Vec<Row>) {
        let row = |at: usize| Row {
            key: NO_KEY,
            time: self.times[at],
            mask: self.masks.of(at),
            label: self.labels.as_ref().map_or(0, |labels| labels.of(at)),
            candidate: Candidate::default(),
            place: Place { part, row: u32::try_from(at).unwrap_or(u32::MAX) },
        };
        out.extend(within(&self.times, rows, self.range).map(row).filter(|row| self.counts(row.mask)));
    }
}
