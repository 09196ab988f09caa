//! Formulas over series: `A + 2*B`, `A/B*100`. Letters name series by position; division by zero gives 0.

use crate::error::QueryError;
use crate::hogql::ast::{ArithmeticOp, Expr, ExprKind, Literal};
use crate::hogql::parse_expr;

/// A formula, parsed.
#[derive(Debug)]
pub(super) struct Formula {
    expr: Expr,
}

impl Formula {
    /// Reads a formula over `series` series.
    ///
    /// # Errors
    /// [`QueryError::Request`] when it is no arithmetic over the letters of the series.
    pub(super) fn parse(text: &str, series: usize) -> Result<Self, QueryError> {
        let expr = parse_expr(text).map_err(|error| bad(text, &error.to_string()))?;
        let formula = Self { expr };
        // A trial run finds everything that is not arithmetic over known letters.
        evaluate(&formula.expr, &vec![1.0; series]).map_err(|what| bad(text, &what))?;
        Ok(formula)
    }

    /// The value for one value of each series.
    pub(super) fn value(&self, series: &[f64]) -> f64 {
        evaluate(&self.expr, series).unwrap_or(0.0)
    }
}

fn evaluate(expr: &Expr, series: &[f64]) -> Result<f64, String> {
    match &expr.kind {
        #[expect(clippy::cast_precision_loss, reason = "constants of a formula")]
        ExprKind::Literal(Literal::Int(value)) => Ok(*value as f64),
        ExprKind::Literal(Literal::Float(value)) => Ok(*value),
        ExprKind::Field(_) => letter(expr, series),
        ExprKind::Arithmetic { op, left, right } => {
            let (left, right) = (evaluate(left, series)?, evaluate(right, series)?);
            Ok(match op {
                ArithmeticOp::Add => left + right,
                ArithmeticOp::Sub => left - right,
                ArithmeticOp::Mul => left * right,
                ArithmeticOp::Div if right == 0.0 => 0.0,
                ArithmeticOp::Div => left / right,
                ArithmeticOp::Mod if right == 0.0 => 0.0,
                ArithmeticOp::Mod => left % right,
            })
        }
        ExprKind::Call(call) if call.name == "pow" && call.args.len() == 2 => {
            Ok(evaluate(&call.args[0], series)?.powf(evaluate(&call.args[1], series)?))
        }
        _ => Err("only numbers, letters of series and + - * / are understood".to_owned()),
    }
}

fn letter(expr: &Expr, series: &[f64]) -> Result<f64, String> {
    let chain = expr.as_chain().unwrap_or_default();
    let [name] = chain.as_slice() else { return Err("a series is named by one letter".to_owned()) };
    let mut letters = name.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return Err(format!("'{name}' is not the letter of a series")) };
    let at = (letter.to_ascii_uppercase() as usize).wrapping_sub('A' as usize);
    series.get(at).copied().ok_or_else(|| format!("there is no series {name}, there are {}", series.len()))
}

fn bad(text: &str, what: &str) -> QueryError {
    QueryError::Request { detail: format!("formula '{text}' cannot be computed: {what}"), attr: Some("formula") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, series: &[f64], want: f64) {
        assert_eq!(Formula::parse(text, series.len()).unwrap().value(series), want, "{text}");
    }

    #[test]
    fn arithmetic() {
        check("A+2*B", &[1.0, 3.0], 7.0);
        check("(a + b) / 2", &[1.0, 3.0], 2.0);
        check("A/B*100", &[1.0, 0.0], 0.0);
        check("A - 0.5", &[1.0], 0.5);
        check("-A", &[1.0], -1.0);
    }

    #[test]
    fn what_is_no_formula_is_named() {
        for text in ["A+C", "sleep(1)", "A +", "AB", "event"] {
            assert!(Formula::parse(text, 2).is_err(), "{text}");
        }
    }
}
