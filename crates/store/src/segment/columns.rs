//! The columns of a segment file: names, arrow and Parquet types, and which property lies where.

use crate::layout::sparse::Kind;
use crate::read::EventColumn;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::Type;
use std::collections::HashSet;
use std::sync::Arc;

/// The fixed columns in file order; the project, which readers of the store do not ask for, comes before them.
pub(crate) const FIXED: [(EventColumn, &str); 10] = [
    (EventColumn::PersonId, "person_id"),
    (EventColumn::Timestamp, "timestamp"),
    (EventColumn::Uuid, "uuid"),
    (EventColumn::Event, "event"),
    (EventColumn::DistinctId, "distinct_id"),
    (EventColumn::CreatedAt, "created_at"),
    (EventColumn::PersonCreatedAt, "person_created_at"),
    (EventColumn::PersonMode, "person_mode"),
    (EventColumn::PersonProperties, "person_properties"),
    (EventColumn::ElementsChain, "elements_chain"),
];

/// Name of the project column.
pub(crate) const PROJECT: &str = "project_id";
/// Name of the column of JSON objects with the properties that have no column of their own.
pub(crate) const OVERFLOW: &str = "properties_overflow";

/// Place of a fixed column in the file.
pub(crate) fn fixed_place(column: EventColumn) -> usize {
    1 + FIXED.iter().position(|(of, _)| *of == column).unwrap_or_default()
}

/// Place of the first property column.
pub(crate) const PROPERTIES_FROM: usize = 1 + FIXED.len();

pub(crate) fn fixed_type(column: EventColumn) -> DataType {
    match column {
        EventColumn::Uuid | EventColumn::PersonId => DataType::FixedSizeBinary(16),
        EventColumn::Timestamp | EventColumn::CreatedAt | EventColumn::PersonCreatedAt => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        EventColumn::PersonMode => DataType::UInt8,
        EventColumn::Event | EventColumn::DistinctId | EventColumn::PersonProperties | EventColumn::ElementsChain => text_type(),
    }
}

pub(crate) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(crate) fn kind_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text | Kind::Json => text_type(),
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Bool => DataType::Boolean,
    }
}

/// Suffix of a column whose type is not the property's most frequent one.
fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "::text",
        Kind::Int => "::int",
        Kind::Float => "::float",
        Kind::Bool => "::bool",
        Kind::Json => "::json",
    }
}

/// Gives a property's columns names that no other column of the segment has: `properties.<key>` for the most frequent type, with the type as
/// suffix for the others.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    pub(crate) fn name(&mut self, key: &str, kind: Kind, is_main: bool) -> String {
        let mut name = format!("properties.{key}{}", if is_main { "" } else { suffix(kind) });
        // A key may look like another key with its suffix; readers go by the metadata, so any free name will do.
        while !self.0.insert(name.clone()) {
            name.push('\'');
        }
        name
    }
}

/// The arrow schema: fixed columns, then `properties`, then the overflow column.
pub(crate) fn arrow_schema<'a>(properties: impl Iterator<Item = (&'a str, Kind)>, overflow: bool) -> Schema {
    let mut fields = vec![Field::new(PROJECT, DataType::UInt32, false)];
    fields.extend(FIXED.iter().map(|(column, name)| Field::new(*name, fixed_type(*column), false)));
    fields.extend(properties.map(|(name, kind)| Field::new(name, kind_type(kind), true)));
    if overflow {
        fields.push(Field::new(OVERFLOW, text_type(), true));
    }
    Schema::new(fields)
}

/// The Parquet schema of the same columns.
pub(crate) fn parquet_schema(schema: &Schema) -> Result<Type, ParquetError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let (physical, logical, length) = match field.data_type() {
            DataType::FixedSizeBinary(length) => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), *length),
            DataType::Timestamp(..) => (Physical::INT64, Some(LogicalType::timestamp(true, parquet::basic::TimeUnit::MICROS)), -1),
            DataType::UInt8 => (Physical::INT32, Some(LogicalType::integer(8, false)), -1),
            DataType::UInt32 => (Physical::INT32, Some(LogicalType::integer(32, false)), -1),
            DataType::Int64 => (Physical::INT64, None, -1),
            DataType::Float64 => (Physical::DOUBLE, None, -1),
            DataType::Boolean => (Physical::BOOLEAN, None, -1),
            _ => (Physical::BYTE_ARRAY, Some(LogicalType::String), -1),
        };
        let repetition = if field.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let column = Type::primitive_type_builder(field.name(), physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .with_length(length)
            .build()?;
        columns.push(Arc::new(column));
    }
    Type::group_type_builder("events").with_fields(columns).build()
}
