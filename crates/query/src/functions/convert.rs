//! From one type to another.
//!
//! The names without an underscore are PostHog's: what does not fit gives NULL. A float fits a whole number only if it is one.

use arrow::datatypes::DataType;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::calendar::Fast;
use super::datum::{Datum, saturating_int};
use super::format::show_in;
use super::registry::{ANY, Nulls, RewriteDef, RowDef, row, row_call, row_call_typed};
use super::text::{n, t};
use super::types::Returns::{Bool, Count, Date, Float, Int, Micros, Same, Seconds, Text, UInt, Uuid as UuidType};
use super::types::{item_of, map_parts, name_of, parse_name, plain};
use super::udf::Env;
use super::{Argument, Built, FunctionContext, FunctionError, Shown};

pub(super) const ROWS: &[RowDef] = &[
    row("toInt", 1, 1, Int, |args, _| whole(&args[0]).into()).or_null(Nulls::Always).also(&[
        "toIntOrNull",
        "toInt64OrNull",
        "toInt32OrNull",
        "toInt16OrNull",
        "toInt8OrNull",
        "toUInt64OrNull",
        "toUInt32OrNull",
    ]),
    row("toIntOrZero", 1, 1, Int, |args, _| whole(&args[0]).unwrap_or(0).into()).also(&[
        "toInt64OrZero",
        "toInt32OrZero",
        "toUInt64OrZero",
        "toUInt32OrZero",
    ]),
    row("toIntOrDefault", 1, 2, Int, |args, _| whole(&args[0]).or(n(args, 1)).unwrap_or(0).into()).lenient(),
    row("_toInt64", 1, 1, Int, |args, _| truncated(&args[0]).into()).also(&["toInt64", "_toInt128", "_toInt256"]),
    row("_toInt32", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(low32(value).cast_signed())).into()).also(&["toInt32"]),
    row("_toInt16", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(low16(value).cast_signed())).into()).also(&["toInt16"]),
    row("_toInt8", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(value.to_le_bytes()[0].cast_signed())).into())
        .also(&["toInt8"]),
    row("_toUInt64", 1, 1, UInt, |args, _| truncated(&args[0]).map(i64::cast_unsigned).into()).also(&[
        "toUInt64",
        "_toUInt128",
        "_toUInt256",
    ]),
    row("_toUInt32", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(low32(value))).into()).also(&["toUInt32"]),
    row("_toUInt16", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(low16(value))).into()).also(&["toUInt16"]),
    row("_toUInt8", 1, 1, Int, |args, _| truncated(&args[0]).map(|value| i64::from(value.to_le_bytes()[0])).into()).also(&["toUInt8"]),
    row("toFloat", 1, 1, Float, |args, _| number(&args[0]).into()).or_null(Nulls::Always).also(&[
        "toFloatOrNull",
        "toFloat64OrNull",
        "toFloat32OrNull",
        "_toFloat64",
        "_toFloat32",
        "toFloat64",
        "toFloat32",
    ]),
    row("toFloatOrZero", 1, 1, Float, |args, _| number(&args[0]).unwrap_or(0.0).into()).also(&["toFloat64OrZero", "toFloat32OrZero"]),
    row("toFloatOrDefault", 1, 2, Float, |args, _| {
        number(&args[0]).or_else(|| args.get(1).and_then(Datum::as_float)).unwrap_or(0.0).into()
    })
    .lenient(),
    row("toDecimal", 1, 2, Float, |args, _| {
        let scale = 10_f64.powi(i32::try_from(n(args, 1).unwrap_or(0).clamp(0, 18)).unwrap_or(0));
        let fits = number(&args[0]).filter(|value| (value * scale).abs() < MAX_DECIMAL);
        fits.map(|value| if args.len() > 1 { (value * scale).trunc() / scale } else { value }).into()
    })
    .or_null(Nulls::Always)
    .also(&["toDecimal32", "toDecimal64", "toDecimal128", "_toDecimal"]),
    row("toBool", 1, 1, Bool, |args, _| truth(&args[0]).into()).or_null(Nulls::OfTexts).also(&["toBoolean", "_toNullableBool"]),
    row("toUUID", 1, 1, UuidType, |args, _| uuid(&args[0])).or_null(Nulls::Always).also(&["toUUIDOrNull", "_toUUID"]),
    row("toUUIDOrZero", 1, 1, UuidType, |args, _| match uuid(&args[0]) {
        Datum::Null => Datum::Uuid(0),
        uuid => uuid,
    })
    .lenient(),
    row("toUUIDOrDefault", 2, 2, UuidType, |args, _| match uuid(&args[0]) {
        Datum::Null => uuid(&args[1]),
        uuid => uuid,
    })
    .lenient(),
    row("toDate", 1, 2, Date, to_date)
        .or_null(Nulls::OfTexts)
        .also(&["_toDate", "to_date", "toDateOrNull", "toDate32", "date", "DATE"])
        .fast(Fast::Date),
    row("toDateTime64", 1, 3, Micros, to_time).or_null(Nulls::OfTexts).also(&[
        "toDateTime64OrNull",
        "parseDateTimeBestEffort",
        "parseDateTimeBestEffortOrNull",
        "parseDateTime64BestEffort",
        "parseDateTime64BestEffortOrNull",
    ]),
    row("toDateTimeUS", 1, 3, Micros, |args, env| match &args[0] {
        Datum::Text(text) => crate::time::parse_best_effort_us(text, &env.zone).map_or(Datum::Null, Datum::Time),
        _ => to_time(args, env),
    })
    .or_null(Nulls::Always)
    .also(&["parseDateTimeBestEffortUS"]),
    row("_toDateTime", 1, 2, Seconds, to_time).or_null(Nulls::OfTexts),
    // the name is known before any row is: the resolver gives it
    row("toTypeName", 1, 2, Text, |args, env| args.get(1).cloned().unwrap_or_else(|| type_name(&args[0], env).into())).lenient(),
    row("UUIDv7ToDateTime", 1, 2, Micros, |args, _| match uuid(&args[0]) {
        Datum::Uuid(uuid) => i64::try_from(uuid >> 80).ok().and_then(|millis| millis.checked_mul(1000)).map_or(Datum::Null, Datum::Time),
        _ => Datum::Null,
    }),
    row("generateUUIDv4", 0, 1, UuidType, |_, _| Datum::Uuid(Uuid::new_v4().as_u128())),
    row("reinterpretAsUInt64", 1, 1, UInt, |args, _| bytes_of(args).into()).also(&["reinterpretAsUInt128", "reinterpretAsUInt256"]),
    row("reinterpretAsUInt8", 1, 1, Count, |args, _| i64::from(bytes_of(args).to_le_bytes()[0]).into()),
    row("reinterpretAsUInt16", 1, 1, Count, |args, _| i64::from(low16(bytes_of(args).cast_signed())).into()),
    row("reinterpretAsUInt32", 1, 1, Count, |args, _| i64::from(low32(bytes_of(args).cast_signed())).into()),
    row("reinterpretAsInt8", 1, 1, Int, |args, _| i64::from(bytes_of(args).to_le_bytes()[0].cast_signed()).into()),
    row("reinterpretAsInt16", 1, 1, Int, |args, _| i64::from(low16(bytes_of(args).cast_signed()).cast_signed()).into()),
    row("reinterpretAsInt32", 1, 1, Int, |args, _| i64::from(low32(bytes_of(args).cast_signed()).cast_signed()).into()),
    row("reinterpretAsInt64", 1, 1, Int, |args, _| bytes_of(args).cast_signed().into())
        .also(&["reinterpretAsInt128", "reinterpretAsInt256"]),
    row("reinterpretAsFloat32", 1, 1, Float, |args, _| f64::from(f32::from_bits(low32(bytes_of(args).cast_signed()))).into()),
    row("reinterpretAsFloat64", 1, 1, Float, |args, _| f64::from_bits(bytes_of(args)).into()),
    row("reinterpretAsUUID", 1, 1, UuidType, |args, _| {
        let mut bytes = [0; 16];
        for (slot, byte) in bytes.iter_mut().zip(t(args, 0).bytes()) {
            *slot = byte;
        }
        Datum::Uuid(u128::from_le_bytes(bytes).rotate_left(64))
    }),
];

pub(super) const REWRITES: &[RewriteDef] = &[
    RewriteDef { name: "toString", aliases: &["toNullableString", "toStringCutToZero"], min: 1, max: 2, build: to_text },
    RewriteDef { name: "toDateTime", aliases: &["toDateTimeOrNull"], min: 1, max: 3, build: to_date_time },
    RewriteDef { name: "accurateCast", aliases: &["CAST", "cast", "_CAST"], min: 2, max: 2, build: cast_call },
    RewriteDef { name: "accurateCastOrNull", aliases: &[], min: 2, max: 2, build: cast_call },
    RewriteDef { name: "reinterpret", aliases: &[], min: 2, max: 2, build: cast_call },
    RewriteDef { name: "defaultValueOfTypeName", aliases: &[], min: 1, max: ANY, build: default_value },
];

/// A decimal of 64 bits has 18 digits.
const MAX_DECIMAL: f64 = 1e18;

fn low32(value: i64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn low16(value: i64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// A whole number if it is exactly one.
fn whole(value: &Datum<'_>) -> Option<i64> {
    match value {
        Datum::Float(value) => (value.fract() == 0.0 && value.abs() < 9.3e18).then(|| saturating_int(*value)),
        Datum::UInt(value) => i64::try_from(*value).ok(),
        Datum::Time(micros) => Some(micros.div_euclid(1_000_000)),
        Datum::Text(text) => text.parse().ok(),
        other => other.as_int(),
    }
}

fn truncated(value: &Datum<'_>) -> Option<i64> {
    match value {
        Datum::Float(value) if value.is_finite() => Some(saturating_int(*value)),
        Datum::Text(text) => text.trim().parse::<i64>().ok().or_else(|| text.trim().parse::<f64>().ok().map(saturating_int)),
        other => whole(other),
    }
}

/// ClickHouse reads `inf` and `nan` too, but no blanks around a number.
fn number(value: &Datum<'_>) -> Option<f64> {
    match value {
        Datum::Text(text) => text.parse().ok(),
        #[expect(clippy::cast_precision_loss, reason = "this is what turning a time into a number means")]
        Datum::Time(micros) => Some(*micros as f64 / 1e6),
        other => other.as_float(),
    }
}

fn truth(value: &Datum<'_>) -> Option<bool> {
    match value {
        Datum::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" | "y" | "on" | "enable" | "enabled" => Some(true),
            "false" | "0" | "f" | "no" | "n" | "off" | "disable" | "disabled" => Some(false),
            _ => None,
        },
        Datum::Null => None,
        other => Some(other.is_true()),
    }
}

fn uuid(value: &Datum<'_>) -> Datum<'static> {
    match value {
        Datum::Uuid(uuid) => Datum::Uuid(*uuid),
        Datum::Text(text) => Uuid::try_parse(text.trim()).map_or(Datum::Null, |uuid| Datum::Uuid(uuid.as_u128())),
        _ => Datum::Null,
    }
}

/// `2024-01-31`, with any mark between the numbers, also as `20240131` or with a time behind a blank; anything else is no date. A day that the month
/// lacks runs over into the next one.
fn date_text(text: &str) -> Datum<'static> {
    let (date, time) = text.split_at_checked(text.find(' ').unwrap_or(text.len())).unwrap_or((text, ""));
    let is_clock = time.len() == 9 && time.bytes().skip(1).all(|byte| byte == b':' || byte.is_ascii_digit());
    if !time.is_empty() && !is_clock {
        return Datum::Null;
    }
    let mut numbers = date.split(|c: char| !c.is_ascii_digit());
    let parts = match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(year), Some(month), Some(day), None) => Some((year, month, day)),
        (Some(whole), None, ..) if whole.len() == 8 => Some((&whole[..4], &whole[4..6], &whole[6..])),
        _ => None,
    };
    let parts = parts.filter(|(year, month, day)| year.len() == 4 && month.len() <= 2 && day.len() <= 2);
    let Some((Ok(year), Ok(month), Ok(day))) = parts.map(|(year, month, day)| (year.parse(), month.parse(), day.parse::<i32>())) else {
        return Datum::Null;
    };
    match jiff::civil::Date::new(year, month, 1).map(super::calendar::days_datum) {
        Ok(Datum::Date(first)) if (1..=31).contains(&day) => Datum::Date(first + day - 1),
        _ => Datum::Date(0),
    }
}

fn to_date<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let zone = args.get(1).and_then(Datum::as_text).and_then(super::zone_named);
    match &args[0] {
        Datum::Text(text) => date_text(text),
        Datum::Int(value) if (0..=65_535).contains(value) => i32::try_from(*value).map_or(Datum::Null, Datum::Date),
        other => {
            let civil = super::calendar::civil_in(other, zone.as_ref().unwrap_or(&env.time_zone));
            civil.map_or(Datum::Null, |civil| super::calendar::days_datum(civil.date()))
        }
    }
}

/// The second argument is a zone, or the digits of `toDateTime64`.
fn to_time<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    // toDateTime64 has its scale before the zone
    let zone = args.iter().skip(1).find_map(Datum::as_text).and_then(super::zone_named);
    let zone = zone.as_ref().unwrap_or(&env.zone);
    super::calendar::instant(&args[0], zone).map_or(Datum::Null, Datum::Time)
}

/// Text is itself; a column of it stays a column, which is read faster than what a function makes of it.
fn to_text(_: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const SHOWN: RowDef = row("toString", 1, 2, Text, |args, env| {
        let zone = args.get(1).and_then(Datum::as_text).and_then(super::zone_named);
        show_in(&args[0], env.types.first(), zone.as_ref().unwrap_or(&env.time_zone)).into()
    });
    match args.as_slice() {
        [Argument { expr, data_type, nullable }] if plain(data_type) == DataType::Utf8 => {
            Ok(Built { expr: expr.clone(), data_type: data_type.clone(), nullable: *nullable, shown: Shown::default() })
        }
        _ => Ok(row_call(&SHOWN, args, context)),
    }
}

/// PostHog's `toDateTime`: text is parsed to the microsecond, anything else becomes whole seconds.
fn to_date_time(_: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const PARSED: RowDef = row("toDateTime", 1, 3, Micros, to_time).or_null(Nulls::Always);
    const SECONDS: RowDef = row("toDateTime", 1, 3, Seconds, to_time);
    let is_text = matches!(plain(&args[0].data_type), DataType::Utf8 | DataType::Null);
    Ok(row_call(if is_text { &PARSED } else { &SECONDS }, args, context))
}

fn bytes_of(args: &[Datum<'_>]) -> u64 {
    match &args[0] {
        Datum::Int(value) => value.cast_unsigned(),
        Datum::UInt(value) => *value,
        Datum::Float(value) => value.to_bits(),
        _ => {
            let mut bytes = [0; 8];
            for (slot, byte) in bytes.iter_mut().zip(t(args, 0).bytes()) {
                *slot = byte;
            }
            u64::from_le_bytes(bytes)
        }
    }
}

/// Small constants have narrow types in ClickHouse.
fn type_name(value: &Datum<'_>, env: &Env) -> String {
    match value {
        Datum::Int(value) => smallest_type(*value).to_owned(),
        _ => env.types.first().map(name_of).unwrap_or_default(),
    }
}

/// The type that a whole number has where it is written down, in ClickHouse's words: the smallest that holds it.
pub(crate) fn smallest_type(value: i64) -> &'static str {
    const NAMES: [&str; 7] = ["UInt8", "UInt16", "UInt32", "Int8", "Int16", "Int32", "Int64"];
    let fits = [
        u8::try_from(value).is_ok(),
        u16::try_from(value).is_ok(),
        u32::try_from(value).is_ok(),
        i8::try_from(value).is_ok(),
        i16::try_from(value).is_ok(),
        i32::try_from(value).is_ok(),
        value < 0,
    ];
    NAMES.iter().zip(fits).find_map(|(name, fits)| fits.then_some(*name)).unwrap_or("UInt64")
}

/// Text as a value of a type; NULL where it is none.
pub(super) fn text_to(text: &str, data_type: &DataType, zone: &TimeZone) -> Datum<'static> {
    let datum = Datum::text(text.to_owned());
    match data_type {
        DataType::Utf8 => datum,
        DataType::Boolean => truth(&datum).into(),
        DataType::Int64 => whole(&datum).into(),
        DataType::UInt64 => text.parse::<u64>().ok().into(),
        DataType::Float64 => number(&datum).into(),
        DataType::FixedSizeBinary(16) => uuid(&datum),
        DataType::Date32 => super::calendar::civil_in(&datum, zone).map_or(Datum::Null, |civil| super::calendar::days_datum(civil.date())),
        DataType::Timestamp(..) => super::calendar::instant(&datum, zone).map_or(Datum::Null, Datum::Time),
        DataType::List(_) | DataType::Struct(_) | DataType::Map(..) => match serde_json::from_str(&text.replace('\'', "\"")) {
            Ok(value) => super::json::from_json(&value, data_type),
            Err(_) => Datum::Null,
        },
        _ => Datum::Null,
    }
}

/// Any value as a value of a type; NULL where it does not fit.
fn to_type<'a>(value: &Datum<'a>, from: Option<&DataType>, to: &DataType, env: &Env) -> Datum<'a> {
    match (value, to) {
        (Datum::Null, _) => Datum::Null,
        (Datum::Text(text), _) => text_to(text, to, &env.zone),
        (value, DataType::Utf8) => show_in(value, from, &env.time_zone).into(),
        (value, DataType::Int64) => truncated(value).into(),
        (value, DataType::UInt64) => truncated(value).map(i64::cast_unsigned).into(),
        (value, DataType::Float64) => number(value).into(),
        (value, DataType::Boolean) => truth(value).into(),
        (value, DataType::Date32) => to_date(std::slice::from_ref(value), env),
        (value, DataType::Timestamp(..)) => to_time(std::slice::from_ref(value), env),
        (value, DataType::FixedSizeBinary(16)) => uuid(value),
        (Datum::List(items), DataType::List(field)) => {
            let from = from.map(item_of);
            Datum::List(items.iter().map(|item| to_type(item, from.as_ref(), field.data_type(), env)).collect())
        }
        (Datum::Tuple(items), DataType::Struct(fields)) => {
            Datum::Tuple(items.iter().zip(fields).map(|(item, field)| to_type(item, None, field.data_type(), env)).collect())
        }
        (Datum::Map(pairs), DataType::Map(..)) => match map_parts(to) {
            Some((key, inner)) => {
                Datum::Map(pairs.iter().map(|(k, v)| (to_type(k, None, &key, env), to_type(v, None, &inner, env))).collect())
            }
            None => Datum::Null,
        },
        _ => Datum::Null,
    }
}

const CAST: RowDef =
    row("CAST", 1, 1, Same(0), |args, env| to_type(&args[0], env.types.first(), &env.returns, env)).or_null(Nulls::OfTexts);

/// `CAST(x AS type)`: what does not fit gives NULL.
///
/// # Errors
/// The type is not known.
pub(crate) fn cast(arg: Argument, type_name: &str, context: &FunctionContext) -> Result<Built, FunctionError> {
    let target = parse_name(type_name)?;
    Ok(cast_to(arg, target, context))
}

pub(super) fn cast_to(arg: Argument, target: DataType, context: &FunctionContext) -> Built {
    if plain(&arg.data_type) == target {
        return Built { expr: arg.expr, data_type: arg.data_type, nullable: arg.nullable, shown: super::Shown::Plain };
    }
    row_call_typed(&CAST, target, vec![arg], context)
}

fn cast_call(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    let target = args.pop();
    let type_name = target.as_ref().and_then(|arg| arg.text()).map(str::to_owned);
    match (args.pop(), type_name) {
        (Some(value), Some(type_name)) => cast(value, &type_name, context),
        _ => Err(FunctionError::Argument {
            name: name.to_owned(),
            position: 2,
            expected: "the name of a type in quotes",
            found: "another expression".to_owned(),
        }),
    }
}

fn default_value(name: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DEF: RowDef = row("defaultValueOfTypeName", 1, 1, Same(0), |_, env| match &env.returns {
        DataType::Utf8 => Datum::text(""),
        DataType::List(_) => Datum::List(Vec::new()),
        DataType::Date32 => Datum::Date(0),
        DataType::Timestamp(..) => Datum::Time(0),
        DataType::FixedSizeBinary(_) => Datum::Uuid(0),
        _ => Datum::Int(0),
    });
    let type_name = args.first().and_then(|arg| arg.text()).map(str::to_owned);
    let type_name = type_name.ok_or_else(|| FunctionError::Argument {
        name: name.to_owned(),
        position: 1,
        expected: "the name of a type in quotes",
        found: "another expression".to_owned(),
    })?;
    Ok(row_call_typed(&DEF, parse_name(&type_name)?, args, context))
}
