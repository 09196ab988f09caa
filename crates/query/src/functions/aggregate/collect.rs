//! Aggregates that keep the rows of a group and work at the end.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, TypeSignature, Volatility};

use super::finish::Rows;
use super::{AggregateDef, Combinator};
use crate::functions::array::{distinct, same};
use crate::functions::datum::{Datum, read, write};
use crate::functions::types::{list_of, tuple_of};
use crate::functions::{Argument, CallOptions};

/// What the end of an aggregate knows.
#[derive(Clone, Debug)]
pub(super) struct CollectCall {
    pub(super) params: Vec<ScalarValue>,
    pub(super) returns: DataType,
}

impl CollectCall {
    /// A parameter as a number.
    pub(super) fn param(&self, place: usize) -> Option<f64> {
        let scalar = self.params.get(place)?.to_array().ok()?;
        read(scalar.as_ref(), 0).as_float()
    }

    /// Parameters that are texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.params.iter().filter_map(|param| match param {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
            _ => None,
        })
    }

    /// All parameters as numbers.
    pub(super) fn numbers(&self) -> Vec<f64> {
        (0..self.params.len()).filter_map(|place| self.param(place)).collect()
    }
}

/// An aggregate as DataFusion sees it: everything about types is settled when it is built.
pub(super) struct CollectFunction {
    def: &'static AggregateDef,
    combinators: Vec<Combinator>,
    types: Vec<DataType>,
    distinct: bool,
    call: CollectCall,
    signature: Signature,
}

impl std::fmt::Debug for CollectFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectFunction").field("name", &self.def.name).field("call", &self.call).finish_non_exhaustive()
    }
}

impl PartialEq for CollectFunction {
    fn eq(&self, other: &Self) -> bool {
        self.def.name == other.def.name
            && self.combinators == other.combinators
            && self.types == other.types
            && self.distinct == other.distinct
            && self.call.params == other.call.params
            && self.call.returns == other.call.returns
    }
}

impl Eq for CollectFunction {}

impl Hash for CollectFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.def.name, &self.combinators, &self.types, self.distinct, &self.call.params).hash(state);
    }
}

impl CollectFunction {
    /// A call of the function.
    pub(super) fn call(
        def: &'static AggregateDef,
        combinators: Vec<Combinator>,
        returns: DataType,
        types: Vec<DataType>,
        args: Vec<Argument>,
        options: CallOptions,
    ) -> Expr {
        let signature = Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Immutable);
        let call = CollectCall { params: options.params, returns };
        let function = CollectFunction { def, combinators, types, distinct: options.distinct, call, signature };
        let args = args.into_iter().map(|arg| arg.expr).collect();
        let filter = options.filter.map(Box::new);
        let function = Arc::new(AggregateUDF::from(function));
        Expr::AggregateFunction(AggregateFunction::new_udf(function, args, false, filter, options.order_by, None))
    }

    fn row_type(&self) -> DataType {
        tuple_of(self.types.iter().cloned())
    }
}

impl AggregateUDFImpl for CollectFunction {
    fn name(&self) -> &str {
        self.def.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.call.returns.clone())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[rows]", args.name), list_of(self.row_type()), true))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Collector {
            def: self.def,
            combinators: self.combinators.clone(),
            row_type: self.row_type(),
            distinct: self.distinct,
            call: self.call.clone(),
            rows: Vec::new(),
            bytes: 0,
        }))
    }
}

/// The rows of one group.
struct Collector {
    def: &'static AggregateDef,
    combinators: Vec<Combinator>,
    row_type: DataType,
    distinct: bool,
    call: CollectCall,
    rows: Vec<Vec<Datum<'static>>>,
    /// Memory held by the rows, nearly.
    bytes: usize,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("name", &self.def.name).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Collector {
    fn push(&mut self, row: Vec<Datum<'static>>) {
        self.bytes += row.iter().map(weight).sum::<usize>() + size_of::<Vec<Datum<'static>>>();
        self.rows.push(row);
    }
}

/// Memory of a value, nearly.
fn weight(value: &Datum<'_>) -> usize {
    let inner = match value {
        Datum::Text(text) => text.len(),
        Datum::List(items) | Datum::Tuple(items) => items.iter().map(weight).sum(),
        Datum::Map(pairs) => pairs.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        _ => 0,
    };
    size_of::<Datum<'static>>() + inner
}

impl Accumulator for Collector {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        for row in 0..rows {
            let args: Vec<Datum<'static>> = values.iter().map(|column| read(column.as_ref(), row).into_owned()).collect();
            if !args.iter().any(Datum::is_null) {
                self.push(args);
            }
        }
        Ok(())
    }

    /// Frames of windows move forward, so the rows that leave are the oldest.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        let counted = (0..rows).filter(|row| !values.iter().any(|column| read(column.as_ref(), *row).is_null())).count();
        self.rows.drain(..counted.min(self.rows.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows: Vec<Datum<'_>> = std::mem::take(&mut self.rows).into_iter().map(Datum::Tuple).collect();
        let array = write(&list_of(self.row_type.clone()), &[Datum::List(rows)])?;
        Ok(vec![ScalarValue::try_from_array(&array, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        for state in 0..states.len() {
            let Datum::List(rows) = read(states.as_ref(), state).into_owned() else { continue };
            for row in rows {
                if let Datum::Tuple(row) = row {
                    self.push(row);
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Borrowed, not taken: a window asks again after the next row.
        let rows: Vec<Vec<Datum<'_>>> = if self.distinct {
            let all: Vec<Datum<'_>> = self.rows.iter().cloned().map(Datum::Tuple).collect();
            distinct(&all).into_iter().filter_map(|row| row.as_list().map(<[_]>::to_vec)).collect()
        } else {
            self.rows.clone()
        };
        let value = combined(self.def, &self.combinators, &rows, &self.call);
        let array = write(&self.call.returns, &[value])?;
        ScalarValue::try_from_array(&array, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}

/// An aggregate over the items of arrays.
pub(super) fn over_items<'a>(
    def: &AggregateDef,
    combinators: &[Combinator],
    lists: &[Datum<'a>],
    params: Vec<ScalarValue>,
    returns: &DataType,
) -> Datum<'a> {
    let call = CollectCall { params, returns: returns.clone() };
    let mut rows = exploded(&[lists.to_vec()]);
    for _ in combinators.iter().filter(|combinator| **combinator == Combinator::If) {
        rows.retain_mut(|row| row.pop().is_some_and(|condition| condition.is_true()));
    }
    if combinators.contains(&Combinator::Distinct) {
        let all: Vec<Datum<'a>> = rows.drain(..).map(Datum::Tuple).collect();
        rows = distinct(&all).into_iter().filter_map(|row| row.as_list().map(<[_]>::to_vec)).collect();
    }
    combined(def, combinators, &rows, &call)
}

/// The result of the aggregate with its combinators, innermost first.
fn combined<'a>(def: &AggregateDef, combinators: &[Combinator], rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    let Some((last, before)) = combinators.split_last() else { return (def.finish)(rows, call) };
    let of = |rows: &[Vec<Datum<'a>>]| combined(def, before, rows, call);
    match last {
        Combinator::Array => of(&exploded(rows)),
        Combinator::ForEach => {
            let width = rows.iter().map(|row| list(row).len()).max().unwrap_or(0);
            let column = |place: usize| -> Vec<Vec<Datum<'a>>> {
                rows.iter().filter_map(|row| row.iter().map(|arg| arg.as_list()?.get(place).cloned()).collect()).collect()
            };
            Datum::List((0..width).map(|place| of(&known(column(place)))).collect())
        }
        Combinator::Map => {
            let mut keys: Vec<Datum<'a>> = rows.iter().flat_map(|row| pairs(row).iter().map(|(key, _)| key.clone())).collect();
            keys.sort_by(Datum::compare);
            keys.dedup_by(|a, b| same(a, b));
            let values = |key: &Datum<'a>| -> Vec<Vec<Datum<'a>>> {
                rows.iter().flat_map(|row| pairs(row).iter().filter(|(k, _)| same(k, key)).map(|(_, value)| vec![value.clone()])).collect()
            };
            Datum::Map(keys.iter().map(|key| (key.clone(), of(&known(values(key))))).collect())
        }
        Combinator::ArgMin | Combinator::ArgMax => {
            let keys = rows.iter().filter_map(|row| row.last());
            let chosen = if *last == Combinator::ArgMin { keys.min_by(|a, b| a.compare(b)) } else { keys.max_by(|a, b| a.compare(b)) };
            let Some(chosen) = chosen else { return of(&[]) };
            let kept = rows.iter().filter(|row| row.last().is_some_and(|key| same(key, chosen)));
            of(&kept.map(|row| row[..row.len() - 1].to_vec()).collect::<Vec<_>>())
        }
        Combinator::State => Datum::List(rows.iter().cloned().map(Datum::Tuple).collect()),
        Combinator::Merge => {
            let inner = rows.iter().flat_map(|row| list(row).iter().filter_map(|state| state.as_list().map(<[_]>::to_vec)));
            of(&inner.collect::<Vec<_>>())
        }
        Combinator::If | Combinator::OrDefault | Combinator::OrNull | Combinator::Distinct => of(rows),
    }
}

fn list<'d, 'a>(row: &'d [Datum<'a>]) -> &'d [Datum<'a>] {
    row.first().and_then(Datum::as_list).unwrap_or_default()
}

fn pairs<'d, 'a>(row: &'d [Datum<'a>]) -> &'d [(Datum<'a>, Datum<'a>)] {
    match row.first() {
        Some(Datum::Map(pairs)) => pairs,
        _ => &[],
    }
}

fn known<'a>(rows: Vec<Vec<Datum<'a>>>) -> Vec<Vec<Datum<'a>>> {
    rows.into_iter().filter(|row| !row.iter().any(Datum::is_null)).collect()
}

/// A row for each position of the arrays in a row.
fn exploded<'a>(rows: Rows<'_, 'a>) -> Vec<Vec<Datum<'a>>> {
    let of_row = |row: &Vec<Datum<'a>>| -> Vec<Vec<Datum<'a>>> {
        let at =
            |place: usize| row.iter().map(|arg| arg.as_list().and_then(|items| items.get(place)).cloned().unwrap_or_default()).collect();
        (0..list(row).len()).map(at).collect()
    };
    known(rows.iter().flat_map(of_row).collect())
}
