//! Tuples.

use arrow::datatypes::DataType;

use super::datum::{Datum, saturating_int};
use super::registry::{ANY, RewriteDef, RowDef, row, row_call_typed};
use super::types::Returns::{Float, Of, Same};
use super::types::{common, item_of, list_of, plain, tuple_of};
use super::{Argument, Built, FunctionContext, FunctionError};

fn items<'d, 'a>(args: &'d [Datum<'a>], place: usize) -> &'d [Datum<'a>] {
    args.get(place).and_then(Datum::as_list).unwrap_or_default()
}

fn fields(data_type: &DataType) -> Vec<DataType> {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| plain(field.data_type())).collect(),
        other => vec![other.clone()],
    }
}

/// Item by item the common type of both.
fn both(args: &[DataType]) -> DataType {
    let (left, right) = (args.first().map(fields).unwrap_or_default(), args.get(1).map(fields).unwrap_or_default());
    let right = right.iter().cycle();
    tuple_of(left.iter().zip(right).map(|(a, b)| common(&[a.clone(), b.clone()])))
}

fn floats(args: &[DataType]) -> DataType {
    tuple_of(args.first().map(fields).unwrap_or_default().iter().map(|_| DataType::Float64))
}

fn joined(args: &[DataType]) -> DataType {
    tuple_of(args.iter().flat_map(fields))
}

/// Item by item; a number on the right goes with every item.
fn each<'a>(args: &[Datum<'a>], operation: fn(f64, f64) -> f64) -> Datum<'a> {
    let right = |place: usize| if args[1].as_list().is_some() { items(args, 1).get(place) } else { Some(&args[1]) };
    let one = |(place, left): (usize, &Datum<'a>)| {
        let Some(right) = right(place) else { return Datum::Null };
        match (left, right, left.as_float(), right.as_float()) {
            (Datum::Int(_), Datum::Int(_), Some(a), Some(b)) if operation(a, b).fract() == 0.0 => {
                Datum::Int(saturating_int(operation(a, b)))
            }
            (_, _, Some(a), Some(b)) => Datum::Float(operation(a, b)),
            _ => Datum::Null,
        }
    };
    Datum::Tuple(items(args, 0).iter().enumerate().map(one).collect())
}

fn norm(args: &[Datum<'_>], power: f64) -> f64 {
    items(args, 0).iter().filter_map(Datum::as_float).map(|x| x.abs().powf(power)).sum::<f64>().powf(1.0 / power)
}

pub(super) const ROWS: &[RowDef] = &[
    row("tuple", 0, ANY, Of(|args| tuple_of(args.iter().cloned())), |args, _| Datum::Tuple(args.to_vec())).lenient(),
    row("tupleConcat", 1, ANY, Of(joined), |args, _| Datum::Tuple(args.iter().filter_map(Datum::as_list).flatten().cloned().collect())),
    row("tuplePlus", 2, 2, Of(both), |args, _| each(args, |a, b| a + b)).also(&["vectorSum"]),
    row("tupleMinus", 2, 2, Of(both), |args, _| each(args, |a, b| a - b)).also(&["vectorDifference"]),
    row("tupleMultiply", 2, 2, Of(both), |args, _| each(args, |a, b| a * b)).also(&["tupleMultiplyByNumber"]),
    row("tupleDivide", 2, 2, Of(floats), |args, _| each(args, |a, b| a / b)).also(&["tupleDivideByNumber"]),
    row("tupleModulo", 2, 2, Of(both), |args, _| each(args, |a, b| a % b)).also(&["tupleModuloByNumber"]),
    row("tupleIntDiv", 2, 2, Of(both), |args, _| each(args, |a, b| (a / b).trunc())).also(&["tupleIntDivByNumber"]),
    row("tupleNegate", 1, 1, Same(0), |args, _| each(&[args[0].clone(), Datum::Int(-1)], |a, b| a * b)),
    row("tupleHammingDistance", 2, 2, super::types::Returns::Count, |args, _| {
        items(args, 0).iter().zip(items(args, 1)).filter(|(a, b)| !super::array::same(a, b)).count().into()
    }),
    row("tupleToNameValuePairs", 1, 1, Of(pairs_type), |args, _| {
        let pair = |(place, item): (usize, &Datum<'_>)| Datum::Tuple(vec![(place + 1).to_string().into(), item.clone().into_owned()]);
        Datum::List(items(args, 0).iter().enumerate().map(pair).collect())
    }),
    row("dotProduct", 2, 2, Float, |args, _| {
        items(args, 0).iter().zip(items(args, 1)).filter_map(|(a, b)| Some(a.as_float()? * b.as_float()?)).sum::<f64>().into()
    })
    .also(&["scalarProduct"]),
    row("L1Norm", 1, 1, Float, |args, _| norm(args, 1.0).into()),
    row("L2Norm", 1, 1, Float, |args, _| norm(args, 2.0).into()),
    row("LinfNorm", 1, 1, Float, |args, _| items(args, 0).iter().filter_map(Datum::as_float).map(f64::abs).fold(0.0, f64::max).into()),
];

pub(super) const REWRITES: &[RewriteDef] = &[RewriteDef { name: "tupleElement", aliases: &[], min: 2, max: 3, build: tuple_element }];

fn pairs_type(args: &[DataType]) -> DataType {
    let inner = args.first().map(fields).unwrap_or_default();
    list_of(tuple_of([DataType::Utf8, common(&inner)]))
}

/// `tupleElement(tuple, position)`; the position must be a constant, since it decides the type.
fn tuple_element(name: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DEF: RowDef = row("tupleElement", 2, 3, Same(0), |args, _| {
        let position = args[1].as_int().and_then(|position| usize::try_from(position).ok());
        position.and_then(|position| items(args, 0).get(position.checked_sub(1)?)).cloned().unwrap_or_default()
    });
    // of an array of tuples: the array of their items
    const EACH: RowDef = row("tupleElement", 2, 3, Same(0), |args, _| {
        let position = args[1].as_int().and_then(|position| usize::try_from(position).ok()?.checked_sub(1));
        let tuples = args[0].as_list().unwrap_or_default();
        Datum::List(tuples.iter().map(|tuple| position.and_then(|at| tuple.as_list()?.get(at).cloned()).unwrap_or_default()).collect())
    });
    let position = args[1].int().or_else(|| args[1].text().and_then(|name| name.parse().ok()));
    let outer = plain(&args[0].data_type);
    let inner = fields(&item_of(&outer));
    let chosen = position.and_then(|position| inner.get(usize::try_from(position - 1).ok()?).cloned());
    match (outer, chosen) {
        (DataType::Struct(_), Some(data_type)) => Ok(row_call_typed(&DEF, data_type, args, context)),
        (DataType::List(_), Some(data_type)) => Ok(row_call_typed(&EACH, list_of(data_type), args, context)),
        (other, _) => Err(FunctionError::Argument {
            name: name.to_owned(),
            position: 2,
            expected: "a position in the tuple",
            found: format!("another position of {}", super::types::name_of(&other)),
        }),
    }
}
