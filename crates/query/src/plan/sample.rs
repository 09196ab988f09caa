//! `SAMPLE 1/10 OFFSET 1/2`: the events of a part of all distinct ids, by their hash. All events of a distinct id are in a sample or none is, and the
//! same ones each time.
//!
//! The hash and the borders are those of PostHog's ClickHouse, so both give the same rows.

use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr as Tree, Literal, Ratio, Sample, Segment};
use crate::resolve::{Scope, Source, Value};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};

/// One more than the largest hash.
const HASHES: u128 = 1 << 64;

/// A number without a fraction over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    over: u128,
    under: u128,
}

/// The condition on the rows of a relation; `None` when all are in the sample.
///
/// # Errors
/// [`QueryError`] when the relation is not `events`, or a number is negative or too long.
pub(super) fn condition(scope: &mut Scope<'_>, relation: usize, sample: &Sample) -> Result<Option<Expr>, QueryError> {
    if !matches!(scope.relations[relation].source, Source::Events(_)) {
        let name = scope.relations[relation].name.clone().unwrap_or_default();
        return Err(QueryError::resolve(format!("Illegal SAMPLE: table {name} doesn't support sampling")));
    }
    let rows = || scope.context.scan.view().shards().iter().flatten().map(|part| part.rows()).sum::<usize>();
    let ratio = relative(fraction(&sample.ratio)?, rows);
    let offset = sample.offset.as_ref().map(fraction).transpose()?.map(|offset| relative(offset, rows));
    let (from, below) = borders(ratio, offset);
    if from == 0 && below >= HASHES {
        return Ok(None);
    }
    let Ok(from) = u64::try_from(from) else { return Ok(Some(lit(false))) };
    let chain = [Segment::Name("distinct_id".to_owned())];
    let distinct_id =
        scope.relation_field(relation, &chain)?.ok_or_else(|| QueryError::Internal("events have no distinct_id".to_owned()))?;
    let hash = scope.call_values("cityHash64", vec![distinct_id])?;
    let border = |border: u64| Value::literal(ScalarValue::UInt64(Some(border)));
    let outer = std::mem::replace(&mut scope.in_join, true);
    let above = scope.compare_values(CompareOp::GtEq, hash.clone(), border(from));
    let under = u64::try_from(below).ok().map(|below| scope.compare_values(CompareOp::Lt, hash, border(below)));
    scope.in_join = outer;
    Ok(Some(match under {
        Some(under) => binary_expr(above?.expr, Operator::And, under?.expr),
        None => above?.expr,
    }))
}

/// The first hash that is in the sample, and the first behind it. A ratio of 0 asks for no sampling, as in ClickHouse.
fn borders(ratio: Fraction, offset: Option<Fraction>) -> (u128, u128) {
    if ratio.over == 0 {
        return (0, HASHES);
    }
    let from = offset.map_or(0, Fraction::of_hashes);
    (from, from.saturating_add(ratio.of_hashes()))
}

impl Fraction {
    /// That part of all hashes.
    fn of_hashes(self) -> u128 {
        // Both are halved until the product has room; the border moves by less than a hash of a billion.
        let shift = (u128::BITS - self.over.leading_zeros()).saturating_sub(63);
        ((self.over >> shift) * HASHES) / (self.under >> shift).max(1)
    }
}

/// More than 1 asks for about that many rows.
fn relative(asked: Fraction, rows: impl Fn() -> usize) -> Fraction {
    if asked.over <= asked.under {
        return asked;
    }
    let rows = u128::try_from(rows()).unwrap_or(u128::MAX).max(1).saturating_mul(asked.under);
    Fraction { over: asked.over.min(rows), under: rows }
}

fn fraction(ratio: &Ratio) -> Result<Fraction, QueryError> {
    let over = decimal(&ratio.numerator)?;
    let Some(denominator) = &ratio.denominator else { return Ok(over) };
    let under = decimal(denominator)?;
    match (over.over.checked_mul(under.under), over.under.checked_mul(under.over)) {
        (Some(over), Some(under)) if under > 0 => Ok(Fraction { over, under }),
        _ => Err(not_a_ratio(&format!("{over}/{under}", over = ratio.numerator, under = denominator))),
    }
}

/// A number as it is written, exactly.
fn decimal(number: &Tree) -> Result<Fraction, QueryError> {
    let text = match number.as_literal() {
        Some(Literal::Int(number)) => number.to_string(),
        Some(Literal::UInt(number)) => number.to_string(),
        Some(Literal::Float(number)) => number.to_string(),
        _ => number.to_string(),
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let over = format!("{whole}{part}").parse().ok();
    let under = u32::try_from(part.len()).ok().and_then(|digits| 10_u128.checked_pow(digits));
    match (over, under) {
        (Some(over), Some(under)) => Ok(Fraction { over, under }),
        _ => Err(not_a_ratio(&text)),
    }
}

fn not_a_ratio(found: &str) -> QueryError {
    QueryError::resolve(format!("SAMPLE takes a number or a ratio such as 0.1 or 1/10, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(over: u128, under: u128) -> Fraction {
        Fraction { over, under }
    }

    #[test]
    fn numbers_are_read_exactly() {
        assert_eq!(decimal(&Tree::lit(0.1)).ok(), Some(part(1, 10)));
        assert_eq!(decimal(&Tree::lit(25)).ok(), Some(part(25, 1)));
        assert_eq!(fraction(&Ratio { numerator: Tree::lit(1).into(), denominator: Some(Tree::lit(2.5).into()) }).ok(), Some(part(10, 25)));
        assert!(decimal(&Tree::lit(-1)).is_err() && decimal(&Tree::lit("a")).is_err() && decimal(&Tree::lit(f64::INFINITY)).is_err());
        assert!(fraction(&Ratio { numerator: Tree::lit(1).into(), denominator: Some(Tree::lit(0).into()) }).is_err());
    }

    #[test]
    fn borders_lie_where_clickhouse_has_them() {
        assert_eq!(borders(part(1, 10), None), (0, 1_844_674_407_370_955_161));
        assert_eq!(borders(part(1, 2), Some(part(1, 2))), (1 << 63, HASHES));
        assert_eq!(borders(part(0, 1), Some(part(1, 2))), (0, HASHES));
        assert_eq!(borders(part(1, 1), None), (0, HASHES));
        assert_eq!(borders(part(1, 2), Some(part(1, 1))), (HASHES, HASHES + (1 << 63)));
        assert_eq!(relative(part(5, 1), || 20), part(5, 20));
        assert_eq!(relative(part(50, 1), || 20), part(20, 20));
        assert_eq!(relative(part(1, 1), || 20), part(1, 1));
    }
}
