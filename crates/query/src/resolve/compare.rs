//! Comparisons, in HogQL's way: NULL is a value to `=`, `!=`, `LIKE` and their kin; no comparison gives NULL.

use super::coerce::as_text;
use super::scope::Scope;
use super::types::{Class, Value};
use crate::error::QueryError;
use crate::hogql::ast::{self, CompareOp, ExprKind};
use datafusion::logical_expr::{Expr, Like, Operator, binary_expr};

impl Scope<'_> {
    pub(crate) fn compare(&mut self, op: CompareOp, left: &ast::Expr, right: &ast::Expr) -> Result<Value, QueryError> {
        match op {
            CompareOp::In => return self.membership(left, right, false),
            CompareOp::NotIn => return self.membership(left, right, true),
            CompareOp::InCohort => return self.in_cohort(left, right, false),
            CompareOp::NotInCohort => return self.in_cohort(left, right, true),
            _ => {}
        }
        if let (ExprKind::Tuple(left), ExprKind::Tuple(right), CompareOp::Eq | CompareOp::NotEq) = (&left.kind, &right.kind, op)
            && left.len() == right.len()
        {
            let equal = self.all_equal(left, right)?;
            return Ok(if op == CompareOp::Eq { equal } else { Value::flag(Expr::Not(Box::new(equal.expr)), false) });
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.compare_values(op, left, right)
    }

    /// Element by element.
    pub(super) fn all_equal(&mut self, left: &[ast::Expr], right: &[ast::Expr]) -> Result<Value, QueryError> {
        let mut all: Option<Expr> = None;
        for (left, right) in left.iter().zip(right) {
            let one = self.compare(CompareOp::Eq, left, right)?.expr;
            all = Some(match all {
                Some(all) => binary_expr(all, Operator::And, one),
                None => one,
            });
        }
        Ok(all.map_or_else(|| Value::flag_literal(true), |all| Value::flag(all, false)))
    }

    /// Compares two resolved values.
    pub(crate) fn compare_values(&mut self, op: CompareOp, left: Value, right: Value) -> Result<Value, QueryError> {
        match op {
            CompareOp::Eq | CompareOp::NotEq => self.equality(op == CompareOp::NotEq, left, right),
            CompareOp::Lt => self.order(Operator::Lt, left, right),
            CompareOp::LtEq => self.order(Operator::LtEq, left, right),
            CompareOp::Gt => self.order(Operator::Gt, left, right),
            CompareOp::GtEq => self.order(Operator::GtEq, left, right),
            CompareOp::Like | CompareOp::NotLike | CompareOp::ILike | CompareOp::NotILike => {
                let negated = matches!(op, CompareOp::NotLike | CompareOp::NotILike);
                let any_case = matches!(op, CompareOp::ILike | CompareOp::NotILike);
                let like = |left: Expr, right: Expr| Expr::Like(Like::new(false, Box::new(left), Box::new(right), None, any_case));
                Ok(matching(left, right, negated, like))
            }
            CompareOp::Regex | CompareOp::NotRegex | CompareOp::IRegex | CompareOp::NotIRegex => {
                let negated = matches!(op, CompareOp::NotRegex | CompareOp::NotIRegex);
                let any_case = matches!(op, CompareOp::IRegex | CompareOp::NotIRegex);
                let operator = if any_case { Operator::RegexIMatch } else { Operator::RegexMatch };
                Ok(matching(left, right, negated, |left, right| binary_expr(left, operator, right)))
            }
            CompareOp::In | CompareOp::NotIn | CompareOp::InCohort | CompareOp::NotInCohort => {
                Err(QueryError::Internal("membership is not a comparison of values".to_owned()))
            }
        }
    }

    fn equality(&mut self, negated: bool, left: Value, right: Value) -> Result<Value, QueryError> {
        match (left.is_null_literal(), right.is_null_literal()) {
            (true, true) => return Ok(Value::flag_literal(!negated)),
            (true, false) => return Ok(null_test(right, negated)),
            (false, true) => return Ok(null_test(left, negated)),
            (false, false) => {}
        }
        let (left, right) = self.comparable(left, right)?;
        let operator = if negated { Operator::NotEq } else { Operator::Eq };
        if self.in_join || (!left.ty.nullable && !right.ty.nullable) {
            return Ok(Value::flag(binary_expr(left.expr, operator, right.expr), false));
        }
        // a constant is never NULL here, but for one that cannot be what the other side is: that equals nothing
        if left.scalar().is_some() || right.scalar().is_some() {
            let equal = Box::new(binary_expr(left.expr, Operator::Eq, right.expr));
            return Ok(Value::flag(if negated { Expr::IsNotTrue(equal) } else { Expr::IsTrue(equal) }, false));
        }
        let operator = if negated { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
        Ok(Value::flag(binary_expr(left.expr, operator, right.expr), false))
    }

    fn order(&mut self, operator: Operator, left: Value, right: Value) -> Result<Value, QueryError> {
        if left.is_null_literal() || right.is_null_literal() {
            return Ok(Value::flag_literal(false));
        }
        let (left, right) = self.comparable(left, right)?;
        let nullable = left.ty.nullable || right.ty.nullable;
        let compared = binary_expr(left.expr, operator, right.expr);
        Ok(Value::flag(if nullable && !self.in_join { Expr::IsTrue(Box::new(compared)) } else { compared }, false))
    }
}

fn null_test(value: Value, negated: bool) -> Value {
    if !value.ty.nullable && value.class() != Class::Null {
        return Value::flag_literal(negated);
    }
    let expr = Box::new(value.expr);
    Value::flag(if negated { Expr::IsNotNull(expr) } else { Expr::IsNull(expr) }, false)
}

/// LIKE and regular expressions: two NULLs match, one does not.
fn matching(left: Value, right: Value, negated: bool, op: impl FnOnce(Expr, Expr) -> Expr) -> Value {
    match (left.is_null_literal(), right.is_null_literal()) {
        (true, true) => return Value::flag_literal(!negated),
        (true, false) if !right.ty.nullable => return Value::flag_literal(negated),
        (false, true) if !left.ty.nullable => return Value::flag_literal(negated),
        (true, false) => return null_test(right, negated),
        (false, true) => return null_test(left, negated),
        (false, false) => {}
    }
    let (left, right) = (as_text(left), as_text(right));
    let both_nullable = left.ty.nullable && right.ty.nullable;
    let nullable = left.ty.nullable || right.ty.nullable;
    let both_null = both_nullable.then(|| {
        let (left, right) = (Box::new(left.expr.clone()), Box::new(right.expr.clone()));
        binary_expr(Expr::IsNull(left), Operator::And, Expr::IsNull(right))
    });
    let matched = op(left.expr, right.expr);
    let matched = if nullable { Expr::IsTrue(Box::new(matched)) } else { matched };
    let matched = match both_null {
        Some(both_null) => binary_expr(matched, Operator::Or, both_null),
        None => matched,
    };
    Value::flag(if negated { Expr::Not(Box::new(matched)) } else { matched }, false)
}
