//! `IN` and `NOT IN`: lists, tuples of tuples, arrays, subqueries. NULL is in a list that names NULL, and in no other.

use super::relation::column_name;
use super::scope::Scope;
use super::types::{Class, Value};
use crate::cohorts;
use crate::error::QueryError;
use crate::hogql::ast::{self, ExprKind};
use datafusion::common::{Column, Spans};
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr};
use std::sync::Arc;

impl Scope<'_> {
    pub(crate) fn membership(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Value, QueryError> {
        match &right.without_alias().kind {
            ExprKind::Tuple(items) | ExprKind::Array(items) => self.in_items(left, items, negated),
            ExprKind::Subquery(query) => self.in_query(left, query, negated),
            ExprKind::Field(chain) => {
                // a CTE by its name: `x IN cte`
                let cte = match chain.as_slice() {
                    [ast::Segment::Name(name)] => crate::plan::plan_cte(name, self.context, &self.ctes)?,
                    _ => None,
                };
                match cte {
                    Some((plan, outputs)) => self.in_plan(left, plan, outputs.len(), negated),
                    None => self.in_value(left, right, negated),
                }
            }
            _ => self.in_value(left, right, negated),
        }
    }

    /// `person_id IN COHORT 5`, `person_id IN COHORT 'name'`. No id is in no cohort.
    pub(super) fn in_cohort(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Value, QueryError> {
        let cohort = match right.as_literal() {
            Some(ast::Literal::Int(id)) => cohorts::find(*id, self.context)?,
            Some(ast::Literal::String(name)) => cohorts::named(name, self.context)?,
            _ => return Err(QueryError::resolve("IN COHORT only works with a cohort's number or name")),
        };
        let person = match self.expr(left)? {
            value if value.class() == Class::Uuid => value,
            value if value.class() == Class::Text => self.call_values("toUUIDOrNull", vec![value])?,
            other => return Err(QueryError::resolve(format!("IN COHORT expects the id of a person, found {}", other.ty.name("UTC")))),
        };
        let is_member = cohorts::contains(cohorts::members(&cohort, self.context)?, person.expr);
        Ok(Value::flag(if negated { Expr::Not(Box::new(is_member)) } else { is_member }, false))
    }

    /// `x IN array` asks the array, `x IN value` is `x = value`.
    fn in_value(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Value, QueryError> {
        let value = self.expr(right)?;
        if value.class() != Class::List {
            return self.in_items(left, std::slice::from_ref(right), negated);
        }
        let left = self.expr(left)?;
        let has = self.call_values("has", vec![value, left])?;
        let has = super::expr::truth(has)?;
        let expr = Box::new(has.expr);
        Ok(Value::flag(if negated { Expr::IsNotTrue(expr) } else { Expr::IsTrue(expr) }, false))
    }

    fn in_items(&mut self, left: &ast::Expr, items: &[ast::Expr], negated: bool) -> Result<Value, QueryError> {
        if let ExprKind::Tuple(parts) = &left.without_alias().kind {
            return self.tuple_in_items(parts, items, negated);
        }
        let value = self.expr(left)?;
        let (mut list, mut others, mut has_null) = (Vec::new(), Vec::new(), false);
        for item in items {
            let item = self.expr(item)?;
            if item.is_null_literal() {
                has_null = true;
                continue;
            }
            let (coerced, item) = self.comparable(value.clone(), item)?;
            if item.is_null_literal() {
                continue; // it is nothing that the left side can be
            }
            if coerced.expr == value.expr { list.push(item.expr) } else { others.push(binary_expr(coerced.expr, Operator::Eq, item.expr)) }
        }
        let mut any: Option<Expr> = None;
        let mut or = |expr: Expr| {
            any = Some(match any.take() {
                Some(any) => binary_expr(any, Operator::Or, expr),
                None => expr,
            });
        };
        let nullable = value.ty.nullable;
        let sure = |expr: Expr| if nullable { Expr::IsTrue(Box::new(expr)) } else { expr };
        match list.len() {
            0 => {}
            1 => or(sure(binary_expr(value.expr.clone(), Operator::Eq, list.swap_remove(0)))),
            _ => or(sure(Expr::InList(InList::new(Box::new(value.expr.clone()), list, false)))),
        }
        for other in others {
            or(Expr::IsTrue(Box::new(other)));
        }
        if has_null {
            or(Expr::IsNull(Box::new(value.expr)));
        }
        Ok(match any {
            None => Value::flag_literal(negated),
            Some(any) => Value::flag(if negated { Expr::Not(Box::new(any)) } else { any }, false),
        })
    }

    /// `(a, b) IN ((1, 2), (3, 4))`.
    fn tuple_in_items(&mut self, parts: &[ast::Expr], items: &[ast::Expr], negated: bool) -> Result<Value, QueryError> {
        let mut any: Option<Expr> = None;
        for item in items {
            let ExprKind::Tuple(item) = &item.without_alias().kind else {
                return Err(QueryError::resolve("IN with a tuple on the left expects tuples on the right"));
            };
            if item.len() != parts.len() {
                return Err(QueryError::resolve(format!("IN expects tuples of {} elements, found {}", parts.len(), item.len())));
            }
            let one = self.all_equal(parts, item)?.expr;
            any = Some(match any {
                Some(any) => binary_expr(any, Operator::Or, one),
                None => one,
            });
        }
        Ok(match any {
            None => Value::flag_literal(negated),
            Some(any) => Value::flag(if negated { Expr::Not(Box::new(any)) } else { any }, false),
        })
    }

    fn in_query(&mut self, left: &ast::Expr, query: &ast::Query, negated: bool) -> Result<Value, QueryError> {
        let (plan, outputs) = crate::plan::plan_query(query, self.context, &self.ctes.clone(), crate::plan::Nesting::Inner)?;
        self.in_plan(left, plan, outputs.len(), negated)
    }

    fn in_plan(&mut self, left: &ast::Expr, plan: LogicalPlan, columns: usize, negated: bool) -> Result<Value, QueryError> {
        let parts: Vec<ast::Expr> = match &left.without_alias().kind {
            ExprKind::Tuple(parts) => parts.clone(),
            _ => vec![left.clone()],
        };
        if parts.len() != columns {
            return Err(QueryError::resolve(format!("IN expects {} columns from the subquery, found {columns}", parts.len())));
        }
        let mut values = parts.iter().map(|part| self.expr(part)).collect::<Result<Vec<_>, _>>()?;
        let column = |at: usize| Expr::Column(Column::new_unqualified(column_name(at)));
        // NULLs of the subquery match nothing; without them NOT IN means what it says
        let known = (0..columns).map(|at| Expr::IsNotNull(Box::new(column(at))));
        let mut builder = LogicalPlanBuilder::new(plan);
        for known in known {
            builder = builder.filter(known)?;
        }
        let nullable = values.iter().any(|value| value.ty.nullable);
        let value = if columns == 1 {
            values.swap_remove(0)
        } else {
            let keys: Vec<Expr> = (0..columns).map(column).collect();
            builder = builder.project(vec![datafusion::functions::core::expr_fn::r#struct(keys).alias(column_name(0))])?;
            let parts = values.into_iter().map(|value| value.expr).collect();
            self.typed(datafusion::functions::core::expr_fn::r#struct(parts))?
        };
        let subquery = Subquery { subquery: Arc::new(builder.build()?), outer_ref_columns: Vec::new(), spans: Spans::new() };
        let known = Expr::IsNotNull(Box::new(value.expr.clone()));
        let unknown = Expr::IsNull(Box::new(value.expr.clone()));
        let found = Expr::InSubquery(InSubquery::new(Box::new(value.expr), subquery, negated));
        let expr = match (nullable, negated) {
            (false, _) => found,
            (true, false) => binary_expr(known, Operator::And, found),
            (true, true) => binary_expr(unknown, Operator::Or, found),
        };
        Ok(Value::flag(expr, false))
    }
}
