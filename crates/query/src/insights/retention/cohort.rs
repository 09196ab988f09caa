//! Where an actor began and in which columns it came back, from its marks in order of time.

use super::model::{Period, RetentionType, WindowMode};
use super::plan::bad;
use crate::error::QueryError;
use crate::insights::buckets::NO_BUCKET;
use jiff::{Timestamp, Zoned};

/// A row that begins or returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) time: i64,
    /// Its period, or none.
    pub(super) bucket: u32,
    /// Its breakdown value.
    pub(super) label: u32,
    /// [`BEGINS`], [`RETURNS`], [`NAMED`].
    pub(super) flags: u8,
    pub(super) value: f64,
}

/// The row passes as target.
pub(super) const BEGINS: u8 = 1;
/// The row passes as returning.
pub(super) const RETURNS: u8 = 2;
/// The row is of the target's event, whatever the target's own filters say.
pub(super) const NAMED: u8 = 4;

/// The columns of a row of the answer; column 0 is the beginning itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// One per period.
    Periods(u32),
    /// One per bracket: up to how many periods after the beginning each reaches.
    Brackets(Vec<u32>),
}

impl Columns {
    /// Brackets of the given sizes, one after the other.
    pub(super) fn brackets(sizes: &[f64]) -> Result<Self, QueryError> {
        let mut ends = Vec::with_capacity(sizes.len());
        let mut end = 0_u32;
        for size in sizes {
            if !(1.0..=1_000_000.0).contains(size) {
                return Err(bad(format!("a bracket spans between 1 and 1000000 intervals, found {size}")));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
            let size = *size as u32;
            end = end.saturating_add(size);
            ends.push(end);
        }
        Ok(Columns::Brackets(ends))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Columns::Periods(count) => *count as usize,
            Columns::Brackets(ends) => ends.len() + 1,
        }
    }

    /// How many periods they span, that of the beginning included.
    pub(super) fn periods(&self) -> u32 {
        match self {
            Columns::Periods(count) => *count,
            Columns::Brackets(ends) => ends.last().map_or(1, |end| end.saturating_add(1)),
        }
    }

    /// The column of what lies so many periods after the beginning.
    fn of(&self, periods: u32) -> Option<u32> {
        match self {
            Columns::Periods(count) => (1..*count).contains(&periods).then_some(periods),
            Columns::Brackets(ends) => {
                let at = u32::try_from(ends.partition_point(|end| *end < periods)).ok()?;
                (periods > 0 && (at as usize) < ends.len()).then_some(at + 1)
            }
        }
    }
}

/// The rules of one query.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) kind: RetentionType,
    pub(super) mode: WindowMode,
    pub(super) columns: Columns,
    /// Number of periods in which actors may begin.
    pub(super) rows: u32,
    /// A period counts as returned to with so many returning events.
    pub(super) minimum_occurrences: usize,
    pub(super) is_cumulative: bool,
    pub(super) is_aggregated: bool,
    pub(super) is_broken_down: bool,
    /// Target and returning are the same.
    pub(super) is_same_entity: bool,
    pub(super) period: Period,
    /// Beginning of the first period.
    pub(super) from: Zoned,
}

/// What is told of an actor.
pub(super) trait Sink {
    /// The actor began in row `start` and is in these columns.
    fn cohort(&mut self, label: u32, start: u32, columns: &[u32]);
    /// A value that counts in a cell of the actor.
    fn value(&mut self, label: u32, start: u32, column: u32, value: f64);
}

impl Rules {
    /// Tells of one actor: its marks in order of time, all of them. `first_label`: of labels at the same moment the one to take.
    pub(super) fn actor(&self, marks: &mut [Mark], first_label: &dyn Fn(&[u32]) -> u32, sink: &mut impl Sink) {
        let anchor = self.anchor(marks);
        if self.kind == RetentionType::FirstEver {
            // The actor belongs to the value of its first event of the target's name, with everything that it did.
            let Some(first) = marks.iter().find(|mark| mark.flags & NAMED != 0).map(|mark| mark.time) else { return };
            let mut labels: Vec<u32> =
                marks.iter().filter(|mark| mark.flags & NAMED != 0 && mark.time == first).map(|mark| mark.label).collect();
            labels.dedup();
            let label = if labels.len() == 1 { labels[0] } else { first_label(&labels) };
            marks.iter_mut().for_each(|mark| mark.label = label);
        }
        // A stable sort: within a label the order of time stays.
        if marks.windows(2).any(|pair| pair[0].label != pair[1].label) {
            marks.sort_by_key(|mark| mark.label);
        }
        for group in marks.chunk_by(|a, b| a.label == b.label) {
            match self.mode {
                WindowMode::Calendar => self.calendar(group, sink),
                WindowMode::Rolling => self.rolling(group, anchor, sink),
            }
        }
    }

    /// Whether all that counts of an actor without breakdown is in which periods it began and returned, fewer than 63 of them.
    pub(super) fn are_plain(&self) -> bool {
        self.kind == RetentionType::Recurring
            && self.mode == WindowMode::Calendar
            && matches!(self.columns, Columns::Periods(_))
            && self.minimum_occurrences == 1
            && !self.is_cumulative
            && !self.is_aggregated
            && !self.is_broken_down
            && self.rows < 63
    }

    /// As [`Rules::actor`] when the rules are plain: bit `i` says that the actor began in, or returned in, period `i`. Bit 63 says nothing.
    pub(super) fn plain(&self, begins: u64, returns: u64, sink: &mut impl Sink) {
        let periods = (1_u64 << self.rows) - 1;
        let mut columns = [0_u32; 64];
        let mut starts = begins & periods;
        while starts != 0 {
            let start = starts.trailing_zeros();
            starts &= starts - 1;
            let (mut count, mut after) = (1, (returns & periods) >> start & !1);
            while after != 0 {
                columns[count] = after.trailing_zeros();
                count += usize::from((columns[count] as usize) < self.columns.len());
                after &= after - 1;
            }
            sink.cohort(0, start, &columns[..count]);
        }
    }

    /// Whether intervals are counted from the actor's own beginning.
    pub(super) fn is_rolling(&self) -> bool {
        self.mode == WindowMode::Rolling
    }

    /// The moment at which the actor begins, over all that it did.
    fn anchor(&self, marks: &[Mark]) -> Option<i64> {
        let begins = |mark: &&Mark| mark.flags & BEGINS != 0;
        let in_range = |mark: &&Mark| mark.bucket != NO_BUCKET;
        match self.kind {
            RetentionType::Recurring => marks.iter().filter(in_range).find(begins).map(|mark| mark.time),
            RetentionType::FirstMatching => marks.iter().find(begins).map(|mark| mark.time),
            RetentionType::FirstEver => {
                let named = marks.iter().find(|mark| mark.flags & NAMED != 0)?;
                marks.iter().find(begins).filter(|first| first.time == named.time).map(|first| first.time)
            }
        }
    }

    /// Periods of the calendar.
    fn calendar(&self, marks: &[Mark], sink: &mut impl Sink) {
        let mut starts: Vec<u32> = match self.kind {
            RetentionType::Recurring => {
                marks.iter().filter(|mark| mark.flags & BEGINS != 0 && mark.bucket != NO_BUCKET).map(|mark| mark.bucket).collect()
            }
            _ => {
                let first = self.anchor(marks);
                let bucket = first.and_then(|time| marks.iter().find(|mark| mark.time == time)).map(|mark| mark.bucket);
                bucket.into_iter().filter(|bucket| *bucket != NO_BUCKET).collect()
            }
        };
        starts.dedup();
        let Some(first) = starts.first().copied() else { return };
        let label = marks[0].label;
        let returns = self.returns(marks);
        let mut columns = Vec::with_capacity(returns.len() + 1);
        for start in starts {
            columns.clear();
            columns.push(0);
            for period in &returns {
                // Brackets are counted from the first beginning of the actor, as PostHog counts them.
                let base = if matches!(self.columns, Columns::Brackets(_)) && !self.is_aggregated { first } else { start };
                columns.extend(period.checked_sub(base).and_then(|after| self.columns.of(after)));
            }
            columns.dedup();
            if self.is_cumulative {
                let last = columns.last().copied().unwrap_or(0);
                columns.clear();
                columns.extend(0..=last);
            }
            sink.cohort(label, start, &columns);
            if self.is_aggregated {
                self.values(marks, label, start, sink);
            }
        }
    }

    /// The periods that count as returned to, in order.
    fn returns(&self, marks: &[Mark]) -> Vec<u32> {
        let minimum = if self.is_aggregated { 1 } else { self.minimum_occurrences };
        let periods: Vec<u32> =
            marks.iter().filter(|mark| mark.flags & RETURNS != 0 && mark.bucket != NO_BUCKET).map(|mark| mark.bucket).collect();
        periods.chunk_by(|a, b| a == b).filter(|run| run.len() >= minimum).map(|run| run[0]).collect()
    }

    /// The values of the events behind the cells of a row. When target and returning differ, beginning counts nothing by itself, and in
    /// the first period what returns does so after the beginning.
    fn values(&self, marks: &[Mark], label: u32, start: u32, sink: &mut impl Sink) {
        let began = marks.iter().find(|mark| mark.flags & BEGINS != 0 && mark.bucket == start).map(|mark| mark.time);
        for mark in marks.iter().filter(|mark| mark.bucket != NO_BUCKET && mark.bucket >= start) {
            let after = mark.bucket - start;
            let counts = match after {
                0 if self.is_same_entity => mark.flags & BEGINS != 0,
                0 => mark.flags & RETURNS != 0 && began.is_some_and(|began| mark.time > began),
                _ => mark.flags & RETURNS != 0 && (after as usize) < self.columns.len(),
            };
            if counts {
                sink.value(label, start, after, mark.value);
            }
        }
    }

    /// Periods counted from the actor's own beginning.
    fn rolling(&self, marks: &[Mark], anchor: Option<i64>, sink: &mut impl Sink) {
        let Some(anchor) = anchor else { return };
        let began = |mark: &&Mark| mark.time >= anchor && (self.kind != RetentionType::Recurring || mark.bucket != NO_BUCKET);
        let Some(start) = u32::try_from(self.periods_between(self.from.timestamp().as_microsecond(), anchor)).ok() else { return };
        if start >= self.rows || !marks.iter().any(|mark| began(&mark)) {
            return;
        }
        let returned = marks.iter().filter(began).filter(|mark| mark.flags & RETURNS != 0);
        let mut columns: Vec<u32> = std::iter::once(0)
            .chain(returned.filter_map(|mark| u32::try_from(self.periods_between(anchor, mark.time)).ok()))
            .filter(|column| (*column as usize) < self.columns.len())
            .collect();
        columns.dedup();
        sink.cohort(marks[0].label, start, &columns);
    }

    /// Whole periods between two moments, by the borders of hours or days that lie between them.
    fn periods_between(&self, from: i64, to: i64) -> i64 {
        let (per_period, unit_of): (i64, fn(&Self, i64) -> i64) = match self.period {
            Period::Hour => (1, Self::hour),
            Period::Day => (24, Self::hour),
            Period::Week => (7, Self::day),
            Period::Month => (30, Self::day),
        };
        (unit_of(self, to) - unit_of(self, from)).div_euclid(per_period)
    }

    /// The number of an hour; zones whose offset is no whole number of hours have their own.
    fn hour(&self, micros: i64) -> i64 {
        let offset = i64::from(self.from.offset().seconds() % 3_600);
        (micros.div_euclid(1_000_000) + offset).div_euclid(3_600)
    }

    /// The number of a day in the zone.
    fn day(&self, micros: i64) -> i64 {
        let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        let offset = i64::from(self.from.time_zone().to_offset(at).seconds());
        (micros.div_euclid(1_000_000) + offset).div_euclid(86_400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_follow_each_other() {
        let columns = Columns::brackets(&[2.0, 3.0]).unwrap();
        assert_eq!(columns.len(), 3);
        assert_eq!(
            (0..7).map(|periods| columns.of(periods)).collect::<Vec<_>>(),
            [None, Some(1), Some(1), Some(2), Some(2), Some(2), None]
        );
        assert!(Columns::brackets(&[0.5]).is_err());
    }

    #[test]
    fn the_beginning_is_a_column_of_its_own() {
        let columns = Columns::Periods(3);
        assert_eq!((0..4).map(|periods| columns.of(periods)).collect::<Vec<_>>(), [None, Some(1), Some(2), None]);
    }
}
