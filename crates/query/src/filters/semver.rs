//! Semantic versions: comparisons and ranges over `x.y.z`. What is no version never matches.

use super::bad;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, call, compare};

type Version = [u64; 3];

/// The condition of a `semver_…` operator; `None` for any other operator.
pub(super) fn condition(field: &Expr, value: &str, operator: &str) -> Option<Result<Expr, QueryError>> {
    let op = match operator {
        "semver_eq" => CompareOp::Eq,
        "semver_neq" => CompareOp::NotEq,
        "semver_gt" => CompareOp::Gt,
        "semver_gte" => CompareOp::GtEq,
        "semver_lt" => CompareOp::Lt,
        "semver_lte" => CompareOp::LtEq,
        "semver_tilde" => return Some(range(field, value, tilde)),
        "semver_caret" => return Some(range(field, value, caret)),
        "semver_wildcard" => return Some(range(field, value, wildcard)),
        _ => return None,
    };
    Some(match parts(value).filter(|parts| parts.len() == 3) {
        Some(_) => Ok(and(vec![is_version(field), compare(op, sortable(field.clone()), sortable(Expr::lit(value)))])),
        None => Err(bad(format!("'{value}' is not a version of the form x.y.z"))),
    })
}

fn range(field: &Expr, value: &str, bounds: fn(&str) -> Option<(Version, Version)>) -> Result<Expr, QueryError> {
    let (low, high) = bounds(value).ok_or_else(|| bad(format!("'{value}' is not a range of versions")))?;
    Ok(and(vec![
        is_version(field),
        compare(CompareOp::GtEq, sortable(field.clone()), sortable(version(low))),
        compare(CompareOp::Lt, sortable(field.clone()), sortable(version(high))),
    ]))
}

/// Three numbers without leading zeros, an optional `v` before and a suffix behind.
fn is_version(field: &Expr) -> Expr {
    let pattern = r"^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)([-+].*)?$";
    let text = call("toString", vec![field.clone()]);
    call("ifNull", vec![call("match", vec![text, Expr::lit(pattern)]), Expr::lit(false)])
}

fn sortable(expr: Expr) -> Expr {
    call("sortableSemver", vec![expr])
}

fn version([major, minor, patch]: Version) -> Expr {
    Expr::lit(format!("{major}.{minor}.{patch}"))
}

fn parts(text: &str) -> Option<Vec<u64>> {
    let core = text.trim().trim_start_matches('v').split(['-', '+']).next()?;
    let parts = core.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    (1..=3).contains(&parts.len()).then_some(parts)
}

/// `~1.2.3`: ≥ 1.2.3, < 1.3.0; `~1`: ≥ 1.0.0, < 2.0.0.
fn tilde(text: &str) -> Option<(Version, Version)> {
    let given = parts(text)?;
    let low = filled(&given);
    Some((low, if given.len() == 1 { [low[0] + 1, 0, 0] } else { [low[0], low[1] + 1, 0] }))
}

/// `^1.2.3`: the leftmost part that is not zero stays.
fn caret(text: &str) -> Option<(Version, Version)> {
    let low = filled(&parts(text)?);
    let high = match low {
        [0, 0, patch] => [0, 0, patch + 1],
        [0, minor, _] => [0, minor + 1, 0],
        [major, ..] => [major + 1, 0, 0],
    };
    Some((low, high))
}

/// `1.2.*`: ≥ 1.2.0, < 1.3.0.
fn wildcard(text: &str) -> Option<(Version, Version)> {
    let fixed = text.trim().trim_end_matches(".*");
    tilde(fixed).filter(|_| fixed != text.trim() && fixed.split('.').count() < 3)
}

fn filled(parts: &[u64]) -> Version {
    [parts.first().copied().unwrap_or(0), parts.get(1).copied().unwrap_or(0), parts.get(2).copied().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(tilde("1.2.3"), Some(([1, 2, 3], [1, 3, 0])));
        assert_eq!(tilde("1"), Some(([1, 0, 0], [2, 0, 0])));
        assert_eq!(caret("1.2.3"), Some(([1, 2, 3], [2, 0, 0])));
        assert_eq!(caret("0.2.3"), Some(([0, 2, 3], [0, 3, 0])));
        assert_eq!(caret("0.0.3"), Some(([0, 0, 3], [0, 0, 4])));
        assert_eq!(wildcard("1.2.*"), Some(([1, 2, 0], [1, 3, 0])));
        assert_eq!(wildcard("1.*"), Some(([1, 0, 0], [2, 0, 0])));
        assert_eq!(wildcard("1.2"), None);
        assert_eq!(tilde("x"), None);
    }
}
