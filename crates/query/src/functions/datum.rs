//! One value of any type, and the way from and to columns.
//!
//! Functions that are not worth a kernel of their own are written over [`Datum`]; [`read`] and [`write`] are the only places that know arrow's types.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, FixedSizeBinaryBuilder, Float32Array, Float64Array, Int64Array,
    IntervalMonthDayNanoArray, ListArray, MapArray, NullArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;

/// A value. Text borrows from the column it was read from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Datum<'a> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970 UTC.
    Time(i64),
    Uuid(u128),
    /// A distance in the calendar.
    Interval {
        months: i32,
        days: i32,
        nanos: i64,
    },
    List(Vec<Datum<'a>>),
    Tuple(Vec<Datum<'a>>),
    /// Pairs in order of appearance.
    Map(Vec<(Datum<'a>, Datum<'a>)>),
}

impl<'a> Datum<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Datum::Text(text.into())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// Text as it is.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number; floats lose their fraction.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            Datum::UInt(value) => Some(value.cast_signed()),
            Datum::Bool(value) => Some(i64::from(*value)),
            Datum::Float(value) if value.is_finite() => Some(saturating_int(*value)),
            Datum::Date(days) => Some(i64::from(*days)),
            Datum::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number; text is read as one.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Datum::Float(value) => Some(*value),
            #[expect(clippy::cast_precision_loss, reason = "this is what turning into a float means")]
            Datum::UInt(value) => Some(*value as f64),
            Datum::Text(text) => text.trim().parse().ok(),
            #[expect(clippy::cast_precision_loss, reason = "this is what turning into a float means")]
            other => other.as_int().map(|value| value as f64),
        }
    }

    /// Whether it counts as true in a condition.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Datum::Bool(value) => *value,
            Datum::Int(value) => *value != 0,
            Datum::UInt(value) => *value != 0,
            Datum::Float(value) => *value != 0.0,
            _ => false,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Datum<'a>]> {
        match self {
            Datum::List(items) | Datum::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Without borrowing.
    pub(crate) fn into_owned(self) -> Datum<'static> {
        let all = |items: Vec<Datum<'_>>| items.into_iter().map(Datum::into_owned).collect();
        match self {
            Datum::Text(text) => Datum::Text(Cow::Owned(text.into_owned())),
            Datum::List(items) => Datum::List(all(items)),
            Datum::Tuple(items) => Datum::Tuple(all(items)),
            Datum::Map(pairs) => Datum::Map(pairs.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()),
            Datum::Null => Datum::Null,
            Datum::Bool(value) => Datum::Bool(value),
            Datum::Int(value) => Datum::Int(value),
            Datum::UInt(value) => Datum::UInt(value),
            Datum::Float(value) => Datum::Float(value),
            Datum::Date(value) => Datum::Date(value),
            Datum::Time(value) => Datum::Time(value),
            Datum::Uuid(value) => Datum::Uuid(value),
            Datum::Interval { months, days, nanos } => Datum::Interval { months, days, nanos },
        }
    }

    /// ClickHouse's order: numbers by value whatever their type, NaN and NULL last.
    pub(crate) fn compare(&self, other: &Datum<'_>) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        match (self, other) {
            (Datum::Null, Datum::Null) => Ordering::Equal,
            (Datum::Null, _) => Ordering::Greater,
            (_, Datum::Null) => Ordering::Less,
            (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
            (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
            (Datum::Time(a), Datum::Time(b)) => a.cmp(b),
            (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
            (Datum::UInt(a), Datum::UInt(b)) => a.cmp(b),
            (Datum::List(a), Datum::List(b)) | (Datum::Tuple(a), Datum::Tuple(b)) => {
                let unequal = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
                unequal.unwrap_or(a.len().cmp(&b.len()))
            }
            _ => match (self.as_float(), other.as_float()) {
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
                _ => Ordering::Equal,
            },
        }
    }

    /// Equal in the sense of `=`: `1 = 1.0`.
    pub(crate) fn equals(&self, other: &Datum<'_>) -> bool {
        match (self, other) {
            (Datum::Text(a), Datum::Text(b)) => a == b,
            (Datum::Uuid(a), Datum::Uuid(b)) => a == b,
            (Datum::Text(_) | Datum::Uuid(_) | Datum::List(_) | Datum::Tuple(_), Datum::Int(_) | Datum::Float(_) | Datum::Bool(_)) => false,
            (Datum::Int(_) | Datum::Float(_) | Datum::Bool(_), Datum::Text(_) | Datum::Uuid(_) | Datum::List(_) | Datum::Tuple(_)) => false,
            (Datum::List(a), Datum::List(b)) | (Datum::Tuple(a), Datum::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            (Datum::Map(_), _) | (_, Datum::Map(_)) | (Datum::Interval { .. }, _) | (_, Datum::Interval { .. }) => self == other,
            _ => self.compare(other).is_eq(),
        }
    }
}

impl From<bool> for Datum<'_> {
    fn from(value: bool) -> Self {
        Datum::Bool(value)
    }
}

impl From<i64> for Datum<'_> {
    fn from(value: i64) -> Self {
        Datum::Int(value)
    }
}

impl From<u64> for Datum<'_> {
    fn from(value: u64) -> Self {
        Datum::UInt(value)
    }
}

impl From<usize> for Datum<'_> {
    fn from(value: usize) -> Self {
        Datum::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Datum<'_> {
    fn from(value: f64) -> Self {
        Datum::Float(value)
    }
}

impl From<String> for Datum<'_> {
    fn from(value: String) -> Self {
        Datum::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a str> for Datum<'a> {
    fn from(value: &'a str) -> Self {
        Datum::Text(Cow::Borrowed(value))
    }
}

impl<'a, T: Into<Datum<'a>>> From<Option<T>> for Datum<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Datum::Null, Into::into)
    }
}

/// A float without its fraction; out of range it is the nearest whole number that exists.
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is wanted")]
pub(crate) fn saturating_int(value: f64) -> i64 {
    value as i64
}

/// The value of a row.
pub(crate) fn read(array: &dyn Array, row: usize) -> Datum<'_> {
    if array.is_null(row) {
        return Datum::Null;
    }
    match array.data_type() {
        DataType::Boolean => Datum::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Datum::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Datum::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Datum::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Datum::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Datum::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Datum::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Datum::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => Datum::UInt(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Datum::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Datum::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(row);
            #[expect(clippy::cast_precision_loss, reason = "decimals are computed with as floats")]
            let value = unscaled as f64 / 10_f64.powi(i32::from(*scale));
            Datum::Float(value)
        }
        DataType::Utf8 => Datum::text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Datum::text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Datum::text(array.as_string_view().value(row)),
        DataType::Dictionary(key, _) => read_dictionary(array, key, row),
        DataType::Date32 => Datum::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Date64 => Datum::Time(array.as_primitive::<Date64Type>().value(row).saturating_mul(1000)),
        DataType::Timestamp(unit, _) => Datum::Time(read_time(array, *unit, row)),
        DataType::FixedSizeBinary(16) => {
            let bytes: [u8; 16] = array.as_fixed_size_binary().value(row).try_into().unwrap_or_default();
            Datum::Uuid(u128::from_be_bytes(bytes))
        }
        DataType::Interval(_) => match array.as_any().downcast_ref::<IntervalMonthDayNanoArray>() {
            Some(array) => {
                let IntervalMonthDayNano { months, days, nanoseconds } = array.value(row);
                Datum::Interval { months, days, nanos: nanoseconds }
            }
            None => Datum::Null,
        },
        DataType::List(_) => read_list(array.as_list::<i32>(), row),
        DataType::LargeList(_) => read_owned(&array.as_list::<i64>().value(row)),
        DataType::Struct(_) => Datum::Tuple(array.as_struct().columns().iter().map(|column| read(column, row)).collect()),
        DataType::Map(..) => read_map(array.as_map(), row),
        _ => Datum::Null,
    }
}

/// The items of a row, borrowed from the list's child.
fn read_list(list: &ListArray, row: usize) -> Datum<'_> {
    let offsets = list.value_offsets();
    let at = |row: usize| usize::try_from(offsets[row]).unwrap_or_default();
    Datum::List((at(row)..at(row + 1)).map(|item| read(list.values().as_ref(), item)).collect())
}

fn read_owned(values: &ArrayRef) -> Datum<'static> {
    Datum::List((0..values.len()).map(|row| read(values.as_ref(), row).into_owned()).collect())
}

fn read_map(array: &MapArray, row: usize) -> Datum<'_> {
    let offsets = array.value_offsets();
    let at = |row: usize| usize::try_from(offsets[row]).unwrap_or_default();
    Datum::Map((at(row)..at(row + 1)).map(|pair| (read(array.keys(), pair), read(array.values(), pair))).collect())
}

fn read_dictionary<'a>(array: &'a dyn Array, key: &DataType, row: usize) -> Datum<'a> {
    fn of<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Datum<'_> {
        let dictionary = array.as_dictionary::<K>();
        dictionary.key(row).map_or(Datum::Null, |key| read(dictionary.values().as_ref(), key))
    }
    match key {
        DataType::Int8 => of::<Int8Type>(array, row),
        DataType::Int16 => of::<Int16Type>(array, row),
        DataType::Int32 => of::<Int32Type>(array, row),
        DataType::Int64 => of::<Int64Type>(array, row),
        DataType::UInt8 => of::<UInt8Type>(array, row),
        DataType::UInt16 => of::<UInt16Type>(array, row),
        DataType::UInt32 => of::<UInt32Type>(array, row),
        _ => of::<UInt64Type>(array, row),
    }
}

fn read_time(array: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1000),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000),
    }
}

/// A column of a type from values; a value that does not fit becomes NULL.
pub(crate) fn write(data_type: &DataType, values: &[Datum<'_>]) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::Null => Arc::new(NullArray::new(values.len())),
        DataType::Boolean => Arc::new(values.iter().map(as_bool).collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(values.iter().map(as_stored_int).collect::<Int64Array>()),
        DataType::UInt64 => Arc::new(values.iter().map(as_uint).collect::<UInt64Array>()),
        DataType::Float64 => Arc::new(values.iter().map(Datum::as_float).collect::<Float64Array>()),
        #[expect(clippy::cast_possible_truncation, reason = "Float32 is asked for")]
        DataType::Float32 => Arc::new(values.iter().map(|value| value.as_float().map(|value| value as f32)).collect::<Float32Array>()),
        DataType::Utf8 => write_text(values),
        DataType::Date32 => Arc::new(values.iter().map(as_date).collect::<Date32Array>()),
        DataType::Timestamp(unit, zone) => write_times(*unit, zone.as_ref(), values),
        DataType::FixedSizeBinary(16) => write_uuids(values)?,
        DataType::Interval(_) => Arc::new(values.iter().map(as_interval).collect::<IntervalMonthDayNanoArray>()),
        DataType::List(field) => {
            let lengths = values.iter().map(|value| value.as_list().map_or(0, <[_]>::len));
            let offsets = OffsetBuffer::from_lengths(lengths);
            let items: Vec<Datum<'_>> = values.iter().flat_map(|value| value.as_list().unwrap_or_default()).cloned().collect();
            let nulls = NullBuffer::from_iter(values.iter().map(|value| value.as_list().is_some()));
            let child = write(field.data_type(), &items)?;
            Arc::new(ListArray::try_new(Arc::clone(field), offsets, child, Some(nulls))?)
        }
        DataType::Struct(fields) => {
            let column = |place: usize| -> Vec<Datum<'_>> {
                values.iter().map(|value| value.as_list().and_then(|items| items.get(place)).cloned().unwrap_or_default()).collect()
            };
            let columns = fields.iter().enumerate().map(|(place, field)| write(field.data_type(), &column(place)));
            let nulls = NullBuffer::from_iter(values.iter().map(|value| value.as_list().is_some()));
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns.collect::<Result<_, _>>()?, Some(nulls), values.len())?)
        }
        DataType::Map(entries, ordered) => write_map(entries, *ordered, values)?,
        // Narrow integers, other texts and dictionaries come by way of the type they are cast from.
        DataType::Dictionary(_, value) => cast(&write(value, values)?, data_type)?,
        DataType::LargeUtf8 | DataType::Utf8View => cast(&write_text(values), data_type)?,
        integer if integer.is_integer() => cast(&write(&DataType::Int64, values)?, data_type)?,
        DataType::Decimal128(..) | DataType::Decimal256(..) => cast(&write(&DataType::Float64, values)?, data_type)?,
        other => new_null_array(other, values.len()),
    })
}

fn as_bool(value: &Datum<'_>) -> Option<bool> {
    match value {
        Datum::Null | Datum::Text(_) => None,
        other => Some(other.is_true()),
    }
}

/// Whole numbers of any kind, also the ones that times and dates are stored as.
fn as_stored_int(value: &Datum<'_>) -> Option<i64> {
    match value {
        Datum::Time(micros) => Some(micros.div_euclid(1_000_000)),
        Datum::Text(_) => None,
        other => other.as_int(),
    }
}

fn as_uint(value: &Datum<'_>) -> Option<u64> {
    as_stored_int(value).map(i64::cast_unsigned)
}

fn as_date(value: &Datum<'_>) -> Option<i32> {
    match value {
        Datum::Date(days) => Some(*days),
        Datum::Time(micros) => i32::try_from(micros.div_euclid(86_400_000_000)).ok(),
        _ => None,
    }
}

fn as_interval(value: &Datum<'_>) -> Option<IntervalMonthDayNano> {
    match value {
        Datum::Interval { months, days, nanos } => Some(IntervalMonthDayNanoType::make_value(*months, *days, *nanos)),
        _ => None,
    }
}

fn write_text(values: &[Datum<'_>]) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(values.len(), values.len() * 8);
    for value in values {
        match value {
            Datum::Null => builder.append_null(),
            Datum::Text(text) => builder.append_value(text),
            other => builder.append_value(super::format::show(other)),
        }
    }
    Arc::new(builder.finish())
}

fn write_times(unit: TimeUnit, zone: Option<&Arc<str>>, values: &[Datum<'_>]) -> ArrayRef {
    let micros = values.iter().map(|value| match value {
        Datum::Time(micros) => Some(*micros),
        Datum::Date(days) => Some(i64::from(*days) * 86_400_000_000),
        _ => None,
    });
    let zone = zone.map(Arc::clone);
    match unit {
        TimeUnit::Second => {
            let seconds = micros.map(|micros| micros.map(|micros| micros.div_euclid(1_000_000)));
            Arc::new(seconds.collect::<TimestampSecondArray>().with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            let millis = micros.map(|micros| micros.map(|micros| micros.div_euclid(1000)));
            Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone)),
        TimeUnit::Nanosecond => {
            let nanos = micros.map(|micros| micros.and_then(|micros| micros.checked_mul(1000)));
            Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone_opt(zone))
        }
    }
}

fn write_uuids(values: &[Datum<'_>]) -> Result<ArrayRef, ArrowError> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(values.len(), 16);
    for value in values {
        match value {
            Datum::Uuid(uuid) => builder.append_value(uuid.to_be_bytes())?,
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn write_map(entries: &Arc<arrow::datatypes::Field>, ordered: bool, values: &[Datum<'_>]) -> Result<ArrayRef, ArrowError> {
    let pairs = |value: &Datum<'_>| match value {
        Datum::Map(pairs) => Some(pairs.len()),
        _ => None,
    };
    let offsets = OffsetBuffer::from_lengths(values.iter().map(|value| pairs(value).unwrap_or(0)));
    let nulls = NullBuffer::from_iter(values.iter().map(|value| pairs(value).is_some()));
    let items: Vec<Datum<'_>> = values
        .iter()
        .flat_map(|value| match value {
            Datum::Map(pairs) => pairs.iter().map(|(key, value)| Datum::Tuple(vec![key.clone(), value.clone()])).collect(),
            _ => Vec::new(),
        })
        .collect();
    let child = write(entries.data_type(), &items)?;
    let child = child.as_struct().clone();
    let (fields, columns, _) = child.into_parts();
    let child = StructArray::try_new(fields, columns, None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, child, Some(nulls), ordered)?))
}
