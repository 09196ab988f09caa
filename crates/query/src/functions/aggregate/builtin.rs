//! Aggregates of DataFusion, arranged to mean what ClickHouse's do.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::{
    array_agg::array_agg_udaf,
    average::avg_udaf,
    correlation::corr_udaf,
    count::count_udaf,
    covariance::{covar_pop_udaf, covar_samp_udaf},
    first_last::{first_value_udaf, last_value_udaf},
    min_max::{max_udaf, min_udaf},
    stddev::{stddev_pop_udaf, stddev_udaf},
    sum::sum_udaf,
    variance::{var_pop_udaf, var_samp_udaf},
};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, Sort};
use datafusion::logical_expr::{AggregateUDF, Expr, cast, lit};

use super::both;
use crate::functions::types::{is_text, list_of, plain};
use crate::functions::{Argument, Built, CallOptions, Shown};

/// A call by DataFusion's means; `None` where its meaning would differ.
pub(super) type Builtin = fn(&[Argument], &CallOptions) -> Option<Built>;

fn call(function: Arc<AggregateUDF>, args: Vec<Expr>, options: &CallOptions, nulls: Option<NullTreatment>) -> Expr {
    let filter = options.filter.clone().map(Box::new);
    Expr::AggregateFunction(AggregateFunction::new_udf(function, args, options.distinct, filter, options.order_by.clone(), nulls))
}

fn built(expr: Expr, data_type: DataType, shown: Shown) -> Option<Built> {
    Some(Built { expr, data_type, nullable: true, shown })
}

/// The argument as a column of its plain type.
fn decoded(arg: &Argument) -> (Expr, DataType) {
    let data_type = plain(&arg.data_type);
    if data_type == arg.data_type { (arg.expr.clone(), data_type) } else { (cast(arg.expr.clone(), data_type.clone()), data_type) }
}

fn float(arg: &Argument) -> Expr {
    match plain(&arg.data_type) {
        DataType::Float64 => arg.expr.clone(),
        data_type if is_text(&data_type) => datafusion::logical_expr::try_cast(arg.expr.clone(), DataType::Float64),
        DataType::Boolean => cast(cast(arg.expr.clone(), DataType::Int64), DataType::Float64),
        _ => cast(arg.expr.clone(), DataType::Float64),
    }
}

/// Whole numbers stay whole, truth values count as 0 and 1.
fn number(arg: &Argument) -> (Expr, DataType) {
    match plain(&arg.data_type) {
        data_type @ (DataType::Int64 | DataType::UInt64 | DataType::Float64) => (arg.expr.clone(), data_type),
        data_type if data_type.is_integer() || data_type == DataType::Boolean => (cast(arg.expr.clone(), DataType::Int64), DataType::Int64),
        _ => (float(arg), DataType::Float64),
    }
}

pub(super) fn count(args: &[Argument], options: &CallOptions) -> Option<Built> {
    let counted = args.first().map_or_else(|| lit(1_i64), |arg| arg.expr.clone());
    if args.len() > 1 {
        return None;
    }
    built(call(count_udaf(), vec![counted], options, None), DataType::Int64, Shown::Count)
}

/// How many different values.
pub(super) fn count_distinct(args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    if plain(&arg.data_type).is_nested() {
        return None;
    }
    let options = CallOptions { distinct: true, order_by: Vec::new(), ..options.clone() };
    built(call(count_udaf(), vec![decoded(arg).0], &options, None), DataType::Int64, Shown::Count)
}

pub(super) fn sum(args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    let (expr, data_type) = number(arg);
    built(call(sum_udaf(), vec![expr], options, None), data_type, Shown::Plain)
}

pub(super) fn avg(args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    built(call(avg_udaf(), vec![float(arg)], options, None), DataType::Float64, Shown::Plain)
}

fn extreme(function: Arc<AggregateUDF>, args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    let (expr, data_type) = decoded(arg);
    if data_type.is_nested() || matches!(data_type, DataType::Null | DataType::FixedSizeBinary(_)) {
        return None;
    }
    let shown = if data_type == DataType::Boolean { Shown::Flag } else { Shown::Plain };
    built(call(function, vec![expr], options, None), data_type, shown)
}

pub(super) fn min(args: &[Argument], options: &CallOptions) -> Option<Built> {
    extreme(min_udaf(), args, options)
}

pub(super) fn max(args: &[Argument], options: &CallOptions) -> Option<Built> {
    extreme(max_udaf(), args, options)
}

fn edge(function: Arc<AggregateUDF>, args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    let (expr, data_type) = decoded(arg);
    built(call(function, vec![expr], options, Some(NullTreatment::IgnoreNulls)), data_type, Shown::Plain)
}

pub(super) fn any(args: &[Argument], options: &CallOptions) -> Option<Built> {
    edge(first_value_udaf(), args, options)
}

pub(super) fn any_last(args: &[Argument], options: &CallOptions) -> Option<Built> {
    edge(last_value_udaf(), args, options)
}

/// The first argument where the second is least (or greatest).
fn arg_extreme(args: &[Argument], options: &CallOptions, least: bool) -> Option<Built> {
    let [value, key] = args else { return None };
    let known = key.nullable.then(|| key.expr.clone().is_not_null());
    let options = CallOptions {
        filter: both(options.filter.clone(), known),
        order_by: vec![Sort::new(decoded(key).0, least, false)],
        ..options.clone()
    };
    edge(first_value_udaf(), std::slice::from_ref(value), &options)
}

pub(super) fn arg_min(args: &[Argument], options: &CallOptions) -> Option<Built> {
    arg_extreme(args, options, true)
}

pub(super) fn arg_max(args: &[Argument], options: &CallOptions) -> Option<Built> {
    arg_extreme(args, options, false)
}

pub(super) fn group_array(args: &[Argument], options: &CallOptions) -> Option<Built> {
    let [arg] = args else { return None };
    if !options.params.is_empty() {
        return None;
    }
    let (expr, item) = decoded(arg);
    let known = arg.nullable.then(|| expr.clone().is_not_null());
    let options = CallOptions { filter: both(options.filter.clone(), known), ..options.clone() };
    built(call(array_agg_udaf(), vec![expr], &options, None), list_of(item), Shown::Plain)
}

pub(super) fn group_uniq_array(args: &[Argument], options: &CallOptions) -> Option<Built> {
    group_array(args, &CallOptions { distinct: true, order_by: Vec::new(), ..options.clone() })
}

fn of_floats(function: Arc<AggregateUDF>, args: &[Argument], options: &CallOptions) -> Option<Built> {
    built(call(function, args.iter().map(float).collect(), options, None), DataType::Float64, Shown::Plain)
}

pub(super) fn stddev_pop(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(stddev_pop_udaf(), args, options)
}

pub(super) fn stddev_samp(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(stddev_udaf(), args, options)
}

pub(super) fn var_pop(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(var_pop_udaf(), args, options)
}

pub(super) fn var_samp(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(var_samp_udaf(), args, options)
}

pub(super) fn covar_pop(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(covar_pop_udaf(), args, options)
}

pub(super) fn covar_samp(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(covar_samp_udaf(), args, options)
}

pub(super) fn corr(args: &[Argument], options: &CallOptions) -> Option<Built> {
    of_floats(corr_udaf(), args, options)
}
