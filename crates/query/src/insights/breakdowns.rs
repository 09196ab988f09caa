//! How results are broken down: property values as expressions over rows.

use super::conditions::row_expr;
use super::model::BreakdownFilter;
use crate::cohorts;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{call, compare};
use crate::resolve::QueryContext;
use serde_json::Value;

const LIMIT_DEFAULT: usize = 25;
const BREAKDOWNS_MAX: usize = 3;
/// Signs at the end of a URL that mean nothing.
pub(crate) const URL_END: &str = "[/?#]*$";

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
    /// By membership instead.
    pub(crate) cohorts: Vec<BreakdownCohort>,
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
    pub(crate) fn new(filter: Option<&BreakdownFilter>, bins: Option<u32>, context: &QueryContext) -> Result<Self, QueryError> {
        let Some(filter) = filter else { return Ok(Self::default()) };
        let limit = filter.breakdown_limit.unwrap_or(LIMIT_DEFAULT);
        let hide_other = filter.breakdown_hide_other_aggregation.unwrap_or(false);
        if let Some(cohorts) = breakdown_cohorts(filter, context)? {
            return Ok(Self { cohorts, limit, hide_other, ..Self::default() });
        }
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
            return Ok(Self { exprs, is_list: true, limit, hide_other, ..Self::default() });
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
        Ok(Self { exprs, is_list, limit, hide_other, ..Self::default() })
    }

    /// Whether there are none by values.
    pub(crate) fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }
}

/// One cohort of a breakdown. A person may be in several, so each is counted on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BreakdownCohort {
    /// 0 for everybody.
    pub(crate) id: i64,
    /// For people.
    pub(crate) name: String,
}

impl BreakdownCohort {
    /// Whether a row's person is in it.
    pub(crate) fn is_member(&self) -> Expr {
        match self.id {
            0 => Expr::lit(true),
            id => compare(CompareOp::InCohort, Expr::field(["person_id"]), Expr::lit(id)),
        }
    }
}

/// The cohorts that a filter breaks down by, in the order in which they are named; `None` when it does so by something else.
///
/// # Errors
/// [`QueryError::Request`] for what is no number of a cohort, [`QueryError::Resolve`] when there is no such cohort.
pub(crate) fn breakdown_cohorts(filter: &BreakdownFilter, context: &QueryContext) -> Result<Option<Vec<BreakdownCohort>>, QueryError> {
    let list = filter.breakdowns.as_deref().unwrap_or_default();
    let is_cohort = |kind: &Option<String>| kind.as_deref() == Some("cohort");
    let ids: Vec<&Value> = match &filter.breakdown {
        _ if list.iter().any(|each| is_cohort(&each.kind)) => {
            if !list.iter().all(|each| is_cohort(&each.kind)) {
                return Err(bad("cohorts are not broken down further, nor together with properties".to_owned()));
            }
            list.iter().map(|each| &each.property).flat_map(|ids| ids.as_array().map_or(std::slice::from_ref(ids), Vec::as_slice)).collect()
        }
        _ if !list.is_empty() || !is_cohort(&filter.breakdown_type) => return Ok(None),
        Value::Null => return Ok(None),
        Value::Array(ids) => ids.iter().collect(),
        one => vec![one],
    };
    let mut all: Vec<BreakdownCohort> = Vec::with_capacity(ids.len());
    for id in ids {
        let cohort = match (id.as_str(), id.as_i64().or_else(|| id.as_str()?.trim().parse().ok())) {
            (Some("all"), _) | (_, Some(0)) => BreakdownCohort { id: 0, name: "all users".to_owned() },
            (_, Some(id)) => BreakdownCohort { id, name: cohorts::find(id, context)?.document.name.clone() },
            (_, None) => return Err(bad(format!("a cohort breakdown takes ids of cohorts or \"all\", found {id}"))),
        };
        if !all.contains(&cohort) {
            all.push(cohort);
        }
    }
    Ok(Some(all))
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

/// A URL without the signs that end it and mean nothing; what is nothing but such signs is the root.
fn normalized(expr: Expr) -> Expr {
    let trimmed = call("replaceRegexpOne", vec![expr, Expr::lit(URL_END), Expr::lit("")]);
    call("if", vec![call("empty", vec![trimmed.clone()]), Expr::lit("/"), trimmed])
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("breakdownFilter") }
}
