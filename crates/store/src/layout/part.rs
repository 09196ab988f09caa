//! A project's rows of one table in memory, as a [`Part`].

use super::objects::objects;
use super::table::Table;
use crate::ReadError;
use crate::read::{EventColumn, Part, PartPlace, PersonRuns, PropertyColumn};
use arrow::array::ArrayRef;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Rows `range` of `table`, all of one project and shard.
#[derive(Debug)]
pub(crate) struct TablePart {
    table: Arc<Table>,
    range: Range<usize>,
    time: (i64, i64),
    runs: OnceLock<Arc<PersonRuns>>,
}

impl TablePart {
    /// The part of range `place` of the table's ranges.
    pub(crate) fn new(table: &Arc<Table>, place: usize) -> Self {
        let range = &table.ranges[place];
        Self { table: Arc::clone(table), range: range.rows.clone(), time: range.time, runs: OnceLock::new() }
    }
}

impl Part for TablePart {
    fn rows(&self) -> usize {
        self.range.len()
    }

    fn time_range(&self) -> (i64, i64) {
        self.time
    }

    fn place(&self) -> PartPlace {
        PartPlace::Memory
    }

    fn column(&self, column: EventColumn) -> Result<ArrayRef, ReadError> {
        Ok(self.table.array(column).slice(self.range.start, self.range.len()))
    }

    fn property(&self, key: &str) -> Result<Option<PropertyColumn>, ReadError> {
        Ok(self.table.key(key).and_then(|column| column.column(&self.range, self.table.rows())))
    }

    fn property_keys(&self) -> Result<Vec<String>, ReadError> {
        let here = self.table.keys.iter().filter(|column| column.occurs_in(&self.range));
        Ok(here.map(|column| column.key.to_string()).collect())
    }

    fn properties_json(&self, rows: Option<&[u32]>) -> Result<ArrayRef, ReadError> {
        let columns: Vec<_> =
            self.table.keys.iter().filter(|column| column.occurs_in(&self.range)).map(|column| (&*column.key, column)).collect();
        Ok(match rows {
            None => objects(self.range.clone(), &columns),
            Some(rows) => objects(rows.iter().map(|row| self.range.start + *row as usize), &columns),
        })
    }

    fn person_runs(&self) -> Result<Arc<PersonRuns>, ReadError> {
        let made = self.runs.get_or_init(|| {
            let first = self.table.runs.partition_point(|start| (*start as usize) < self.range.start);
            let mut runs = PersonRuns::default();
            for start in self.table.runs[first..].iter().take_while(|start| (**start as usize) < self.range.end) {
                runs.persons.push(self.table.person(*start as usize));
                runs.starts.push(*start - self.range.start as u32);
            }
            runs.starts.push(self.range.len() as u32);
            Arc::new(runs)
        });
        Ok(Arc::clone(made))
    }
}
