//! Expressions and what they give, through a small resolver of constants.

mod aggregates;
mod edges;
mod scalars;
mod times;

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::{ExecutionProps, SessionContext};
use datafusion::logical_expr::expr::LambdaVariable;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, col};
use datafusion::physical_expr::create_physical_expr;
use expect_test::{Expect, expect};

use super::datum::read;
use super::types::supertype;
use super::udf::Env;
use super::*;
use crate::hogql::ast::{self, ArithmeticOp, CompareOp, ExprKind, Literal};
use crate::hogql::parse_expr;

fn context() -> FunctionContext {
    FunctionContext {
        timezone: "Europe/Berlin".to_owned(),
        week_start: WeekStart::Sunday,
        // 2020-01-10 11:30:15.5 UTC
        now_micros: 1_578_655_815_500_000,
    }
}

/// Names in scope: columns of the tests' table and parameters of lambdas.
type Names = Vec<(String, Argument)>;

fn argument(expr: Expr, data_type: DataType) -> Argument {
    let nullable = !matches!(&expr, Expr::Literal(scalar, _) if !scalar.is_null());
    Argument { expr, data_type, nullable }
}

fn resolve(expr: &ast::Expr, names: &Names) -> Result<Argument, FunctionError> {
    let constant = |scalar: ScalarValue| {
        let data_type = scalar.data_type();
        Ok(argument(Expr::Literal(scalar, None), data_type))
    };
    let function =
        |name: &str, args: &[ast::Expr]| call(&ast::Call { name: name.to_owned(), args: args.to_vec(), ..ast::Call::default() }, names);
    match &expr.kind {
        ExprKind::Literal(Literal::Null) => constant(ScalarValue::Null),
        ExprKind::Literal(Literal::Bool(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::Int(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::UInt(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::Float(value)) => constant(ScalarValue::from(*value)),
        ExprKind::Literal(Literal::String(value)) => constant(ScalarValue::from(value.as_str())),
        ExprKind::Array(items) => function("array", items),
        ExprKind::Tuple(items) => function("tuple", items),
        ExprKind::Field(chain) => {
            let name = chain[0].as_name().expect("INVARIANT: tests use names");
            Ok(names.iter().rev().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1.clone())
        }
        ExprKind::Call(inner) => call(inner, names),
        ExprKind::Cast { expr, type_name, .. } => {
            let built = cast(resolve(expr, names)?, type_name, &context())?;
            Ok(Argument { expr: built.expr, data_type: built.data_type, nullable: built.nullable })
        }
        ExprKind::ArrayAccess { array, index, .. } => function("arrayElement", &[(**array).clone(), (**index).clone()]),
        ExprKind::TupleAccess { tuple, index, .. } => function("tupleElement", &[(**tuple).clone(), ast::Expr::lit(i64::from(*index))]),
        ExprKind::Arithmetic { op, left, right } => {
            let (a, b) = (resolve(left, names)?, resolve(right, names)?);
            let (operator, name) = match op {
                ArithmeticOp::Add => (Operator::Plus, "plus"),
                ArithmeticOp::Sub => (Operator::Minus, "minus"),
                ArithmeticOp::Mul => (Operator::Multiply, "multiply"),
                ArithmeticOp::Div => (Operator::Divide, "divide"),
                ArithmeticOp::Mod => (Operator::Modulo, "modulo"),
            };
            if a.data_type.is_numeric() && b.data_type.is_numeric() {
                let target =
                    if *op == ArithmeticOp::Div { DataType::Float64 } else { supertype(&[a.data_type.clone(), b.data_type.clone()])? };
                let expr = conditional::binary(conditional::as_type(&a, &target), operator, conditional::as_type(&b, &target));
                return Ok(argument(expr, target));
            }
            function(name, &[(**left).clone(), (**right).clone()])
        }
        ExprKind::Compare { op, left, right } => {
            let (a, b) = (resolve(left, names)?, resolve(right, names)?);
            let target = supertype(&[a.data_type.clone(), b.data_type.clone()])?;
            let operator = match op {
                CompareOp::Eq => Operator::Eq,
                CompareOp::NotEq => Operator::NotEq,
                CompareOp::Lt => Operator::Lt,
                CompareOp::Gt => Operator::Gt,
                CompareOp::GtEq => Operator::GtEq,
                other => panic!("{other:?} is not needed here"),
            };
            Ok(argument(
                conditional::binary(conditional::as_type(&a, &target), operator, conditional::as_type(&b, &target)),
                DataType::Boolean,
            ))
        }
        other => panic!("{other:?} is not needed here"),
    }
}

fn call(call: &ast::Call, names: &Names) -> Result<Argument, FunctionError> {
    let function = lookup(&call.name).ok_or_else(|| unknown(&call.name))?;
    let plain: Vec<Option<Argument>> = call
        .args
        .iter()
        .filter(|arg| !matches!(arg.kind, ExprKind::Asterisk(_)))
        .map(|arg| if matches!(arg.kind, ExprKind::Lambda { .. }) { Ok(None) } else { resolve(arg, names).map(Some) })
        .collect::<Result<_, _>>()?;
    let types: Vec<Option<DataType>> = plain.iter().map(|arg| arg.as_ref().map(|arg| arg.data_type.clone())).collect();
    let mut args = Vec::new();
    for (arg, resolved) in call.args.iter().zip(plain) {
        let ExprKind::Lambda { params, body } = &arg.kind else {
            args.extend(resolved);
            continue;
        };
        let param_types = function.lambda_parameters(params.len(), &types)?;
        let mut inner = names.clone();
        for (name, data_type) in params.iter().zip(param_types) {
            let field = Arc::new(Field::new(name, data_type.clone(), true));
            inner.push((name.clone(), argument(Expr::LambdaVariable(LambdaVariable::new(name.clone(), Some(field))), data_type)));
        }
        let body = resolve(body, &inner)?;
        let lambda = datafusion::logical_expr::expr::Lambda::new(params.clone(), body.expr);
        args.push(Argument { expr: Expr::Lambda(lambda), data_type: body.data_type, nullable: true });
    }
    let params = call.params.iter().flatten().map(|param| resolve(param, names).map(|param| param.scalar().cloned()));
    let options = CallOptions {
        params: params.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
        distinct: call.distinct,
        order_by: call
            .order_by
            .iter()
            .map(|order| Ok(resolve(&order.expr, names)?.expr.sort(!order.descending, false)))
            .collect::<Result<_, FunctionError>>()?,
        filter: call.filter.as_ref().map(|filter| resolve(filter, names).map(|filter| filter.expr)).transpose()?,
    };
    let Built { expr, data_type, nullable, .. } = function.build(args, options, &context())?;
    Ok(Argument { expr, data_type, nullable })
}

/// The rows that columns in tests are taken from.
fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(3)]))),
        ("f", Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5, 4.5]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None]))),
        ("d", Arc::new(["x", "y", "x", "x"].into_iter().collect::<DictionaryArray<Int32Type>>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .expect("INVARIANT: columns fit")
}

fn columns() -> Names {
    let schema = batch().schema();
    schema.fields().iter().map(|field| (field.name().clone(), argument(col(field.name()), field.data_type().clone()))).collect()
}

fn json(array: &ArrayRef, row: usize) -> String {
    let mut env = Env::plain();
    env.types = vec![array.data_type().clone()];
    super::json::to_json(&read(array.as_ref(), row), &env).to_string()
}

fn evaluate(text: &str) -> String {
    let tree = parse_expr(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let Argument { expr, data_type, .. } = match resolve(&tree, &Vec::new()) {
        Ok(argument) => argument,
        Err(error) => return format!("error: {error}"),
    };
    let schema = DFSchema::empty();
    assert_eq!(expr.get_type(&schema).expect("a type"), data_type, "the type of {text}");
    let physical =
        create_physical_expr(&expr, &schema, &ExecutionProps::new(), &Default::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        vec![],
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(1)),
    )
    .expect("INVARIANT: no columns fit");
    match physical.evaluate(&rows).and_then(|value| value.into_array(1)) {
        Ok(array) => json(&array, 0),
        Err(error) => format!("failed: {error}"),
    }
}

/// Each line of constants and its value.
#[track_caller]
fn check(lines: &str, expected: Expect) {
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(&format!("{line} => {}\n", evaluate(line)));
    }
    expected.assert_eq(&out);
}

/// Aggregates over the rows of [`batch`].
#[track_caller]
fn check_aggregates(lines: &str, expected: Expect) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("INVARIANT: a runtime can start");
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let tree = parse_expr(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let shown = match resolve(&tree, &columns()) {
            Err(error) => format!("error: {error}"),
            Ok(Argument { expr, data_type, .. }) => runtime.block_on(async {
                let frame = SessionContext::new().read_batch(batch()).expect("INVARIANT: a batch is a table");
                let result = match frame.aggregate(vec![], vec![expr.alias("result")]) {
                    Ok(frame) => frame.collect().await,
                    Err(error) => Err(error),
                };
                match result {
                    Ok(batches) => {
                        let column = batches[0].column(0);
                        assert_eq!(column.data_type(), &data_type, "the type of {line}");
                        json(column, 0)
                    }
                    Err(error) => format!("failed: {error}"),
                }
            }),
        };
        out.push_str(&format!("{line} => {shown}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn columns_are_computed_like_constants() {
    let names = columns();
    let schema = DFSchema::try_from(batch().schema()).expect("INVARIANT: names are unique");
    let mut out = String::new();
    for text in ["upper(d)", "concat(d, s)", "length(d)", "arrayMap(x -> x + n, [1, 2])", "if(d = 'x', f, n)", "d = 'x'"] {
        let Argument { expr, data_type, .. } = resolve(&parse_expr(text).expect("an expression"), &names).expect("a function");
        let physical = create_physical_expr(&expr, &schema, &ExecutionProps::new(), &Default::default()).expect("a plan");
        let array = physical.evaluate(&batch()).and_then(|value| value.into_array(4)).expect("a value");
        assert_eq!(array.data_type(), &data_type, "the type of {text}");
        let rows: Vec<String> = (0..4).map(|row| json(&array, row)).collect();
        out.push_str(&format!("{text} => {}\n", rows.join(" ")));
    }
    expect![[r#"
        upper(d) => "X" "Y" "X" "X"
        concat(d, s) => "xa" "yb" "xa" "x"
        length(d) => 1 1 1 1
        arrayMap(x -> x + n, [1, 2]) => [2,3] [3,4] [null,null] [4,5]
        if(d = 'x', f, n) => 1.5 2 3.5 4.5
        d = 'x' => true false true true
    "#]]
    .assert_eq(&out);
}

#[test]
fn every_name_is_found_again() {
    for name in ["COUNT", "Sum", "ifnull", "SORTABLESEMVER", "countIf", "sumIfOrNull", "uniqExactIf", "quantileIf"] {
        assert!(lookup(name).is_some(), "{name}");
    }
    for name in ["LENGTHutf8", "lowerIf", "sumSum", ""] {
        assert!(lookup(name).is_none(), "{name}");
    }
}
