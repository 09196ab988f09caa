//! Results from all rows of a group.

use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;

use super::association::Contingency;
use super::collect::CollectCall;
use super::{AggregateDef, builtin, sequence};
use crate::functions::array::{default_of, distinct, same};
use crate::functions::datum::{Datum, saturating_int};
use crate::functions::registry::ANY;
use crate::functions::types::Returns::{self, Bool, Count, Flag, Float, Int, Ints, Json, ListOf, Of, Same, Text};
use crate::functions::types::{item_of, list_of, map_of, tuple_of};

/// The rows of a group, each with its arguments; none is NULL.
pub(super) type Rows<'r, 'a> = &'r [Vec<Datum<'a>>];

/// The result from them; NULL when there is none.
pub(super) type Finish = for<'a> fn(Rows<'_, 'a>, &CollectCall) -> Datum<'a>;

const fn aggregate(name: &'static str, min: usize, max: usize, returns: Returns, finish: Finish) -> AggregateDef {
    AggregateDef { name, aliases: &[], min, max, returns, finish, builtin: None }
}

impl AggregateDef {
    const fn by(self, builtin: builtin::Builtin) -> AggregateDef {
        AggregateDef { builtin: Some(builtin), ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> AggregateDef {
        AggregateDef { aliases, ..self }
    }
}

fn sum_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(first) if first.is_integer() || *first == DataType::Boolean => DataType::Int64,
        _ => DataType::Float64,
    }
}

fn list_of_floats(_: &[DataType]) -> DataType {
    list_of(DataType::Float64)
}

/// `sumMap(map)` gives a map, `sumMap(keys, values)` a tuple of keys and values.
fn map_sum_type(args: &[DataType]) -> DataType {
    match args {
        [keys, values, ..] => tuple_of([list_of(item_of(keys)), list_of(sum_type(&[item_of(values)]))]),
        [map] => crate::functions::types::map_parts(map).map_or(map.clone(), |(key, value)| map_of(key, sum_type(&[value]))),
        [] => DataType::Null,
    }
}

pub(in crate::functions) const AGGREGATES: &[AggregateDef] =
    &[
        aggregate("count", 0, 1, Count, |rows, _| rows.len().into()).by(builtin::count),
        aggregate("countDistinct", 1, ANY, Count, uniq).by(builtin::count_distinct),
        aggregate("uniq", 1, ANY, Count, uniq).by(builtin::count_distinct).also(&[
            "uniqExact",
            "uniqHLL12",
            "uniqTheta",
            "uniqCombined",
            "uniqCombined64",
            "uniqUpTo",
            "approx_count_distinct",
        ]),
        aggregate("sum", 1, 1, Of(sum_type), |rows, call| as_number(rows, call, sum(rows)))
            .by(builtin::sum)
            .also(&["sumWithOverflow", "sumKahan"]),
        aggregate("avg", 1, 1, Float, |rows, _| mean(rows).into()).by(builtin::avg),
        aggregate("min", 1, 1, Same(0), |rows, _| extreme(rows, true)).by(builtin::min),
        aggregate("max", 1, 1, Same(0), |rows, _| extreme(rows, false)).by(builtin::max),
        aggregate("any", 1, 1, Same(0), |rows, _| rows.first().map_or(Datum::Null, |row| row[0].clone())).by(builtin::any).also(&[
            "any_value",
            "anyValue",
            "first_value",
        ]),
        aggregate("anyLast", 1, 1, Same(0), |rows, _| rows.last().map_or(Datum::Null, |row| row[0].clone()))
            .by(builtin::any_last)
            .also(&["last_value"]),
        aggregate("anyHeavy", 1, 1, Same(0), |rows, _| frequent(rows).into_iter().next().map_or(Datum::Null, |(value, _)| value)),
        aggregate("argMin", 2, 2, Same(0), |rows, _| arg_extreme(rows, true)).by(builtin::arg_min),
        aggregate("argMax", 2, 2, Same(0), |rows, _| arg_extreme(rows, false)).by(builtin::arg_max),
        aggregate("groupArray", 1, 1, ListOf(0), group_array).by(builtin::group_array).also(&["array_agg"]),
        aggregate("groupArrayLast", 1, 1, ListOf(0), |rows, call| {
            let mut items = firsts(rows);
            let limit = call.param(0).and_then(|limit| usize::try_from(saturating_int(limit)).ok()).unwrap_or(items.len());
            Datum::List(items.split_off(items.len().saturating_sub(limit)))
        }),
        aggregate("groupArraySorted", 1, 1, ListOf(0), |rows, call| {
            let mut items = firsts(rows);
            items.sort_by(Datum::compare);
            limited(items, call)
        }),
        aggregate("groupUniqArray", 1, 1, ListOf(0), |rows, call| limited(distinct(&firsts(rows)), call)).by(builtin::group_uniq_array),
        aggregate("groupArraySample", 1, 1, ListOf(0), |rows, call| limited(firsts(rows), call)),
        aggregate("groupArrayInsertAt", 2, 2, ListOf(0), insert_at),
        aggregate("groupArrayMovingSum", 1, 1, Of(|args| list_of(sum_type(args))), |rows, call| moving(rows, call, false)),
        aggregate("groupArrayMovingAvg", 1, 1, Of(list_of_floats), |rows, call| moving(rows, call, true)),
        aggregate("groupConcat", 1, 2, Text, |rows, _| texts(rows).join(",").into()),
        aggregate("json_agg", 1, 1, Json, |rows, _| {
            let env = crate::functions::udf::Env::plain();
            serde_json::Value::Array(rows.iter().map(|row| crate::functions::json::to_json(&row[0], &env)).collect()).to_string().into()
        }),
        aggregate("string_agg", 2, 2, Text, |rows, _| {
            let separator = rows.first().and_then(|row| row[1].as_text()).unwrap_or_default().to_owned();
            texts(rows).join(&separator).into()
        }),
        aggregate("every", 1, 1, Bool, |rows, _| (!rows.is_empty() && rows.iter().all(|row| row[0].is_true())).into()),
        aggregate("median", 1, 1, Float, |rows, _| quantile(&sorted(rows), 0.5).into()).also(&[
            "medianDeterministic",
            "medianTDigest",
            "medianTiming",
            "medianBFloat16",
            "approx_median",
        ]),
        aggregate("quantile", 1, 1, Float, |rows, call| quantile(&sorted(rows), call.param(0).unwrap_or(0.5)).into()).also(&[
            "quantileTDigest",
            "quantileTiming",
            "quantileDeterministic",
            "quantileExactInclusive",
            "quantileBFloat16",
        ]),
        aggregate("medianExactLow", 1, 1, Float, |rows, _| {
            let values = sorted(rows);
            values.get(values.len().saturating_sub(1) / 2).copied().into()
        }),
        aggregate("medianExactHigh", 1, 1, Float, |rows, _| {
            let values = sorted(rows);
            values.get(values.len() / 2).copied().into()
        })
        .also(&["medianExact"]),
        aggregate("windowFunnel", 2, ANY, Count, sequence::window_funnel),
        aggregate("sequenceMatch", 2, ANY, Flag, sequence::matches),
        aggregate("sequenceCount", 2, ANY, Count, sequence::count),
        aggregate("retention", 1, 32, Ints, sequence::retention),
        aggregate("cramersV", 2, 2, Float, |rows, _| Contingency::of(rows).cramers_v().into()),
        aggregate("cramersVBiasCorrected", 2, 2, Float, |rows, _| Contingency::of(rows).cramers_v_corrected().into()),
        aggregate("theilsU", 2, 2, Float, |rows, _| Contingency::of(rows).theils_u().into()),
        aggregate("contingency", 2, 2, Float, |rows, _| Contingency::of(rows).coefficient().into()),
        aggregate("maxIntersections", 2, 2, Count, |rows, _| intersections(rows).0.into()),
        aggregate("maxIntersectionsPosition", 2, 2, Same(0), |rows, _| intersections(rows).1),
        aggregate("quantileExact", 1, 1, Float, |rows, call| nearest(&sorted(rows), call.param(0).unwrap_or(0.5)).into()),
        aggregate("quantileExactExclusive", 1, 1, Float, |rows, call| {
            let values = sorted(rows);
            quantile_at(&values, exclusive_rank(values.len(), call.param(0).unwrap_or(0.5))).into()
        }),
        aggregate("quantiles", 1, 1, Of(list_of_floats), |rows, call| {
            let values = sorted(rows);
            if values.is_empty() {
                Datum::Null
            } else {
                Datum::List(call.numbers().into_iter().map(|level| quantile(&values, level).into()).collect())
            }
        })
        .also(&["quantilesExact", "quantilesTDigest", "quantilesTiming"]),
        aggregate("topK", 1, 1, ListOf(0), |rows, call| {
            let count = call.param(0).map_or(10, saturating_int);
            Datum::List(frequent(rows).into_iter().take(usize::try_from(count).unwrap_or(10)).map(|(value, _)| value).collect())
        })
        .also(&["topKWeighted"]),
        aggregate("stddevPop", 1, 1, Float, |rows, _| moments(rows).map(|m| m.variance(0.0).sqrt()).into())
            .by(builtin::stddev_pop)
            .also(&["stddev_pop", "STDDEV_POP", "stddevPopStable"]),
        aggregate("stddevSamp", 1, 1, Float, |rows, _| moments(rows).map(|m| m.variance(1.0).sqrt()).into())
            .by(builtin::stddev_samp)
            .also(&["stddev_samp", "STDDEV_SAMP", "stddev", "stddevSampStable"]),
        aggregate("varPop", 1, 1, Float, |rows, _| moments(rows).map(|m| m.variance(0.0)).into())
            .by(builtin::var_pop)
            .also(&["var_pop", "VAR_POP"]),
        aggregate("varSamp", 1, 1, Float, |rows, _| moments(rows).map(|m| m.variance(1.0)).into())
            .by(builtin::var_samp)
            .also(&["var_samp", "VAR_SAMP", "variance"]),
        aggregate("covarPop", 2, 2, Float, |rows, _| covariance(rows, 0.0).into()).by(builtin::covar_pop).also(&["covar_pop", "COVAR_POP"]),
        aggregate("covarSamp", 2, 2, Float, |rows, _| covariance(rows, 1.0).into())
            .by(builtin::covar_samp)
            .also(&["covar_samp", "COVAR_SAMP"]),
        aggregate("corr", 2, 2, Float, |rows, _| correlation(rows).into()).by(builtin::corr),
        aggregate("skewPop", 1, 1, Float, |rows, _| moments(rows).map(|m| m.third / m.count / m.variance(0.0).powf(1.5)).into()),
        aggregate("skewSamp", 1, 1, Float, |rows, _| moments(rows).map(|m| m.third / m.count / m.variance(1.0).powf(1.5)).into()),
        aggregate("kurtPop", 1, 1, Float, |rows, _| moments(rows).map(|m| m.fourth / m.count / m.variance(0.0).powi(2)).into()),
        aggregate("kurtSamp", 1, 1, Float, |rows, _| moments(rows).map(|m| m.fourth / m.count / m.variance(1.0).powi(2)).into()),
        aggregate("avgWeighted", 2, 2, Float, |rows, _| {
            let weighted = |row: &Vec<Datum<'_>>| Some((row[0].as_float()? * row[1].as_float()?, row[1].as_float()?));
            let (sum, weight) = rows.iter().filter_map(weighted).fold((0.0, 0.0), |(s, w), (value, weight)| (s + value, w + weight));
            (weight != 0.0).then(|| sum / weight).into()
        }),
        aggregate("deltaSum", 1, 1, Of(sum_type), |rows, call| as_number(rows, call, delta_sum(rows))),
        aggregate("deltaSumTimestamp", 2, 2, Of(sum_type), |rows, call| {
            let mut ordered = rows.to_vec();
            ordered.sort_by(|a, b| a[1].compare(&b[1]));
            as_number(rows, call, delta_sum(&ordered))
        }),
        aggregate("sumMap", 1, 2, Of(map_sum_type), |rows, _| merged(rows, |a, b| a + b)).also(&["sumMappedArrays"]),
        aggregate("minMap", 1, 2, Of(map_sum_type), |rows, _| merged(rows, f64::min)).also(&["minMappedArrays"]),
        aggregate("maxMap", 1, 2, Of(map_sum_type), |rows, _| merged(rows, f64::max)).also(&["maxMappedArrays"]),
        aggregate("groupBitAnd", 1, 1, Int, |rows, _| bits(rows, |a, b| a & b)),
        aggregate("groupBitOr", 1, 1, Int, |rows, _| bits(rows, |a, b| a | b)),
        aggregate("groupBitXor", 1, 1, Int, |rows, _| bits(rows, |a, b| a ^ b)),
        aggregate("groupBitmap", 1, 1, Count, uniq),
        aggregate("groupBitmapAnd", 1, 1, Count, |rows, _| {
            let first = rows.first().and_then(|row| row[0].as_list()).unwrap_or_default();
            let in_all =
                |item: &&Datum<'_>| rows.iter().all(|row| row[0].as_list().is_some_and(|list| list.iter().any(|known| same(known, item))));
            first.iter().filter(in_all).count().into()
        }),
        aggregate("groupBitmapOr", 1, 1, Count, |rows, _| {
            let all: Vec<Datum<'_>> = rows.iter().flat_map(|row| row[0].as_list().unwrap_or_default()).cloned().collect();
            distinct(&all).len().into()
        }),
        aggregate("groupBitmapXor", 1, 1, Count, |rows, _| {
            let all: Vec<Datum<'_>> = rows.iter().flat_map(|row| row[0].as_list().unwrap_or_default()).cloned().collect();
            distinct(&all).iter().filter(|item| all.iter().filter(|known| same(known, item)).count() % 2 == 1).count().into()
        }),
        aggregate("simpleLinearRegression", 2, 2, Of(|_| tuple_of([DataType::Float64, DataType::Float64])), |rows, _| {
            let (Some(both), xs) = (covariance(rows, 0.0), moments(rows)) else { return Datum::Null };
            let slope = xs.map_or(f64::NAN, |xs| both / xs.variance(0.0));
            let mean_of = |place: usize| rows.iter().filter_map(|row| row[place].as_float()).sum::<f64>() / count(rows);
            Datum::Tuple(vec![slope.into(), (mean_of(1) - slope * mean_of(0)).into()])
        }),
    ];

#[expect(clippy::cast_precision_loss, reason = "a number of rows")]
fn count(rows: Rows<'_, '_>) -> f64 {
    rows.len() as f64
}

fn firsts<'a>(rows: Rows<'_, 'a>) -> Vec<Datum<'a>> {
    rows.iter().map(|row| row[0].clone()).collect()
}

fn texts(rows: Rows<'_, '_>) -> Vec<String> {
    rows.iter().map(|row| crate::functions::format::show(&row[0])).collect()
}

fn numbers(rows: Rows<'_, '_>) -> impl Iterator<Item = f64> {
    rows.iter().filter_map(|row| row[0].as_float())
}

fn uniq<'a>(rows: Rows<'_, 'a>, _: &CollectCall) -> Datum<'a> {
    let mut seen = rustc_hash::FxHashSet::default();
    rows.iter().filter(|row| seen.insert(format!("{row:?}"))).count().into()
}

fn sum(rows: Rows<'_, '_>) -> Option<f64> {
    (!rows.is_empty()).then(|| numbers(rows).sum())
}

/// A float as a number of the result's type.
fn as_number<'a>(_: Rows<'_, 'a>, call: &CollectCall, value: Option<f64>) -> Datum<'a> {
    match value {
        Some(value) if call.returns.is_integer() => saturating_int(value).into(),
        value => value.into(),
    }
}

fn mean(rows: Rows<'_, '_>) -> Option<f64> {
    sum(rows).map(|sum| sum / count(rows))
}

fn extreme<'a>(rows: Rows<'_, 'a>, least: bool) -> Datum<'a> {
    let values = rows.iter().map(|row| &row[0]);
    let chosen = if least { values.min_by(|a, b| a.compare(b)) } else { values.max_by(|a, b| a.compare(b)) };
    chosen.cloned().unwrap_or_default()
}

/// Of equals the first.
fn arg_extreme<'a>(rows: Rows<'_, 'a>, least: bool) -> Datum<'a> {
    let mut best: Option<&Vec<Datum<'a>>> = None;
    for row in rows {
        let better = best.is_none_or(|best| {
            let order = row[1].compare(&best[1]);
            if least { order.is_lt() } else { order.is_gt() }
        });
        if better {
            best = Some(row);
        }
    }
    best.map_or(Datum::Null, |row| row[0].clone())
}

/// `groupArray(limit)(x)`.
fn group_array<'a>(rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    limited(firsts(rows), call)
}

fn limited<'a>(mut items: Vec<Datum<'a>>, call: &CollectCall) -> Datum<'a> {
    if let Some(limit) = call.param(0).and_then(|limit| usize::try_from(saturating_int(limit)).ok()) {
        items.truncate(limit);
    }
    Datum::List(items)
}

/// Values at positions (from 0); gaps are filled with the empty value.
fn insert_at<'a>(rows: Rows<'_, 'a>, call: &CollectCall) -> Datum<'a> {
    const MAX: usize = 1_000_000;
    let filler = default_of(&item_of(&call.returns));
    let mut items: Vec<Datum<'a>> = Vec::new();
    let mut taken: Vec<bool> = Vec::new();
    for row in rows {
        let Some(place) = row[1].as_int().and_then(|place| usize::try_from(place).ok()).filter(|place| *place < MAX) else { continue };
        if items.len() <= place {
            items.resize(place + 1, filler.clone());
            taken.resize(place + 1, false);
        }
        // the first of several values for a place stays
        if !std::mem::replace(&mut taken[place], true) {
            items[place] = row[0].clone();
        }
    }
    Datum::List(items)
}

/// Sums (or means) of the last rows; the parameter says how many, else all so far.
fn moving<'a>(rows: Rows<'_, 'a>, call: &CollectCall, average: bool) -> Datum<'a> {
    let values: Vec<f64> = numbers(rows).collect();
    let window = call.param(0).and_then(|window| usize::try_from(saturating_int(window)).ok()).unwrap_or(values.len()).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let divisor = if average { window as f64 } else { 1.0 };
    let whole = item_of(&call.returns).is_integer();
    let at = |place: usize| {
        let sum: f64 = values[(place + 1).saturating_sub(window)..=place].iter().sum();
        if whole { Datum::Int(saturating_int(sum)) } else { Datum::Float(sum / divisor) }
    };
    Datum::List((0..values.len()).map(at).collect())
}

fn sorted(rows: Rows<'_, '_>) -> Vec<f64> {
    let mut values: Vec<f64> = numbers(rows).filter(|value| !value.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Between the two nearest values in proportion.
fn quantile(values: &[f64], level: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let last = values.len().saturating_sub(1) as f64;
    quantile_at(values, level.clamp(0.0, 1.0) * last)
}

fn quantile_at(values: &[f64], rank: f64) -> Option<f64> {
    let low = usize::try_from(saturating_int(rank.floor())).ok()?;
    let value = *values.get(low)?;
    let next = values.get(low + 1).copied().unwrap_or(value);
    Some(value + (next - value) * rank.fract())
}

#[expect(clippy::cast_precision_loss, reason = "a number of rows")]
fn exclusive_rank(len: usize, level: f64) -> f64 {
    (level * (len as f64 + 1.0) - 1.0).clamp(0.0, len.saturating_sub(1) as f64)
}

/// A value that occurs.
fn nearest(values: &[f64], level: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let rank = (level.clamp(0.0, 1.0) * values.len() as f64).floor();
    let place = usize::try_from(saturating_int(rank)).ok()?.min(values.len().checked_sub(1)?);
    values.get(place).copied()
}

/// Values by how often they occur, most often first; of equals the one that came first.
fn frequent<'a>(rows: Rows<'_, 'a>) -> Vec<(Datum<'a>, usize)> {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut counts: Vec<(Datum<'a>, usize)> = Vec::new();
    for row in rows {
        let place = *places.entry(format!("{:?}", row[0])).or_insert_with(|| {
            counts.push((row[0].clone(), 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// Sums of powers of distances from the mean.
struct Moments {
    count: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

impl Moments {
    fn variance(&self, lost: f64) -> f64 {
        self.second / (self.count - lost)
    }
}

fn moments(rows: Rows<'_, '_>) -> Option<Moments> {
    let mean = mean(rows)?;
    let zero = Moments { count: count(rows), second: 0.0, third: 0.0, fourth: 0.0 };
    Some(numbers(rows).map(|value| value - mean).fold(zero, |sums, distance| Moments {
        count: sums.count,
        second: sums.second + distance.powi(2),
        third: sums.third + distance.powi(3),
        fourth: sums.fourth + distance.powi(4),
    }))
}

fn covariance(rows: Rows<'_, '_>, lost: f64) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row[0].as_float()?, row[1].as_float()?))).collect();
    let n = count(rows);
    let (sx, sy) = pairs.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
    let products: f64 = pairs.iter().map(|(x, y)| (x - sx / n) * (y - sy / n)).sum();
    (n > lost).then(|| products / (n - lost))
}

fn correlation(rows: Rows<'_, '_>) -> Option<f64> {
    let swapped: Vec<Vec<Datum<'_>>> = rows.iter().map(|row| vec![row[1].clone()]).collect();
    Some(covariance(rows, 0.0)? / (moments(rows)?.variance(0.0) * moments(&swapped)?.variance(0.0)).sqrt())
}

/// How many of the intervals overlap at most, and where that begins first.
fn intersections<'a>(rows: Rows<'_, 'a>) -> (i64, Datum<'a>) {
    let mut marks: Vec<(&Datum<'a>, i64)> = rows.iter().flat_map(|row| [(&row[0], 1), (&row[1], -1)]).collect();
    // ends come before beginnings at the same place
    marks.sort_by(|a, b| a.0.compare(b.0).then(a.1.cmp(&b.1)));
    let (mut open, mut best, mut place) = (0, 0, Datum::Null);
    for (at, change) in marks {
        open += change;
        if open > best {
            best = open;
            place = at.clone();
        }
    }
    (best, place)
}

/// The sum of what each value is above the one before.
fn delta_sum(rows: Rows<'_, '_>) -> Option<f64> {
    let values: Vec<f64> = numbers(rows).collect();
    (!values.is_empty()).then(|| values.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum())
}

/// Maps put together key by key.
fn merged<'a>(rows: Rows<'_, 'a>, operation: fn(f64, f64) -> f64) -> Datum<'a> {
    let mut out: Vec<(Datum<'a>, f64)> = Vec::new();
    for row in rows {
        let pairs: Vec<(Datum<'a>, Datum<'a>)> = match (&row[0], row.get(1)) {
            (Datum::Map(pairs), _) => pairs.clone(),
            (Datum::List(keys), Some(Datum::List(values))) => keys.iter().cloned().zip(values.iter().cloned()).collect(),
            _ => Vec::new(),
        };
        for (key, value) in pairs {
            let Some(value) = value.as_float() else { continue };
            match out.iter_mut().find(|(known, _)| same(known, &key)) {
                Some((_, total)) => *total = operation(*total, value),
                None => out.push((key, value)),
            }
        }
    }
    out.sort_by(|a, b| a.0.compare(&b.0));
    if rows.first().is_some_and(|row| row.len() > 1) {
        let (keys, values): (Vec<_>, Vec<Datum<'a>>) = out.into_iter().map(|(key, value)| (key, value.into())).unzip();
        return Datum::Tuple(vec![Datum::List(keys), Datum::List(values)]);
    }
    Datum::Map(out.into_iter().map(|(key, value)| (key, value.into())).collect())
}

fn bits<'a>(rows: Rows<'_, 'a>, operation: fn(i64, i64) -> i64) -> Datum<'a> {
    rows.iter().filter_map(|row| row[0].as_int()).reduce(operation).into()
}
