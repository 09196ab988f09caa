//! Maps: keys to values.

use arrow::datatypes::DataType;

use super::array::same;
use super::datum::Datum;
use super::registry::{ANY, RowDef, row};
use super::types::Returns::{Flag, Of, Same};
use super::types::{common, item_of, list_of, map_of, map_parts, tuple_of};
use super::udf::Env;

type Pairs<'a> = Vec<(Datum<'a>, Datum<'a>)>;

fn pairs<'a>(args: &[Datum<'a>], place: usize) -> Pairs<'a> {
    match args.get(place) {
        Some(Datum::Map(pairs)) => pairs.clone(),
        _ => Vec::new(),
    }
}

/// `map(k, v, k, v)`.
fn literal_type(args: &[DataType]) -> DataType {
    let every = |from: usize| common(&args.iter().skip(from).step_by(2).cloned().collect::<Vec<_>>());
    map_of(if args.is_empty() { DataType::Utf8 } else { every(0) }, every(1))
}

fn from_lists_type(args: &[DataType]) -> DataType {
    let item = |place: usize| args.get(place).map_or(DataType::Null, item_of);
    map_of(item(0), item(1))
}

fn keys_type(args: &[DataType]) -> DataType {
    list_of(args.first().and_then(map_parts).map_or(DataType::Null, |(key, _)| key))
}

fn values_type(args: &[DataType]) -> DataType {
    list_of(args.first().and_then(map_parts).map_or(DataType::Null, |(_, value)| value))
}

fn sums<'a>(args: &[Datum<'a>], sign: f64) -> Datum<'a> {
    let mut out: Pairs<'a> = Vec::new();
    for place in 0..args.len() {
        let sign = if place == 0 { 1.0 } else { sign };
        for (key, value) in pairs(args, place) {
            let amount = value.as_float().unwrap_or(0.0) * sign;
            let slot = out.iter_mut().find(|(known, _)| same(known, &key));
            let total = slot.as_ref().and_then(|(_, total)| total.as_float()).unwrap_or(0.0) + amount;
            let total = if matches!(value, Datum::Int(_)) { Datum::Int(super::datum::saturating_int(total)) } else { Datum::Float(total) };
            match slot {
                Some((_, value)) => *value = total,
                None => out.push((key, total)),
            }
        }
    }
    out.sort_by(|a, b| a.0.compare(&b.0));
    Datum::Map(out)
}

pub(super) const ROWS: &[RowDef] = &[
    row("map", 0, ANY, Of(literal_type), |args, _| {
        Datum::Map(args.chunks_exact(2).filter(|pair| !pair[0].is_null()).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    })
    .lenient(),
    row("mapFromArrays", 2, 2, Of(from_lists_type), |args, _| {
        let items = |place: usize| args[place].as_list().unwrap_or_default();
        Datum::Map(items(0).iter().cloned().zip(items(1).iter().cloned()).collect())
    }),
    row("mapAdd", 1, ANY, Same(0), |args, _| sums(args, 1.0)),
    row("mapSubtract", 1, ANY, Same(0), |args, _| sums(args, -1.0)),
    row("mapPopulateSeries", 1, 3, Of(series_type), populate),
    row("mapContains", 2, 2, Flag, |args, _| pairs(args, 0).iter().any(|(key, _)| same(key, &args[1])).into()).also(&["mapContainsKey"]),
    row("mapContainsKeyLike", 2, 2, Flag, |args, _| {
        let pattern = super::search::like_regex(&super::text::t(args, 1), false);
        let regex = super::search::regex(&pattern);
        let hit = |key: &Datum<'_>| key.as_text().is_some_and(|key| regex.as_ref().is_some_and(|regex| regex.is_match(key)));
        pairs(args, 0).iter().any(|(key, _)| hit(key)).into()
    }),
    row("mapKeys", 1, 1, Of(keys_type), |args, _| Datum::List(pairs(args, 0).into_iter().map(|(key, _)| key).collect())),
    row("mapValues", 1, 1, Of(values_type), |args, _| Datum::List(pairs(args, 0).into_iter().map(|(_, value)| value).collect())),
    row("mapUpdate", 2, 2, Same(0), |args, _| {
        let mut out = pairs(args, 0);
        for (key, value) in pairs(args, 1) {
            match out.iter_mut().find(|(known, _)| same(known, &key)) {
                Some((_, old)) => *old = value,
                None => out.push((key, value)),
            }
        }
        Datum::Map(out)
    })
    .also(&["mapConcat"]),
    row("mapSort", 1, 1, Same(0), |args, _| {
        let mut out = pairs(args, 0);
        out.sort_by(|a, b| a.0.compare(&b.0));
        Datum::Map(out)
    }),
];

/// A map gives a map; keys and values as two arrays give a tuple of two.
fn series_type(args: &[DataType]) -> DataType {
    match args {
        [DataType::List(_), values, ..] => tuple_of([args[0].clone(), values.clone()]),
        _ => args.first().cloned().unwrap_or(DataType::Null),
    }
}

/// `mapPopulateSeries(map[, last])` or `(keys, values[, last])`: whole-number keys without gaps from the smallest on; new keys have 0.
fn populate<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let lists = args[0].as_list().filter(|_| !matches!(args[0], Datum::Map(_))).zip(args.get(1).and_then(Datum::as_list));
    let known = match lists {
        Some((keys, values)) => keys.iter().cloned().zip(values.iter().cloned()).collect(),
        None => pairs(args, 0),
    };
    let place_of_last = if lists.is_some() { 2 } else { 1 };
    let keys: Vec<i64> = known.iter().filter_map(|(key, _)| key.as_int()).collect();
    let (first, last) = (keys.iter().min().copied().unwrap_or(0), keys.iter().max().copied().unwrap_or(-1));
    let last = if keys.is_empty() { last } else { args.get(place_of_last).and_then(Datum::as_int).unwrap_or(last) };
    let value = |key: i64| known.iter().find(|(known, _)| known.as_int() == Some(key)).map_or(Datum::Int(0), |(_, value)| value.clone());
    let series = (first..=last).take(100_000).map(|key| (Datum::Int(key), value(key)));
    match lists {
        Some(_) => {
            let (keys, values) = series.unzip();
            Datum::Tuple(vec![Datum::List(keys), Datum::List(values)])
        }
        None => Datum::Map(series.collect()),
    }
}
