//! A value for each row of a part, read where it lies: nothing is written down per row when a dictionary's codes tell.

use arrow::buffer::ScalarBuffer;
use std::ops::Range;

/// For each row of a part a value.
#[derive(Clone, Debug)]
pub(crate) enum RowValues<T> {
    /// It depends on one dictionary column alone.
    ByKey {
        /// The column's codes.
        keys: ScalarBuffer<i32>,
        /// The value for each code. Codes beyond have the default.
        of_key: Vec<T>,
    },
    /// Each row has its own.
    ByRow(Vec<T>),
}

impl<T: Copy + Default> RowValues<T> {
    /// The value of a row.
    #[inline]
    pub(crate) fn of(&self, row: usize) -> T {
        match self {
            Self::ByKey { keys, of_key } => of_code(of_key, keys[row]),
            Self::ByRow(values) => values[row],
        }
    }

    /// Gives these rows' values in order to `each`, beside what `others` has for them.
    #[inline]
    pub(crate) fn each_with<O: Copy>(&self, rows: Range<usize>, others: &[O], mut each: impl FnMut(O, T)) {
        match self {
            Self::ByKey { keys, of_key } => {
                for (key, other) in keys[rows.clone()].iter().zip(&others[rows]) {
                    each(*other, of_code(of_key, *key));
                }
            }
            Self::ByRow(values) => {
                for (value, other) in values[rows.clone()].iter().zip(&others[rows]) {
                    each(*other, *value);
                }
            }
        }
    }

    /// These rows' values alone.
    pub(crate) fn pick(&self, rows: &[u32]) -> Self {
        Self::ByRow(rows.iter().map(|row| self.of(*row as usize)).collect())
    }

    /// The values, whichever rows they are of.
    pub(crate) fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        let (Self::ByKey { of_key: values, .. } | Self::ByRow(values)) = self;
        values.iter_mut()
    }

    /// Memory of it, about, beyond what the part holds anyway.
    pub(crate) fn bytes(&self) -> usize {
        let (Self::ByKey { of_key: values, .. } | Self::ByRow(values)) = self;
        values.len() * size_of::<T>()
    }
}

#[inline]
fn of_code<T: Copy + Default>(of_key: &[T], key: i32) -> T {
    // A negative code is beyond every table.
    of_key.get(key.cast_unsigned() as usize).copied().unwrap_or_default()
}

/// Times that are passed over at once.
const STRIDE: usize = 16;

/// Of rows in order of time those within `span` (µs, both ends included). From both ends in strides: most actors have few rows, where halving mispredicts
/// more than it saves.
#[inline]
pub(crate) fn within(times: &[i64], rows: Range<usize>, span: (i64, i64)) -> Range<usize> {
    let (mut start, mut end) = (rows.start, rows.end);
    while end - start > STRIDE && times[start + STRIDE - 1] < span.0 {
        start += STRIDE;
    }
    while start < end && times[start] < span.0 {
        start += 1;
    }
    while end - start > STRIDE && times[end - STRIDE] > span.1 {
        end -= STRIDE;
    }
    while start < end && times[end - 1] > span.1 {
        end -= 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_rows_tell_the_same() {
        let by_key = RowValues::ByKey { keys: vec![1, 0, -1, 2, 1].into(), of_key: vec![7_u8, 8] };
        let all: Vec<u32> = (0..5).collect();
        let by_row = by_key.pick(&all);
        for values in [&by_key, &by_row] {
            assert_eq!((0..5).map(|row| values.of(row)).collect::<Vec<_>>(), [8, 7, 0, 0, 8]);
            let mut seen = Vec::new();
            values.each_with(1..5, &[10, 11, 12, 13, 14], |other, value| seen.push((other, value)));
            assert_eq!(seen, [(11, 7), (12, 0), (13, 0), (14, 8)]);
        }
    }

    #[test]
    fn rows_within_a_span() {
        let times = [9, 1, 3, 3, 5, 0];
        let of = |span| within(&times, 1..5, span);
        assert_eq!([of((0, 9)), of((3, 3)), of((2, 4)), of((4, 9)), of((6, 9)), of((0, 0))], [1..5, 2..4, 2..4, 4..5, 5..5, 1..1]);
        assert_eq!(within(&times, 2..2, (0, 9)), 2..2);
        assert_eq!(of((4, 4)), 4..4);
        let long: Vec<i64> = (0..100).collect();
        assert_eq!(within(&long, 3..97, (40, 59)), 40..60);
        assert_eq!(within(&long, 3..97, (2, 97)), 3..97);
        assert!(within(&long, 3..97, (97, 99)).is_empty());
    }
}
