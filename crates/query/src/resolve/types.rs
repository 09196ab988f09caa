//! A resolved expression and its type.

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};

pub(crate) use crate::functions::Shown as Note;

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Type {
    pub(crate) data: DataType,
    pub(crate) nullable: bool,
    pub(crate) note: Note,
}

impl Type {
    pub(crate) fn new(data: DataType, nullable: bool) -> Self {
        Self { data, nullable, note: Note::Plain }
    }

    pub(crate) fn with_note(self, note: Note) -> Self {
        Self { note, ..self }
    }

    /// The name that ClickHouse has for it; `zone` is the project's.
    pub(crate) fn name(&self, zone: &str) -> String {
        let name = match (self.note, &self.data) {
            (Note::Flag, _) => "UInt8".to_owned(),
            (Note::Count, _) => "UInt64".to_owned(),
            (_, data) => data_name(data, zone),
        };
        let composite = matches!(self.data, DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..));
        if (self.nullable && !composite) || self.data == DataType::Null { format!("Nullable({name})") } else { name }
    }

    pub(crate) fn class(&self) -> Class {
        class_of(&self.data)
    }
}

fn data_name(data: &DataType, zone: &str) -> String {
    match data {
        DataType::Null => "Nothing".to_owned(),
        DataType::Boolean => "Bool".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary => "String".to_owned(),
        DataType::Dictionary(_, value) => data_name(value, zone),
        DataType::FixedSizeBinary(16) => "UUID".to_owned(),
        DataType::Date32 | DataType::Date64 => "Date".to_owned(),
        DataType::Timestamp(unit, named) => {
            let zone = named.as_deref().filter(|named| *named != "UTC").unwrap_or(zone);
            match unit {
                TimeUnit::Second => format!("DateTime('{zone}')"),
                TimeUnit::Millisecond => format!("DateTime64(3, '{zone}')"),
                TimeUnit::Microsecond => format!("DateTime64(6, '{zone}')"),
                TimeUnit::Nanosecond => format!("DateTime64(9, '{zone}')"),
            }
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => format!("Array({})", field_name(item, zone)),
        DataType::Struct(fields) => {
            let names: Vec<String> = fields.iter().map(|field| field_name(field, zone)).collect();
            format!("Tuple({})", names.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("Map({}, {})", data_name(fields[0].data_type(), zone), data_name(fields[1].data_type(), zone))
            }
            _ => "Map(String, String)".to_owned(),
        },
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => format!("Decimal({precision}, {scale})"),
        DataType::Interval(_) => "Interval".to_owned(),
        other => format!("{other}"),
    }
}

fn field_name(field: &Field, zone: &str) -> String {
    // elements of lists are declared nullable by every arrow kernel, so it tells nothing
    Type::new(field.data_type().clone(), false).name(zone)
}

/// Kinds of types that behave alike in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Null,
    Bool,
    Number,
    Text,
    Time,
    Date,
    Uuid,
    List,
    Tuple,
    Interval,
    Other,
}

pub(crate) fn class_of(data: &DataType) -> Class {
    match data {
        DataType::Null => Class::Null,
        DataType::Boolean => Class::Bool,
        data if data.is_numeric() => Class::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
        DataType::Dictionary(_, value) => class_of(value),
        DataType::Timestamp(..) => Class::Time,
        DataType::Date32 | DataType::Date64 => Class::Date,
        DataType::FixedSizeBinary(16) => Class::Uuid,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Class::List,
        DataType::Struct(_) => Class::Tuple,
        DataType::Interval(_) => Class::Interval,
        _ => Class::Other,
    }
}

/// An expression over virtual columns with its type.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) expr: Expr,
    pub(crate) ty: Type,
}

impl Value {
    pub(crate) fn new(expr: Expr, ty: Type) -> Self {
        Self { expr, ty }
    }

    pub(crate) fn literal(scalar: ScalarValue) -> Self {
        let ty = Type::new(scalar.data_type(), scalar.is_null());
        Self { expr: Expr::Literal(scalar, None), ty }
    }

    /// A truth value shown as 0 or 1.
    pub(crate) fn flag(expr: Expr, nullable: bool) -> Self {
        Self { expr, ty: Type { data: DataType::Boolean, nullable, note: Note::Flag } }
    }

    pub(crate) fn flag_literal(value: bool) -> Self {
        Self::flag(lit(value), false)
    }

    pub(crate) fn null() -> Self {
        Self::literal(ScalarValue::Null)
    }

    pub(crate) fn class(&self) -> Class {
        self.ty.class()
    }

    /// The constant, when it is one.
    pub(crate) fn scalar(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(scalar, _) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn is_null_literal(&self) -> bool {
        self.scalar().is_some_and(ScalarValue::is_null)
    }

    /// The text, when it is a text constant.
    pub(crate) fn text_literal(&self) -> Option<&str> {
        match self.scalar()? {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
            _ => None,
        }
    }

    /// The number, when it is a whole number constant.
    pub(crate) fn int_literal(&self) -> Option<i64> {
        match self.scalar()? {
            ScalarValue::Int64(value) => *value,
            ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clickhouse_names() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (ty, name) in [
            (Type::new(DataType::Int64, true), "Nullable(Int64)"),
            (Type::new(DataType::Boolean, false).with_note(Note::Flag), "UInt8"),
            (Type::new(time, false), "DateTime64(6, 'Europe/Berlin')"),
            (Type::new(DataType::List(Field::new("item", DataType::Utf8, true).into()), true), "Array(String)"),
            (Type::new(DataType::Null, true), "Nullable(Nothing)"),
        ] {
            assert_eq!(ty.name("Europe/Berlin"), name);
        }
    }
}
