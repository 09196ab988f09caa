//! Aggregates.
//!
//! The frequent ones are DataFusion's own, arranged to mean what ClickHouse's do (`builtin.rs`). All others collect the rows of a group and work out
//! the result at the end (`collect.rs`, `finish.rs`), which lets every combinator (`sumArray`, `avgMap`, `maxArgMax`, `uniqState`) go with every aggregate.
//!
//! # Invariants
//! - Rows in which an argument is NULL do not count.
//! - Without rows the result is NULL if the argument can be NULL, else the empty value of the type (0, an empty text, 1970-01-01), as in ClickHouse.

mod association;
mod builtin;
mod collect;
mod finish;
mod sequence;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::conditional::{binary, truth};
use super::datum::Datum;
use super::types::{Returns, item_of, list_of, map_of, map_parts, plain, tuple_of};
use super::{Argument, Built, CallOptions, FunctionContext, FunctionError, Shown};
use collect::CollectFunction;
use finish::Finish;

/// An aggregate without combinators.
pub(super) struct AggregateDef {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) min: usize,
    pub(super) max: usize,
    returns: Returns,
    /// The result from all rows of a group.
    finish: Finish,
    /// DataFusion's own way, when there are no combinators that collect.
    builtin: Option<builtin::Builtin>,
}

pub(super) use finish::AGGREGATES;

/// A suffix that changes what an aggregate is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Combinator {
    /// Only rows for which the last argument is true.
    If,
    /// The items of arrays instead of arrays.
    Array,
    /// By key of maps.
    Map,
    /// By position in arrays.
    ForEach,
    /// The rows themselves, to be merged later.
    State,
    /// Of states.
    Merge,
    /// The empty value instead of NULL.
    OrDefault,
    /// NULL instead of the empty value.
    OrNull,
    /// Only rows in which the last argument is least.
    ArgMin,
    /// Only rows in which it is greatest.
    ArgMax,
    /// Each value once.
    Distinct,
}

impl Combinator {
    /// The last combinator of a name and what stands before it.
    pub(super) fn split(name: &str) -> Option<(&str, Combinator)> {
        const SUFFIXES: [(&str, Combinator); 11] = [
            ("If", Combinator::If),
            ("Array", Combinator::Array),
            ("Map", Combinator::Map),
            ("ForEach", Combinator::ForEach),
            ("State", Combinator::State),
            ("Merge", Combinator::Merge),
            ("OrDefault", Combinator::OrDefault),
            ("OrNull", Combinator::OrNull),
            ("ArgMin", Combinator::ArgMin),
            ("ArgMax", Combinator::ArgMax),
            ("Distinct", Combinator::Distinct),
        ];
        let (suffix, combinator) = SUFFIXES.into_iter().find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(suffix))?;
        Some((name.strip_suffix(suffix)?, combinator))
    }

    /// Whether it adds an argument.
    pub(super) fn takes_argument(self) -> bool {
        matches!(self, Combinator::If | Combinator::ArgMin | Combinator::ArgMax)
    }

    /// Whether the rows must be collected.
    fn collects(self) -> bool {
        !matches!(self, Combinator::If | Combinator::OrDefault | Combinator::OrNull | Combinator::Distinct)
    }
}

/// Builds a call. `combinators` are in the order of the name, so the last is the outermost.
pub(super) fn build(
    def: &'static AggregateDef,
    combinators: &[Combinator],
    mut args: Vec<Argument>,
    mut options: CallOptions,
    _: &FunctionContext,
) -> Result<Built, FunctionError> {
    let mut inner: Vec<Combinator> = Vec::new();
    let mut asked = None;
    let mut counts_all = false;
    for combinator in combinators.iter().rev() {
        match combinator {
            Combinator::If => {
                // `countIfOrNull` looks at all rows, `countOrNullIf` at those that pass
                counts_all |= asked == Some(false);
                let condition = args.pop().map(|condition| truth(&condition));
                options.filter = both(options.filter, condition);
            }
            Combinator::OrDefault => asked = Some(true),
            Combinator::OrNull => asked = Some(false),
            Combinator::Distinct => options.distinct = true,
            other => inner.insert(0, *other),
        }
    }
    let nullable = args.iter().any(|arg| arg.nullable || arg.data_type == DataType::Null);
    let counts = inner.is_empty() && def.returns.shown() == Shown::Count;
    let empty = match asked {
        // what NULL does to an aggregate is decided around every combinator
        Some(true) if nullable && !counts => Empty::Null,
        Some(true) => Empty::Default,
        Some(false) if counts && counts_all => Empty::Natural,
        Some(false) if counts => Empty::NullForZero,
        Some(false) => Empty::Null,
        None if nullable && !counts => Empty::Null,
        None => Empty::Natural,
    };
    let simple = !inner.iter().any(|combinator| combinator.collects());
    if let (Some(make), true) = (def.builtin, simple)
        && let Some(mut built) = make(&args, &options)
    {
        finish_nulls(&mut built, empty);
        return Ok(built);
    }
    if args.is_empty() {
        // rows that are kept have to be kept as something
        args.push(Argument { expr: datafusion::logical_expr::lit(1_i64), data_type: DataType::Int64, nullable: false });
    }
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    let data_type = result_type(def, &inner, &types);
    let shown = if inner.is_empty() { def.returns.shown() } else { Shown::Plain };
    let expr = CollectFunction::call(def, inner, data_type.clone(), types, args, options);
    let mut built = Built { expr, data_type, nullable, shown };
    finish_nulls(&mut built, empty);
    Ok(built)
}

/// An aggregate by its name in a text, as `arrayReduce` takes it: `sum`, `avgIf`, `quantile(0.5)`.
struct Named<'n> {
    def: &'static AggregateDef,
    /// Innermost first.
    combinators: Vec<Combinator>,
    params: Vec<&'n str>,
}

fn named(text: &str) -> Option<Named<'_>> {
    let (mut name, params) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')?.split(',').map(str::trim).collect()),
        None => (text, Vec::new()),
    };
    let mut combinators = Vec::new();
    loop {
        if let Some(def) = AGGREGATES.iter().find(|def| def.name == name || def.aliases.contains(&name)) {
            return Some(Named { def, combinators, params });
        }
        let (base, combinator) = Combinator::split(name)?;
        combinators.insert(0, combinator);
        name = base;
    }
}

/// `arrayReduce('sum', list)`: the type of the result, and the aggregate over the items of each row's arrays.
pub(super) fn reduce_type(name: &str, lists: &[DataType]) -> Option<DataType> {
    let Named { def, combinators, .. } = named(name)?;
    let conditions = combinators.iter().filter(|combinator| **combinator == Combinator::If).count();
    let items: Vec<DataType> = lists.iter().take(lists.len().checked_sub(conditions)?).map(item_of).collect();
    Some(result_type(def, &combinators, &items))
}

/// The aggregate named by the first argument over the items of the others.
pub(super) fn reduce<'a>(args: &[Datum<'a>], returns: &DataType) -> Datum<'a> {
    let Some((Some(name), lists)) = args.split_first().map(|(name, lists)| (name.as_text(), lists)) else { return Datum::Null };
    let Some(Named { def, combinators, params }) = named(name) else { return Datum::Null };
    let number = |param: &&str| ScalarValue::Float64(param.parse().ok());
    collect::over_items(def, &combinators, lists, params.iter().map(number).collect(), returns)
}

/// Both conditions.
fn both(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(binary(left, datafusion::logical_expr::Operator::And, right)),
        (left, right) => left.or(right),
    }
}

/// What an aggregate of no rows gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    /// NULL.
    Null,
    /// What the aggregate itself makes of nothing: an average is no number, a sum is 0.
    Natural,
    /// The empty value of the type, whatever the aggregate.
    Default,
    /// NULL, of an aggregate that counts: there were no rows if it counted none.
    NullForZero,
}

/// Puts the empty value in place of NULL.
fn finish_nulls(built: &mut Built, empty: Empty) {
    if empty == Empty::NullForZero {
        let expr = std::mem::take(&mut built.expr);
        built.expr = datafusion::functions::core::expr_fn::nullif(expr, datafusion::logical_expr::lit(0_i64));
        built.nullable = true;
        return;
    }
    built.nullable = empty == Empty::Null;
    let empty = match &built.data_type {
        DataType::List(_) => ScalarValue::new_default(&built.data_type).ok(),
        _ if empty == Empty::Null => None,
        DataType::Float64 if empty == Empty::Default => Some(ScalarValue::Float64(Some(0.0))),
        DataType::Utf8 => Some(ScalarValue::from("")),
        DataType::Int64 => Some(ScalarValue::Int64(Some(0))),
        DataType::UInt64 => Some(ScalarValue::UInt64(Some(0))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(false))),
        DataType::Date32 => Some(ScalarValue::Date32(Some(0))),
        data_type @ DataType::Timestamp(..) => ScalarValue::new_zero(data_type).ok(),
        // An average of nothing is NaN, which JSON shows as null.
        _ => None,
    };
    let Some(empty) = empty else {
        built.nullable = true;
        return;
    };
    let expr = std::mem::take(&mut built.expr);
    built.expr = datafusion::functions::core::expr_fn::coalesce(vec![expr, Expr::Literal(empty, None)]);
}

/// What the combinators, innermost first, make of the result's type.
fn result_type(def: &AggregateDef, combinators: &[Combinator], args: &[DataType]) -> DataType {
    let Some((last, before)) = combinators.split_last() else { return def.returns.data_type(args) };
    let first = args.first().cloned().unwrap_or(DataType::Null);
    match last {
        Combinator::Array => result_type(def, before, &args.iter().map(item_of).collect::<Vec<_>>()),
        Combinator::ForEach => list_of(result_type(def, before, &args.iter().map(item_of).collect::<Vec<_>>())),
        Combinator::Map => {
            let (key, value) = map_parts(&first).unwrap_or((DataType::Utf8, DataType::Int64));
            map_of(key, result_type(def, before, &[value]))
        }
        Combinator::ArgMin | Combinator::ArgMax => result_type(def, before, args.split_last().map_or(args, |(_, rest)| rest)),
        Combinator::State => list_of(tuple_of(args.iter().cloned())),
        Combinator::Merge => match item_of(&first) {
            DataType::Struct(fields) => {
                let inner: Vec<DataType> = fields.iter().map(|field| plain(field.data_type())).collect();
                result_type(def, before, &inner)
            }
            other => result_type(def, before, &[other]),
        },
        Combinator::If | Combinator::OrDefault | Combinator::OrNull | Combinator::Distinct => result_type(def, before, args),
    }
}
