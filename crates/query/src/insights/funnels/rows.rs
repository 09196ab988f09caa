//! One actor's events in order, whatever pieces they come in.

use super::engine::{Mask, Sequence};
use super::hits::{Candidate, Hits};
use crate::error::QueryError;
use crate::scan::Piece;
use aqueduct_store::{EventColumn, Part};
use arrow::array::AsArray;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::sync::Arc;

/// Where an event lies: which part, which row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) part: u32,
    pub(super) row: u32,
}

/// An event on its way into a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) key: u32,
    pub(super) time: i64,
    pub(super) mask: Mask,
    pub(super) label: u32,
    pub(super) candidate: Candidate,
    pub(super) place: Place,
}

impl Row {
    /// In order of time; at one moment the earliest step first, what excludes after the steps, what is neither last.
    pub(super) fn by_time(&self, other: &Self) -> Ordering {
        (self.time, self.mask.rank()).cmp(&(other.time, other.mask.rank()))
    }

    /// Actors apart, each in order of time.
    pub(super) fn by_key(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.by_time(other))
    }
}

impl Mask {
    fn rank(self) -> u32 {
        // A mask's steps are its low bits, so its first bit tells all.
        self.0.trailing_zeros()
    }
}

/// Sorts rows. What the order leaves open, the events' ids decide, so that it never depends on where rows lie.
///
/// # Errors
/// [`QueryError::Read`] when a part cannot be read.
pub(super) fn sort(rows: &mut [Row], order: fn(&Row, &Row) -> Ordering, parts: &[Arc<dyn Part>]) -> Result<(), QueryError> {
    rows.sort_by(order);
    for equal in rows.chunk_by_mut(|left, right| order(left, right) == Ordering::Equal).filter(|equal| equal.len() > 1) {
        let mut with_ids = equal.iter().map(|row| Ok((id_of(row.place, parts)?, *row))).collect::<Result<Vec<_>, QueryError>>()?;
        with_ids.sort_by_key(|(id, _)| *id);
        for (row, (_, sorted)) in equal.iter_mut().zip(with_ids) {
            *row = sorted;
        }
    }
    Ok(())
}

/// The id of an event.
///
/// # Errors
/// [`QueryError::Read`] when the part cannot be read.
pub(super) fn id_of(place: Place, parts: &[Arc<dyn Part>]) -> Result<[u8; 16], QueryError> {
    let ids = parts[place.part as usize].column(EventColumn::Uuid)?;
    let ids = ids.as_fixed_size_binary();
    ids.value(place.row as usize).try_into().map_err(|_| QueryError::Internal("an event's id has 16 bytes".to_owned()))
}

/// Events of one actor, column by column.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    times: Vec<i64>,
    masks: Vec<Mask>,
    labels: Vec<u32>,
    pub(super) places: Vec<Place>,
}

impl Buffer {
    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.masks.clear();
        self.labels.clear();
        self.places.clear();
    }

    pub(super) fn push(&mut self, time: i64, mask: Mask, label: u32, place: Place) {
        self.times.push(time);
        self.masks.push(mask);
        self.labels.push(label);
        self.places.push(place);
    }

    /// Adds events without places.
    pub(super) fn extend(&mut self, times: &[i64], masks: &[Mask], labels: &[u32]) {
        self.times.extend_from_slice(times);
        self.masks.extend_from_slice(masks);
        self.labels.extend_from_slice(labels);
    }

    /// Room for up to `count` more events without places.
    pub(super) fn room(&mut self, count: usize, with_labels: bool) -> Room<'_> {
        let kept = self.times.len();
        self.times.resize(kept + count, 0);
        self.masks.resize(kept + count, Mask::default());
        if with_labels {
            self.labels.resize(kept + count, 0);
        }
        Room { buffer: self, kept }
    }

    pub(super) fn fill(&mut self, rows: &[Row]) {
        self.clear();
        for row in rows {
            self.push(row.time, row.mask, row.label, row.place);
        }
    }

    /// The events of one person's pieces, one after the other; the places are left out. Answers whether they are in order like that: no two at one
    /// moment, so that nothing but the times has a say in it.
    pub(super) fn join(&mut self, hits: &[Hits], pieces: &[Piece]) -> bool {
        self.clear();
        if let [piece] = pieces {
            hits[piece.part].add_to(self, piece.rows.clone());
        } else {
            let mut in_order: SmallVec<[&Piece; 8]> = pieces.iter().collect();
            in_order.sort_by_key(|piece| hits[piece.part].begin(&piece.rows));
            in_order.into_iter().for_each(|piece| hits[piece.part].add_to(self, piece.rows.clone()));
        }
        is_ascending(&self.times)
    }

    /// The events of `from` at which `keep` says so.
    pub(super) fn pick(&mut self, from: Events<'_>, keep: impl Fn(usize) -> bool) {
        self.clear();
        for at in (0..from.sequence.len()).filter(|at| keep(*at)) {
            let place = from.places.get(at).copied().unwrap_or_default();
            self.push(from.sequence.times[at], from.sequence.masks[at], from.sequence.label(at), place);
        }
    }

    pub(super) fn events(&self) -> Events<'_> {
        let sequence = Sequence { times: &self.times, masks: &self.masks, labels: &self.labels };
        Events { sequence, places: &self.places }
    }
}

/// Room at the end of a buffer. An event is written in any case and kept by a sum: a branch would be mispredicted for every other one.
pub(super) struct Room<'b> {
    buffer: &'b mut Buffer,
    kept: usize,
}

impl Room<'_> {
    #[inline]
    pub(super) fn put(&mut self, time: i64, mask: Mask, counts: bool) {
        (self.buffer.times[self.kept], self.buffer.masks[self.kept]) = (time, mask);
        self.kept += usize::from(counts);
    }

    #[inline]
    pub(super) fn put_labelled(&mut self, time: i64, mask: Mask, label: u32, counts: bool) {
        self.buffer.labels[self.kept] = label;
        self.put(time, mask, counts);
    }

    /// Gives back the room that was not used.
    pub(super) fn close(self) {
        self.buffer.times.truncate(self.kept);
        self.buffer.masks.truncate(self.kept);
        self.buffer.labels.truncate(self.kept);
    }
}

/// Whether no two are at one moment and all are in order.
pub(super) fn is_ascending(times: &[i64]) -> bool {
    times.windows(2).all(|pair| pair[0] < pair[1])
}

/// Events of one actor and, when they are wanted, where they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events<'a> {
    pub(super) sequence: Sequence<'a>,
    pub(super) places: &'a [Place],
}

/// Leaves a step only at the person's first event of it, and drops what is not of the funnel. The rows are one person's, sorted.
pub(super) fn keep_firsts(rows: &mut Vec<Row>, looks_back: u32) {
    for step in (0..u32::BITS).filter(|step| looks_back >> step & 1 == 1) {
        let is_candidate = |row: &Row| row.candidate.steps >> step & 1 == 1;
        let has_step = |row: &Row| row.mask.steps() >> step & 1 == 1;
        let earliest = rows.iter().find(|row| is_candidate(row)).map(|row| row.time);
        // Of several at that moment, one that passes the filters.
        let first = rows.iter().position(|row| Some(row.time) == earliest && is_candidate(row) && has_step(row));
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| Some(*at) != first) {
            row.mask = Mask(row.mask.0 & !(1 << step));
        }
    }
    rows.retain(|row| row.candidate.is_live);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: i64, mask: u64, steps: u32, is_live: bool) -> Row {
        Row { key: 0, time, mask: Mask(mask), label: 0, candidate: Candidate { steps, is_live }, place: Place::default() }
    }

    fn masks(rows: &[Row]) -> Vec<(i64, u64)> {
        rows.iter().map(|row| (row.time, row.mask.0)).collect()
    }

    #[test]
    fn the_first_event_alone_is_the_step() {
        // step 0 is "first ever"; step 1 is any event
        let mut rows = vec![row(1, 0b11, 1, true), row(2, 0b11, 1, true), row(3, 0b10, 0, true)];
        keep_firsts(&mut rows, 0b1);
        assert_eq!(masks(&rows), [(1, 0b11), (2, 0b10), (3, 0b10)]);
    }

    #[test]
    fn a_first_event_of_the_past_leaves_no_step() {
        let mut rows = vec![row(1, 0, 1, false), row(2, 0b11, 1, true)];
        keep_firsts(&mut rows, 0b1);
        assert_eq!(masks(&rows), [(2, 0b10)]);
    }

    #[test]
    fn steps_of_one_moment_are_in_order() {
        let mut rows = vec![row(1, 1 << 40, 0, true), row(1, 0b100, 0, true), row(1, 0, 0, true), row(1, 0b010, 0, true)];
        sort(&mut rows, Row::by_time, &[]).unwrap();
        assert_eq!(rows.iter().map(|row| row.mask.0).collect::<Vec<_>>(), [0b010, 0b100, 1 << 40, 0]);
    }
}
