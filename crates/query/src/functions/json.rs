//! Reaching into JSON text.
//!
//! A path is a list of keys (texts) and positions (from 1; negative: from the end; of objects too). What is not there gives the empty value of
//! the function's type, as in ClickHouse.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::datum::Datum;
use super::registry::{ANY, Nulls, RewriteDef, RowDef, row, row_call_typed};
use super::text::{list, t};
use super::types::Returns::{Count, Flag, Float, Int, Of, Same, Text, Texts};
use super::types::{list_of, parse_name, tuple_of};
use super::udf::Env;
use super::{Argument, Built, FunctionContext, FunctionError};
use crate::json::compact;
use arrow::datatypes::DataType;

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The members of an object in order; `None` when the text is no object.
fn members(json: &str) -> Option<Members<'_>> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                found.push((key, map.next_value()?));
            }
            Ok(found)
        }
    }
    /// A key without copying it, if it has no escapes.
    #[derive(serde::Deserialize)]
    struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde::Deserializer::deserialize_map(&mut deserializer, Visitor).ok()
}

fn elements(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

/// The JSON text at a path.
pub(super) fn at<'j>(json: &'j str, path: &[Datum<'_>]) -> Option<&'j str> {
    let mut here = json.trim();
    for step in path {
        here = match step {
            Datum::Text(key) => members(here)?.into_iter().rev().find(|(name, _)| name == key)?.1.get(),
            step => {
                let position = step.as_int()?;
                if here.starts_with('{') { pick(&members(here)?, position)?.1.get() } else { pick(&elements(here)?, position)?.get() }
            }
        };
    }
    Some(here)
}

fn pick<T>(items: &[T], position: i64) -> Option<&T> {
    let place = match position {
        0 => return None,
        position if position > 0 => position - 1,
        position => i64::try_from(items.len()).ok()? + position,
    };
    items.get(usize::try_from(place).ok()?)
}

fn found<'d>(args: &'d [Datum<'_>]) -> Option<&'d str> {
    let json = args[0].as_text()?;
    // a step into a text reads it whole; without one nothing has looked at it yet
    if args.len() == 1 && serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
        return None;
    }
    at(json, &args[1..])
}

fn value(args: &[Datum<'_>]) -> Option<Value> {
    serde_json::from_str(found(args)?).ok()
}

/// A value that reads as a number: a truth value is none here.
fn numeric(args: &[Datum<'_>]) -> Option<Value> {
    value(args).filter(|value| !value.is_boolean())
}

/// The text of a string without quotes; anything else as JSON; NULL as an empty text.
fn text_of(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_default(),
        Some(b'n') => String::new(),
        _ => json.to_owned(),
    }
}

/// A number as a whole one: exact where it is one, else without its fraction.
fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| number(value).map_or(0, super::datum::saturating_int))
}

fn pairs_of_texts(_: &[DataType]) -> DataType {
    list_of(tuple_of([DataType::Utf8, DataType::Utf8]))
}

pub(super) const ROWS: &[RowDef] = &[
    row("isValidJSON", 1, 1, Flag, |args, _| serde_json::from_str::<serde::de::IgnoredAny>(&t(args, 0)).is_ok().into()),
    row("JSONHas", 1, ANY, Flag, |args, _| found(args).is_some().into()),
    row("JSONLength", 1, ANY, Count, |args, _| length(args).unwrap_or(0).into()),
    row("JSONArrayLength", 1, 1, Count, |args, _| args[0].as_text().and_then(elements).map(|items| items.len()).into())
        .or_null(Nulls::Always),
    row("JSONType", 1, ANY, Text, |args, _| type_name(found(args)).to_owned().into()),
    row("JSONExtractString", 1, ANY, Text, |args, _| found(args).map_or(String::new(), text_of).into()),
    row("JSONExtractRaw", 1, ANY, Text, |args, _| found(args).map_or(String::new(), compact).into()),
    row("JSONExtractInt", 1, ANY, Int, |args, _| numeric(args).map_or(0, |value| whole(&value)).into()),
    row("JSONExtractUInt", 1, ANY, Count, |args, _| numeric(args).map_or(0, |value| whole(&value)).max(0).into()),
    row("JSONExtractFloat", 1, ANY, Float, |args, _| numeric(args).and_then(|value| number(&value)).unwrap_or(0.0).into()),
    row("JSONExtractBool", 1, ANY, Flag, |args, _| match value(args) {
        Some(Value::Bool(value)) => value.into(),
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0).into(),
        _ => false.into(),
    }),
    row("JSONExtractArrayRaw", 1, ANY, Texts, |args, _| {
        list(found(args).and_then(elements).unwrap_or_default().into_iter().map(|item| compact(item.get())))
    }),
    row("JSONExtractKeys", 1, ANY, Texts, |args, _| {
        list(found(args).and_then(members).unwrap_or_default().into_iter().map(|(key, _)| key.into_owned()))
    }),
    row("JSONExtractKeysAndValuesRaw", 1, ANY, Of(pairs_of_texts), |args, _| {
        let pair = |(key, value): (Cow<'_, str>, &RawValue)| Datum::Tuple(vec![key.into_owned().into(), compact(value.get()).into()]);
        Datum::List(found(args).and_then(members).unwrap_or_default().into_iter().map(pair).collect())
    }),
    row("toJSONString", 1, 1, super::types::Returns::Json, |args, env| to_json(&args[0], env).to_string().into()).lenient(),
    row("jsonMergePatch", 1, ANY, super::types::Returns::Json, |args, _| {
        let mut merged = Value::Null;
        for arg in args {
            merge(&mut merged, serde_json::from_str(arg.as_text().unwrap_or_default()).unwrap_or_default());
        }
        merged.to_string().into()
    }),
];

pub(super) const REWRITES: &[RewriteDef] = &[
    RewriteDef { name: "JSONExtract", aliases: &[], min: 2, max: ANY, build: extract },
    RewriteDef { name: "JSONExtractKeysAndValues", aliases: &[], min: 2, max: ANY, build: keys_and_values },
    RewriteDef { name: "JSON_VALUE", aliases: &[], min: 2, max: 2, build: json_value },
];

fn length(args: &[Datum<'_>]) -> Option<usize> {
    let json = found(args)?;
    elements(json).map(|items| items.len()).or_else(|| Some(members(json)?.len()))
}

fn type_name(json: Option<&str>) -> &'static str {
    match json.and_then(|json| json.as_bytes().first()) {
        Some(b'{') => "Object",
        Some(b'[') => "Array",
        Some(b'"') => "String",
        Some(b't' | b'f') => "Bool",
        Some(b'-' | b'0'..=b'9') => match json {
            Some(json) if json.contains(['.', 'e', 'E']) => "Double",
            Some(json) if json.parse::<i64>().is_err() => "UInt64",
            _ => "Int64",
        },
        _ => "Null",
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        _ => None,
    }
}

/// `JSONExtract(json, path …, 'Type')`: the last argument names the type.
fn extract(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    let type_name = type_argument(name, &mut args)?;
    let data_type = parse_name(&type_name)?;
    const DEF: RowDef = row("JSONExtract", 1, ANY, Same(0), |args, env| {
        let value = value(args).unwrap_or_default();
        from_json(&value, &env.returns)
    })
    .or_null(Nulls::Always);
    const OR_EMPTY: RowDef = row("JSONExtractOrEmpty", 1, ANY, Same(0), |args, env| {
        let value = value(args).unwrap_or_default();
        or_empty(from_json(&value, &env.returns), &env.returns)
    });
    let nullable = type_name.trim_start().to_ascii_lowercase().starts_with("nullable");
    Ok(row_call_typed(if nullable { &DEF } else { &OR_EMPTY }, data_type, args, context))
}

fn keys_and_values(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    let data_type = parse_name(&type_argument(name, &mut args)?)?;
    const DEF: RowDef = row("JSONExtractKeysAndValues", 1, ANY, Same(0), |args, env| {
        let DataType::List(pair) = &env.returns else { return Datum::Null };
        let DataType::Struct(fields) = pair.data_type() else { return Datum::Null };
        let Some(Value::Object(object)) = value(args) else { return Datum::List(Vec::new()) };
        let pair = |(key, value): (String, Value)| Datum::Tuple(vec![key.into(), from_json(&value, fields[1].data_type())]);
        Datum::List(object.into_iter().map(pair).collect())
    });
    Ok(row_call_typed(&DEF, list_of(tuple_of([DataType::Utf8, data_type])), args, context))
}

/// `JSON_VALUE(json, '$.a.b[0]')`.
fn json_value(_: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DEF: RowDef = row("JSON_VALUE", 2, 2, Text, |args, _| {
        let path = t(args, 1);
        let steps: Vec<Datum<'_>> = path
            .trim_start_matches('$')
            .split(['.', '[', ']'])
            .filter(|step| !step.is_empty())
            .map(|step| step.parse::<i64>().map_or_else(|_| Datum::text(step.trim_matches(['"', '\''])), |index| Datum::Int(index + 1)))
            .collect();
        args[0].as_text().and_then(|json| at(json, &steps)).map_or(String::new(), text_of).into()
    });
    Ok(row_call_typed(&DEF, DataType::Utf8, args, context))
}

fn type_argument(name: &'static str, args: &mut Vec<Argument>) -> Result<String, FunctionError> {
    let position = args.len();
    let named = args.pop();
    named.as_ref().and_then(|arg| arg.text()).map(str::to_owned).ok_or_else(|| FunctionError::Argument {
        name: name.to_owned(),
        position,
        expected: "the name of a type in quotes",
        found: "another expression".to_owned(),
    })
}

/// A JSON value as a value of a type; NULL where it does not fit.
pub(super) fn from_json(value: &Value, data_type: &DataType) -> Datum<'static> {
    match (value, data_type) {
        (Value::Null, _) => Datum::Null,
        (Value::String(text), DataType::Utf8) => text.clone().into(),
        (other, DataType::Utf8) => other.to_string().into(),
        (Value::Bool(value), DataType::Boolean) => (*value).into(),
        (Value::Number(value), DataType::Boolean) => value.as_f64().map(|value| value != 0.0).into(),
        (Value::Number(number), DataType::Int64) if number.is_i64() => number.as_i64().into(),
        (Value::Number(number), DataType::UInt64) if number.is_u64() => number.as_u64().into(),
        (other, DataType::Int64 | DataType::UInt64) => number(other).map(super::datum::saturating_int).into(),
        (other, DataType::Float64) => number(other).into(),
        (Value::Array(items), DataType::List(field)) => {
            Datum::List(items.iter().map(|item| or_empty(from_json(item, field.data_type()), field.data_type())).collect())
        }
        (Value::Array(items), DataType::Struct(fields)) => {
            Datum::Tuple(items.iter().zip(fields).map(|(item, field)| from_json(item, field.data_type())).collect())
        }
        (Value::Object(object), DataType::Struct(fields)) => {
            let member = |name: &str| object.get(name).unwrap_or(&Value::Null);
            let value = |data_type: &DataType, name: &str| or_empty(from_json(member(name), data_type), data_type);
            Datum::Tuple(fields.iter().map(|field| value(field.data_type(), field.name())).collect())
        }
        (Value::Object(object), DataType::Map(..)) => {
            let inner = super::types::map_parts(data_type).map_or(DataType::Utf8, |(_, value)| value);
            Datum::Map(object.iter().map(|(key, value)| (key.clone().into(), from_json(value, &inner))).collect())
        }
        (Value::String(text), other) => super::convert::text_to(text, other, &jiff::tz::TimeZone::UTC),
        _ => Datum::Null,
    }
}

/// What a type without NULL has in place of it.
fn or_empty<'a>(value: Datum<'a>, data_type: &DataType) -> Datum<'a> {
    match (value, data_type) {
        (Datum::Null, DataType::Utf8) => Datum::text(""),
        (Datum::Null, DataType::Int64 | DataType::UInt64) => Datum::Int(0),
        (Datum::Null, DataType::Float64) => Datum::Float(0.0),
        (Datum::Null, DataType::Boolean) => Datum::Bool(false),
        (Datum::Null, DataType::List(_)) => Datum::List(Vec::new()),
        (Datum::Null, DataType::Map(..)) => Datum::Map(Vec::new()),
        (value, _) => value,
    }
}

pub(super) fn to_json(value: &Datum<'_>, env: &Env) -> Value {
    match value {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(*value),
        Datum::Int(value) => (*value).into(),
        Datum::UInt(value) => (*value).into(),
        Datum::Float(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, |number| match value.fract() {
            // ClickHouse writes 1.0 as 1.
            0.0 if value.abs() < 1e15 => super::datum::saturating_int(*value).into(),
            _ => Value::Number(number),
        }),
        Datum::Text(text) => Value::String(text.clone().into_owned()),
        Datum::List(items) | Datum::Tuple(items) => Value::Array(items.iter().map(|item| to_json(item, env)).collect()),
        Datum::Map(pairs) => Value::Object(pairs.iter().map(|(key, value)| (super::format::show(key), to_json(value, env))).collect()),
        other => Value::String(super::format::show_in(other, env.types.first(), &env.time_zone)),
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            let Value::Object(object) = target else { return };
            for (key, value) in patch {
                if value.is_null() {
                    object.shift_remove(&key);
                } else {
                    merge(object.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        other => *target = other,
    }
}
