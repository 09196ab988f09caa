//! Scalar functions over one row at a time.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use jiff::tz::TimeZone;

use super::calendar::Fast;
use super::datum::{Datum, read, write};
use super::registry::RowDef;
use super::types::Returns;
use super::{FunctionContext, WeekStart, zone_named};

/// What a row function sees beside its arguments.
#[derive(Clone, Debug)]
pub(super) struct Env {
    /// Types of the arguments.
    pub(super) types: Vec<DataType>,
    /// Type of the result.
    pub(super) returns: DataType,
    /// The project's zone.
    pub(super) zone: TimeZone,
    /// Zone of the first argument that is a time: the project's, unless `toTimeZone` set another.
    pub(super) time_zone: TimeZone,
    pub(super) week_start: WeekStart,
}

impl Env {
    /// Where nothing depends on types or zones.
    pub(super) fn plain() -> Self {
        Env { types: Vec::new(), returns: DataType::Null, zone: TimeZone::UTC, time_zone: TimeZone::UTC, week_start: WeekStart::Sunday }
    }

    pub(super) fn new(types: Vec<DataType>, returns: DataType, context: &FunctionContext) -> Self {
        let zone = context.zone();
        let named = types.iter().find_map(|data_type| match data_type {
            DataType::Timestamp(_, named) => named.as_deref(),
            _ => None,
        });
        let time_zone = named.filter(|named| *named != "UTC").and_then(zone_named).unwrap_or_else(|| zone.clone());
        Env { types, returns, zone, time_zone, week_start: context.week_start }
    }
}

/// One row in, one value out.
pub(super) type RowFn = for<'a> fn(&[Datum<'a>], &Env) -> Datum<'a>;

/// A function of ours as DataFusion sees it: everything about types is settled when it is built.
#[derive(Debug)]
pub(super) struct RowFunction {
    pub(super) name: &'static str,
    pub(super) row: RowFn,
    /// NULL in any argument gives NULL without asking `row`.
    pub(super) strict: bool,
    fast: Option<Fast>,
    /// The result is an array of texts or numbers of its own making.
    plain_items: bool,
    pub(super) env: Env,
    signature: Signature,
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.env.types == other.env.types && self.env.returns == other.env.returns
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.env.types.hash(state);
        self.env.returns.hash(state);
    }
}

impl RowFunction {
    /// A call of the function.
    pub(super) fn call(def: &RowDef, env: Env, args: Vec<Expr>) -> Expr {
        let RowDef { name, row, strict, fast, returns, .. } = *def;
        let plain_items = matches!(returns, Returns::Texts | Returns::Ints);
        let signature = Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Immutable);
        let function = RowFunction { name, row, strict, fast, plain_items, env, signature };
        ScalarUDF::from(function).call(args)
    }

    fn rows(&self, arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(rows);
        let mut args = Vec::with_capacity(arrays.len());
        for row in 0..rows {
            args.clear();
            // A constant has one row that stands for all.
            args.extend(arrays.iter().map(|array| read(array.as_ref(), if array.len() == 1 { 0 } else { row })));
            let is_null = self.strict && args.iter().any(Datum::is_null);
            values.push(if is_null { Datum::Null } else { (self.row)(&args, &self.env) });
        }
        Ok(write(&self.env.returns, &values)?)
    }

    /// The only column of a call whose other arguments are constants, if it is a dictionary: the function runs once per distinct value then.
    fn dictionary_of(args: &[ColumnarValue]) -> Option<(usize, &DictionaryArray<Int32Type>)> {
        let mut columns = args.iter().enumerate().filter_map(|(place, arg)| match arg {
            ColumnarValue::Array(array) => Some((place, array)),
            ColumnarValue::Scalar(_) => None,
        });
        let (place, array) = columns.next()?;
        let dictionary = array.as_dictionary_opt::<Int32Type>()?;
        // A slice of few rows keeps the whole dictionary; then the rows are fewer.
        (columns.next().is_none() && dictionary.values().len() <= dictionary.len()).then_some((place, dictionary))
    }
}

/// Whether the function gives an array of texts or numbers of its own making, as `range` and `splitByChar` do: there is no NULL in it.
pub(super) fn has_plain_items(function: &dyn ScalarUDFImpl) -> bool {
    let any: &dyn std::any::Any = function;
    any.downcast_ref::<RowFunction>().is_some_and(|function| function.plain_items)
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.env.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let column = match (self.fast, args.args.as_slice()) {
            (Some(fast), [ColumnarValue::Array(array)]) => fast.run(array, &self.env),
            // `toStartOfWeek(time, mode)`
            (Some(fast), [ColumnarValue::Array(array), ColumnarValue::Scalar(ScalarValue::Int64(Some(mode)))]) => {
                fast.with_mode(*mode).and_then(|fast| fast.run(array, &self.env))
            }
            _ => None,
        };
        if let Some(column) = column {
            return Ok(ColumnarValue::Array(column));
        }
        let all_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = |columns: &[ColumnarValue]| -> Result<Vec<ArrayRef>> {
            columns
                .iter()
                .map(|column| match column {
                    ColumnarValue::Array(array) => Ok(Arc::clone(array)),
                    ColumnarValue::Scalar(scalar) => scalar.to_array(),
                })
                .collect()
        };
        if all_constant {
            let value = self.rows(&arrays(&args.args)?, 1)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?));
        }
        if self.strict
            && let Some((place, dictionary)) = Self::dictionary_of(&args.args)
        {
            let mut inputs = arrays(&args.args)?;
            inputs[place] = Arc::clone(dictionary.values());
            let values = self.rows(&inputs, dictionary.values().len())?;
            return Ok(ColumnarValue::Array(take(&values, dictionary.keys(), None)?));
        }
        Ok(ColumnarValue::Array(self.rows(&arrays(&args.args)?, rows)?))
    }
}
