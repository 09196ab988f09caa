//! Numbers.

use super::datum::{Datum, saturating_int};
use super::registry::{ANY, Nulls, RowDef, row};
use super::text::n;
use super::types::Returns::{Common, Count, Flag, Float, Int, Of, Same};
use super::types::{common, item_of};
use super::udf::Env;
use arrow::datatypes::DataType;

fn x(args: &[Datum<'_>], place: usize) -> f64 {
    args.get(place).and_then(Datum::as_float).unwrap_or(f64::NAN)
}

/// A function of one number.
fn of(args: &[Datum<'_>], function: fn(f64) -> f64) -> Datum<'static> {
    args[0].as_float().map(function).into()
}

fn number_like(args: &[DataType]) -> DataType {
    match args.first() {
        Some(first) if first.is_integer() || *first == DataType::Boolean => DataType::Int64,
        _ => DataType::Float64,
    }
}

pub(super) const ROWS: &[RowDef] = &[
    row("e", 0, 0, Float, |_, _| std::f64::consts::E.into()),
    row("pi", 0, 0, Float, |_, _| std::f64::consts::PI.into()),
    row("exp", 1, 1, Float, |args, _| of(args, f64::exp)),
    row("exp2", 1, 1, Float, |args, _| of(args, f64::exp2)),
    row("exp10", 1, 1, Float, |args, _| of(args, |x| 10_f64.powf(x))),
    row("log", 1, 2, Float, |args, _| if args.len() == 2 { x(args, 1).log(x(args, 0)).into() } else { of(args, f64::ln) }).also(&["ln"]),
    row("log2", 1, 1, Float, |args, _| of(args, f64::log2)),
    row("log10", 1, 1, Float, |args, _| of(args, f64::log10)),
    row("log1p", 1, 1, Float, |args, _| of(args, f64::ln_1p)),
    row("sqrt", 1, 1, Float, |args, _| of(args, f64::sqrt)),
    row("cbrt", 1, 1, Float, |args, _| of(args, f64::cbrt)),
    row("erf", 1, 1, Float, |args, _| of(args, erf)),
    row("erfc", 1, 1, Float, |args, _| of(args, |x| if x < 3.0 { 1.0 - erf(x) } else { erf_tail(x) })),
    row("lgamma", 1, 1, Float, |args, _| of(args, ln_gamma)),
    row("tgamma", 1, 1, Float, |args, _| of(args, gamma)),
    row("sin", 1, 1, Float, |args, _| of(args, f64::sin)),
    row("cos", 1, 1, Float, |args, _| of(args, f64::cos)),
    row("tan", 1, 1, Float, |args, _| of(args, f64::tan)),
    row("asin", 1, 1, Float, |args, _| of(args, f64::asin)),
    row("acos", 1, 1, Float, |args, _| of(args, f64::acos)),
    row("atan", 1, 1, Float, |args, _| of(args, f64::atan)),
    row("atan2", 2, 2, Float, |args, _| x(args, 0).atan2(x(args, 1)).into()),
    row("sinh", 1, 1, Float, |args, _| of(args, f64::sinh)),
    row("cosh", 1, 1, Float, |args, _| of(args, f64::cosh)),
    row("tanh", 1, 1, Float, |args, _| of(args, f64::tanh)),
    row("asinh", 1, 1, Float, |args, _| of(args, f64::asinh)),
    row("acosh", 1, 1, Float, |args, _| of(args, f64::acosh)),
    row("atanh", 1, 1, Float, |args, _| of(args, f64::atanh)),
    row("hypot", 2, 2, Float, |args, _| x(args, 0).hypot(x(args, 1)).into()),
    row("pow", 2, 2, Float, |args, _| x(args, 0).powf(x(args, 1)).into()).also(&["power"]),
    row("intExp2", 1, 1, Count, |args, _| saturating_int(x(args, 0).floor().exp2()).into()),
    row("intExp10", 1, 1, Count, |args, _| saturating_int(10_f64.powf(x(args, 0).floor())).into()),
    row("degrees", 1, 1, Float, |args, _| of(args, f64::to_degrees)),
    row("radians", 1, 1, Float, |args, _| of(args, f64::to_radians)),
    row("factorial", 1, 1, Count, |args, _| (1..=n(args, 0).unwrap_or(0).min(20)).product::<i64>().into()),
    row("width_bucket", 4, 4, Count, width_bucket).also(&["widthBucket"]),
    row("abs", 1, 1, Of(number_like), |args, _| match &args[0] {
        Datum::Int(value) => value.saturating_abs().into(),
        Datum::UInt(value) => (*value).into(),
        other => other.as_float().map(f64::abs).into(),
    }),
    row("sign", 1, 1, Int, |args, _| args[0].as_float().map(|x| i64::from(x > 0.0) - i64::from(x < 0.0)).into()),
    row("floor", 1, 2, Of(number_like), |args, _| rounded(args, f64::floor)),
    row("ceil", 1, 2, Of(number_like), |args, _| rounded(args, f64::ceil)).also(&["ceiling"]),
    row("trunc", 1, 2, Of(number_like), |args, _| rounded(args, f64::trunc)).also(&["truncate"]),
    // ClickHouse rounds floats to even and whole numbers away from zero
    row("round", 1, 2, Of(number_like), |args, _| match &args[0] {
        Datum::Float(_) => rounded(args, f64::round_ties_even),
        _ => rounded(args, f64::round),
    }),
    row("roundBankers", 1, 2, Of(number_like), |args, _| rounded(args, f64::round_ties_even)),
    row("roundToExp2", 1, 1, Of(number_like), |args, _| {
        let value = x(args, 0);
        let is_whole = !matches!(args[0], Datum::Float(_));
        (if value == 0.0 || (is_whole && value < 0.0) { 0.0 } else { value.abs().log2().floor().exp2().copysign(value) }).into()
    }),
    row("roundDuration", 1, 1, Int, |args, _| {
        let steps = [0, 1, 10, 30, 60, 120, 180, 240, 300, 600, 1200, 1800, 3600, 7200, 18_000, 36_000];
        step_down(x(args, 0), &steps).into()
    }),
    row("roundAge", 1, 1, Int, |args, _| {
        let value = x(args, 0);
        (if value < 1.0 {
            0
        } else if value < 18.0 {
            17
        } else {
            step_down(value, &[18, 25, 35, 45, 55])
        })
        .into()
    }),
    row("roundDown", 2, 2, Same(0), |args, _| {
        let value = x(args, 0);
        let steps = args[1].as_list().unwrap_or_default().iter().filter_map(Datum::as_float);
        let smallest = steps.clone().fold(f64::INFINITY, f64::min);
        steps
            .filter(|step| *step <= value)
            .fold(None, |best: Option<f64>, step| Some(best.map_or(step, |best| best.max(step))))
            .unwrap_or(smallest)
            .into()
    }),
    row("least", 1, ANY, Common(0), |args, _| extreme(args, true)).lenient(),
    row("greatest", 1, ANY, Common(0), |args, _| extreme(args, false)).lenient(),
    row("min2", 2, 2, Float, |args, _| x(args, 0).min(x(args, 1)).into()),
    row("max2", 2, 2, Float, |args, _| x(args, 0).max(x(args, 1)).into()),
    row("gcd", 2, 2, Int, |args, _| gcd(n(args, 0).unwrap_or(0), n(args, 1).unwrap_or(0)).into()),
    row("lcm", 2, 2, Int, |args, _| {
        let (a, b) = (n(args, 0).unwrap_or(0), n(args, 1).unwrap_or(0));
        if a == 0 || b == 0 { Datum::Int(0) } else { (a / gcd(a, b)).checked_mul(b).map(i64::abs).into() }
    }),
    row("intDiv", 2, 2, Int, |args, _| int_div(args).into()),
    row("intDivOrZero", 2, 2, Int, |args, _| int_div(args).unwrap_or(0).into()),
    row("intDivOrNull", 2, 2, Int, |args, _| int_div(args).into()).or_null(Nulls::Always),
    row("moduloOrZero", 2, 2, Of(common), |args, _| modulo(args, false).unwrap_or(Datum::Int(0))),
    row("positiveModulo", 2, 2, Of(common), |args, _| modulo(args, true).unwrap_or_default()).also(&["positive_modulo", "pmod"]),
    row("negate", 1, 1, Of(number_like), |args, _| match &args[0] {
        Datum::Int(value) => value.checked_neg().into(),
        other => other.as_float().map(|x| -x).into(),
    }),
    row("multiplyDecimal", 2, 3, Float, |args, _| (x(args, 0) * x(args, 1)).into()),
    row("divideDecimal", 2, 3, Float, |args, _| (x(args, 0) / x(args, 1)).into()),
    row("isFinite", 1, 1, Flag, |args, _| x(args, 0).is_finite().into()),
    row("isInfinite", 1, 1, Flag, |args, _| x(args, 0).is_infinite().into()),
    row("isNaN", 1, 1, Flag, |args, _| args[0].as_float().map(f64::is_nan).into()),
    row(
        "ifNotFinite",
        2,
        2,
        Common(0),
        |args, _| {
            if args[0].as_float().is_some_and(f64::is_finite) { args[0].clone() } else { args[1].clone() }
        },
    )
    .lenient(),
    row("greatCircleDistance", 4, 4, Float, |args, _| great_circle(args).map(|angle| angle * EARTH_RADIUS).into()).also(&["geoDistance"]),
    row("greatCircleAngle", 4, 4, Float, |args, _| great_circle(args).map(f64::to_degrees).into()),
    row("pointInEllipses", 6, ANY, Flag, |args, _| {
        let inside = |ellipse: &[Datum<'_>]| {
            let (dx, dy) = (x(args, 0) - x(ellipse, 0), x(args, 1) - x(ellipse, 1));
            (dx / x(ellipse, 2)).powi(2) + (dy / x(ellipse, 3)).powi(2) <= 1.0
        };
        args[2..].chunks_exact(4).any(inside).into()
    }),
    row("pointInPolygon", 2, 2, Flag, point_in_polygon),
    row("arrayAUC", 2, 2, Float, auc),
    row("arrayNorm", 1, 1, Float, |args, _| {
        args[0].as_list().unwrap_or_default().iter().filter_map(Datum::as_float).map(|x| x * x).sum::<f64>().sqrt().into()
    }),
    row("cosineDistance", 2, 2, Float, |args, _| {
        let values = |place: usize| args[place].as_list().unwrap_or_default().iter().filter_map(Datum::as_float);
        let dot: f64 = values(0).zip(values(1)).map(|(a, b)| a * b).sum();
        let norm = |place: usize| values(place).map(|x| x * x).sum::<f64>().sqrt();
        (1.0 - dot / (norm(0) * norm(1))).into()
    }),
    row("range", 1, 3, super::types::Returns::Ints, range),
    row("arrayCumSumNonNegative", 1, 1, Same(0), |args, env| {
        let mut sum = 0.0;
        let step = |item: &Datum<'_>| {
            sum = (sum + item.as_float().unwrap_or(0.0)).max(0.0);
            if item_of(&env.returns).is_integer() { saturating_int(sum).into() } else { Datum::Float(sum) }
        };
        Datum::List(args[0].as_list().unwrap_or_default().iter().map(step).collect())
    }),
];

/// In metres, the one that ClickHouse counts with.
const EARTH_RADIUS: f64 = 6_371_008.8;

/// To so many digits after the point, or before it when negative.
fn rounded(args: &[Datum<'_>], function: fn(f64) -> f64) -> Datum<'static> {
    let digits = n(args, 1).unwrap_or(0).clamp(-18, 18);
    if let Datum::Int(value) = args[0]
        && digits >= 0
    {
        return value.into();
    }
    let Some(value) = args[0].as_float() else { return Datum::Null };
    let scale = 10_f64.powi(i32::try_from(digits.abs()).unwrap_or(0));
    (if digits >= 0 { function(value * scale) / scale } else { function(value / scale) * scale }).into()
}

fn step_down(value: f64, steps: &[i64]) -> i64 {
    steps.iter().rev().find(|step| saturating_int(value) >= **step).copied().unwrap_or(0)
}

/// NULL arguments are passed over.
fn extreme<'a>(args: &[Datum<'a>], least: bool) -> Datum<'a> {
    let known = args.iter().filter(|arg| !arg.is_null());
    let chosen = if least { known.min_by(|a, b| a.compare(b)) } else { known.max_by(|a, b| a.compare(b)) };
    chosen.cloned().unwrap_or_default()
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i64::try_from(a).unwrap_or(i64::MAX)
}

/// Towards zero; nothing for a division by zero.
fn int_div(args: &[Datum<'_>]) -> Option<i64> {
    match (&args[0], &args[1]) {
        (Datum::Int(a), Datum::Int(b)) => a.checked_div(*b),
        (a, b) => {
            let quotient = a.as_float()? / b.as_float()?;
            quotient.is_finite().then(|| saturating_int(quotient))
        }
    }
}

fn modulo(args: &[Datum<'_>], positive: bool) -> Option<Datum<'static>> {
    if let (Datum::Int(a), Datum::Int(b)) = (&args[0], &args[1]) {
        return if positive { a.checked_rem_euclid(*b) } else { a.checked_rem(*b) }.map(Datum::Int);
    }
    let (a, b) = (args[0].as_float()?, args[1].as_float()?);
    if b == 0.0 { None } else { Some(Datum::Float(if positive { a.rem_euclid(b) } else { a % b })) }
}

fn width_bucket<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let (value, low, high) = (x(args, 0), x(args, 1), x(args, 2));
    let count = n(args, 3).unwrap_or(1).max(1);
    if value < low {
        return Datum::Int(0);
    }
    if value >= high {
        return Datum::Int(count + 1);
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of buckets")]
    let place = (value - low) / (high - low) * count as f64;
    (saturating_int(place.floor()) + 1).into()
}

/// Abramowitz and Stegun 7.1.26 refined by a series: exact to about 1e-15.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 3.0 {
        let (mut term, mut sum, mut step) = (z, z, 0.0);
        while term.abs() > 1e-17 * sum.abs() && step < 200.0 {
            step += 1.0;
            term *= -z * z / step;
            sum += term / (2.0 * step + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        1.0 - erf_tail(z)
    };
    value.copysign(x)
}

/// `1 - erf(x)` from 3 on, as a continued fraction.
fn erf_tail(x: f64) -> f64 {
    let fraction = (1..60).rev().fold(0.0, |below, k| f64::from(k) / 2.0 / (x + below));
    (-x * x).exp() / (std::f64::consts::PI.sqrt() * (x + fraction))
}

/// Lanczos' approximation.
fn ln_gamma(x: f64) -> f64 {
    if x == 1.0 || x == 2.0 {
        return 0.0;
    }
    if x <= 0.0 && x.fract() == 0.0 {
        return f64::INFINITY;
    }
    if x < 0.5 {
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin().abs()).ln() - ln_gamma(1.0 - x);
    }
    const G: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = G.iter().zip(1..).fold(0.999_999_999_999_809_9, |sum, (g, k)| sum + g / (x + f64::from(k)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

fn gamma(x: f64) -> f64 {
    if x < 0.0 && x.fract() == 0.0 {
        return f64::NAN;
    }
    if x.fract() == 0.0 && (1.0..=21.0).contains(&x) {
        return (1..saturating_int(x)).fold(1.0, |product, k| product * f64::from(i32::try_from(k).unwrap_or(1)));
    }
    if x < 0.5 { std::f64::consts::PI / ((std::f64::consts::PI * x).sin() * gamma(1.0 - x)) } else { ln_gamma(x).exp() }
}

/// The angle between two points given as longitude and latitude in degrees.
fn great_circle(args: &[Datum<'_>]) -> Option<f64> {
    let [lon1, lat1, lon2, lat2] = [0, 1, 2, 3].map(|place| x(args, place).to_radians());
    let half = ((lat2 - lat1) / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2.0).sin().powi(2);
    let angle = 2.0 * half.sqrt().min(1.0).asin();
    angle.is_finite().then_some(angle)
}

fn point_in_polygon<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let point = |datum: &Datum<'_>| datum.as_list().map(|pair| (x(pair, 0), x(pair, 1)));
    let (Some((px, py)), Some(corners)) = (point(&args[0]), args[1].as_list()) else { return Datum::Null };
    let corners: Vec<(f64, f64)> = corners.iter().filter_map(point).collect();
    let mut inside = false;
    for (place, (ax, ay)) in corners.iter().enumerate() {
        let (bx, by) = corners[(place + 1) % corners.len()];
        if (*ay > py) != (by > py) && px < (bx - ax) * (py - ay) / (by - ay) + ax {
            inside = !inside;
        }
    }
    inside.into()
}

/// Area under the ROC curve of scores and labels.
fn auc<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let scores = args[0].as_list().unwrap_or_default().iter().filter_map(Datum::as_float);
    let labels = args[1].as_list().unwrap_or_default().iter().map(|label| label.as_float().is_some_and(|label| label > 0.0));
    let mut pairs: Vec<(f64, bool)> = scores.zip(labels).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut area) = (0.0, 0.0);
    for (_, label) in &pairs {
        if *label { hits += 1.0 } else { area += hits }
    }
    let misses = pairs.iter().fold(0.0, |misses, (_, label)| if *label { misses } else { misses + 1.0 });
    (area / (hits * misses)).into()
}

/// Longest array that `range` makes.
const MAX_RANGE: usize = 1_000_000;

/// `range([start,] end[, step])`, the end left out.
fn range<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let (start, end) = if args.len() == 1 { (Some(0), n(args, 0)) } else { (n(args, 0), n(args, 1)) };
    let (Some(start), Some(end), step) = (start, end, n(args, 2).unwrap_or(1)) else { return Datum::Null };
    let mut items = Vec::new();
    let mut next = start;
    while step != 0 && (if step > 0 { next < end } else { next > end }) {
        if items.len() == MAX_RANGE {
            return Datum::Null;
        }
        items.push(Datum::Int(next));
        next = next.saturating_add(step);
    }
    Datum::List(items)
}
