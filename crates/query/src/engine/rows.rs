//! How values are shown in answers: JSON in PostHog's way.

use crate::error::QueryError;
use crate::resolve::{Note, Output, Type};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// Rows of an answer: arrays of values.
///
/// # Errors
/// [`QueryError`] when a column's type cannot be shown.
pub(crate) fn rows(batches: &[RecordBatch], outputs: &[Output], zone: &TimeZone) -> Result<Vec<Vec<Json>>, QueryError> {
    let mut rows: Vec<Vec<Json>> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let start = rows.len();
        rows.extend((0..batch.num_rows()).map(|_| Vec::with_capacity(outputs.len())));
        for (column, output) in batch.columns().iter().zip(outputs) {
            for (row, value) in rows[start..].iter_mut().zip(column_values(column, &output.ty, zone)?) {
                row.push(value);
            }
        }
    }
    Ok(rows)
}

/// The values of one column.
fn column_values(column: &ArrayRef, ty: &Type, zone: &TimeZone) -> Result<Vec<Json>, QueryError> {
    if let DataType::Dictionary(_, value) = column.data_type() {
        return column_values(&cast(column, value)?, ty, zone);
    }
    (0..column.len()).map(|row| value(column, row, ty.note == Note::Flag, zone)).collect()
}

/// One value.
pub(crate) fn value(array: &ArrayRef, row: usize, flag: bool, zone: &TimeZone) -> Result<Json, QueryError> {
    if array.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Json::Null,
        DataType::Boolean if flag => Json::from(u8::from(array.as_boolean().value(row))),
        DataType::Boolean => Json::Bool(array.as_boolean().value(row)),
        DataType::Int8 => number::<Int8Type>(array, row),
        DataType::Int16 => number::<Int16Type>(array, row),
        DataType::Int32 => number::<Int32Type>(array, row),
        DataType::Int64 => number::<Int64Type>(array, row),
        DataType::UInt8 => number::<UInt8Type>(array, row),
        DataType::UInt16 => number::<UInt16Type>(array, row),
        DataType::UInt32 => number::<UInt32Type>(array, row),
        DataType::UInt64 => number::<UInt64Type>(array, row),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Json::from(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Json::from(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Json::from(array.as_string_view().value(row)),
        DataType::FixedSizeBinary(16) => {
            Json::from(Uuid::from_slice(array.as_fixed_size_binary().value(row)).map(|uuid| uuid.to_string()).unwrap_or_default())
        }
        DataType::Date32 => Json::from(date(array.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(unit, named) => time(array, row, *unit, named.as_deref(), zone)?,
        DataType::List(_) => list(&array.as_list::<i32>().value(row), zone)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), zone)?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), zone)?,
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            Json::Array(columns.iter().map(|column| value(column, row, false, zone)).collect::<Result<_, _>>()?)
        }
        DataType::Map(..) => map(array, row, zone)?,
        DataType::Dictionary(_, inner) => value(&cast(&array.slice(row, 1), inner)?, 0, flag, zone)?,
        DataType::Decimal128(..) | DataType::Decimal256(..) => value(&cast(&array.slice(row, 1), &DataType::Float64)?, 0, flag, zone)?,
        _ => Json::from(ArrayFormatter::try_new(array, &FormatOptions::default())?.value(row).to_string()),
    })
}

fn number<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> Json
where
    T::Native: Into<serde_json::Number>,
{
    Json::Number(array.as_primitive::<T>().value(row).into())
}

/// JSON has no NaN and no infinity.
fn float(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
}

fn list(items: &ArrayRef, zone: &TimeZone) -> Result<Json, QueryError> {
    Ok(Json::Array((0..items.len()).map(|row| value(items, row, false, zone)).collect::<Result<_, _>>()?))
}

fn map(array: &ArrayRef, row: usize, zone: &TimeZone) -> Result<Json, QueryError> {
    let entries = array.as_map().value(row);
    let mut object = Map::new();
    for at in 0..entries.len() {
        let key = match value(entries.column(0), at, false, zone)? {
            Json::String(key) => key,
            other => other.to_string(),
        };
        object.insert(key, value(entries.column(1), at, false, zone)?);
    }
    Ok(Json::Object(object))
}

fn date(days: i32) -> String {
    let date = Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(i64::from(days).clamp(-700_000, 2_900_000)));
    date.map(|date| date.to_string()).unwrap_or_default()
}

fn time(array: &ArrayRef, row: usize, unit: TimeUnit, named: Option<&str>, zone: &TimeZone) -> Result<Json, QueryError> {
    let array = cast(&array.slice(row, 1), &DataType::Timestamp(TimeUnit::Microsecond, named.map(Into::into)))?;
    let micros = array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0);
    let _ = unit;
    // a zone that toTimeZone set wins over the project's; plain times are in UTC inside and shown in the project's zone
    let own = named.filter(|named| *named != "UTC").and_then(|named| TimeZone::get(named).ok());
    Ok(Json::from(iso(micros, own.as_ref().unwrap_or(zone))))
}

/// ISO 8601 with the zone's offset: `2020-01-10T01:00:00+01:00`, `…Z` for UTC; a fraction only when there is one.
pub(crate) fn iso(micros: i64, zone: &TimeZone) -> String {
    let Ok(timestamp) = Timestamp::from_microsecond(micros) else { return String::new() };
    let offset = zone.to_offset(timestamp);
    let local = offset.to_datetime(timestamp);
    let fraction = local.subsec_nanosecond() / 1_000;
    let mut text = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if fraction != 0 {
        text.push_str(&format!(".{fraction:06}"));
    }
    match offset.seconds() {
        0 => text.push('Z'),
        seconds => {
            let sign = if seconds < 0 { '-' } else { '+' };
            let minutes = seconds.abs() / 60;
            text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_posthog_shows_them() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        assert_eq!(iso(1_578_614_400_000_000, &TimeZone::UTC), "2020-01-10T00:00:00Z");
        assert_eq!(iso(1_578_614_400_123_000, &TimeZone::UTC), "2020-01-10T00:00:00.123000Z");
        assert_eq!(iso(1_578_614_400_000_000, &berlin), "2020-01-10T01:00:00+01:00");
        assert_eq!(date(18_271), "2020-01-10");
    }
}
