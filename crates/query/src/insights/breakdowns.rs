//! How results are broken down: property values as expressions over rows.

use super::conditions::row_expr;
use super::model::BreakdownFilter;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use serde_json::Value;

const LIMIT_DEFAULT: usize = 25;
const BREAKDOWNS_MAX: usize = 3;

/// One breakdown as an expression.
#[derive(Clone, Debug)]
pub(crate) struct BreakdownExpr {
    pub(crate) expr: Expr,
    /// Number of bins when values are sorted into bins of equal width.
    pub(crate) bins: Option<u32>,
}

/// How results are broken down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakdowns {
    pub(crate) exprs: Vec<BreakdownExpr>,
    /// Asked for with `breakdowns`: values are lists.
    pub(crate) is_list: bool,
    /// How many values are shown; the rest is "other".
    pub(crate) limit: usize,
    /// The rest is not shown at all.
    pub(crate) hide_other: bool,
}

impl Breakdowns {
    /// What a filter asks for. `bins`: how many bins when the filter does not say.
    ///
    /// # Errors
    /// [`QueryError`] when there are too many, or one cannot be understood.
    pub(crate) fn new(filter: Option<&BreakdownFilter>, bins: Option<u32>) -> Result<Self, QueryError> {
        let Some(filter) = filter else { return Ok(Self::default()) };
        let limit = filter.breakdown_limit.unwrap_or(LIMIT_DEFAULT);
        let hide_other = filter.breakdown_hide_other_aggregation.unwrap_or(false);
        let mut exprs = Vec::new();
        if let Some(list) = filter.breakdowns.as_ref().filter(|list| !list.is_empty()) {
            if list.len() > BREAKDOWNS_MAX {
                return Err(bad(format!("at most {BREAKDOWNS_MAX} breakdowns, found {}", list.len())));
            }
            for each in list {
                let kind = each.kind.as_deref().unwrap_or("event");
                let expr = breakdown_expr(kind, &each.property, each.group_type_index)?;
                let expr = if each.normalize_url == Some(true) { normalized(expr) } else { expr };
                exprs.push(BreakdownExpr { expr, bins: each.histogram_bin_count });
            }
            return Ok(Self { exprs, is_list: true, limit, hide_other });
        }
        let kind = filter.breakdown_type.as_deref().unwrap_or("event");
        let values = match &filter.breakdown {
            Value::Null => return Ok(Self::default()),
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        for value in &values {
            let expr = breakdown_expr(kind, value, filter.breakdown_group_type_index)?;
            let expr = if filter.breakdown_normalize_url == Some(true) { normalized(expr) } else { expr };
            exprs.push(BreakdownExpr { expr, bins: filter.breakdown_histogram_bin_count.or(bins) });
        }
        let is_list = exprs.len() > 1;
        Ok(Self { exprs, is_list, limit, hide_other })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }
}

/// The value of a breakdown as an expression over rows.
///
/// # Errors
/// [`QueryError`] for a kind that is not known, or a property that is no key.
pub(crate) fn breakdown_expr(kind: &str, property: &Value, group_index: Option<u8>) -> Result<Expr, QueryError> {
    let key = match property {
        Value::String(key) => key.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(bad(format!("a breakdown is a property key, found {other}"))),
    };
    let chain = match kind {
        "event" => vec!["properties".to_owned(), key],
        "person" => vec!["person".to_owned(), "properties".to_owned(), key],
        "group" => vec![format!("group_{}", group_index.unwrap_or(0)), "properties".to_owned(), key],
        "session" => vec!["session".to_owned(), key],
        "event_metadata" => vec![key],
        "hogql" => return row_expr(&key),
        other => return Err(QueryError::unsupported(format!("breakdowns of type '{other}' are not supported here"))),
    };
    Ok(Expr::field(chain))
}

/// A URL without the signs that end it and mean nothing.
fn normalized(expr: Expr) -> Expr {
    let trimmed = call("replaceRegexpOne", vec![expr.clone(), Expr::lit("[\\\\/?#]*$"), Expr::lit("")]);
    // A bare path stays one.
    call("if", vec![call("empty", vec![trimmed.clone()]), expr, trimmed])
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("breakdownFilter") }
}
