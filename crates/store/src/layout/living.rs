//! A part without the rows that were withdrawn.
//!
//! # Invariants
//! - Readers cannot tell it from a part that never had those rows.

use crate::ReadError;
use crate::read::{EventColumn, Part, PartPlace, PersonRuns, PropertyColumn};
use aqueduct_event::PersonId;
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::TimestampMicrosecondType;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Which rows of a part are left.
#[derive(Debug)]
pub(crate) struct KeptRows {
    rows: UInt32Array,
    time: (i64, i64),
}

/// What is left of a part.
#[derive(Debug)]
pub(crate) struct Living {
    part: Arc<dyn Part>,
    kept: Arc<KeptRows>,
    runs: OnceLock<Arc<PersonRuns>>,
}

/// Rows of a person in a part.
pub(crate) fn rows_of(runs: &PersonRuns, person: &PersonId) -> Option<Range<usize>> {
    let place = runs.persons.binary_search(person).ok()?;
    Some(runs.starts[place] as usize..runs.starts[place + 1] as usize)
}

impl KeptRows {
    /// The rows of a part that are left without those of `persons`; `None` when it has none of them.
    pub(crate) fn without(part: &dyn Part, persons: &[PersonId]) -> Result<Option<Self>, ReadError> {
        let runs = part.person_runs()?;
        let mut gone: Vec<Range<usize>> = persons.iter().filter_map(|person| rows_of(&runs, person)).collect();
        if gone.is_empty() {
            return Ok(None);
        }
        gone.sort_unstable_by_key(|rows| rows.start);
        let mut rows: Vec<u32> = Vec::with_capacity(part.rows());
        let mut at = 0;
        for Range { start, end } in gone.into_iter().chain(std::iter::once(part.rows()..part.rows())) {
            rows.extend((at..start).map(|row| row as u32));
            at = end;
        }
        let times = part.column(EventColumn::Timestamp)?;
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let time =
            rows.iter().map(|row| times[*row as usize]).fold((i64::MAX, i64::MIN), |(min, max), time| (min.min(time), max.max(time)));
        Ok(Some(Self { rows: UInt32Array::from(rows), time }))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * 4
    }
}

impl Living {
    /// What is left of `part`; `None` when that is nothing.
    pub(crate) fn of(part: Arc<dyn Part>, kept: Arc<KeptRows>) -> Option<Arc<dyn Part>> {
        if kept.rows.is_empty() { None } else { Some(Arc::new(Self { part, kept, runs: OnceLock::new() })) }
    }

    fn take(&self, array: &ArrayRef) -> ArrayRef {
        // INVARIANT: the rows lie within the part, and every array is as long as the part.
        take(array, &self.kept.rows, None).unwrap_or_else(|_| array.slice(0, 0))
    }

    fn taken(&self, column: Option<ArrayRef>) -> Option<ArrayRef> {
        column.map(|array| self.take(&array)).filter(|array| array.null_count() < array.len())
    }
}

impl Part for Living {
    fn rows(&self) -> usize {
        self.kept.rows.len()
    }

    fn time_range(&self) -> (i64, i64) {
        self.kept.time
    }

    fn place(&self) -> PartPlace {
        self.part.place()
    }

    fn column(&self, column: EventColumn) -> Result<ArrayRef, ReadError> {
        Ok(self.take(&self.part.column(column)?))
    }

    fn property(&self, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        let Some(PropertyColumn { text, int, float, bool, json }) = self.part.property(key)? else { return Ok(None) };
        let left = PropertyColumn {
            text: self.taken(text),
            int: self.taken(int),
            float: self.taken(float),
            bool: self.taken(bool),
            json: self.taken(json),
        };
        let any = [&left.text, &left.int, &left.float, &left.bool, &left.json].iter().any(|array| array.is_some());
        Ok(any.then_some(left))
    }

    fn property_keys(&self) -> Result<Vec<String>, ReadError> {
        let mut left = Vec::new();
        for key in self.part.property_keys()? {
            if self.property(&key)?.is_some() {
                left.push(key);
            }
        }
        Ok(left)
    }

    fn properties_json(&self, rows: Option<&[u32]>) -> Result<ArrayRef, ReadError> {
        let all = self.kept.rows.values();
        match rows {
            None => self.part.properties_json(Some(all)),
            Some(rows) => self.part.properties_json(Some(&rows.iter().map(|row| all[*row as usize]).collect::<Vec<u32>>())),
        }
    }

    fn person_runs(&self) -> Result<Arc<PersonRuns>, ReadError> {
        if let Some(runs) = self.runs.get() {
            return Ok(Arc::clone(runs));
        }
        // Persons go as a whole: the rows of a run are all kept or none.
        let whole = self.part.person_runs()?;
        let kept = self.kept.rows.values();
        let (mut left, mut at) = (PersonRuns::default(), 0);
        for (person, run) in whole.persons.iter().zip(whole.starts.windows(2)) {
            if kept.get(at) == Some(&run[0]) {
                left.persons.push(*person);
                left.starts.push(at as u32);
                at += (run[1] - run[0]) as usize;
            }
        }
        left.starts.push(kept.len() as u32);
        Ok(Arc::clone(self.runs.get_or_init(|| Arc::new(left))))
    }
}
