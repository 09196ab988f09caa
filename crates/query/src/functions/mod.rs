//! The functions of HogQL with ClickHouse's meaning.
//!
//! In: the name of a function and resolved arguments. Out: a DataFusion expression, its type and how its value is shown.
//! Where a function of DataFusion means exactly the same, the expression uses it; the others are functions of ours:
//! [`udf::RowFunction`] (one row at a time over [`datum::Datum`], once per distinct value for dictionary columns), aggregates in `aggregate`,
//! and functions that take lambdas in `lambda`.
//!
//! # Invariants
//! - Positions in arrays and texts begin with 1; negative ones count from the end.
//! - NULL in gives NULL out, unless a function's entry says otherwise.
//! - A value that cannot be converted gives NULL, never an error: one odd event must not fail a query.
//! - Times are UTC microseconds or seconds; calendar functions count in the argument's zone, which is the project's unless `toTimeZone` set another.
//!
//! Read next: `registry.rs` (look-up, arity), `datum.rs` (values), then a family, for example `text.rs`.

mod aggregate;
mod arithmetic;
mod array;
mod bits;
mod calendar;
mod conditional;
mod convert;
pub(crate) mod datum;
mod digest;
mod format;
mod geohash;
mod json;
mod lambda;
mod map;
mod math;
mod net;
mod posthog;
mod registry;
mod search;
#[cfg(test)]
mod tests;
mod text;
mod tuple;
mod types;
mod udf;
mod url;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, SortExpr};
use jiff::tz::TimeZone;

pub(crate) use convert::{cast, smallest_type};
pub(crate) use registry::{Function, Kind, lookup, unknown};
pub(crate) use search::edit_distance;
pub(crate) use url::significant as significant_domain;

/// What functions need to know of the query.
#[derive(Clone, Debug)]
pub(crate) struct FunctionContext {
    /// IANA name of the project's time zone.
    pub(crate) timezone: String,
    /// First day of the week.
    pub(crate) week_start: WeekStart,
    /// `now()` of the query: microseconds since 1970.
    pub(crate) now_micros: i64,
}

impl FunctionContext {
    /// The project's zone; UTC when its name is unknown.
    pub(crate) fn zone(&self) -> TimeZone {
        zone_named(&self.timezone).unwrap_or(TimeZone::UTC)
    }
}

/// Whether some item of the array that `expr` gives may be NULL.
pub(crate) fn items_may_be_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::List(list), _) => list.values().null_count() > 0,
        Expr::ScalarFunction(call) => match (udf::has_plain_items(call.func.inner().as_ref()), call.name()) {
            (_, "array") => call.args.iter().any(|item| !matches!(item, Expr::Literal(scalar, _) if !scalar.is_null())),
            (is_plain, _) => !is_plain,
        },
        _ => true,
    }
}

/// A zone by its IANA name.
pub(crate) fn zone_named(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() }
}

/// First day of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum WeekStart {
    /// PostHog's default.
    #[default]
    Sunday,
    /// ISO weeks.
    Monday,
}

/// A resolved argument. A lambda is `Expr::Lambda` with the type of its body.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) expr: Expr,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
}

impl Argument {
    /// The constant, when it is one.
    pub(crate) fn scalar(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(scalar, _) => Some(scalar),
            _ => None,
        }
    }

    /// The text, when it is a text constant.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.scalar()? {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
            _ => None,
        }
    }

    /// The number, when it is a whole number constant.
    pub(crate) fn int(&self) -> Option<i64> {
        match self.scalar()? {
            ScalarValue::Int64(value) => *value,
            ScalarValue::Int32(value) => value.map(i64::from),
            ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
            _ => None,
        }
    }
}

/// What stands around the arguments of a call: only aggregates take any of it. `OVER` is the resolver's.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    /// `0.5` of `quantile(0.5)(x)`.
    pub(crate) params: Vec<ScalarValue>,
    /// `f(DISTINCT x)`.
    pub(crate) distinct: bool,
    /// `f(x ORDER BY y)`.
    pub(crate) order_by: Vec<SortExpr>,
    /// `FILTER (WHERE …)`, a truth value.
    pub(crate) filter: Option<Expr>,
}

/// A call as an expression.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) expr: Expr,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    pub(crate) shown: Shown,
}

/// What a value is beyond its arrow type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Shown {
    /// Nothing more.
    #[default]
    Plain,
    /// A truth value that ClickHouse gives as `UInt8` 0 or 1.
    Flag,
    /// A whole number that ClickHouse gives as `UInt64`.
    Count,
    /// Text that holds JSON.
    Json,
}

/// Why a call cannot be built. The texts are the ones that PostHog's users know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FunctionError {
    /// No function has this name.
    #[error("Unsupported function call '{name}(...)'{}", suggestion.map(|name| format!(". Perhaps you meant '{name}(...)'?")).unwrap_or_default())]
    Unknown { name: String, suggestion: Option<&'static str> },
    /// Too few or too many arguments.
    #[error("{what} '{name}' expects {expected}, found {found}")]
    Arity { what: &'static str, name: String, expected: String, found: usize },
    /// An argument of a type that the function cannot take.
    #[error("function '{name}' expects {expected} as argument {position}, found {found}")]
    Argument { name: String, position: usize, expected: &'static str, found: String },
    /// Types that have nothing in common.
    #[error("there is no common type for {left} and {right}")]
    NoSupertype { left: String, right: String },
    /// A type name that is not known.
    #[error("unknown type '{0}'")]
    UnknownType(String),
    /// `DISTINCT`, parameters, … where they mean nothing.
    #[error("function '{name}' does not take {what}")]
    NotTaken { name: String, what: &'static str },
}
