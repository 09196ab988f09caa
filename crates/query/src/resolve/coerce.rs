//! Making two values comparable, as ClickHouse does for constants and as PostHog's printer does for properties.

use super::arithmetic::number;
use super::scope::Scope;
use super::types::{Class, Type, Value};
use crate::error::QueryError;
use crate::time::{from_unix_number, parse_best_effort};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::cast;
use uuid::Uuid;

impl Scope<'_> {
    /// Both values in a common type. What a constant cannot be in the other's type becomes NULL: it equals nothing.
    pub(crate) fn comparable(&mut self, left: Value, right: Value) -> Result<(Value, Value), QueryError> {
        let (left_class, right_class) = (left.class(), right.class());
        if left_class == right_class || left_class == Class::Null || right_class == Class::Null {
            return Ok((left, right));
        }
        if rank(left_class) < rank(right_class) {
            let (right, left) = self.comparable_ranked(right, left)?;
            return Ok((left, right));
        }
        self.comparable_ranked(left, right)
    }

    /// As [`Scope::comparable`]; the left side's class is the one that decides.
    fn comparable_ranked(&mut self, left: Value, right: Value) -> Result<(Value, Value), QueryError> {
        Ok(match (left.class(), right.class()) {
            (Class::Time, Class::Text) => match right.text_literal() {
                Some(text) => {
                    let time = self.time_literal(text)?;
                    (left, time)
                }
                None => (left, self.call_values("toDateTime", vec![right])?),
            },
            (Class::Time, Class::Date) => (left, self.call_values("toDateTime", vec![right])?),
            (Class::Time, Class::Number) => match right.scalar().and_then(scalar_float) {
                Some(seconds) => (left, time_scalar(Some(from_unix_number(seconds)))),
                None => (cast_to(self.call_values("toUnixTimestamp", vec![left])?, DataType::Float64), cast_to(right, DataType::Float64)),
            },
            (Class::Date, Class::Text) => match right.text_literal() {
                Some(text) if text.trim().len() <= 10 => {
                    let date = date_literal(text)?;
                    (left, date)
                }
                Some(text) => {
                    let time = self.time_literal(text)?;
                    (self.call_values("toDateTime", vec![left])?, time)
                }
                None => (left, self.call_values("toDate", vec![right])?),
            },
            (Class::Uuid, Class::Text) => match right.text_literal() {
                Some(text) => (left, uuid_literal(text)),
                None => (self.call_values("toString", vec![left])?, right),
            },
            (Class::Bool, Class::Text) => bool_and_text(left, right),
            (Class::Bool, Class::Number) => match right.int_literal() {
                Some(value @ (0 | 1)) => {
                    let note = left.ty.note;
                    let mut literal = Value::literal(ScalarValue::Boolean(Some(value == 1)));
                    literal.ty.note = note;
                    (left, literal)
                }
                _ => (number(left), right),
            },
            (Class::Number, Class::Text) => match right.text_literal() {
                Some(text) => {
                    let text = number_literal(text);
                    (left, text)
                }
                None => (left, number(right)),
            },
            _ => {
                let (left, right) = (left.ty.name("UTC"), right.ty.name("UTC"));
                return Err(QueryError::resolve(format!("There is no supertype for types {left}, {right}")));
            }
        })
    }

    fn time_literal(&self, text: &str) -> Result<Value, QueryError> {
        match parse_best_effort(text, self.context.scan.zone()) {
            Some(micros) => Ok(time_scalar(Some(micros))),
            None => Err(QueryError::Evaluation(format!("Cannot parse DateTime from '{text}'"))),
        }
    }
}

/// Of two classes the higher one decides how they are compared.
fn rank(class: Class) -> u8 {
    match class {
        Class::Time => 7,
        Class::Date => 6,
        Class::Uuid => 5,
        Class::Bool => 4,
        Class::Number => 3,
        Class::Text => 2,
        _ => 1,
    }
}

fn cast_to(value: Value, data: DataType) -> Value {
    let nullable = value.ty.nullable;
    Value::new(cast(value.expr, data.clone()), Type::new(data, nullable))
}

fn time_scalar(micros: Option<i64>) -> Value {
    Value::literal(ScalarValue::TimestampMicrosecond(micros, Some("UTC".into())))
}

fn date_literal(text: &str) -> Result<Value, QueryError> {
    let midnight = parse_best_effort(text, &jiff::tz::TimeZone::UTC);
    let days = midnight.map(|micros| micros.div_euclid(86_400_000_000)).and_then(|days| i32::try_from(days).ok());
    match days {
        Some(days) => Ok(Value::literal(ScalarValue::Date32(Some(days)))),
        None => Err(QueryError::Evaluation(format!("Cannot parse Date from '{text}'"))),
    }
}

fn uuid_literal(text: &str) -> Value {
    let bytes = Uuid::parse_str(text.trim()).ok().map(|uuid| uuid.as_bytes().to_vec());
    Value::literal(ScalarValue::FixedSizeBinary(16, bytes))
}

fn number_literal(text: &str) -> Value {
    let text = text.trim();
    Value::literal(match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(value), _) => ScalarValue::Int64(Some(value)),
        (Err(_), Ok(value)) => ScalarValue::Float64(Some(value)),
        (Err(_), Err(_)) => ScalarValue::Float64(None),
    })
}

fn bool_and_text(left: Value, right: Value) -> (Value, Value) {
    match right.text_literal() {
        Some("true" | "1") => (left, Value::literal(ScalarValue::Boolean(Some(true)))),
        Some("false" | "0") => (left, Value::literal(ScalarValue::Boolean(Some(false)))),
        _ => (cast_to(left, DataType::Utf8), right),
    }
}

fn scalar_float(scalar: &ScalarValue) -> Option<f64> {
    match scalar.cast_to(&DataType::Float64).ok()? {
        ScalarValue::Float64(value) => value,
        _ => None,
    }
}

/// Text for text operators: anything else as ClickHouse would show it.
pub(super) fn as_text(value: Value) -> Value {
    let nullable = value.ty.nullable;
    match value.class() {
        Class::Text | Class::Null => value,
        _ => Value::new(cast(value.expr, DataType::Utf8), Type::new(DataType::Utf8, nullable)),
    }
}
