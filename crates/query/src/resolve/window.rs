//! Window functions: `f(x) OVER (PARTITION BY … ORDER BY … ROWS …)`.

use super::beside::Beside;
use super::scope::Scope;
use super::types::{Class, Note, Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::{self, FrameBound, FrameUnit, Over};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_window as windows;
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, WindowUDF, cast, lit};
use std::sync::Arc;

impl Scope<'_> {
    /// A call with OVER.
    pub(crate) fn window(&mut self, call: &ast::Call, over: &Over) -> Result<Value, QueryError> {
        let window = match over {
            Over::Window(window) => window.clone(),
            Over::Named(name) => match self.windows.iter().find(|(known, _)| known == name) {
                Some((_, window)) => window.clone(),
                None => return Err(QueryError::resolve(format!("No window with name \"{name}\" found"))),
            },
        };
        let partition_by = window.partition_by.iter().map(|expr| Ok(self.expr(expr)?.expr)).collect::<Result<Vec<_>, QueryError>>()?;
        let order_by = self.sorts(&window.order_by)?;
        let ordered = !order_by.is_empty();
        let lower = call.name.to_ascii_lowercase();
        let params = |args: Vec<Expr>, window_frame: WindowFrame| WindowFunctionParams {
            args,
            partition_by: partition_by.clone(),
            order_by: order_by.clone(),
            window_frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        };
        if let Some(beside) = Beside::named(&lower) {
            let frame = WindowFrame::new(ordered.then_some(false));
            let make = |function, args| {
                Expr::from(WindowFunction { fun: WindowFunctionDefinition::WindowUDF(function), params: params(args, frame.clone()) })
            };
            return self.beside(beside, call, &window, make);
        }
        if let Some(function) = ranking(&lower) {
            let args = call.args.iter().map(|arg| self.expr(arg)).collect::<Result<Vec<_>, QueryError>>()?;
            let nullable = args.iter().any(|arg| arg.ty.nullable);
            let args = args.into_iter().map(|arg| arg.expr).collect();
            let frame = match lower.as_str() {
                "first_value" | "last_value" | "nth_value" => frame(window.frame.as_ref(), ordered)?,
                _ => WindowFrame::new(ordered.then_some(false)),
            };
            let definition = WindowFunctionDefinition::WindowUDF(function);
            let value = self.typed(Expr::from(WindowFunction { fun: definition, params: params(args, frame) }))?;
            return Ok(match lower.as_str() {
                "row_number" | "rank" | "dense_rank" => Value::new(value.expr, value.ty.with_note(Note::Count)),
                // outside of its frame ClickHouse gives the empty value of the type, unless the argument can be NULL
                "percent_rank" | "cume_dist" | "ntile" => value,
                _ if nullable => value,
                _ => or_empty(value),
            });
        }
        let mut plain = call.clone();
        plain.over = None;
        let value = self.call(&plain)?;
        let note = value.ty.note;
        let nullable = value.ty.nullable;
        let frame = frame(window.frame.as_ref(), ordered)?;
        // an aggregate may come wrapped (in a cast, in coalesce): the innermost one gets the window
        let expr = over_aggregates(value.expr, &|aggregate| {
            let inner = aggregate.params;
            let mut params = params(inner.args, frame.clone());
            params.filter = inner.filter;
            params.distinct = inner.distinct;
            params.null_treatment = inner.null_treatment;
            Expr::from(WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(aggregate.func), params })
        })?;
        let mut value = self.typed(expr)?;
        value.ty.nullable = nullable;
        Ok(Value::new(value.expr, value.ty.with_note(note)))
    }

    /// ORDER BY items of a window or an aggregate.
    pub(crate) fn sorts(&mut self, items: &[ast::OrderExpr]) -> Result<Vec<Sort>, QueryError> {
        items
            .iter()
            .map(|item| {
                let value = self.expr(&item.expr)?;
                Ok(Sort::new(value.expr, !item.descending, item.nulls == Some(ast::Nulls::First)))
            })
            .collect()
    }
}

/// The empty value of the type instead of NULL.
fn or_empty(value: Value) -> Value {
    let empty = match value.class() {
        Class::Text => ScalarValue::from(""),
        Class::Number => match ScalarValue::new_zero(&value.ty.data) {
            Ok(zero) => zero,
            Err(_) => return value,
        },
        _ => return value,
    };
    let data = if value.class() == Class::Text { DataType::Utf8 } else { value.ty.data };
    let expr = datafusion::functions::core::expr_fn::coalesce(vec![cast(value.expr, data.clone()), lit(empty)]);
    Value::new(expr, Type { data, nullable: false, note: value.ty.note })
}

fn over_aggregates(expr: Expr, make: &impl Fn(datafusion::logical_expr::expr::AggregateFunction) -> Expr) -> Result<Expr, QueryError> {
    use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
    let mut found = false;
    let expr = expr.transform_down(|expr| match expr {
        Expr::AggregateFunction(aggregate) => {
            found = true;
            Ok(Transformed::new(make(aggregate), true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    })?;
    if !found {
        return Err(QueryError::resolve("OVER needs an aggregate or a window function"));
    }
    Ok(expr.data)
}

fn ranking(name: &str) -> Option<Arc<WindowUDF>> {
    Some(match name {
        "row_number" => windows::row_number::row_number_udwf(),
        "rank" => windows::rank::rank_udwf(),
        "dense_rank" => windows::rank::dense_rank_udwf(),
        "percent_rank" => windows::rank::percent_rank_udwf(),
        "cume_dist" => windows::cume_dist::cume_dist_udwf(),
        "ntile" => windows::ntile::ntile_udwf(),
        "first_value" => windows::nth_value::first_value_udwf(),
        "last_value" => windows::nth_value::last_value_udwf(),
        "nth_value" => windows::nth_value::nth_value_udwf(),
        _ => return None,
    })
}

fn frame(frame: Option<&ast::WindowFrame>, ordered: bool) -> Result<WindowFrame, QueryError> {
    let Some(frame) = frame else { return Ok(WindowFrame::new(ordered.then_some(false))) };
    let units = match frame.unit {
        FrameUnit::Rows => WindowFrameUnits::Rows,
        FrameUnit::Range => WindowFrameUnits::Range,
    };
    let value = |count: Option<u64>| match frame.unit {
        FrameUnit::Rows => ScalarValue::UInt64(count),
        FrameUnit::Range => ScalarValue::Int64(count.and_then(|count| i64::try_from(count).ok())),
    };
    let bound = |bound: FrameBound| match bound {
        FrameBound::CurrentRow => WindowFrameBound::CurrentRow,
        FrameBound::Preceding(count) => WindowFrameBound::Preceding(value(count)),
        FrameBound::Following(count) => WindowFrameBound::Following(value(count)),
    };
    let end = frame.end.map_or(WindowFrameBound::CurrentRow, bound);
    if frame.unit == FrameUnit::Range && !ordered {
        return Err(QueryError::resolve("A RANGE frame needs ORDER BY"));
    }
    Ok(WindowFrame::new_bounds(units, bound(frame.start), end))
}
