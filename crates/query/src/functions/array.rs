//! Arrays. Functions that take lambdas are in `lambda.rs`; without one they are here or there alike.

use arrow::datatypes::DataType;

use super::datum::Datum;
use super::registry::{ANY, RewriteDef, RowDef, row, row_call_typed};
use super::text::{n, part_range};
use super::types::Returns::{Count, Flag, Ints, Of, Same};
use super::types::{common, item_of, list_of, map_parts, plain, tuple_of};
use super::udf::Env;
use super::{Argument, Built, FunctionContext, FunctionError};

fn items<'d, 'a>(args: &'d [Datum<'a>], place: usize) -> &'d [Datum<'a>] {
    args.get(place).and_then(Datum::as_list).unwrap_or_default()
}

fn contains(list: &[Datum<'_>], item: &Datum<'_>) -> bool {
    list.iter().any(|known| same(known, item))
}

/// Equal, NULL being equal to NULL.
pub(super) fn same(a: &Datum<'_>, b: &Datum<'_>) -> bool {
    if a.is_null() || b.is_null() { a.is_null() && b.is_null() } else { a.equals(b) }
}

/// The type of an array of one more item.
fn with_item(args: &[DataType]) -> DataType {
    let item = args.first().map_or(DataType::Null, item_of);
    list_of(common(&[item, args.get(1).cloned().unwrap_or(DataType::Null)]))
}

fn all_items(args: &[DataType]) -> DataType {
    list_of(common(&args.iter().map(item_of).collect::<Vec<_>>()))
}

fn element_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(map @ DataType::Map(..)) => map_parts(map).map_or(DataType::Null, |(_, value)| value),
        Some(list) => item_of(list),
        None => DataType::Null,
    }
}

fn flat_type(args: &[DataType]) -> DataType {
    let mut item = args.first().map_or(DataType::Null, item_of);
    while let DataType::List(_) = item {
        item = item_of(&item);
    }
    list_of(item)
}

pub(super) const ROWS: &[RowDef] = &[
    row("array", 0, ANY, Of(|args| list_of(common(args))), |args, _| Datum::List(args.to_vec())).lenient(),
    row("emptyArrayString", 0, 0, super::types::Returns::Texts, |_, _| Datum::List(Vec::new())),
    row("arrayWithConstant", 2, 2, Of(|args| list_of(args.get(1).cloned().unwrap_or(DataType::Null))), |args, _| {
        let count = n(args, 0).and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= 1_000_000);
        count.map_or(Datum::Null, |count| Datum::List(vec![args[1].clone(); count]))
    }),
    row("emptyArrayToSingle", 1, 1, Same(0), |args, env| {
        if items(args, 0).is_empty() { Datum::List(vec![default_of(&item_of(&env.returns))]) } else { args[0].clone() }
    }),
    row("arrayConcat", 1, ANY, Of(all_items), |args, _| Datum::List(args.iter().filter_map(Datum::as_list).flatten().cloned().collect()))
        .also(&["array_concat"]),
    row("arrayElement", 2, 2, Of(element_type), element),
    row("arrayElementOrNull", 2, 2, Of(element_type), |args, _| pick(items(args, 0), n(args, 1)).cloned().unwrap_or_default()),
    row("has", 2, 2, Flag, |args, _| match &args[0] {
        Datum::Map(pairs) => pairs.iter().any(|(key, _)| same(key, &args[1])).into(),
        _ if args[0].is_null() => Datum::Null,
        _ => contains(items(args, 0), &args[1]).into(),
    })
    .lenient()
    .also(&["array_contains", "arrayContains"]),
    row("hasAll", 2, 2, Flag, |args, _| items(args, 1).iter().all(|item| contains(items(args, 0), item)).into()),
    row("hasAny", 2, 2, Flag, |args, _| items(args, 1).iter().any(|item| contains(items(args, 0), item)).into()),
    row("hasSubstr", 2, 2, Flag, |args, _| {
        let (list, part) = (items(args, 0), items(args, 1));
        let equal = |window: &[Datum<'_>]| window.iter().zip(part).all(|(a, b)| same(a, b));
        (part.is_empty() || list.windows(part.len()).any(equal)).into()
    }),
    row("indexOf", 2, 2, Count, |args, _| items(args, 0).iter().position(|item| same(item, &args[1])).map_or(0, |place| place + 1).into())
        .lenient()
        .also(&["indexOfAssumeSorted"]),
    row("countEqual", 2, 2, Count, |args, _| items(args, 0).iter().filter(|item| same(item, &args[1])).count().into()).lenient(),
    row("arrayEnumerate", 1, 1, Ints, |args, _| Datum::List((1..=items(args, 0).len()).map(Datum::from).collect())),
    row("arrayEnumerateUniq", 1, ANY, Ints, |args, _| {
        let list = side_by_side(args);
        let seen = |place: usize| list[..=place].iter().filter(|item| same(item, &list[place])).count();
        Datum::List((0..list.len()).map(seen).map(Datum::from).collect())
    }),
    row("arrayEnumerateDense", 1, ANY, Ints, |args, _| {
        let list = side_by_side(args);
        let mut known: Vec<&Datum<'_>> = Vec::new();
        let number = |item| match known.iter().position(|seen| same(seen, item)) {
            Some(place) => place + 1,
            None => {
                known.push(item);
                known.len()
            }
        };
        Datum::List(list.iter().map(number).map(Datum::from).collect())
    }),
    row("arrayPopBack", 1, 1, Same(0), |args, _| Datum::List(items(args, 0).split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec()))),
    row("arrayPopFront", 1, 1, Same(0), |args, _| Datum::List(items(args, 0).split_first().map_or(Vec::new(), |(_, rest)| rest.to_vec()))),
    row("arrayPushBack", 2, 2, Of(with_item), |args, _| Datum::List(items(args, 0).iter().chain([&args[1]]).cloned().collect()))
        .lenient()
        .also(&["array_append"]),
    row("arrayPushFront", 2, 2, Of(with_item), |args, _| Datum::List([&args[1]].into_iter().chain(items(args, 0)).cloned().collect()))
        .lenient(),
    row("arrayResize", 2, 3, Same(0), resize).lenient(),
    // NULL as a bound is no bound
    row("arraySlice", 2, 3, Same(0), |args, _| match args[0].as_list() {
        Some(list) => Datum::List(list[part_range(list.len(), n(args, 1).unwrap_or(1), n(args, 2))].to_vec()),
        None => Datum::Null,
    })
    .lenient(),
    row("arrayUniq", 1, ANY, Count, |args, _| distinct(&side_by_side(args)).len().into()),
    row("arrayDistinct", 1, 1, Same(0), |args, _| {
        Datum::List(distinct(items(args, 0)).into_iter().filter(|item| !item.is_null()).collect())
    }),
    row("arrayIntersect", 1, ANY, Of(all_items), |args, _| {
        let in_all = |item: &Datum<'_>| args[1..].iter().all(|list| list.as_list().is_some_and(|list| contains(list, item)));
        Datum::List(distinct(items(args, 0)).into_iter().filter(in_all).collect())
    }),
    row("arrayUnion", 1, ANY, Of(all_items), |args, _| {
        let all: Vec<Datum<'_>> = args.iter().filter_map(Datum::as_list).flatten().cloned().collect();
        Datum::List(distinct(&all))
    }),
    row("arrayExcept", 2, 2, Same(0), |args, _| {
        Datum::List(items(args, 0).iter().filter(|item| !contains(items(args, 1), item)).cloned().collect())
    }),
    row("arrayReverse", 1, 1, Same(0), |args, _| Datum::List(items(args, 0).iter().rev().cloned().collect())),
    row("arrayFlatten", 1, 1, Of(flat_type), |args, _| {
        let mut out = Vec::new();
        flatten(&args[0], &mut out);
        Datum::List(out)
    })
    .also(&["flatten"]),
    row("arrayCompact", 1, 1, Same(0), |args, _| {
        let mut out: Vec<Datum<'_>> = Vec::new();
        for item in items(args, 0) {
            if !out.last().is_some_and(|last| same(last, item)) {
                out.push(item.clone());
            }
        }
        Datum::List(out)
    }),
    row("arrayZip", 1, ANY, Of(zip_type), |args, _| {
        let rows = args.iter().filter_map(Datum::as_list).map(<[_]>::len).min().unwrap_or(0);
        let tuple = |place: usize| Datum::Tuple(args.iter().map(|list| items(std::slice::from_ref(list), 0)[place].clone()).collect());
        Datum::List((0..rows).map(tuple).collect())
    }),
    row("arrayRotateLeft", 2, 2, Same(0), |args, _| rotate(args, 1)),
    row("arrayRotateRight", 2, 2, Same(0), |args, _| rotate(args, -1)),
    row("arrayShuffle", 1, 2, Same(0), |args, _| args[0].clone()),
    row("arrayJaccardIndex", 2, 2, super::types::Returns::Float, |args, _| {
        let (a, b) = (distinct(items(args, 0)), distinct(items(args, 1)));
        let both = a.iter().filter(|item| contains(&b, item)).count();
        #[expect(clippy::cast_precision_loss, reason = "counts of items")]
        let index = both as f64 / (a.len() + b.len() - both) as f64;
        index.into()
    }),
];

pub(super) const REWRITES: &[RewriteDef] = &[RewriteDef { name: "arrayReduce", aliases: &[], min: 2, max: ANY, build: reduce }];

/// `arrayReduce('aggregate', array, …)`.
fn reduce(name: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    const DEF: RowDef = row("arrayReduce", 2, ANY, Same(0), |args, env| super::aggregate::reduce(args, &env.returns));
    let lists: Vec<DataType> = args[1..].iter().map(|arg| plain(&arg.data_type)).collect();
    match args[0].text().and_then(|aggregate| super::aggregate::reduce_type(aggregate, &lists)) {
        Some(returns) => Ok(row_call_typed(&DEF, returns, args, context)),
        None => Err(FunctionError::Argument {
            name: name.to_owned(),
            position: 1,
            expected: "the name of an aggregate in quotes",
            found: "something else".to_owned(),
        }),
    }
}

/// The items of one array, or tuples of the items at the same place of several.
fn side_by_side<'a>(args: &[Datum<'a>]) -> Vec<Datum<'a>> {
    if args.len() == 1 {
        return items(args, 0).to_vec();
    }
    let rows = args.iter().filter_map(Datum::as_list).map(<[_]>::len).min().unwrap_or(0);
    (0..rows).map(|place| Datum::Tuple((0..args.len()).map(|list| items(args, list)[place].clone()).collect())).collect()
}

fn zip_type(args: &[DataType]) -> DataType {
    list_of(tuple_of(args.iter().map(item_of)))
}

fn pick<'d, 'a>(list: &'d [Datum<'a>], position: Option<i64>) -> Option<&'d Datum<'a>> {
    let place = match position? {
        0 => return None,
        position if position > 0 => position - 1,
        position => i64::try_from(list.len()).ok()? + position,
    };
    list.get(usize::try_from(place).ok()?)
}

/// What ClickHouse has in place of an item that is not there.
pub(super) fn default_of(data_type: &DataType) -> Datum<'static> {
    match data_type {
        DataType::Utf8 => Datum::text(""),
        DataType::Boolean => Datum::Bool(false),
        DataType::Float64 | DataType::Float32 => Datum::Float(0.0),
        data_type if data_type.is_integer() => Datum::Int(0),
        DataType::List(_) => Datum::List(Vec::new()),
        _ => Datum::Null,
    }
}

/// What stands for an item that an array does not have: NULL if its items may be NULL, which is known once one of them is.
pub(super) fn absent_item(list: &[Datum<'_>], item: &DataType) -> Datum<'static> {
    if list.iter().any(Datum::is_null) { Datum::Null } else { default_of(item) }
}

fn element<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    let found = match &args[0] {
        Datum::Map(pairs) => pairs.iter().find(|(key, _)| same(key, &args[1])).map(|(_, value)| value),
        _ => pick(items(args, 0), n(args, 1)),
    };
    found.cloned().unwrap_or_else(|| absent_item(items(args, 0), &env.returns))
}

fn resize<'a>(args: &[Datum<'a>], env: &Env) -> Datum<'a> {
    const MAX: i64 = 1_000_000;
    let (Some(list), Some(size)) = (args[0].as_list(), n(args, 1)) else { return Datum::Null };
    let size = size.clamp(-MAX, MAX);
    let filler = args.get(2).cloned().unwrap_or_else(|| absent_item(list, &item_of(&env.returns)));
    let mut list = list.to_vec();
    let wanted = usize::try_from(size.abs()).unwrap_or(0);
    if size < 0 {
        list.reverse();
    }
    list.resize(wanted, filler);
    if size < 0 {
        list.reverse();
    }
    Datum::List(list)
}

fn rotate<'a>(args: &[Datum<'a>], sign: i64) -> Datum<'a> {
    let mut list = items(args, 0).to_vec();
    let len = i64::try_from(list.len()).unwrap_or(1).max(1);
    let by = usize::try_from((n(args, 1).unwrap_or(0) * sign).rem_euclid(len)).unwrap_or(0);
    if !list.is_empty() {
        list.rotate_left(by);
    }
    Datum::List(list)
}

/// Each item once, in order of first appearance.
pub(super) fn distinct<'a>(list: &[Datum<'a>]) -> Vec<Datum<'a>> {
    let mut out: Vec<Datum<'a>> = Vec::new();
    if list.iter().all(|item| item.as_text().is_some()) {
        let mut seen = rustc_hash::FxHashSet::default();
        return list.iter().filter(|item| item.as_text().is_some_and(|text| seen.insert(text.to_owned()))).cloned().collect();
    }
    for item in list {
        if !contains(&out, item) {
            out.push(item.clone());
        }
    }
    out
}

fn flatten<'a>(value: &Datum<'a>, out: &mut Vec<Datum<'a>>) {
    match value {
        Datum::List(list) => list.iter().for_each(|item| flatten(item, out)),
        other => out.push(other.clone()),
    }
}
