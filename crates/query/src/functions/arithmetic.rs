//! `+ - * / %` of what is not two plain numbers: times, intervals, tuples and arrays. Two numbers are the resolver's.

use arrow::datatypes::DataType;

use super::datum::{Datum, saturating_int};
use super::registry::{RewriteDef, RowDef, row, row_call, row_call_typed};
use super::types::Returns::{Int, Of, Same};
use super::types::{common, is_text, item_of, list_of, micros, plain};
use super::{Argument, Built, CallOptions, FunctionContext, FunctionError, lookup, unknown};

pub(super) const REWRITES: &[RewriteDef] = &[
    RewriteDef { name: "plus", aliases: &[], min: 2, max: 2, build: |_, args, context| sum(args, "addInterval", "tuplePlus", context) },
    RewriteDef {
        name: "minus",
        aliases: &[],
        min: 2,
        max: 2,
        build: |_, args, context| sum(args, "subtractInterval", "tupleMinus", context),
    },
    RewriteDef { name: "multiply", aliases: &[], min: 2, max: 2, build: |_, args, context| product(args, "tupleMultiply", context) },
    RewriteDef { name: "divide", aliases: &[], min: 2, max: 2, build: |_, args, context| product(args, "tupleDivide", context) },
    RewriteDef { name: "modulo", aliases: &[], min: 2, max: 2, build: |_, args, context| product(args, "tupleModulo", context) },
];

fn call(name: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    lookup(name).ok_or_else(|| unknown(name))?.build(args, CallOptions::default(), context)
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
}

/// Dates count in days, times in seconds.
fn shift_by(value: &Datum<'_>, amount: f64) -> Datum<'static> {
    match value {
        Datum::Date(days) => i32::try_from(i64::from(*days) + saturating_int(amount)).map_or(Datum::Null, Datum::Date),
        Datum::Time(time) => Datum::Time(time.saturating_add(saturating_int(amount * 1e6))),
        _ => Datum::Null,
    }
}

fn seconds_of(value: &Datum<'_>) -> Option<i64> {
    match value {
        Datum::Date(days) => Some(i64::from(*days) * 86_400),
        Datum::Time(time) => Some(time.div_euclid(1_000_000)),
        _ => None,
    }
}

fn lists(args: &[DataType]) -> DataType {
    list_of(common(&args.iter().map(item_of).collect::<Vec<_>>()))
}

fn sum(
    mut args: Vec<Argument>,
    with_interval: &'static str,
    of_tuples: &'static str,
    context: &FunctionContext,
) -> Result<Built, FunctionError> {
    const ADD: RowDef = row("plus", 2, 2, Same(0), |args, _| args[1].as_float().map_or(Datum::Null, |amount| shift_by(&args[0], amount)));
    const SUBTRACT: RowDef =
        row("minus", 2, 2, Same(0), |args, _| args[1].as_float().map_or(Datum::Null, |amount| shift_by(&args[0], -amount)));
    const DAYS: RowDef = row("minus", 2, 2, Int, |args, _| match (&args[0], &args[1]) {
        (Datum::Date(a), Datum::Date(b)) => i64::from(a - b).into(),
        (a, b) => seconds_of(a).zip(seconds_of(b)).map(|(a, b)| a - b).into(),
    });
    const ADD_LISTS: RowDef = row("plus", 2, 2, Of(lists), |args, env| each(args, &env.returns, |a, b| a + b));
    const SUBTRACT_LISTS: RowDef = row("minus", 2, 2, Of(lists), |args, env| each(args, &env.returns, |a, b| a - b));
    let adds = with_interval == "addInterval";
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    match (&types[0], &types[1]) {
        (DataType::Interval(_), _) | (_, DataType::Interval(_)) => {
            for (arg, data_type) in args.iter_mut().zip(&types) {
                // text next to an interval is a time
                if is_text(data_type) {
                    let Built { expr, data_type, nullable, .. } = super::convert::cast_to(arg.clone(), micros(), context);
                    *arg = Argument { expr, data_type, nullable };
                }
            }
            call(with_interval, args, context)
        }
        (DataType::Struct(_), _) => call(of_tuples, args, context),
        (DataType::List(_), _) => Ok(row_call(if adds { &ADD_LISTS } else { &SUBTRACT_LISTS }, args, context)),
        (left, right) if is_time(left) && is_time(right) => Ok(row_call(&DAYS, args, context)),
        (_, right) if is_time(right) && adds => {
            let returns = right.clone();
            args.swap(0, 1);
            Ok(row_call_typed(&ADD, returns, args, context))
        }
        (left, _) => {
            let returns = left.clone();
            Ok(row_call_typed(if adds { &ADD } else { &SUBTRACT }, returns, args, context))
        }
    }
}

/// Item by item.
fn each<'a>(args: &[Datum<'a>], returns: &DataType, operation: fn(f64, f64) -> f64) -> Datum<'a> {
    let whole = item_of(returns).is_integer();
    let items = |place: usize| args[place].as_list().unwrap_or_default();
    let one = |(a, b): (&Datum<'a>, &Datum<'a>)| {
        let value = operation(a.as_float()?, b.as_float()?);
        Some(if whole { Datum::Int(saturating_int(value)) } else { Datum::Float(value) })
    };
    Datum::List(items(0).iter().zip(items(1)).map(|pair| one(pair).unwrap_or_default()).collect())
}

fn product(mut args: Vec<Argument>, of_tuples: &'static str, context: &FunctionContext) -> Result<Built, FunctionError> {
    const INTERVAL: RowDef = row("multiply", 2, 2, Same(0), |args, _| match (&args[0], args[1].as_int()) {
        (Datum::Interval { months, days, nanos }, Some(times)) => {
            let small = |value: i32| i32::try_from(i64::from(value).saturating_mul(times)).unwrap_or(i32::MAX);
            Datum::Interval { months: small(*months), days: small(*days), nanos: nanos.saturating_mul(times) }
        }
        _ => Datum::Null,
    });
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    match (&types[0], &types[1]) {
        (_, DataType::Interval(_)) if of_tuples == "tupleMultiply" => {
            args.swap(0, 1);
            Ok(row_call(&INTERVAL, args, context))
        }
        (DataType::Interval(_), _) if of_tuples == "tupleMultiply" => Ok(row_call(&INTERVAL, args, context)),
        (_, DataType::Struct(_)) => {
            args.swap(0, 1);
            call(of_tuples, args, context)
        }
        (DataType::Struct(_), _) => call(of_tuples, args, context),
        (left, right) => {
            let (left, right) = (super::types::name_of(left), super::types::name_of(right));
            Err(FunctionError::NoSupertype { left, right })
        }
    }
}
