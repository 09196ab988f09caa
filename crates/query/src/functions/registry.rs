//! Names to functions.
//!
//! Look-up is exact first, then without regard to case for the names that PostHog (or ClickHouse) takes in any case.
//! Aggregates may carry combinators in their name: `sumIf`, `uniqArray`, `anyOrNull`.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use rustc_hash::FxHashMap;

use super::aggregate::{self, AggregateDef, Combinator};
use super::calendar::Fast;
use super::types::{Returns, is_text, plain};
use super::udf::{Env, RowFn, RowFunction};
use super::{
    Argument, Built, CallOptions, FunctionContext, FunctionError, Shown, arithmetic, array, bits, calendar, conditional, convert, digest,
    format, geohash, json, lambda, map, math, net, posthog, search, text, tuple, url,
};

/// What kind of function a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One row in, one value out.
    Scalar,
    /// Takes a lambda.
    Lambda,
    /// Many rows in, one value out.
    Aggregate,
    /// One row in, a row for each item of an array out; it is the caller's to unnest its argument.
    ArrayJoin,
}

/// A scalar function written over rows.
pub(super) struct RowDef {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) returns: Returns,
    pub(super) strict: bool,
    pub(super) nulls: Nulls,
    pub(super) row: RowFn,
    /// The same for a whole column, when that is the only argument.
    pub(super) fast: Option<Fast>,
}

/// When ClickHouse's type of the result is Nullable. Where ClickHouse refuses an argument, NULL may come out nonetheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nulls {
    /// If an argument's is.
    OfArguments,
    /// Also if the first argument is a text, which may be unreadable.
    OfTexts,
    /// Always.
    Always,
}

/// Any number of arguments.
pub(super) const ANY: usize = 255;

/// A function for which NULL in gives NULL out.
pub(super) const fn row(name: &'static str, min: usize, max: usize, returns: Returns, row: RowFn) -> RowDef {
    RowDef { name, aliases: &[], min, max, returns, strict: true, nulls: Nulls::OfArguments, row, fast: None }
}

impl RowDef {
    /// Other names.
    pub(super) const fn also(self, aliases: &'static [&'static str]) -> RowDef {
        RowDef { aliases, ..self }
    }

    /// Has a way over whole columns.
    pub(super) const fn fast(self, fast: Fast) -> RowDef {
        RowDef { fast: Some(fast), ..self }
    }

    /// Sees NULL arguments.
    pub(super) const fn lenient(self) -> RowDef {
        RowDef { strict: false, nulls: Nulls::Always, ..self }
    }

    /// Has no result for some arguments.
    pub(super) const fn or_null(self, nulls: Nulls) -> RowDef {
        RowDef { nulls, ..self }
    }

    /// Whether the result is Nullable.
    fn is_nullable(&self, args: &[Argument]) -> bool {
        // what an array holds may be NULL, whatever the array is
        let holds_more = |data_type: &DataType| matches!(data_type, DataType::List(_) | DataType::Struct(_) | DataType::Map(..));
        let takes_item = matches!(self.returns, Returns::Same(_) | Returns::ListOf(_) | Returns::Common(_) | Returns::Of(_));
        self.nulls == Nulls::Always
            || (self.nulls == Nulls::OfTexts && args.first().is_some_and(|arg| is_text(&arg.data_type)))
            || args.iter().any(|arg| {
                let data_type = plain(&arg.data_type);
                arg.nullable || data_type == DataType::Null || (takes_item && holds_more(&data_type))
            })
    }
}

/// A scalar function built from other expressions, or one that looks at its constants.
pub(super) struct RewriteDef {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) build: fn(&'static str, Vec<Argument>, &FunctionContext) -> Result<Built, FunctionError>,
}

#[derive(Clone, Copy)]
enum Entry {
    Row(&'static RowDef),
    Rewrite(&'static RewriteDef),
    Lambda(&'static lambda::LambdaDef),
    Aggregate(&'static AggregateDef),
    ArrayJoin,
}

/// A function found by its name.
#[derive(Clone)]
pub(crate) struct Function {
    name: String,
    entry: Entry,
    combinators: Vec<Combinator>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names that are taken in any case beside the ones that ClickHouse itself does not tell apart.
const ANY_CASE: [&str; 78] = [
    "count",
    "min",
    "max",
    "sum",
    "avg",
    "any",
    "median",
    "now",
    "coalesce",
    "ifnull",
    "nullif",
    "isnull",
    "isnotnull",
    "sortablesemver",
    "lower",
    "upper",
    "lcase",
    "ucase",
    "length",
    "char_length",
    "character_length",
    "concat",
    "concat_ws",
    "replace",
    "substring",
    "substr",
    "trim",
    "ltrim",
    "rtrim",
    "abs",
    "round",
    "floor",
    "ceil",
    "ceiling",
    "trunc",
    "truncate",
    "sqrt",
    "exp",
    "ln",
    "log",
    "log2",
    "log10",
    "pow",
    "power",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "pi",
    "sign",
    "mod",
    "least",
    "greatest",
    "if",
    "row_number",
    "rank",
    "dense_rank",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "left",
    "right",
    "repeat",
    "reverse",
    "position",
    "locate",
    "date_trunc",
    "datediff",
    "date_diff",
    "today",
    "current_date",
    "current_timestamp",
    "cast",
];

static NAMES: LazyLock<FxHashMap<&'static str, Entry>> = LazyLock::new(|| {
    let mut names = FxHashMap::default();
    for family in [
        text::ROWS,
        search::ROWS,
        url::ROWS,
        json::ROWS,
        digest::ROWS,
        format::ROWS,
        math::ROWS,
        bits::ROWS,
        convert::ROWS,
        calendar::ROWS,
        array::ROWS,
        tuple::ROWS,
        map::ROWS,
        posthog::ROWS,
        net::ROWS,
        geohash::ROWS,
    ] {
        for def in family {
            for name in std::iter::once(&def.name).chain(def.aliases) {
                names.insert(*name, Entry::Row(def));
            }
        }
    }
    let rewrites = [
        arithmetic::REWRITES,
        conditional::REWRITES,
        convert::REWRITES,
        calendar::REWRITES,
        json::REWRITES,
        array::REWRITES,
        tuple::REWRITES,
    ];
    for def in rewrites.into_iter().flatten() {
        for name in std::iter::once(&def.name).chain(def.aliases) {
            names.insert(*name, Entry::Rewrite(def));
        }
    }
    names.extend(lambda::LAMBDAS.iter().map(|def| (def.name, Entry::Lambda(def))));
    for def in aggregate::AGGREGATES {
        for name in std::iter::once(&def.name).chain(def.aliases) {
            names.insert(*name, Entry::Aggregate(def));
        }
    }
    names.insert("arrayJoin", Entry::ArrayJoin);
    names
});

/// Lower-case spelling to the entry, for names that are taken in any case.
static CASELESS: LazyLock<FxHashMap<String, (&'static str, Entry)>> = LazyLock::new(|| {
    let taken = NAMES.iter().filter(|(name, _)| ANY_CASE.contains(&name.to_ascii_lowercase().as_str()));
    taken.map(|(name, entry)| (name.to_ascii_lowercase(), (*name, *entry))).collect()
});

/// Finds a function.
pub(crate) fn lookup(name: &str) -> Option<Function> {
    if let Some(entry) = NAMES.get(name) {
        return Some(Function { name: name.to_owned(), entry: *entry, combinators: Vec::new() });
    }
    if let Some((canonical, entry)) = CASELESS.get(&name.to_ascii_lowercase()) {
        return Some(Function { name: (*canonical).to_owned(), entry: *entry, combinators: Vec::new() });
    }
    let (base, combinator) = Combinator::split(name)?;
    let mut function = lookup(base)?;
    if !matches!(function.entry, Entry::Aggregate(_)) {
        return None;
    }
    function.combinators.push(combinator);
    name.clone_into(&mut function.name);
    Some(function)
}

/// The error for a name that [`lookup`] does not know.
pub(crate) fn unknown(name: &str) -> FunctionError {
    let wanted = name.to_ascii_lowercase();
    let distance = |known: &str| search::edit_distance(&wanted, &known.to_ascii_lowercase());
    let nearest = NAMES.keys().map(|known| (distance(known), *known)).min();
    let suggestion = nearest.filter(|(distance, known)| *distance <= known.len().min(wanted.len()) / 3).map(|(_, known)| known);
    FunctionError::Unknown { name: name.to_owned(), suggestion }
}

impl Function {
    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        match self.entry {
            Entry::Row(_) | Entry::Rewrite(_) => Kind::Scalar,
            Entry::Lambda(_) => Kind::Lambda,
            Entry::Aggregate(_) => Kind::Aggregate,
            Entry::ArrayJoin => Kind::ArrayJoin,
        }
    }

    /// Whether it takes many rows.
    pub(crate) fn is_aggregate(&self) -> bool {
        self.kind() == Kind::Aggregate
    }

    fn arity(&self) -> (usize, usize) {
        match self.entry {
            Entry::Row(def) => (def.min, def.max),
            Entry::Rewrite(def) => (def.min, def.max),
            Entry::Lambda(def) => (def.min, def.max),
            Entry::Aggregate(def) => {
                // a state stands for all arguments of what it is a state of
                let merged = self.combinators.iter().position(|combinator| *combinator == Combinator::Merge);
                let (min, max, outer) = match merged {
                    Some(place) => (1, 1, &self.combinators[..place]),
                    None => (def.min, def.max, self.combinators.as_slice()),
                };
                let extra = outer.iter().filter(|combinator| combinator.takes_argument()).count();
                (min + extra, max.saturating_add(extra))
            }
            Entry::ArrayJoin => (1, 1),
        }
    }

    /// Checks the number of arguments.
    ///
    /// # Errors
    /// There are too few or too many.
    pub(crate) fn check_arity(&self, found: usize) -> Result<(), FunctionError> {
        let (min, max) = self.arity();
        if (min..=max).contains(&found) {
            return Ok(());
        }
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let expected = match (min, max) {
            (min, max) if min == max => format!("{min} {}", plural(min)),
            (min, _) if found < min => format!("at least {min} {}", plural(min)),
            (_, max) => format!("at most {max} {}", plural(max)),
        };
        let what = if self.is_aggregate() { "Aggregation" } else { "Function" };
        Err(FunctionError::Arity { what, name: self.name.clone(), expected, found })
    }

    /// Types of a lambda's parameters, once the arguments that are no lambdas are known (`None` stands for a lambda). There are `count` parameters.
    ///
    /// # Errors
    /// The function takes no lambda, or one with another number of parameters, or no arrays to go with it.
    pub(crate) fn lambda_parameters(&self, count: usize, args: &[Option<DataType>]) -> Result<Vec<DataType>, FunctionError> {
        match self.entry {
            Entry::Lambda(def) => lambda::parameters(def, count, args),
            _ => Err(FunctionError::NotTaken { name: self.name.clone(), what: "a lambda" }),
        }
    }

    /// Builds a call.
    ///
    /// # Errors
    /// The arguments do not fit.
    pub(crate) fn build(&self, args: Vec<Argument>, options: CallOptions, context: &FunctionContext) -> Result<Built, FunctionError> {
        self.check_arity(args.len())?;
        if let Entry::Aggregate(def) = self.entry {
            return aggregate::build(def, &self.combinators, args, options, context);
        }
        let stray = [
            (options.distinct, "DISTINCT"),
            (options.filter.is_some(), "FILTER"),
            (!options.order_by.is_empty(), "ORDER BY"),
            (!options.params.is_empty(), "parameters"),
        ];
        if let Some((_, what)) = stray.into_iter().find(|(present, _)| *present) {
            return Err(FunctionError::NotTaken { name: self.name.clone(), what });
        }
        match self.entry {
            Entry::Row(def) => Ok(row_call(def, args, context)),
            Entry::Rewrite(def) => (def.build)(def.name, args, context),
            Entry::Lambda(def) => lambda::build(def, args, context),
            Entry::ArrayJoin => Err(FunctionError::NotTaken { name: self.name.clone(), what: "this place" }),
            Entry::Aggregate(_) => Err(unknown(&self.name)),
        }
    }
}

/// A call of a row function.
pub(super) fn row_call(def: &RowDef, args: Vec<Argument>, context: &FunctionContext) -> Built {
    let types: Vec<DataType> = args.iter().map(|arg| plain(&arg.data_type)).collect();
    let returns = def.returns.data_type(&types);
    row_call_typed(def, returns, args, context)
}

/// A call of a row function whose result type is settled otherwise.
pub(super) fn row_call_typed(def: &RowDef, returns: DataType, args: Vec<Argument>, context: &FunctionContext) -> Built {
    let types = args.iter().map(|arg| plain(&arg.data_type)).collect();
    let nullable = def.is_nullable(&args);
    let shown: Shown = def.returns.shown();
    let env = Env::new(types, returns.clone(), context);
    let exprs: Vec<Expr> = args.into_iter().map(|arg| arg.expr).collect();
    Built { expr: RowFunction::call(def, env, exprs), data_type: returns, nullable, shown }
}
