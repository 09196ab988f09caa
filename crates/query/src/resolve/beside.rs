//! `lagInFrame(x)`, `leadInFrame(x, 2, default)`: what a row so many rows before or after has. `lag` and `lead` are the same over the whole partition,
//! and NULL where there is no such row: so PostHog translates them.

use super::relation::empty_value;
use super::rows::constant;
use super::scope::Scope;
use super::types::{Class, Value};
use crate::error::QueryError;
use crate::hogql::ast::{self, FrameBound, FrameUnit};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::logical_expr::{Expr, Operator, WindowUDF, binary_expr, lit};
use std::sync::Arc;

/// Which row is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    /// After the row, not before it.
    is_after: bool,
    /// Only rows of the frame are seen, the one that ClickHouse has when none is written included.
    is_in_frame: bool,
}

impl Beside {
    /// By the function's name in lower case.
    pub(super) fn named(lower: &str) -> Option<Self> {
        let (is_after, is_in_frame) = match lower {
            "lag" => (false, false),
            "laginframe" => (false, true),
            "lead" => (true, false),
            "leadinframe" => (true, true),
            _ => return None,
        };
        Some(Self { is_after, is_in_frame })
    }
}

/// Whether the frame has the row that is meant.
enum Seen {
    Always,
    Never,
    /// When it equals the row in every key of ORDER BY.
    IfEqual,
}

impl Scope<'_> {
    /// The value of the row that is meant, or the default. `make` gives a function its window.
    ///
    /// # Errors
    /// [`QueryError`] of the arguments, and for a frame by values of the key.
    pub(super) fn beside(
        &mut self,
        beside: Beside,
        call: &ast::Call,
        window: &ast::Window,
        make: impl Fn(Arc<WindowUDF>, Vec<Expr>) -> Expr,
    ) -> Result<Value, QueryError> {
        let (value, more) = match call.args.as_slice() {
            [value, more @ ..] if more.len() <= 2 => (self.expr(value)?, more),
            args => {
                return Err(QueryError::resolve(format!("Function '{}' expects 1 to 3 arguments, found {}", call.name, args.len())));
            }
        };
        let offset = more.first().map_or(Ok(1), |offset| self.row_offset(&call.name, offset))?;
        let absent = match more.get(1) {
            Some(default) => self.expr(default)?,
            None if !beside.is_in_frame || value.ty.nullable => Value::literal(ScalarValue::Null),
            None => nothing_of(&value),
        };
        let function = || if beside.is_after { lead_udwf() } else { lag_udwf() };
        let of = |expr: Expr| make(function(), vec![expr, lit(offset)]);
        let mut is_there = Expr::IsNotNull(Box::new(of(lit(1_i64))));
        match seen(beside, offset, window)? {
            Seen::Always => {}
            Seen::Never => is_there = lit(false),
            Seen::IfEqual => {
                for key in self.sorts(&window.order_by)? {
                    let same = binary_expr(of(key.expr.clone()), Operator::IsNotDistinctFrom, key.expr);
                    is_there = binary_expr(is_there, Operator::And, same);
                }
            }
        }
        let note = value.ty.note;
        let found = Value::new(of(value.expr), value.ty);
        let chosen = self.call_values("if", vec![Value::flag(is_there, false), found, absent])?;
        Ok(Value::new(chosen.expr, chosen.ty.with_note(note)))
    }

    fn row_offset(&mut self, name: &str, offset: &ast::Expr) -> Result<i64, QueryError> {
        match constant(self.expr(offset)?)?.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(Some(offset)) if offset >= 0 => Ok(offset),
            other => Err(QueryError::resolve(format!("Function '{name}' expects a number of rows, found {other}"))),
        }
    }
}

/// What ClickHouse has where there is no row: the empty value of the type.
fn nothing_of(value: &Value) -> Value {
    let data = match &value.ty.data {
        DataType::Dictionary(_, plain) => plain.as_ref(),
        data => data,
    };
    let empty = if value.class() == Class::Text { Some(ScalarValue::from("")) } else { empty_value(data) };
    Value::literal(empty.unwrap_or(ScalarValue::Null))
}

fn seen(beside: Beside, offset: i64, window: &ast::Window) -> Result<Seen, QueryError> {
    let Some(frame) = &window.frame else {
        // Without a frame ClickHouse sees what is before the row, and its equals.
        return Ok(match beside {
            Beside { is_after: true, is_in_frame: true } if !window.order_by.is_empty() => Seen::IfEqual,
            _ => Seen::Always,
        });
    };
    let (start, end) = (place(frame.start), place(frame.end.unwrap_or(FrameBound::CurrentRow)));
    if frame.unit == FrameUnit::Rows {
        let at = if beside.is_after { offset } else { -offset };
        return Ok(if (start..=end).contains(&at) { Seen::Always } else { Seen::Never });
    }
    match if beside.is_after { end } else { start } {
        i64::MIN | i64::MAX => Ok(Seen::Always),
        0 => Ok(Seen::IfEqual),
        _ => Err(QueryError::unsupported("lag and lead look at rows: their frame must be one of ROWS")),
    }
}

/// Where a bound lies, in rows from the row.
fn place(bound: FrameBound) -> i64 {
    let rows = |count: Option<u64>| count.map_or(i64::MAX, |count| i64::try_from(count).unwrap_or(i64::MAX));
    match bound {
        FrameBound::CurrentRow => 0,
        FrameBound::Following(count) => rows(count),
        FrameBound::Preceding(None) => i64::MIN,
        FrameBound::Preceding(count) => -rows(count),
    }
}
