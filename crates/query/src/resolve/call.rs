//! Calls: operators written as functions, and everything in the registry of functions.

use super::scope::{Parameter, Scope};
use super::types::{Class, Note, Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::{self, CompareOp, ExprKind, Over};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};

impl Scope<'_> {
    /// A call as it stands in the query.
    pub(crate) fn call(&mut self, call: &ast::Call) -> Result<Value, QueryError> {
        if let Some(value) = self.operator_call(call)? {
            return Ok(value);
        }
        let _ = (Note::Flag, Class::Null, Over::Named(String::new()), Operator::And, Parameter { name: String::new(), value: Value::null() });
        let args = call.args.iter().filter(|arg| !matches!(arg.kind, ExprKind::Asterisk(_))).map(|arg| self.expr(arg)).collect::<Result<Vec<_>, _>>()?;
        self.call_values(&call.name, args)
    }

    pub(crate) fn call_named(&mut self, name: &str, args: &[ast::Expr]) -> Result<Value, QueryError> {
        self.call(&ast::Call { name: name.to_owned(), args: args.to_vec(), ..ast::Call::default() })
    }

    /// A function of resolved values.
    pub(crate) fn call_values(&mut self, name: &str, args: Vec<Value>) -> Result<Value, QueryError> {
        use datafusion::functions_aggregate::expr_fn;
        let mut exprs: Vec<Expr> = args.into_iter().map(|arg| arg.expr).collect();
        let expr = match (name, exprs.len()) {
            ("count", 0) => expr_fn::count(datafusion::logical_expr::lit(1_i64)),
            ("count", 1) => expr_fn::count(exprs.swap_remove(0)),
            ("min", 1) => expr_fn::min(exprs.swap_remove(0)),
            ("max", 1) => expr_fn::max(exprs.swap_remove(0)),
            ("sum", 1) => expr_fn::sum(exprs.swap_remove(0)),
            ("tuple", _) => datafusion::functions::core::expr_fn::r#struct(exprs),
            _ => return Err(QueryError::resolve(format!("Unsupported function call '{name}(...)'"))),
        };
        self.typed(expr)
    }

    /// `equals(a, b)`, `and(a, b)`, `in(a, b)`: the operators under their function names.
    fn operator_call(&mut self, call: &ast::Call) -> Result<Option<Value>, QueryError> {
        let compared = |op: CompareOp| match call.args.as_slice() {
            [left, right] => Some((op, left, right)),
            _ => None,
        };
        let pair = match call.name.as_str() {
            "equals" => compared(CompareOp::Eq),
            "notEquals" => compared(CompareOp::NotEq),
            "less" => compared(CompareOp::Lt),
            "lessOrEquals" => compared(CompareOp::LtEq),
            "greater" => compared(CompareOp::Gt),
            "greaterOrEquals" => compared(CompareOp::GtEq),
            "like" => compared(CompareOp::Like),
            "ilike" => compared(CompareOp::ILike),
            "notLike" => compared(CompareOp::NotLike),
            "notILike" => compared(CompareOp::NotILike),
            "in" => compared(CompareOp::In),
            "notIn" => compared(CompareOp::NotIn),
            "and" => return self.expr(&crate::hogql::build::and(call.args.clone())).map(Some),
            "or" => return self.expr(&crate::hogql::build::or(call.args.clone())).map(Some),
            "not" => match call.args.as_slice() {
                [arg] => return self.expr(&crate::hogql::build::not(arg.clone())).map(Some),
                _ => None,
            },
            "arrayJoin" => match call.args.as_slice() {
                [array] => {
                    let array = self.expr(array)?;
                    return self.array_join_call(array).map(Some);
                }
                _ => None,
            },
            _ => None,
        };
        match pair {
            Some((op, left, right)) => self.compare(op, left, right).map(Some),
            None => Ok(None),
        }
    }

    /// A text constant.
    pub(crate) fn text(text: &str) -> Value {
        let value = Value::literal(ScalarValue::Utf8(Some(text.to_owned())));
        Value::new(value.expr, Type { nullable: false, ..value.ty })
    }
}
