//! Types of results, common types, and ClickHouse's names of types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use super::{FunctionError, Shown};

/// The rule by which a function's result gets its type.
#[derive(Clone, Copy)]
pub(super) enum Returns {
    Text,
    /// Text that holds JSON.
    Json,
    Int,
    /// A whole number shown as `UInt64`.
    Count,
    UInt,
    Float,
    /// 0 or 1.
    Flag,
    /// `true` or `false`.
    Bool,
    Date,
    /// `DateTime`.
    Seconds,
    /// `DateTime64(6)`.
    Micros,
    Uuid,
    Interval,
    Texts,
    Ints,
    /// The type of that argument.
    Same(usize),
    /// An array of that argument's type.
    ListOf(usize),
    /// The common type of the arguments from that one on.
    Common(usize),
    /// Worked out from the types of the arguments.
    Of(fn(&[DataType]) -> DataType),
}

impl Returns {
    pub(super) fn data_type(self, args: &[DataType]) -> DataType {
        let arg = |place: usize| args.get(place).cloned().unwrap_or(DataType::Null);
        match self {
            Returns::Text | Returns::Json => DataType::Utf8,
            Returns::Int | Returns::Count => DataType::Int64,
            Returns::UInt => DataType::UInt64,
            Returns::Float => DataType::Float64,
            Returns::Flag | Returns::Bool => DataType::Boolean,
            Returns::Date => DataType::Date32,
            Returns::Seconds => seconds(),
            Returns::Micros => micros(),
            Returns::Uuid => DataType::FixedSizeBinary(16),
            Returns::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Returns::Texts => list_of(DataType::Utf8),
            Returns::Ints => list_of(DataType::Int64),
            Returns::Same(place) => arg(place),
            Returns::ListOf(place) => list_of(arg(place)),
            Returns::Common(from) => common(args.get(from..).unwrap_or_default()),
            Returns::Of(rule) => rule(args),
        }
    }

    pub(super) fn shown(self) -> Shown {
        match self {
            Returns::Flag => Shown::Flag,
            Returns::Count => Shown::Count,
            Returns::Json => Shown::Json,
            _ => Shown::Plain,
        }
    }
}

pub(super) fn seconds() -> DataType {
    DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))
}

pub(super) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// The type of an array's items; the type itself when it is no array.
pub(super) fn item_of(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => plain(field.data_type()),
        other => other.clone(),
    }
}

/// Fields are called `1`, `2`, …: a tuple has positions, no names.
pub(super) fn tuple_of(items: impl IntoIterator<Item = DataType>) -> DataType {
    DataType::Struct(items.into_iter().enumerate().map(|(place, item)| Field::new((place + 1).to_string(), item, true)).collect::<Fields>())
}

pub(super) fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("keys", key, false), Field::new("values", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// Key and value type of a map.
pub(super) fn map_parts(data_type: &DataType) -> Option<(DataType, DataType)> {
    let DataType::Map(entries, _) = data_type else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    match fields.iter().as_slice() {
        [key, value] => Some((plain(key.data_type()), plain(value.data_type()))),
        _ => None,
    }
}

/// The type without its encoding: dictionaries and views are texts.
pub(super) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain(value),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => list_of(plain(field.data_type())),
        DataType::Struct(fields) => tuple_of(fields.iter().map(|field| plain(field.data_type()))),
        other => other.clone(),
    }
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(plain(data_type), DataType::Utf8)
}

/// The type that values of all of these can take.
///
/// # Errors
/// Two of them have nothing in common, as a number and a text.
pub(super) fn supertype(types: &[DataType]) -> Result<DataType, FunctionError> {
    let mut result = DataType::Null;
    for data_type in types {
        let data_type = plain(data_type);
        result =
            pair(&result, &data_type).ok_or_else(|| FunctionError::NoSupertype { left: name_of(&result), right: name_of(&data_type) })?;
    }
    Ok(result)
}

/// The common type, or text where there is none.
pub(super) fn common(types: &[DataType]) -> DataType {
    supertype(types).unwrap_or(DataType::Utf8)
}

fn pair(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Boolean, Date32, Float64, Int64, List, Null, Struct, Timestamp, UInt64};
    Some(match (left, right) {
        (left, right) if left == right => left.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Boolean, other) | (other, Boolean) if other.is_numeric() => other.clone(),
        (left, right) if left.is_integer() && right.is_integer() => {
            if *left == UInt64 && *right == UInt64 {
                UInt64
            } else {
                Int64
            }
        }
        (left, right) if left.is_numeric() && right.is_numeric() => Float64,
        (Timestamp(a, zone), Timestamp(b, _)) => Timestamp((*a).max(*b), zone.clone()),
        (time @ Timestamp(..), Date32) | (Date32, time @ Timestamp(..)) => time.clone(),
        (List(a), List(b)) => list_of(pair(&plain(a.data_type()), &plain(b.data_type()))?),
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let items = a.iter().zip(b).map(|(a, b)| pair(&plain(a.data_type()), &plain(b.data_type())));
            tuple_of(items.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    })
}

/// ClickHouse's name of a type.
pub(super) fn name_of(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "Nullable(Nothing)".to_owned(),
        DataType::Boolean => "Bool".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "String".to_owned(),
        DataType::Dictionary(_, value) => name_of(value),
        DataType::FixedSizeBinary(16) => "UUID".to_owned(),
        DataType::Date32 | DataType::Date64 => "Date".to_owned(),
        DataType::Timestamp(TimeUnit::Second, _) => "DateTime".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => "DateTime64(3)".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => "DateTime64(6)".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "DateTime64(9)".to_owned(),
        DataType::List(field) | DataType::LargeList(field) => format!("Array({})", name_of(field.data_type())),
        DataType::Struct(fields) => {
            format!("Tuple({})", fields.iter().map(|field| name_of(field.data_type())).collect::<Vec<_>>().join(", "))
        }
        DataType::Map(..) => match map_parts(data_type) {
            Some((key, value)) => format!("Map({}, {})", name_of(&key), name_of(&value)),
            None => "Map".to_owned(),
        },
        DataType::Interval(_) => "Interval".to_owned(),
        DataType::Decimal128(precision, scale) => format!("Decimal({precision}, {scale})"),
        other => other.to_string(),
    }
}

/// The arrow type for a type's name in ClickHouse's or SQL's spelling.
///
/// # Errors
/// The name is not known.
pub(super) fn parse_name(name: &str) -> Result<DataType, FunctionError> {
    let name = name.trim();
    let unknown = || FunctionError::UnknownType(name.to_owned());
    if let Some(item) = name.strip_suffix("[]") {
        return Ok(list_of(parse_name(item)?));
    }
    let (base, args) = match name.split_once('(') {
        Some((base, rest)) => (base.trim(), split_args(rest.strip_suffix(')').ok_or_else(unknown)?)),
        None => (name, Vec::new()),
    };
    let first = || args.first().copied().ok_or_else(unknown);
    let base = base.to_ascii_lowercase();
    Ok(match base.as_str() {
        "nullable" | "lowcardinality" => parse_name(first()?)?,
        "array" => list_of(parse_name(first()?)?),
        "tuple" => {
            let members = args.iter().enumerate().map(|(place, arg)| parse_member(place, arg));
            DataType::Struct(members.collect::<Result<Fields, _>>()?)
        }
        "map" => map_of(parse_name(first()?)?, parse_name(args.get(1).copied().ok_or_else(unknown)?)?),
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "signed" | "int8" | "int16" | "int32" | "int64" | "int128" | "int256"
        | "uint8" | "uint16" | "uint32" => DataType::Int64,
        "uint64" | "uint128" | "uint256" => DataType::UInt64,
        "float" | "double" | "real" | "double precision" | "float32" | "float64" => DataType::Float64,
        "decimal" | "numeric" | "decimal32" | "decimal64" | "decimal128" | "decimal256" => DataType::Float64,
        "string" | "text" | "varchar" | "char" | "fixedstring" | "character varying" | "enum8" | "enum16" | "enum" => DataType::Utf8,
        "bool" | "boolean" => DataType::Boolean,
        "date" | "date32" => DataType::Date32,
        "datetime" | "datetime32" => seconds(),
        "datetime64" | "timestamp" | "timestamptz" | "timestamp with time zone" | "timestamp without time zone" => micros(),
        "uuid" => DataType::FixedSizeBinary(16),
        _ => return Err(unknown()),
    })
}

/// A tuple's member, which may have a name: `a Int64`.
fn parse_member(place: usize, member: &str) -> Result<Field, FunctionError> {
    match parse_name(member) {
        Ok(data_type) => Ok(Field::new((place + 1).to_string(), data_type, true)),
        Err(error) => match member.split_once(' ') {
            Some((name, data_type)) => Ok(Field::new(name, parse_name(data_type)?, true)),
            None => Err(error),
        },
    }
}

/// At the commas that are in no parentheses.
fn split_args(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut args) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                args.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    args.push(text[start..].trim());
    args
}
