//! `SELECT keys, count(), uniq(person_id) FROM events WHERE … GROUP BY keys` as a table that is made in one pass over the parts.
//!
//! A person's rows come together, so to count persons exactly takes one mark per group, where a general engine keeps a set of persons for each.
//! Keys become small numbers, once per value of a dictionary.

use super::people::{Absorb, ActorRows, Kept, over_persons, side_by_side};
use super::program::EVER;
use super::{RowProgram, ScanContext};
use crate::error::QueryError;
use aqueduct_store::Part;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use hashbrown::HashMap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// What is counted of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Rows,
    Persons,
}

/// The groups with their counts; columns are the keys, then the counts.
#[derive(Clone, Debug)]
pub(crate) struct CountsTable {
    context: Arc<ScanContext>,
    /// The condition, then the keys.
    program: RowProgram,
    counts: Vec<Count>,
    schema: SchemaRef,
}

impl CountsTable {
    /// `program`: a condition and the keys; `schema`: the keys, then `counts` as `Int64`. Without keys there is one row.
    pub(crate) fn new(context: Arc<ScanContext>, program: RowProgram, counts: Vec<Count>, schema: SchemaRef) -> Self {
        Self { context, program, counts, schema }
    }

    /// Whether keys of a type can be counted by.
    pub(crate) fn takes_key(data_type: &DataType) -> bool {
        match data_type {
            DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) | DataType::Int64 | DataType::Boolean => true,
            DataType::Dictionary(key, value) => **key == DataType::Int32 && **value == DataType::Utf8,
            _ => false,
        }
    }

    fn keys(&self) -> usize {
        self.schema.fields().len() - self.counts.len()
    }

    fn batch(&self) -> Result<RecordBatch, QueryError> {
        let groups = Mutex::new(Groups { columns: (0..self.keys()).map(|_| Values::default()).collect(), ..Groups::default() });
        let read = |part: &Arc<dyn Part>| {
            let mut program = self.program.on(part);
            let rows = program.select(0, EVER)?;
            let keys = (1..=self.keys()).map(|at| program.evaluate(at, &rows)).collect::<Result<Vec<_>, _>>()?;
            let of = codes(&groups, &keys, rows.len())?;
            let bytes = rows.len() * 2 * size_of::<u32>();
            Ok(Kept { rows: Some(rows), of, bytes })
        };
        let total = if self.counts.contains(&Count::Persons) {
            over_persons(
                &self.context,
                EVER,
                || self.context.check(),
                Counts::default,
                read,
                |counts: &mut Counts, (): &mut (), _, rows| {
                    counts.person(rows);
                    Ok(())
                },
            )?
        } else {
            let halves = side_by_side(&self.context, EVER, |parts| {
                let mut counts = Counts::default();
                parts.iter().try_for_each(|part| read(part).map(|kept| counts.rows(&kept.of)))?;
                Ok(counts)
            })?;
            let mut total = Counts::default();
            halves.into_iter().for_each(|half| total.absorb(half));
            total
        };
        self.show(groups.into_inner(), total)
    }

    fn show(&self, groups: Groups, mut counts: Counts) -> Result<RecordBatch, QueryError> {
        let rows = if self.keys() == 0 { 1 } else { groups.list.len() };
        counts.grow(rows);
        let mut columns = groups.columns.into_iter().enumerate().map(|(at, values)| {
            let all = values.array()?;
            let places: Int64Array = groups.list.iter().map(|ids| Some(i64::from(ids[at]))).collect();
            let shown = arrow::compute::take(&all, &places, None)?;
            Ok(cast(&shown, self.schema.field(at).data_type())?)
        });
        let mut arrays = columns.by_ref().collect::<Result<Vec<ArrayRef>, QueryError>>()?;
        arrays.extend(self.counts.iter().map(|count| -> ArrayRef {
            let numbers = if *count == Count::Rows { &counts.rows } else { &counts.persons };
            Arc::new(Int64Array::from_iter_values(numbers[..rows].iter().copied()))
        }));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

impl PartitionStream for CountsTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let table = self.clone();
        let batch = futures::stream::once(async move { table.batch().map_err(QueryError::into_datafusion) });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batch))
    }
}

/// Rows and persons by group.
#[derive(Debug, Default)]
struct Counts {
    rows: Vec<i64>,
    persons: Vec<i64>,
    /// For each group the last person that was counted there.
    marks: Vec<u32>,
    person: u32,
}

impl Counts {
    #[inline]
    fn grow(&mut self, groups: usize) {
        if groups > self.rows.len() {
            self.rows.resize(groups, 0);
            self.persons.resize(groups, 0);
            self.marks.resize(groups, 0);
        }
    }

    fn rows(&mut self, codes: &Codes) {
        self.grow(codes.end);
        codes.codes.iter().for_each(|code| self.rows[*code as usize] += 1);
    }

    fn person(&mut self, rows: ActorRows<'_, Codes>) {
        self.person += 1;
        for (part, range) in rows.ranges() {
            self.grow(part.end);
            for code in &part.codes[range] {
                let code = *code as usize;
                self.rows[code] += 1;
                self.persons[code] += i64::from(self.marks[code] != self.person);
                self.marks[code] = self.person;
            }
        }
    }
}

impl Absorb for Counts {
    fn absorb(&mut self, other: Self) {
        self.grow(other.rows.len());
        self.rows.iter_mut().zip(other.rows).for_each(|(sum, count)| *sum += count);
        self.persons.iter_mut().zip(other.persons).for_each(|(sum, count)| *sum += count);
    }
}

/// For each row its group.
#[derive(Debug)]
struct Codes {
    codes: Vec<u32>,
    /// No code is as large.
    end: usize,
}

/// Groups as all threads number them.
#[derive(Debug, Default)]
struct Groups {
    columns: Vec<Values>,
    known: HashMap<Ids, u32>,
    list: Vec<Ids>,
}

/// For each key the number of its value.
type Ids = SmallVec<[u32; 4]>;

/// The values of one key, numbered in order of appearance; texts or whole numbers, according to its type.
#[derive(Debug, Default)]
struct Values {
    texts: HashMap<String, u32>,
    numbers: FxHashMap<i64, u32>,
    null: Option<u32>,
    /// The values again, by number.
    list: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Text(String),
    Number(i64),
}

impl Values {
    fn next(&mut self, value: Value) -> u32 {
        self.list.push(value);
        u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
    }

    fn of_null(&mut self) -> u32 {
        if self.null.is_none() {
            self.null = Some(self.next(Value::Null));
        }
        self.null.unwrap_or_default()
    }

    fn of_text(&mut self, text: &str) -> u32 {
        if let Some(id) = self.texts.get(text) {
            return *id;
        }
        let id = self.next(Value::Text(text.to_owned()));
        self.texts.insert(text.to_owned(), id);
        id
    }

    fn of_number(&mut self, number: i64) -> u32 {
        if let Some(id) = self.numbers.get(&number) {
            return *id;
        }
        let id = self.next(Value::Number(number));
        self.numbers.insert(number, id);
        id
    }

    fn array(&self) -> Result<ArrayRef, QueryError> {
        let is_text = self.list.iter().any(|value| matches!(value, Value::Text(_)));
        if is_text {
            let texts = self.list.iter().map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None });
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
        let number = |value: &Value| if let Value::Number(number) = value { Some(*number) } else { None };
        Ok(Arc::new(self.list.iter().map(number).collect::<Int64Array>()))
    }
}

/// The group of each row. The lock is taken for values that the part has not shown before, not for rows.
fn codes(groups: &Mutex<Groups>, keys: &[ArrayRef], rows: usize) -> Result<Codes, QueryError> {
    let ids = keys.iter().enumerate().map(|(at, key)| ids(groups, at, key)).collect::<Result<Vec<_>, _>>()?;
    let group = |ids: Ids| {
        let mut groups = groups.lock();
        let Groups { known, list, .. } = &mut *groups;
        let next = u32::try_from(list.len()).unwrap_or(u32::MAX);
        *known.entry_ref(&ids).or_insert_with(|| {
            list.push(ids.clone());
            next
        })
    };
    let codes: Vec<u32> = match ids.as_slice() {
        [] => vec![0; rows],
        [only] => {
            let mut own: Vec<Option<u32>> = vec![None; groups.lock().columns[0].list.len()];
            only.iter().map(|id| *own[*id as usize].get_or_insert_with(|| group(SmallVec::from_slice(&[*id])))).collect()
        }
        many => {
            let mut own: HashMap<Ids, u32> = HashMap::new();
            let of_row = |row: usize| many.iter().map(|ids| ids[row]).collect::<Ids>();
            (0..rows).map(|row| *own.entry_ref(&of_row(row)).or_insert_with(|| group(of_row(row)))).collect()
        }
    };
    let end = groups.lock().list.len().max(1);
    Ok(Codes { codes, end })
}

/// For each row the number of its value of key `at`.
fn ids(groups: &Mutex<Groups>, at: usize, key: &ArrayRef) -> Result<Vec<u32>, QueryError> {
    if let Some(dictionary) = key.as_dictionary_opt::<Int32Type>() {
        let texts = dictionary.values().as_string::<i32>();
        let mut own: Vec<Option<u32>> = vec![None; texts.len()];
        let null = (dictionary.keys().null_count() > 0).then(|| groups.lock().columns[at].of_null());
        let id = |key: Option<i32>| {
            let Some(key) = key.and_then(|key| usize::try_from(key).ok()) else { return null.unwrap_or_default() };
            *own[key].get_or_insert_with(|| {
                let column = &mut groups.lock().columns[at];
                if texts.is_valid(key) { column.of_text(texts.value(key)) } else { column.of_null() }
            })
        };
        return Ok(dictionary.keys().iter().map(id).collect());
    }
    if let Some(texts) = key.as_string_opt::<i32>() {
        let mut own: HashMap<Option<&str>, u32> = HashMap::new();
        let id = |text: Option<&'_ str>| {
            let column = &mut groups.lock().columns[at];
            match text {
                Some(text) => column.of_text(text),
                None => column.of_null(),
            }
        };
        return Ok((0..texts.len())
            .map(|row| {
                let text = texts.is_valid(row).then(|| texts.value(row));
                *own.entry(text).or_insert_with(|| id(text))
            })
            .collect());
    }
    let numbers = cast(key, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let mut own: FxHashMap<Option<i64>, u32> = FxHashMap::default();
    let id = |number: Option<i64>| {
        let column = &mut groups.lock().columns[at];
        match number {
            Some(number) => column.of_number(number),
            None => column.of_null(),
        }
    };
    Ok(numbers.iter().map(|number| *own.entry(number).or_insert_with(|| id(number))).collect())
}
