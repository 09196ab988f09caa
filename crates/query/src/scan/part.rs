//! The columns of one part, made when asked for and kept while the part is scanned.

use super::persons::{gather, group_column, group_places, person_ids, person_places, persons_at};
use super::property::{empty_for_null, property_array};
use super::{GroupField, PropertyKind, ScanContext, VirtualColumn, elements};
use crate::error::QueryError;
use aqueduct_store::{EventColumn, Part};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{Int32Type, Int64Type, SchemaRef, UInt8Type};
use hashbrown::HashMap;
use std::sync::Arc;

/// Columns of one part, computed once each.
#[derive(Debug)]
pub(crate) struct PartColumns {
    context: Arc<ScanContext>,
    part: Arc<dyn Part>,
    made: HashMap<VirtualColumn, ArrayRef>,
    person_places: Option<Int32Array>,
    group_places: HashMap<u8, Int32Array>,
    session_places: Option<Int32Array>,
}

impl PartColumns {
    pub(crate) fn new(context: &Arc<ScanContext>, part: &Arc<dyn Part>) -> Self {
        let (context, part) = (Arc::clone(context), Arc::clone(part));
        Self { context, part, made: HashMap::new(), person_places: None, group_places: HashMap::new(), session_places: None }
    }

    /// Number of rows of the part.
    pub(crate) fn rows(&self) -> usize {
        self.part.rows()
    }

    /// Earliest and latest time, µs.
    pub(super) fn time_range(&self) -> (i64, i64) {
        self.part.time_range()
    }

    /// A column over all rows of the part.
    pub(crate) fn get(&mut self, column: &VirtualColumn) -> Result<ArrayRef, QueryError> {
        if let Some(array) = self.made.get(column) {
            return Ok(Arc::clone(array));
        }
        let array = self.make(column)?;
        self.context.usage().decoded(array.get_array_memory_size());
        self.made.insert(column.clone(), Arc::clone(&array));
        Ok(array)
    }

    /// A column over some rows of the part; what is expensive is made for these rows alone.
    pub(crate) fn get_rows(&mut self, column: &VirtualColumn, rows: &UInt32Array) -> Result<ArrayRef, QueryError> {
        if column.is_late() && !self.made.contains_key(column) {
            return Ok(self.part.properties_json(Some(rows.values()))?);
        }
        if let VirtualColumn::Person(field) = column
            && !self.made.contains_key(column)
        {
            let places = take(&self.person_places()?, rows, None)?;
            return persons_at(field, places.as_primitive(), &self.context);
        }
        let array = self.get(column)?;
        Ok(take(array.as_ref(), rows, None)?)
    }

    /// Several columns over all rows, as a batch of the given schema.
    pub(crate) fn batch(&mut self, columns: &[VirtualColumn], schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
        let arrays = columns.iter().map(|column| self.get(column)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }

    fn make(&mut self, column: &VirtualColumn) -> Result<ArrayRef, QueryError> {
        let rows = self.rows();
        Ok(match column {
            VirtualColumn::Base(column) => self.part.column(*column)?,
            VirtualColumn::TeamId => Arc::new(Int64Array::from_value(i64::from(self.context.view().project().0), rows)),
            VirtualColumn::PersonMode => self.person_mode()?,
            VirtualColumn::PersonId => person_ids(self.part.as_ref(), &self.context)?,
            VirtualColumn::Property(key, kind) => self.property(key, *kind)?,
            VirtualColumn::Key(key) => empty_for_null(&self.get(&VirtualColumn::Property(key.clone(), PropertyKind::Text))?),
            VirtualColumn::PropertiesJson => self.part.properties_json(None)?,
            VirtualColumn::Person(field) => persons_at(field, &self.person_places()?, &self.context)?,
            VirtualColumn::PersonOnEvent(key, kind) => self.person_on_event(key, *kind)?,
            VirtualColumn::Group(index, field) => self.group(*index, field)?,
            VirtualColumn::Session(field) => {
                let sessions = self.context.sessions()?;
                let places = self.session_places()?;
                numbers_of_none_are_zero(gather(&sessions.column(field, &self.context)?, &places)?)
            }
            VirtualColumn::ElementsHref => elements::href(&self.part.column(EventColumn::ElementsChain)?),
            VirtualColumn::ElementsTexts => elements::texts(&self.part.column(EventColumn::ElementsChain)?)?,
            VirtualColumn::ElementsIds => elements::ids(&self.part.column(EventColumn::ElementsChain)?)?,
            VirtualColumn::ElementsTags => elements::tags(&self.part.column(EventColumn::ElementsChain)?)?,
        })
    }

    fn property(&self, key: &str, kind: PropertyKind) -> Result<ArrayRef, QueryError> {
        let column = self.part.property(key)?;
        Ok(property_array(column.as_ref(), kind, self.rows(), self.context.zone()))
    }

    fn person_mode(&self) -> Result<ArrayRef, QueryError> {
        let modes = self.part.column(EventColumn::PersonMode)?;
        let keys: Int32Array = modes.as_primitive::<UInt8Type>().unary(|mode| i32::from(mode.min(2)));
        let names = StringArray::from(vec!["full", "propertyless", "force_upgrade"]);
        Ok(Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(names))))
    }

    fn person_places(&mut self) -> Result<Int32Array, QueryError> {
        if self.person_places.is_none() {
            let persons = self.context.persons()?;
            self.person_places = Some(person_places(self.part.as_ref(), &self.context, &persons)?);
        }
        Ok(self.person_places.clone().unwrap_or_else(|| Int32Array::new_null(self.rows())))
    }

    fn session_places(&mut self) -> Result<Int32Array, QueryError> {
        if self.session_places.is_none() {
            let ids = self.get(&VirtualColumn::Property("$session_id".to_owned(), PropertyKind::Text))?;
            self.session_places = Some(self.context.sessions()?.places(&ids)?);
        }
        Ok(self.session_places.clone().unwrap_or_else(|| Int32Array::new_null(self.rows())))
    }

    fn group(&mut self, index: u8, field: &GroupField) -> Result<ArrayRef, QueryError> {
        let groups = self.context.groups()?;
        if !self.group_places.contains_key(&index) {
            let keys = self.get(&VirtualColumn::Property(format!("$group_{index}"), PropertyKind::Text))?;
            self.group_places.insert(index, group_places(&keys, index, &groups)?);
        }
        let column = group_column(&groups, field, &self.context)?;
        match self.group_places.get(&index) {
            Some(places) => gather(&column, places),
            None => Ok(arrow::array::new_null_array(column.data_type(), self.rows())),
        }
    }

    /// A property of the person at the time of the event. Distinct property objects are read once each, not once per row.
    fn person_on_event(&self, key: &str, kind: PropertyKind) -> Result<ArrayRef, QueryError> {
        let objects = self.part.column(EventColumn::PersonProperties)?;
        let objects = objects.as_dictionary::<Int32Type>();
        let column = crate::json::property_of_objects(objects.values().as_string::<i32>(), key);
        let values = property_array(Some(&column), kind, objects.values().len(), self.context.zone());
        Ok(take(values.as_ref(), objects.keys(), None)?)
    }
}

/// Rows without a session have its numbers as 0, as ClickHouse's joins answer for columns that cannot be NULL.
fn numbers_of_none_are_zero(column: ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Int64Type>() {
        Some(numbers) if numbers.null_count() > 0 => Arc::new(Int64Array::from_iter_values(numbers.iter().map(Option::unwrap_or_default))),
        _ => column,
    }
}
