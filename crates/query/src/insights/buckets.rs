//! From a time to its bucket, quickly: bucket borders lie on quarter hours of UTC in every zone in use, so a table of quarter hours finds
//! the bucket with one multiplication and one look-up.

use jiff::Zoned;

const SLOT_MICROS: i64 = 15 * 60 * 1_000_000;
/// A table over more slots than this (about 140 years) costs more than it saves.
const SLOTS_MAX: i64 = 5_000_000;

/// Buckets of a range. A time outside is in no bucket.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    /// Beginnings, µs, ascending.
    starts: Vec<i64>,
    /// Earliest time that counts, µs.
    from: i64,
    /// Latest time that counts, µs.
    to: i64,
    slots: Option<Slots>,
}

#[derive(Clone, Debug)]
struct Slots {
    origin: i64,
    bucket: Vec<u32>,
}

/// No bucket.
pub(crate) const NO_BUCKET: u32 = u32::MAX;

impl Buckets {
    /// Buckets that begin at `starts`; times before `from` or after `to` are in none.
    pub(crate) fn new(starts: &[Zoned], from: &Zoned, to: &Zoned) -> Self {
        let starts: Vec<i64> = starts.iter().map(|start| start.timestamp().as_microsecond()).collect();
        let (from, to) = (from.timestamp().as_microsecond(), to.timestamp().as_microsecond());
        let slots = Slots::new(&starts, from, to);
        Self { starts, from, to, slots }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Earliest and latest time that counts, µs.
    pub(crate) fn range(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// The bucket that begins exactly then.
    pub(crate) fn starting_at(&self, micros: i64) -> Option<usize> {
        self.starts.binary_search(&micros).ok()
    }

    /// The bucket of a time.
    #[inline]
    pub(crate) fn of(&self, micros: i64) -> u32 {
        let bucket = match &self.slots {
            Some(slots) => slots.of(micros),
            None => u32::try_from(self.starts.partition_point(|start| *start <= micros)).unwrap_or(0).wrapping_sub(1),
        };
        // Without a branch: it would be mispredicted wherever an actor's rows leave the range.
        if (micros >= self.from) & (micros <= self.to) { bucket } else { NO_BUCKET }
    }
}

impl Slots {
    fn new(starts: &[i64], from: i64, to: i64) -> Option<Self> {
        let origin = (*starts.first()?).min(from).div_euclid(SLOT_MICROS) * SLOT_MICROS;
        let count = to.checked_sub(origin)? / SLOT_MICROS + 1;
        if !(0..SLOTS_MAX).contains(&count) || starts.iter().any(|start| start.rem_euclid(SLOT_MICROS) != 0) {
            return None;
        }
        let mut bucket = Vec::with_capacity(usize::try_from(count).ok()?);
        let mut current = 0_usize;
        for slot in 0..count {
            let time = origin + slot * SLOT_MICROS;
            while current < starts.len() && starts[current] <= time {
                current += 1;
            }
            bucket.push(u32::try_from(current).ok()?.wrapping_sub(1));
        }
        Some(Self { origin, bucket })
    }

    #[inline]
    fn of(&self, micros: i64) -> u32 {
        // A time before the table wraps to a slot far behind it.
        let slot = micros.wrapping_sub(self.origin).cast_unsigned() / SLOT_MICROS.cast_unsigned();
        usize::try_from(slot).ok().and_then(|slot| self.bucket.get(slot)).copied().unwrap_or(NO_BUCKET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dates::Interval;
    use jiff::ToSpan;
    use jiff::civil::Weekday;

    fn check(zone: &str, from: &str, to: &str, interval: Interval) {
        let at = |text: &str| text.parse::<jiff::civil::DateTime>().unwrap().in_tz(zone).unwrap();
        let (from, to) = (at(from), at(to));
        let mut starts = vec![interval.floor(&from, Weekday::Sunday)];
        while let Some(next) = interval.next(&starts[starts.len() - 1]).filter(|next| *next <= to) {
            starts.push(next);
        }
        let buckets = Buckets::new(&starts, &from, &to);
        let micros = |at: &Zoned| at.timestamp().as_microsecond();
        for (index, start) in starts.iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            if *start >= from {
                assert_eq!(buckets.of(micros(start)), index, "{start}");
                let before = if *start == from { NO_BUCKET } else { index - 1 };
                assert_eq!(buckets.of(micros(start) - 1), before, "before {start}");
            }
        }
        assert_eq!(buckets.of(micros(&to) + 1), NO_BUCKET);
        assert_eq!(buckets.of(micros(&to.checked_sub(1.second()).unwrap())) as usize, starts.len() - 1);
    }

    #[test]
    fn borders_are_exact_in_every_zone() {
        check("UTC", "2020-01-01T00:00:00", "2020-03-01T23:59:59", Interval::Day);
        check("Europe/Berlin", "2024-03-25T00:00:00", "2024-04-05T23:59:59", Interval::Day);
        check("Asia/Kathmandu", "2024-03-25T00:00:00", "2024-04-05T23:59:59", Interval::Hour);
        check("America/Phoenix", "2020-01-03T00:00:00", "2020-02-13T23:59:59", Interval::Week);
        check("Europe/Berlin", "2020-01-15T00:00:00", "2020-11-13T23:59:59", Interval::Month);
        check("UTC", "2020-01-01T00:00:30", "2020-01-01T01:00:59", Interval::Minute);
    }
}
