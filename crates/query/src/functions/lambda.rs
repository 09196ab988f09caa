//! Functions that take lambdas: `arrayMap(x -> x * 2, list)`.
//!
//! In: `Expr::Lambda` as the first argument, then arrays of one length. The body is evaluated once for a whole batch, over the items of all rows;
//! what it gives is put together row by row in [`Shape::combine`]. Without a lambda (`arraySum(list)`) the items stand for its results.
//!
//! # Invariants
//! - Parameters of lambdas are nullable fields of the types that [`parameters`] gives.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take, take_arrays};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::exec_datafusion_err;
use datafusion::logical_expr::expr::HigherOrderFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature, HigherOrderUDF, HigherOrderUDFImpl,
    LambdaArgument, LambdaParametersProgress, ValueOrLambda, Volatility,
};

use super::array::{absent_item, default_of};
use super::conditional::truth;
use super::datum::{Datum, read, saturating_int, write};
use super::registry::{ANY, RowDef, row, row_call_typed};
use super::types::{Returns, common, item_of, list_of, map_of, map_parts, plain};
use super::{Argument, Built, FunctionContext, FunctionError, Shown};

/// A function that takes a lambda.
pub(super) struct LambdaDef {
    pub(super) name: &'static str,
    pub(super) min: usize,
    pub(super) max: usize,
    shape: Shape,
}

/// What becomes of the lambda's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    Map,
    Filter,
    Exists,
    All,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Product,
    First,
    Last,
    FirstOrNull,
    LastOrNull,
    FirstIndex,
    LastIndex,
    Sort,
    ReverseSort,
    CumSum,
    Difference,
    Fill,
    ReverseFill,
    Split,
    ReverseSplit,
    Fold,
    MapApply,
    MapFilter,
    MapExists,
    MapAll,
}

const fn takes(name: &'static str, min: usize, max: usize, shape: Shape) -> LambdaDef {
    LambdaDef { name, min, max, shape }
}

pub(super) const LAMBDAS: &[LambdaDef] = &[
    takes("arrayMap", 2, ANY, Shape::Map),
    takes("arrayFilter", 2, ANY, Shape::Filter),
    takes("arrayExists", 1, ANY, Shape::Exists),
    takes("arrayAll", 1, ANY, Shape::All),
    takes("arrayCount", 1, ANY, Shape::Count),
    takes("arraySum", 1, ANY, Shape::Sum),
    takes("arrayAvg", 1, ANY, Shape::Avg),
    takes("arrayMin", 1, ANY, Shape::Min),
    takes("arrayMax", 1, ANY, Shape::Max),
    takes("arrayProduct", 1, ANY, Shape::Product),
    takes("arrayFirst", 2, ANY, Shape::First),
    takes("arrayLast", 2, ANY, Shape::Last),
    takes("arrayFirstOrNull", 2, ANY, Shape::FirstOrNull),
    takes("arrayLastOrNull", 2, ANY, Shape::LastOrNull),
    takes("arrayFirstIndex", 2, ANY, Shape::FirstIndex),
    takes("arrayLastIndex", 2, ANY, Shape::LastIndex),
    takes("arraySort", 1, ANY, Shape::Sort),
    takes("arrayReverseSort", 1, ANY, Shape::ReverseSort),
    takes("arrayCumSum", 1, ANY, Shape::CumSum),
    takes("arrayDifference", 1, ANY, Shape::Difference),
    takes("arrayFill", 2, ANY, Shape::Fill),
    takes("arrayReverseFill", 2, ANY, Shape::ReverseFill),
    takes("arraySplit", 2, ANY, Shape::Split),
    takes("arrayReverseSplit", 2, ANY, Shape::ReverseSplit),
    takes("arrayFold", 3, ANY, Shape::Fold),
    takes("mapApply", 2, 2, Shape::MapApply),
    takes("mapFilter", 2, 2, Shape::MapFilter),
    takes("mapExists", 2, 2, Shape::MapExists),
    takes("mapAll", 2, 2, Shape::MapAll),
];

/// Types of a lambda's `count` parameters; `args` are the types of the arguments, `None` for the lambda.
pub(super) fn parameters(def: &LambdaDef, count: usize, args: &[Option<DataType>]) -> Result<Vec<DataType>, FunctionError> {
    let values: Vec<DataType> = args.iter().flatten().map(plain).collect();
    let wrong = |found: String| FunctionError::Argument {
        name: def.name.to_owned(),
        position: 1,
        expected: "a lambda with one parameter for each array",
        found,
    };
    let given = || format!("one with {count}");
    if def.shape == Shape::Fold {
        let (start, lists) = values.split_last().ok_or_else(|| wrong(given()))?;
        let types: Vec<DataType> = [start.clone()].into_iter().chain(lists.iter().map(item_of)).collect();
        return if types.len() == count { Ok(types) } else { Err(wrong(given())) };
    }
    if let [map @ DataType::Map(..)] = values.as_slice() {
        let (key, value) = map_parts(map).ok_or_else(|| wrong(given()))?;
        return if count == 2 { Ok(vec![key, value]) } else { Err(wrong(given())) };
    }
    // A lambda of several parameters takes the tuples of one array apart.
    if let ([only], true) = (values.as_slice(), count > 1) {
        return match item_of(only) {
            DataType::Struct(fields) if fields.len() == count => Ok(fields.iter().map(|field| plain(field.data_type())).collect()),
            _ => Err(wrong(given())),
        };
    }
    if values.len() == count { Ok(values.iter().map(item_of).collect()) } else { Err(wrong(given())) }
}

/// Builds a call. The body of a lambda that must be a condition is made one.
pub(super) fn build(def: &'static LambdaDef, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    let Expr::Lambda(mut lambda) = args[0].expr.clone() else { return without_lambda(def, args, context) };
    let mut body_type = plain(&args[0].data_type);
    if def.shape.is_condition() && body_type != DataType::Boolean {
        let body = Argument { expr: *lambda.body, data_type: body_type, nullable: args[0].nullable };
        lambda.body = Box::new(truth(&body));
        body_type = DataType::Boolean;
    }
    let values = args.split_off(1);
    let types: Vec<DataType> = values.iter().map(|arg| plain(&arg.data_type)).collect();
    let param_count = lambda.params.len();
    let mut exprs = vec![Expr::Lambda(lambda)];
    exprs.extend(values.iter().zip(&types).map(|(arg, data_type)| {
        if arg.data_type == *data_type { arg.expr.clone() } else { datafusion::logical_expr::cast(arg.expr.clone(), data_type.clone()) }
    }));
    let data_type = def.shape.result_type(&types, &body_type);
    let known: Vec<Option<DataType>> = types.into_iter().map(Some).collect();
    let params = parameters(def, param_count, &known)?;
    let function = LambdaFunction {
        name: def.name,
        shape: def.shape,
        params,
        returns: data_type.clone(),
        signature: HigherOrderSignature::variadic_any(Volatility::Immutable),
    };
    let expr = Expr::HigherOrderFunction(HigherOrderFunction::new(Arc::new(HigherOrderUDF::new_from_impl(function)), exprs));
    Ok(Built { expr, data_type, nullable: true, shown: def.shape.shown() })
}

/// `arraySum(list)`: every item is its own result.
fn without_lambda(def: &'static LambdaDef, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    macro_rules! rows {
        ($($shape:ident $name:literal),*) => {
            match def.shape {
                $(Shape::$shape => {
                    const DEF: RowDef = row($name, 1, ANY, Returns::Same(0), |args, env| {
                        let items = args[0].as_list().unwrap_or_default();
                        Shape::$shape.combine(items, items, &env.returns)
                    });
                    Some(&DEF)
                })*
                _ => None,
            }
        };
    }
    let def_of_rows: Option<&RowDef> = rows!(
        Exists "arrayExists", All "arrayAll", Count "arrayCount", Sum "arraySum", Avg "arrayAvg", Min "arrayMin", Max "arrayMax",
        Product "arrayProduct", Sort "arraySort", ReverseSort "arrayReverseSort", CumSum "arrayCumSum", Difference "arrayDifference"
    );
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    match def_of_rows {
        Some(row_def) => {
            let data_type = def.shape.result_type(&types, &item_of(&types[0]));
            let built = row_call_typed(row_def, data_type, args, context);
            Ok(Built { shown: def.shape.shown(), ..built })
        }
        None => Err(FunctionError::Argument {
            name: def.name.to_owned(),
            position: 1,
            expected: "a lambda",
            found: super::types::name_of(&types[0]),
        }),
    }
}

fn number_type(body: &DataType) -> DataType {
    if body.is_integer() || *body == DataType::Boolean { DataType::Int64 } else { DataType::Float64 }
}

impl Shape {
    /// Whether the lambda is a condition.
    fn is_condition(self) -> bool {
        use Shape::*;
        matches!(
            self,
            Filter
                | Exists
                | All
                | Count
                | First
                | Last
                | FirstOrNull
                | LastOrNull
                | FirstIndex
                | LastIndex
                | Fill
                | ReverseFill
                | Split
                | ReverseSplit
                | MapFilter
                | MapExists
                | MapAll
        )
    }

    fn shown(self) -> Shown {
        match self {
            Shape::Exists | Shape::All | Shape::MapExists | Shape::MapAll => Shown::Flag,
            Shape::Count | Shape::FirstIndex | Shape::LastIndex => Shown::Count,
            _ => Shown::Plain,
        }
    }

    fn result_type(self, values: &[DataType], body: &DataType) -> DataType {
        let first = values.first().cloned().unwrap_or(DataType::Null);
        match self {
            Shape::Map => list_of(body.clone()),
            Shape::Exists | Shape::All | Shape::MapExists | Shape::MapAll => DataType::Boolean,
            Shape::Count | Shape::FirstIndex | Shape::LastIndex => DataType::Int64,
            Shape::Sum => number_type(body),
            Shape::Avg | Shape::Product => DataType::Float64,
            Shape::Min | Shape::Max => body.clone(),
            Shape::First | Shape::Last | Shape::FirstOrNull | Shape::LastOrNull => item_of(&first),
            Shape::CumSum | Shape::Difference => list_of(number_type(body)),
            Shape::Split | Shape::ReverseSplit => list_of(first),
            Shape::Fold => {
                let start = values.last().cloned().unwrap_or(DataType::Null);
                if start.is_integer() && body.is_floating() { common(&[start, body.clone()]) } else { start }
            }
            Shape::MapApply => match body {
                DataType::Struct(fields) if fields.len() == 2 => map_of(plain(fields[0].data_type()), plain(fields[1].data_type())),
                _ => first,
            },
            Shape::Filter | Shape::Sort | Shape::ReverseSort | Shape::Fill | Shape::ReverseFill | Shape::MapFilter => first,
        }
    }

    /// The result for one row from the items of the first array and what the lambda gave for them.
    fn combine<'a>(self, items: &[Datum<'a>], results: &[Datum<'a>], returns: &DataType) -> Datum<'a> {
        let hits = || results.iter().map(Datum::is_true);
        let item = |place: Option<usize>| place.and_then(|place| items.get(place)).cloned();
        let values = || results.iter().filter_map(Datum::as_float);
        match self {
            Shape::Map => Datum::List(results.to_vec()),
            Shape::Filter => Datum::List(items.iter().zip(hits()).filter(|(_, hit)| *hit).map(|(item, _)| item.clone()).collect()),
            Shape::Exists | Shape::MapExists => hits().any(|hit| hit).into(),
            Shape::All | Shape::MapAll => hits().all(|hit| hit).into(),
            Shape::Count => hits().filter(|hit| *hit).count().into(),
            // whole numbers are added as such: a float would lose their last digits
            Shape::Sum if returns.is_integer() => Datum::Int(results.iter().filter_map(Datum::as_int).fold(0, i64::wrapping_add)),
            Shape::Sum => Datum::Float(values().fold(0.0, |sum, value| sum + value)),
            Shape::Avg => {
                let count = values().fold(0.0, |count, _| count + 1.0);
                (values().sum::<f64>() / count).into()
            }
            Shape::Product => values().product::<f64>().into(),
            Shape::Min => {
                results.iter().filter(|value| !value.is_null()).min_by(|a, b| a.compare(b)).cloned().unwrap_or_else(|| default_of(returns))
            }
            Shape::Max => {
                results.iter().filter(|value| !value.is_null()).max_by(|a, b| a.compare(b)).cloned().unwrap_or_else(|| default_of(returns))
            }
            Shape::First => item(hits().position(|hit| hit)).unwrap_or_else(|| absent_item(items, returns)),
            Shape::FirstOrNull => item(hits().position(|hit| hit)).unwrap_or_default(),
            Shape::Last => item(results.iter().rposition(Datum::is_true)).unwrap_or_else(|| absent_item(items, returns)),
            Shape::LastOrNull => item(results.iter().rposition(Datum::is_true)).unwrap_or_default(),
            Shape::FirstIndex => hits().position(|hit| hit).map_or(0, |place| place + 1).into(),
            Shape::LastIndex => results.iter().rposition(Datum::is_true).map_or(0, |place| place + 1).into(),
            Shape::Sort | Shape::ReverseSort => sorted(items, results, self == Shape::ReverseSort),
            Shape::CumSum | Shape::Difference => running(results, self == Shape::CumSum, &item_of(returns)),
            Shape::Fill | Shape::ReverseFill => filled(items, results, self == Shape::ReverseFill),
            Shape::Split | Shape::ReverseSplit => split(items, results, self == Shape::Split),
            Shape::Fold | Shape::MapApply | Shape::MapFilter => Datum::Null,
        }
    }
}

/// NULL and NaN come last in either direction.
fn sorted<'a>(items: &[Datum<'a>], keys: &[Datum<'a>], reverse: bool) -> Datum<'a> {
    let mut places: Vec<usize> = (0..items.len()).collect();
    places.sort_by(|a, b| {
        let (a, b) = (&keys[*a], &keys[*b]);
        let order = a.compare(b);
        if reverse && !a.is_null() && !b.is_null() { order.reverse() } else { order }
    });
    Datum::List(places.into_iter().map(|place| items[place].clone()).collect())
}

/// Running sums, or differences from the item before (the first is 0).
fn running<'a>(values: &[Datum<'a>], sums: bool, item: &DataType) -> Datum<'a> {
    let (mut total, mut last) = (0.0, None);
    let step = |value: &Datum<'a>| {
        let value = value.as_float().unwrap_or(0.0);
        total += value;
        let difference = last.map_or(0.0, |last| value - last);
        last = Some(value);
        let shown = if sums { total } else { difference };
        if item.is_integer() { Datum::Int(saturating_int(shown)) } else { Datum::Float(shown) }
    };
    Datum::List(values.iter().map(step).collect())
}

/// Items for which the condition fails are replaced by the one before (or after).
fn filled<'a>(items: &[Datum<'a>], hits: &[Datum<'a>], reverse: bool) -> Datum<'a> {
    let mut out = items.to_vec();
    let order: Vec<usize> = if reverse { (0..items.len()).rev().collect() } else { (0..items.len()).collect() };
    for pair in order.windows(2) {
        if !hits[pair[1]].is_true() {
            out[pair[1]] = out[pair[0]].clone();
        }
    }
    Datum::List(out)
}

/// Cut before (or after) each item for which the condition holds.
fn split<'a>(items: &[Datum<'a>], hits: &[Datum<'a>], before: bool) -> Datum<'a> {
    let mut parts: Vec<Vec<Datum<'a>>> = Vec::new();
    let mut open = false;
    for (item, hit) in items.iter().zip(hits) {
        if !open || (before && hit.is_true()) {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(item.clone());
        }
        open = before || !hit.is_true();
    }
    Datum::List(parts.into_iter().map(Datum::List).collect())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LambdaFunction {
    name: &'static str,
    shape: Shape,
    /// Types of the lambda's parameters.
    params: Vec<DataType>,
    returns: DataType,
    signature: HigherOrderSignature,
}

fn field(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

impl HigherOrderUDFImpl for LambdaFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(&self, _: usize, _: &[ValueOrLambda<FieldRef, Option<FieldRef>>]) -> Result<LambdaParametersProgress> {
        Ok(LambdaParametersProgress::Complete(vec![self.params.iter().cloned().map(field).collect()]))
    }

    fn return_field_from_args(&self, _: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(field(self.returns.clone()))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut lambda = None;
        let mut values: Vec<ArrayRef> = Vec::new();
        for arg in &args.args {
            match arg {
                ValueOrLambda::Lambda(found) => lambda = Some(found),
                ValueOrLambda::Value(value) => values.push(value.to_array(rows)?),
            }
        }
        let lambda = lambda.ok_or_else(|| exec_datafusion_err!("{} was called without its lambda", self.name))?;
        let result = match self.shape {
            Shape::Fold => self.fold(lambda, &values, rows)?,
            Shape::MapApply | Shape::MapFilter | Shape::MapExists | Shape::MapAll => self.over_maps(lambda, &values, rows)?,
            _ => self.over_lists(lambda, &values, rows)?,
        };
        Ok(ColumnarValue::Array(result))
    }
}

/// Items of all rows, one after the other.
struct Flat {
    /// Items of each row.
    lengths: Vec<usize>,
    /// The row of each item.
    rows: UInt32Array,
    /// For each array, the items.
    items: Vec<ArrayRef>,
}

fn flat(values: &[ArrayRef], rows: usize) -> Result<Flat> {
    let lists: Vec<&ListArray> = values.iter().filter_map(|array| array.as_list_opt::<i32>()).collect();
    let range = |list: &ListArray, row: usize| {
        let offsets = list.value_offsets();
        if list.is_null(row) { 0..0 } else { u32::try_from(offsets[row]).unwrap_or(0)..u32::try_from(offsets[row + 1]).unwrap_or(0) }
    };
    let lengths: Vec<usize> = (0..rows).map(|row| lists.first().map_or(0, |list| range(list, row).len())).collect();
    let row_of: UInt32Array = lengths.iter().zip(0_u32..).flat_map(|(length, row)| std::iter::repeat_n(row, *length)).collect();
    let mut items = Vec::with_capacity(lists.len());
    for list in &lists {
        let mut places: Vec<Option<u32>> = Vec::new();
        for (row, length) in lengths.iter().enumerate() {
            let here = range(list, row);
            places.extend(
                (0..*length).map(|place| u32::try_from(place).ok().map(|place| here.start + place).filter(|place| *place < here.end)),
            );
        }
        items.push(take(list.values(), &UInt32Array::from(places), None)?);
    }
    Ok(Flat { lengths, rows: row_of, items })
}

impl LambdaFunction {
    /// The lambda's result for each item.
    fn evaluate(lambda: &LambdaArgument, params: &[ArrayRef], row_of: &UInt32Array, count: usize) -> Result<ArrayRef> {
        let closures: Vec<Box<dyn Fn() -> Result<ArrayRef>>> = params
            .iter()
            .map(|param| {
                let param = Arc::clone(param);
                Box::new(move || Ok(Arc::clone(&param))) as Box<dyn Fn() -> Result<ArrayRef>>
            })
            .collect();
        let borrowed: Vec<&dyn Fn() -> Result<ArrayRef>> = closures.iter().map(AsRef::as_ref).collect();
        lambda.evaluate(&borrowed, |captured| Ok(take_arrays(captured, row_of, None)?))?.into_array(count)
    }

    fn over_lists(&self, lambda: &LambdaArgument, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Flat { lengths, rows: row_of, items } = flat(values, rows)?;
        // Tuples of one array are taken apart for a lambda of several parameters.
        let params = match items.as_slice() {
            [only] if self.params.len() > 1 => only.as_struct().columns().to_vec(),
            _ => items.clone(),
        };
        let results = Self::evaluate(lambda, &params, &row_of, row_of.len())?;
        let nulls = values.first().and_then(|array| array.nulls().cloned());
        if let (Shape::Map, DataType::List(item)) = (self.shape, &self.returns) {
            let results = if results.data_type() == item.data_type() { results } else { cast(&results, item.data_type())? };
            return Ok(Arc::new(ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), results, nulls)?));
        }
        let Some(first) = items.first() else { return Err(exec_datafusion_err!("{} was called without an array", self.name)) };
        let mut at = 0;
        let mut out = Vec::with_capacity(rows);
        for (row, length) in lengths.iter().enumerate() {
            let range = at..at + length;
            at = range.end;
            if values.first().is_some_and(|array| array.is_null(row)) {
                out.push(Datum::Null);
                continue;
            }
            let of = |array: &'_ ArrayRef| -> Vec<Datum<'static>> {
                range.clone().map(|place| read(array.as_ref(), place).into_owned()).collect()
            };
            out.push(self.shape.combine(&of(first), &of(&results), &self.returns));
        }
        Ok(write(&self.returns, &out)?)
    }

    fn over_maps(&self, lambda: &LambdaArgument, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let map: &MapArray = values.first().map(|array| array.as_map()).ok_or_else(|| exec_datafusion_err!("{} needs a map", self.name))?;
        let as_list = |column: &ArrayRef| -> Result<ArrayRef> {
            let item = Arc::new(Field::new("item", column.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(item, map.offsets().clone(), Arc::clone(column), map.nulls().cloned())?))
        };
        let Flat { lengths, rows: row_of, items } = flat(&[as_list(map.keys())?, as_list(map.values())?], rows)?;
        let results = Self::evaluate(lambda, &items, &row_of, row_of.len())?;
        let mut at = 0;
        let mut out = Vec::with_capacity(rows);
        for length in lengths {
            let range = at..at + length;
            at = range.end;
            let of = |array: &ArrayRef, place: usize| read(array.as_ref(), place).into_owned();
            let found: Vec<Datum<'static>> = range.clone().map(|place| of(&results, place)).collect();
            out.push(match self.shape {
                Shape::MapExists | Shape::MapAll => self.shape.combine(&found, &found, &self.returns),
                Shape::MapFilter => {
                    let kept = range.zip(&found).filter(|(_, hit)| hit.is_true());
                    Datum::Map(kept.map(|(place, _)| (of(&items[0], place), of(&items[1], place))).collect())
                }
                _ => Datum::Map(
                    found
                        .into_iter()
                        .filter_map(|pair| pair.as_list().and_then(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))))
                        .collect(),
                ),
            });
        }
        Ok(write(&self.returns, &out)?)
    }

    /// `arrayFold((acc, x) -> …, list, start)`: one evaluation for each position, over all rows that have one.
    fn fold(&self, lambda: &LambdaArgument, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Some((start, lists)) = values.split_last() else { return Err(exec_datafusion_err!("{} needs a start", self.name)) };
        let Flat { lengths, items, .. } = flat(lists, rows)?;
        let starts: Vec<usize> = lengths.iter().scan(0, |at, length| Some(std::mem::replace(at, *at + length))).collect();
        let mut held: Vec<Datum<'static>> = (0..rows).map(|row| read(start.as_ref(), row).into_owned()).collect();
        for place in 0..lengths.iter().copied().max().unwrap_or(0) {
            let active: Vec<usize> = (0..rows).filter(|row| lengths[*row] > place).collect();
            let index = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            let row_of: UInt32Array = active.iter().map(|row| index(*row)).collect();
            let picks: UInt32Array = active.iter().map(|row| index(starts[*row] + place)).collect();
            let so_far: Vec<Datum<'_>> = active.iter().map(|row| held[*row].clone()).collect();
            let mut params = vec![write(start.data_type(), &so_far)?];
            params.extend(take_arrays(&items, &picks, None)?);
            let results = Self::evaluate(lambda, &params, &row_of, active.len())?;
            for (at, row) in active.into_iter().enumerate() {
                held[row] = read(results.as_ref(), at).into_owned();
            }
        }
        Ok(write(&self.returns, &held)?)
    }
}
