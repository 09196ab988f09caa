//! What one series asks of each row: its condition, its breakdown, its value, who did it.

use super::math::Math;
use crate::error::QueryError;
use crate::filters::{self, FilterContext, Scope};
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, eq};
use crate::hogql::parse_expr;
use crate::insights::InsightContext;
use crate::insights::model::{BreakdownFilter, Series, TrendsQuery};
use serde_json::Value;

/// One breakdown as an expression.
#[derive(Clone, Debug)]
pub(super) struct BreakdownExpr {
    pub(super) expr: Expr,
    /// Number of bins when values are sorted into bins of equal width.
    pub(super) bins: Option<u32>,
}

/// How results are broken down.
#[derive(Clone, Debug, Default)]
pub(super) struct Breakdowns {
    pub(super) exprs: Vec<BreakdownExpr>,
    /// Asked for with `breakdowns`: values are lists.
    pub(super) is_list: bool,
    pub(super) limit: usize,
    pub(super) hide_other: bool,
}

/// A series made definite.
#[derive(Debug)]
pub(super) struct SeriesPlan {
    pub(super) series: Series,
    pub(super) math: Math,
    /// The event alone, without property filters: what "first ever" looks at.
    pub(super) event: Expr,
    /// Property filters of the series and of the query.
    pub(super) filter: Option<Expr>,
    /// What `math` computes with: a number, or a key that is counted once.
    pub(super) operand: Option<Expr>,
}

const LIMIT_DEFAULT: usize = 25;
const LIMIT_WORLD_MAP: usize = 300;
const BREAKDOWNS_MAX: usize = 3;

impl SeriesPlan {
    pub(super) fn new(series: &Series, query: &TrendsQuery, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        if !matches!(series.kind.as_str(), "EventsNode" | "") {
            return Err(QueryError::unsupported(format!("series of kind '{}' are not supported here", series.kind)));
        }
        let filter = context.with_filters(|filters| {
            let mut parts = Vec::new();
            for properties in [&series.properties, &series.fixed_properties, &query.properties] {
                parts.extend(filters::condition(properties, Scope::Event, filters)?);
            }
            if query.filter_test_accounts == Some(true) {
                parts.extend(filters::condition(&context.query.project.test_account_filters, Scope::Event, filters)?);
            }
            Ok(if parts.is_empty() { None } else { Some(and(parts)) })
        })?;
        let event = series.event.as_ref().map_or_else(|| Expr::lit(true), |name| eq(Expr::field(["event"]), Expr::lit(name.as_str())));
        let math = Math::of(series)?;
        let operand = math.operand(series)?;
        Ok(Self { series: series.clone(), math, event, filter, operand })
    }

    /// The whole condition of a row, but for time.
    pub(super) fn condition(&self) -> Expr {
        let mut parts = vec![self.event.clone()];
        parts.extend(self.filter.clone());
        and(parts)
    }
}

impl Breakdowns {
    pub(super) fn new(filter: Option<&BreakdownFilter>, display: &str, bins: Option<u32>) -> Result<Self, QueryError> {
        let Some(filter) = filter else { return Ok(Self::default()) };
        let limit = filter.breakdown_limit.unwrap_or(if display == "WorldMap" { LIMIT_WORLD_MAP } else { LIMIT_DEFAULT });
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

    pub(super) fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }
}

fn breakdown_expr(kind: &str, property: &Value, group_index: Option<u8>) -> Result<Expr, QueryError> {
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
        "hogql" => return Ok(parse_expr(&key)?.without_alias().clone()),
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

/// The translation of property filters needs the project's types and clock.
impl InsightContext<'_> {
    pub(super) fn with_filters<T>(&self, run: impl FnOnce(&FilterContext<'_>) -> Result<T, QueryError>) -> Result<T, QueryError> {
        let type_of = |kind: &str, group: Option<u8>, key: &str| self.property_type(kind, group, key);
        run(&FilterContext { now: &self.calendar.now, type_of: &type_of })
    }
}
