//! `system.*`: what people of a project made and named, as tables: `system.insights`, `system.cohorts`, `system.dashboards`.
//!
//! In: a table and the project of the query. Out: a plan over its rows, which are made when the query is resolved.
//!
//! # Invariants
//! - Rows are asked by the query's project, of its definitions and of its view: there is no other way in.
//! - Names, columns and types are PostHog's; a table of what is not kept here has the columns and no rows.
//! - A table of what is kept here in a form that cannot be asked for is not listed: no rows would be a wrong answer.

mod rows;
mod tables;

pub(crate) use tables::{SystemTable, TABLES, table};

use tables::Kind;

use crate::error::QueryError;
use crate::resolve::{Note, Output, QueryContext, Type, column_name};
use crate::scan::EmptyType;
use crate::time::parse_best_effort;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// Values by column; one that is absent is NULL. A time is a number of microseconds or text.
type Row = Map<String, Json>;

/// The rows of a table; none where nothing will be run.
///
/// # Errors
/// [`QueryError::Memory`] when they are more than the query may hold, [`QueryError::Read`] when the store's state cannot be read.
pub(crate) fn plan(table: &SystemTable, context: &QueryContext) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
    let rows = if context.is_check { Vec::new() } else { rows::of(table.source, context)? };
    let reservation = context.executor.reservation("system tables");
    reservation.try_grow(rows.iter().flat_map(|row| row.values()).map(bytes).sum())?;
    let mut arrays = Vec::with_capacity(table.columns.len());
    let (mut fields, mut outputs) = (Vec::new(), Vec::new());
    for (at, (name, kind)) in table.columns.iter().enumerate() {
        let array = kind.array(&rows, name);
        fields.push(Field::new(column_name(at), array.data_type().clone(), kind.is_nullable()));
        outputs.push(Output { name: (*name).to_owned(), ty: kind.ty() });
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let provider = provider_as_source(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?));
    Ok((LogicalPlanBuilder::scan(context.fresh_name(), provider, None)?.build()?, outputs))
}

/// Memory of a value, about.
fn bytes(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(bytes).sum(),
        Json::Object(fields) => fields.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
        _ => size_of::<Json>(),
    }
}

impl Kind {
    fn is_nullable(self) -> bool {
        !matches!(self, Kind::Id | Kind::Key)
    }

    fn ty(self) -> Type {
        let data = match self {
            Kind::Id | Kind::Int => DataType::Int64,
            Kind::Flag => DataType::Boolean,
            Kind::Key | Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Time => EmptyType::Time.data_type(),
        };
        let note = if self == Kind::Json { Note::Json } else { Note::Plain };
        Type::new(data, self.is_nullable()).with_note(note)
    }

    fn array(self, rows: &[Row], name: &str) -> ArrayRef {
        let values = rows.iter().map(|row| row.get(name).filter(|value| !value.is_null()));
        match self {
            Kind::Id => Arc::new(values.map(|value| Some(value.and_then(integer).unwrap_or_default())).collect::<Int64Array>()),
            Kind::Int => Arc::new(values.map(|value| value.and_then(integer)).collect::<Int64Array>()),
            Kind::Flag => Arc::new(values.map(|value| value.and_then(Json::as_bool)).collect::<BooleanArray>()),
            Kind::Key => Arc::new(values.map(|value| Some(value.map(text).unwrap_or_default())).collect::<StringArray>()),
            Kind::Text => Arc::new(values.map(|value| value.map(text)).collect::<StringArray>()),
            Kind::Json => Arc::new(values.map(|value| value.map(Json::to_string)).collect::<StringArray>()),
            Kind::Time => {
                let times: TimestampMicrosecondArray = values.map(|value| value.and_then(time)).collect();
                Arc::new(times.with_timezone("UTC"))
            }
        }
    }
}

/// A flag counts as 0 or 1: PostHog shows its own so.
fn integer(value: &Json) -> Option<i64> {
    value.as_bool().map(i64::from).or_else(|| value.as_i64())
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn time(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| parse_best_effort(value.as_str()?, &TimeZone::UTC))
}
