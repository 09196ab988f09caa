//! Choices and NULL, as `CASE`.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit};

use super::registry::{ANY, RewriteDef};
use super::types::{is_text, plain, supertype};
use super::{Argument, Built, FunctionContext, FunctionError, Shown};

pub(super) const REWRITES: &[RewriteDef] = &[
    RewriteDef { name: "if", aliases: &["iff"], min: 2, max: 3, build: choose },
    RewriteDef { name: "multiIf", aliases: &["caseWithoutExpression"], min: 1, max: ANY, build: choose },
    RewriteDef { name: "transform", aliases: &[], min: 3, max: 4, build: transform },
    RewriteDef { name: "coalesce", aliases: &[], min: 1, max: ANY, build: coalesce },
    RewriteDef { name: "ifNull", aliases: &["IFNULL", "nvl"], min: 2, max: 2, build: coalesce },
    RewriteDef { name: "nullIf", aliases: &[], min: 2, max: 2, build: null_if },
    RewriteDef { name: "isNull", aliases: &["ISNULL"], min: 1, max: 1, build: |_, args, _| Ok(null_test(args, true)) },
    RewriteDef { name: "isNotNull", aliases: &[], min: 1, max: 1, build: |_, args, _| Ok(null_test(args, false)) },
    RewriteDef { name: "assumeNotNull", aliases: &[], min: 1, max: 1, build: assume_not_null },
    RewriteDef { name: "materialize", aliases: &["identity", "ignoreNulls", "toLowCardinality"], min: 1, max: 1, build: same },
    RewriteDef {
        name: "toNullable",
        aliases: &[],
        min: 1,
        max: 1,
        build: |def, args, context| Ok(Built { nullable: true, ..same(def, args, context)? }),
    },
    RewriteDef { name: "xor", aliases: &[], min: 2, max: ANY, build: xor },
];

/// An expression as a condition: numbers are true unless 0, texts if they are `true` or `1`.
pub(super) fn truth(arg: &Argument) -> Expr {
    let data_type = plain(&arg.data_type);
    let expr = arg.expr.clone();
    if data_type == DataType::Boolean {
        expr
    } else if data_type == DataType::Null {
        lit(false)
    } else if data_type.is_numeric() {
        binary(cast(expr, DataType::Float64), Operator::NotEq, lit(0.0))
    } else if is_text(&data_type) {
        cast(expr, DataType::Utf8).in_list(vec![lit("true"), lit("1")], false)
    } else {
        expr.is_not_null()
    }
}

pub(super) fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// The expression as that type.
pub(super) fn as_type(arg: &Argument, target: &DataType) -> Expr {
    match &arg.expr {
        Expr::Literal(scalar, _) if scalar.is_null() => {
            ScalarValue::try_from(target).map_or_else(|_| cast(arg.expr.clone(), target.clone()), |null| Expr::Literal(null, None))
        }
        expr if arg.data_type == *target => expr.clone(),
        expr => cast(expr.clone(), target.clone()),
    }
}

/// The type that all of them can take; what has none in common becomes text, as PostHog's users expect of properties.
fn common(args: &[&Argument]) -> DataType {
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    supertype(&types).unwrap_or(DataType::Utf8)
}

/// Flags stay flags when all branches are.
fn shown(data_type: &DataType) -> Shown {
    if *data_type == DataType::Boolean { Shown::Flag } else { Shown::Plain }
}

/// `if(c, a[, b])`, `multiIf(c, a, c, a, …, b)`. A condition that is NULL is false.
fn choose(_: &'static str, mut args: Vec<Argument>, _: &FunctionContext) -> Result<Built, FunctionError> {
    let otherwise = if args.len() % 2 == 1 { args.pop() } else { None };
    let (conditions, values): (Vec<_>, Vec<_>) = args.iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let results: Vec<&Argument> = values.iter().map(|(_, value)| *value).chain(&otherwise).collect();
    let data_type = common(&results);
    let nullable = otherwise.is_none() || results.iter().any(|result| result.nullable || result.data_type == DataType::Null);
    let branches: Vec<_> = conditions
        .iter()
        .zip(&values)
        .map(|((_, condition), (_, value))| (Box::new(truth(condition)), Box::new(as_type(value, &data_type))))
        .collect();
    let otherwise = otherwise.as_ref().map(|value| as_type(value, &data_type));
    let expr = match (branches.is_empty(), otherwise) {
        (true, Some(only)) => only,
        (_, otherwise) => Expr::Case(Case::new(None, branches, otherwise.map(Box::new))),
    };
    let shown = shown(&data_type);
    Ok(Built { expr, data_type, nullable, shown })
}

/// `transform(x, [from, …], [to, …][, default])`; without a default what is not found stays as it is.
fn transform(_: &'static str, args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    use super::registry::{RowDef, row, row_call_typed};
    use super::types::{Returns, item_of};
    const DEF: RowDef = row("transform", 3, 4, Returns::Same(0), |args, _| {
        let (from, to) = (args[1].as_list().unwrap_or_default(), args[2].as_list().unwrap_or_default());
        let found = from.iter().position(|key| super::array::same(key, &args[0])).and_then(|place| to.get(place));
        match found {
            Some(value) => value.clone(),
            None if args.len() > 3 => args[3].clone(),
            None => args[0].clone(),
        }
    })
    .lenient();
    let values = item_of(&plain(&args[2].data_type));
    let rest = args.get(3).map_or(args[0].data_type.clone(), |default| default.data_type.clone());
    let data_type = supertype(&[values, rest]).unwrap_or(DataType::Utf8);
    Ok(row_call_typed(&DEF, data_type, args, context))
}

fn coalesce(_: &'static str, mut args: Vec<Argument>, _: &FunctionContext) -> Result<Built, FunctionError> {
    let data_type = common(&args.iter().collect::<Vec<_>>());
    let nullable = args.iter().all(|arg| arg.nullable || arg.data_type == DataType::Null);
    let last = args.pop();
    let branches: Vec<_> = args
        .iter()
        .filter(|arg| arg.data_type != DataType::Null)
        .map(|arg| (Box::new(arg.expr.clone().is_not_null()), Box::new(as_type(arg, &data_type))))
        .collect();
    let otherwise = last.map(|last| Box::new(as_type(&last, &data_type)));
    let expr = match (branches.is_empty(), otherwise) {
        (true, Some(only)) => *only,
        (_, otherwise) => Expr::Case(Case::new(None, branches, otherwise)),
    };
    let shown = shown(&data_type);
    Ok(Built { expr, data_type, nullable, shown })
}

fn null_if(_: &'static str, args: Vec<Argument>, _: &FunctionContext) -> Result<Built, FunctionError> {
    let compared = common(&[&args[0], &args[1]]);
    let data_type = plain(&args[0].data_type);
    let equal = binary(as_type(&args[0], &compared), Operator::Eq, as_type(&args[1], &compared));
    let null = ScalarValue::try_from(&data_type).unwrap_or(ScalarValue::Null);
    let kept = as_type(&args[0], &data_type);
    let expr = Expr::Case(Case::new(None, vec![(Box::new(equal), Box::new(Expr::Literal(null, None)))], Some(Box::new(kept))));
    Ok(Built { expr, data_type, nullable: true, shown: Shown::Plain })
}

fn null_test(mut args: Vec<Argument>, wanted: bool) -> Built {
    let expr = args.swap_remove(0).expr;
    let expr = if wanted { expr.is_null() } else { expr.is_not_null() };
    Built { expr, data_type: DataType::Boolean, nullable: false, shown: Shown::Flag }
}

/// NULL becomes the type's empty value.
fn assume_not_null(name: &'static str, mut args: Vec<Argument>, context: &FunctionContext) -> Result<Built, FunctionError> {
    let data_type = plain(&args[0].data_type);
    let empty = match &data_type {
        DataType::Utf8 => lit(""),
        DataType::Int64 => lit(0_i64),
        DataType::Float64 => lit(0.0),
        DataType::Boolean => lit(false),
        _ => return same(name, args, context),
    };
    args.push(Argument { expr: empty, data_type, nullable: false });
    coalesce(name, args, context)
}

fn same(_: &'static str, mut args: Vec<Argument>, _: &FunctionContext) -> Result<Built, FunctionError> {
    let Argument { expr, data_type, nullable } = args.swap_remove(0);
    let shown = shown(&data_type);
    Ok(Built { expr, data_type, nullable, shown })
}

fn xor(_: &'static str, args: Vec<Argument>, _: &FunctionContext) -> Result<Built, FunctionError> {
    let mut conditions = args.iter().map(truth);
    let first = conditions.next().unwrap_or_else(|| lit(false));
    let expr = conditions.fold(first, |all, next| binary(all, Operator::NotEq, next));
    Ok(Built { expr, data_type: DataType::Boolean, nullable: args.iter().any(|arg| arg.nullable), shown: Shown::Flag })
}
