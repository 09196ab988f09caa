//! Calls: operators under their function names, lambdas, aggregates, windows; what they mean is the registry's to say.

use super::expansion::expanded;
use super::relation::{Relation, Source};
use super::rows::constant;
use super::scope::{Parameter, Scope};
use super::types::{Type, Value};
use crate::actions;
use crate::error::QueryError;
use crate::functions::{self, Argument, CallOptions, Function, FunctionError, Kind};
use crate::hogql::ast::{self, ArithmeticOp, CompareOp, ExprKind};
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{Lambda, LambdaVariable};
use std::sync::Arc;

impl From<FunctionError> for QueryError {
    fn from(error: FunctionError) -> Self {
        QueryError::Resolve(error.to_string())
    }
}

impl Scope<'_> {
    /// A call as it stands in the query.
    pub(crate) fn call(&mut self, call: &ast::Call) -> Result<Value, QueryError> {
        if let Some(over) = &call.over {
            return self.window(call, over);
        }
        if let Some(expr) = expanded(call)? {
            return self.expr(&expr);
        }
        if let Some(kind) = operator_form(call) {
            return self.expr(&kind.into());
        }
        if call.name == "matchesAction" {
            return self.matches_action(call);
        }
        let function = functions::lookup(&call.name).ok_or_else(|| functions::unknown(&call.name))?;
        if function.kind() == Kind::ArrayJoin {
            function.check_arity(call.args.len())?;
            let array = self.expr(&call.args[0])?;
            return self.array_join_call(array);
        }
        let mut args = self.arguments(&function, call)?;
        if let ("toTypeName", [only]) = (call.name.as_str(), call.args.as_slice()) {
            let name = match only.as_literal() {
                Some(ast::Literal::Int(value)) => functions::smallest_type(*value).to_owned(),
                // whether it may be NULL is known here less exactly than by ClickHouse
                _ => Type { nullable: false, ..self.expr(only)?.ty }.name(&self.context.project.timezone),
            };
            args.push(argument(Value::literal(ScalarValue::from(name))));
        }
        let options = self.options(call)?;
        self.build(&function, args, options)
    }

    /// `matchesAction(name)` or `matchesAction(number)`: whether the row of `events` is one of the action.
    fn matches_action(&mut self, call: &ast::Call) -> Result<Value, QueryError> {
        let action = match call.args.as_slice() {
            [arg] => match arg.as_literal() {
                Some(ast::Literal::String(name)) => actions::named(name, self.context)?,
                Some(ast::Literal::Int(id)) => actions::find(&(*id).into(), self.context)?,
                _ => return Err(QueryError::resolve("action argument must be a number or a text")),
            },
            args => return Err(QueryError::resolve(format!("Function 'matchesAction' expects 1 argument, found {}", args.len()))),
        };
        let mut condition = actions::condition(&action, self.context)?;
        let events: Vec<&Relation> = self.relations.iter().filter(|relation| matches!(relation.source, Source::Events(_))).collect();
        match (events.as_slice(), self.relations.len()) {
            // Alone, `events` needs no name; a subquery may give its columns too.
            (_, 1) => {}
            ([Relation { name: Some(name), .. }], _) => actions::on_table(&mut condition, name),
            _ => return Err(QueryError::resolve("matchesAction can only be used with the events table")),
        }
        self.expr(&condition)
    }

    pub(crate) fn call_named(&mut self, name: &str, args: &[ast::Expr]) -> Result<Value, QueryError> {
        self.call(&ast::Call { name: name.to_owned(), args: args.to_vec(), ..ast::Call::default() })
    }

    /// A function of resolved values.
    pub(crate) fn call_values(&mut self, name: &str, args: Vec<Value>) -> Result<Value, QueryError> {
        let function = functions::lookup(name).ok_or_else(|| functions::unknown(name))?;
        self.build(&function, args.into_iter().map(argument).collect(), CallOptions::default())
    }

    /// A value as another type, by ClickHouse's or SQL's name of it.
    pub(crate) fn cast_value(&mut self, value: Value, type_name: &str) -> Result<Value, QueryError> {
        Ok(value_of(functions::cast(argument(value), type_name, &self.context.functions)?))
    }

    fn build(&mut self, function: &Function, args: Vec<Argument>, options: CallOptions) -> Result<Value, QueryError> {
        Ok(value_of(function.build(args, options, &self.context.functions)?))
    }

    /// The arguments; lambdas last, as the types of their parameters come from the others.
    fn arguments(&mut self, function: &Function, call: &ast::Call) -> Result<Vec<Argument>, QueryError> {
        // count(*) counts rows
        let listed: Vec<&ast::Expr> = call.args.iter().filter(|arg| !matches!(arg.kind, ExprKind::Asterisk(_))).collect();
        let mut args: Vec<Option<Argument>> = Vec::with_capacity(listed.len());
        for arg in &listed {
            args.push(match &arg.kind {
                ExprKind::Lambda { .. } => None,
                _ => Some(argument(self.expr(arg)?)),
            });
        }
        let types: Vec<Option<DataType>> = args.iter().map(|arg| arg.as_ref().map(|arg| arg.data_type.clone())).collect();
        listed
            .into_iter()
            .zip(args)
            .map(|(listed, arg)| match (arg, &listed.kind) {
                (Some(arg), _) => Ok(arg),
                (None, ExprKind::Lambda { params, body }) => {
                    let types = function.lambda_parameters(params.len(), &types)?;
                    self.lambda(params, types, body)
                }
                (None, _) => Err(QueryError::Internal("an argument is a lambda or has a value".to_owned())),
            })
            .collect()
    }

    fn lambda(&mut self, params: &[String], types: Vec<DataType>, body: &ast::Expr) -> Result<Argument, QueryError> {
        let outer = self.parameters.len();
        let mut names = Vec::new();
        for (name, data) in params.iter().zip(types) {
            // a name of its own, so that lambdas in lambdas may use the same one
            let own = format!("{name}_{}", self.context.fresh_name());
            let field = Arc::new(Field::new(own.as_str(), data.clone(), true));
            let variable = Expr::LambdaVariable(LambdaVariable::new(own.clone(), Some(field)));
            self.parameters.push(Parameter { name: name.clone(), value: Value::new(variable, Type::new(data, true)) });
            names.push(own);
        }
        let body = self.expr(body);
        self.parameters.truncate(outer);
        let body = body?;
        let (data_type, nullable) = (body.ty.data, body.ty.nullable);
        Ok(Argument { expr: Expr::Lambda(Lambda::new(names, body.expr)), data_type, nullable })
    }

    fn options(&mut self, call: &ast::Call) -> Result<CallOptions, QueryError> {
        let params = call.params.iter().flatten().map(|param| constant(self.expr(param)?)).collect::<Result<Vec<_>, _>>()?;
        let mut order_by = self.sorts(&call.order_by)?;
        if let (true, true, [only]) = (order_by.is_empty(), collects(&call.name), self.relations.as_slice()) {
            order_by.clone_from(&only.ordering);
        }
        let filter = call.filter.as_ref().map(|filter| self.condition(filter)).transpose()?;
        Ok(CallOptions { params, distinct: call.distinct, order_by, filter })
    }
}

fn argument(value: Value) -> Argument {
    Argument { expr: value.expr, data_type: value.ty.data, nullable: value.ty.nullable }
}

fn value_of(built: functions::Built) -> Value {
    Value::new(built.expr, Type { data: built.data_type, nullable: built.nullable, note: built.shown })
}

/// Whether the aggregate's result depends on the order of its rows.
fn collects(name: &str) -> bool {
    name.starts_with("groupArray") || ["anyLast", "first_value", "last_value", "array_agg", "string_agg"].contains(&name)
}

/// `equals(a, b)`, `and(a, b)`, `plus(a, b)`: operators under their function names.
fn operator_form(call: &ast::Call) -> Option<ExprKind> {
    if let [left, right] = call.args.as_slice() {
        let (left, right) = (Box::new(left.clone()), Box::new(right.clone()));
        if let Some(op) = comparison(&call.name) {
            return Some(ExprKind::Compare { op, left, right });
        }
        if let Some(op) = arithmetic(&call.name) {
            return Some(ExprKind::Arithmetic { op, left, right });
        }
    }
    match (call.name.to_ascii_lowercase().as_str(), call.args.as_slice()) {
        ("and", args @ [_, _, ..]) => Some(ExprKind::And(args.to_vec())),
        ("or", args @ [_, _, ..]) => Some(ExprKind::Or(args.to_vec())),
        ("and" | "or", [only]) => Some(only.kind.clone()),
        ("not", [only]) => Some(ExprKind::Not(Box::new(only.clone()))),
        _ => None,
    }
}

fn comparison(name: &str) -> Option<CompareOp> {
    Some(match name {
        "equals" => CompareOp::Eq,
        "notEquals" => CompareOp::NotEq,
        "less" => CompareOp::Lt,
        "lessOrEquals" => CompareOp::LtEq,
        "greater" => CompareOp::Gt,
        "greaterOrEquals" => CompareOp::GtEq,
        "like" => CompareOp::Like,
        "ilike" => CompareOp::ILike,
        "notLike" => CompareOp::NotLike,
        "notILike" => CompareOp::NotILike,
        "in" | "globalIn" => CompareOp::In,
        "notIn" | "globalNotIn" => CompareOp::NotIn,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<ArithmeticOp> {
    Some(match name {
        "plus" => ArithmeticOp::Add,
        "minus" => ArithmeticOp::Sub,
        "multiply" => ArithmeticOp::Mul,
        "divide" => ArithmeticOp::Div,
        "modulo" | "mod" => ArithmeticOp::Mod,
        _ => return None,
    })
}
