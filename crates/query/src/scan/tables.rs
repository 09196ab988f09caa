//! The other tables: persons, person_distinct_ids, groups, sessions, numbers, and those that are still empty.

use super::column::{text_type, texts_type, time_type, uuid_type};
use super::compact::compact;
use super::persons::{as_dictionary, group_column, objects_at, person_column, persons_at, uuids};
use super::{GroupField, LogField, PersonField, ScanContext, SessionField};
use crate::error::QueryError;
use aqueduct_store::PropertyObjects;
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result as DfResult;
use datafusion::datasource::TableProvider;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A column of a table that is not `events`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableColumn {
    /// The project's number.
    TeamId,
    /// Of `persons`.
    Person(PersonField),
    /// Version of a person.
    PersonVersion,
    /// Of `person_distinct_ids`: the distinct id.
    DistinctId,
    /// Of `person_distinct_ids`: the person's id.
    DistinctIdPerson,
    /// Of `person_distinct_ids`: how often it moved.
    DistinctIdVersion,
    /// Of `person_distinct_ids`: the person.
    PersonOfDistinctId(PersonField),
    /// Always false: deleted rows are not seen.
    IsDeleted,
    /// Of `groups`: the index of its type.
    GroupIndex,
    /// Of `groups`.
    Group(GroupField),
    /// Of `sessions`.
    Session(SessionField),
    /// Of `query_log`.
    Query(LogField),
    /// Of a table that has no rows yet.
    Empty(&'static str, EmptyType),
}

/// Type of a column in a table that has no rows yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EmptyType {
    Text,
    /// A list.
    Texts,
    Int,
    Time,
    Uuid,
}

impl EmptyType {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            EmptyType::Text => text_type(),
            EmptyType::Texts => texts_type(),
            EmptyType::Int => DataType::Int64,
            EmptyType::Time => time_type(),
            EmptyType::Uuid => uuid_type(),
        }
    }
}

impl TableColumn {
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            TableColumn::TeamId | TableColumn::PersonVersion | TableColumn::DistinctIdVersion | TableColumn::GroupIndex => DataType::Int64,
            TableColumn::Person(field) | TableColumn::PersonOfDistinctId(field) => field.data_type(),
            TableColumn::DistinctId => text_type(),
            TableColumn::DistinctIdPerson => uuid_type(),
            TableColumn::IsDeleted => DataType::Int64,
            TableColumn::Group(field) => field.data_type(),
            TableColumn::Session(field) => field.data_type(),
            TableColumn::Query(field) => field.data_type(),
            TableColumn::Empty(_, kind) => kind.data_type(),
        }
    }

    pub(crate) fn nullable(&self) -> bool {
        match self {
            TableColumn::Person(PersonField::Property(..) | PersonField::LastSeenAt) | TableColumn::PersonOfDistinctId(_) => true,
            TableColumn::Group(GroupField::Property(..)) => true,
            TableColumn::Session(field) => !matches!(
                field,
                SessionField::Id
                    | SessionField::IdV7
                    | SessionField::DistinctId
                    | SessionField::PersonId
                    | SessionField::Start
                    | SessionField::End
                    | SessionField::Pageviews
                    | SessionField::Autocaptures
                    | SessionField::Screens
                    | SessionField::DurationSeconds
                    | SessionField::Interactions
                    | SessionField::UrlCount
            ),
            _ => false,
        }
    }

    pub(crate) fn field(&self) -> Field {
        Field::new(self.to_string(), self.data_type(), self.nullable())
    }

    fn build(&self, rows: usize, context: &Arc<ScanContext>) -> Result<Made, QueryError> {
        Ok(Made::Array(match self {
            TableColumn::Person(PersonField::PropertiesJson) => {
                return Ok(Made::Objects { objects: context.person_properties()?, places: (0..).take(rows).collect() });
            }
            TableColumn::PersonOfDistinctId(PersonField::PropertiesJson) => {
                return Ok(Made::Objects { objects: context.person_properties()?, places: places_of_distinct_ids(context)? });
            }
            TableColumn::TeamId => Arc::new(Int64Array::from_value(i64::from(context.view().project().0), rows)),
            TableColumn::Person(field) => person_column(field, context)?,
            TableColumn::PersonVersion => Arc::clone(&context.persons()?.version),
            TableColumn::DistinctId => as_dictionary(&context.view().distinct_ids()?.distinct_id),
            TableColumn::DistinctIdPerson => uuids(&context.view().distinct_ids()?.person)?,
            TableColumn::DistinctIdVersion => Arc::clone(&context.view().distinct_ids()?.version),
            TableColumn::PersonOfDistinctId(field) => persons_at(field, &places_of_distinct_ids(context)?, context)?,
            TableColumn::IsDeleted => Arc::new(Int64Array::from_value(0, rows)),
            TableColumn::GroupIndex => cast(&context.groups()?.type_index, &DataType::Int64)?,
            TableColumn::Group(field) => group_column(context.groups()?.as_ref(), field, context)?,
            TableColumn::Session(field) => context.sessions()?.column(field, context)?,
            TableColumn::Query(field) => field.build(context),
            TableColumn::Empty(..) => new_empty_array(&self.data_type()),
        }))
    }
}

/// For each distinct id the place of its person.
fn places_of_distinct_ids(context: &ScanContext) -> Result<Int32Array, QueryError> {
    let (persons, ids) = (context.persons()?, context.view().distinct_ids()?);
    let place = |id| persons.ids.binary_search(id).ok().and_then(|place| i32::try_from(place).ok());
    Ok(ids.person.iter().map(place).collect())
}

/// A column, whole; or what it is made of batch by batch, since objects are large and few of them are often enough.
enum Made {
    Array(ArrayRef),
    Objects { objects: Arc<PropertyObjects>, places: Int32Array },
}

impl Made {
    fn rows(&self, rows: &Range<usize>) -> Result<ArrayRef, QueryError> {
        match self {
            Made::Array(array) => Ok(compact(array.slice(rows.start, rows.len()))?),
            Made::Objects { objects, places } => objects_at(&places.slice(rows.start, rows.len()), objects),
        }
    }
}

impl fmt::Display for TableColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DerivedKind {
    Persons,
    DistinctIds,
    Groups,
    Sessions,
    /// Queries that ended.
    Queries,
    /// It has no rows yet.
    Empty,
}

/// A table that is made whole from the view when it is scanned.
#[derive(Debug)]
pub(crate) struct DerivedTable {
    context: Arc<ScanContext>,
    kind: DerivedKind,
    columns: Vec<TableColumn>,
    schema: SchemaRef,
}

impl DerivedTable {
    pub(crate) fn new(context: Arc<ScanContext>, kind: DerivedKind, columns: Vec<TableColumn>) -> Self {
        let schema = schema_of(&columns);
        Self { context, kind, columns, schema }
    }
}

fn schema_of(columns: &[TableColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(TableColumn::field).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for DerivedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let columns: Vec<TableColumn> = match projection {
            Some(projection) => projection.iter().map(|at| self.columns[*at].clone()).collect(),
            None => self.columns.clone(),
        };
        let schema = schema_of(&columns);
        let whole = Whole { context: Arc::clone(&self.context), kind: self.kind, columns, schema: Arc::clone(&schema) };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(whole)], None, [], false, limit)?))
    }
}

#[derive(Debug)]
struct Whole {
    context: Arc<ScanContext>,
    kind: DerivedKind,
    columns: Vec<TableColumn>,
    schema: SchemaRef,
}

impl Whole {
    /// The number of rows, and the columns.
    fn made(&self) -> Result<(usize, Vec<Made>), QueryError> {
        self.context.check()?;
        let rows = match self.kind {
            DerivedKind::Persons => self.context.persons()?.ids.len(),
            DerivedKind::DistinctIds => self.context.view().distinct_ids()?.person.len(),
            DerivedKind::Groups => self.context.groups()?.key.len(),
            DerivedKind::Sessions => self.context.sessions()?.len(),
            DerivedKind::Queries => self.context.queries().len(),
            DerivedKind::Empty => 0,
        };
        let usage = self.context.usage();
        usage.will_read(rows);
        let build = |column: &TableColumn| self.context.check().and_then(|()| column.build(rows, &self.context));
        let arrays = usage.at_work(|| self.columns.iter().map(build).collect::<Result<Vec<_>, _>>())?;
        for made in &arrays {
            if let Made::Array(array) = made {
                usage.decoded(array.get_array_memory_size());
            }
        }
        usage.read(rows);
        Ok((rows, arrays))
    }
}

/// Rows of one batch of a table that is made whole.
const BATCH_ROWS: usize = 16 * 1024;

impl PartitionStream for Whole {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let (rows, columns, failure) = match self.made() {
            Ok((rows, columns)) => (rows, columns, None),
            Err(error) => (0, Vec::new(), Some(Err(error.into_datafusion()))),
        };
        let batches = (0..rows).step_by(BATCH_ROWS).map(move |start| {
            let of_batch = start..rows.min(start + BATCH_ROWS);
            let arrays = columns.iter().map(|column| column.rows(&of_batch)).collect::<Result<Vec<_>, _>>();
            let options = RecordBatchOptions::new().with_row_count(Some(of_batch.len()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), arrays.map_err(QueryError::into_datafusion)?, &options)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(failure.into_iter().chain(batches))))
    }
}

/// `numbers(start, count)`: one column `number`.
#[derive(Clone, Debug)]
pub(crate) struct NumbersTable {
    start: i64,
    count: i64,
    schema: SchemaRef,
}

impl NumbersTable {
    pub(crate) fn new(start: i64, count: i64) -> Self {
        Self { start, count: count.max(0), schema: Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, false)])) }
    }
}

impl PartitionStream for NumbersTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, start, end) = (Arc::clone(&self.schema), self.start, self.start.saturating_add(self.count));
        let step = i64::try_from(BATCH_ROWS).unwrap_or(i64::MAX);
        let mut next = start;
        let batches = std::iter::from_fn(move || {
            let from = next;
            next = from.saturating_add(step).min(end);
            (from < end).then(|| Ok(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from_iter_values(from..next))])?))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}
