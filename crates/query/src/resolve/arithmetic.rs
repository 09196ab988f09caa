//! `+ - * / %`.

use super::scope::Scope;
use super::types::{Class, Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::ArithmeticOp;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Operator, binary_expr, cast, try_cast};

impl Scope<'_> {
    /// Arithmetic of two values. Numbers are computed here; times, intervals and tuples are functions'.
    pub(crate) fn arithmetic(&mut self, op: ArithmeticOp, left: Value, right: Value) -> Result<Value, QueryError> {
        if left.is_null_literal() || right.is_null_literal() {
            return Ok(Value::null());
        }
        let plain = |value: &Value| matches!(value.class(), Class::Number | Class::Bool | Class::Text);
        if !plain(&left) || !plain(&right) {
            let name = match op {
                ArithmeticOp::Add => "plus",
                ArithmeticOp::Sub => "minus",
                ArithmeticOp::Mul => "multiply",
                ArithmeticOp::Div => "divide",
                ArithmeticOp::Mod => "modulo",
            };
            return self.call_values(name, vec![left, right]);
        }
        let (left, right) = (number(left), number(right));
        let nullable = left.ty.nullable || right.ty.nullable;
        // asking DataFusion would walk the whole tree again at each operator
        let known = match (&left.ty.data, &right.ty.data) {
            _ if op == ArithmeticOp::Div => Some(DataType::Float64),
            (DataType::Int64, DataType::Int64) => Some(DataType::Int64),
            (DataType::Float64, DataType::Int64 | DataType::Float64) | (DataType::Int64, DataType::Float64) => Some(DataType::Float64),
            _ => None,
        };
        let (operator, float) = match op {
            ArithmeticOp::Add => (Operator::Plus, false),
            ArithmeticOp::Sub => (Operator::Minus, false),
            ArithmeticOp::Mul => (Operator::Multiply, false),
            ArithmeticOp::Div => (Operator::Divide, true),
            ArithmeticOp::Mod => (Operator::Modulo, false),
        };
        let as_float = |value: Value| if value.ty.data == DataType::Float64 { value.expr } else { cast(value.expr, DataType::Float64) };
        // unsigned subtraction would wrap; ClickHouse gives a signed number
        let signed = |value: Value| if value.ty.data.is_unsigned_integer() { cast(value.expr, DataType::Int64) } else { value.expr };
        let expr =
            if float { binary_expr(as_float(left), operator, as_float(right)) } else { binary_expr(signed(left), operator, signed(right)) };
        match known {
            Some(data) => Ok(Value::new(expr, Type::new(data, nullable))),
            None => {
                let mut value = self.typed(expr)?;
                value.ty.nullable = nullable;
                Ok(value)
            }
        }
    }
}

/// A truth value as 0 or 1, text as the number it reads as.
pub(super) fn number(value: Value) -> Value {
    let nullable = value.ty.nullable;
    match value.class() {
        Class::Bool => Value::new(cast(value.expr, DataType::Int64), Type::new(DataType::Int64, nullable)),
        Class::Text => Value::new(try_cast(value.expr, DataType::Float64), Type::new(DataType::Float64, true)),
        _ => value,
    }
}
