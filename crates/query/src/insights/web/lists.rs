//! Lists over the events of a site: links that lead out of it, pages by how fast they are, addresses that were looked at. Each is one SELECT.

use super::breakdown::clean;
use super::model::{WebQuery, named, sampling_rate};
use crate::error::QueryError;
use crate::functions::datum::read;
use crate::hogql::ast::{Call, CompareOp, Expr, GroupBy, SelectQuery};
use crate::hogql::build::{and, asc, call, compare, desc, eq, from_query, table};
use crate::insights::{InsightContext, InsightResult};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What these queries say beside what all of web analytics says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::insights) struct ListQuery {
    #[serde(flatten)]
    web: WebQuery,
    /// Addresses without what follows their path.
    strip_query_params: Option<bool>,
    /// `LCP`, `INP`, `CLS` or `FCP`.
    metric: Option<String>,
    /// `p75`, `p90` or `p99`.
    percentile: Option<String>,
    /// Up to what a value is good, and up to what it needs improvement.
    thresholds: Option<[f64; 2]>,
    search_term: Option<String>,
}

/// Rows of a list when the request says nothing.
const LIMIT_DEFAULT: usize = 100;
/// Pages that are shown of each band.
const PAGES_PER_BAND: usize = 20;

fn property(key: &str) -> Expr {
    Expr::field(["properties", key])
}

impl ListQuery {
    /// Whether a row lies in the period, and passes the filters.
    fn conditions(&self, context: &InsightContext<'_>) -> Result<Vec<Expr>, QueryError> {
        let (from, to) = self.web.periods(&self.web.range(context)).current;
        let bound = |op, micros: i64| compare(op, Expr::field(["timestamp"]), call("fromUnixTimestamp64Micro", vec![Expr::lit(micros)]));
        let mut all = vec![bound(CompareOp::GtEq, from), bound(CompareOp::LtEq, to)];
        all.extend(self.web.filters(context)?);
        Ok(all)
    }

    fn address(&self, url: Expr) -> Expr {
        if self.strip_query_params == Some(true) { call("cutQueryStringAndFragment", vec![url]) } else { url }
    }

    fn limit(&self) -> usize {
        self.web.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT).min(crate::plan::ROWS_MAX)
    }
}

fn lit(count: usize) -> Option<Expr> {
    i64::try_from(count).ok().map(Expr::lit)
}

/// The rows of a SELECT as JSON: texts and numbers.
fn rows(select: SelectQuery, context: &InsightContext<'_>) -> Result<Vec<Vec<Value>>, QueryError> {
    let mut all = Vec::new();
    for batch in context.select(&select.into())? {
        for row in 0..batch.num_rows() {
            let cell = |column: &arrow::array::ArrayRef| {
                let value = read(column.as_ref(), row);
                match (value.as_text(), value.as_float()) {
                    (Some(text), _) => json!(text),
                    (None, Some(number)) => json!(number),
                    (None, None) => Value::Null,
                }
            };
            all.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok(all)
}

/// WebExternalClicksTableQuery: by address how many visitors followed links to it, and how often.
///
/// # Errors
/// [`QueryError`] when a filter cannot be understood.
pub(in crate::insights) fn external_clicks(query: &ListQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let url = query.address(property("$external_click_url"));
    let mut conditions = query.conditions(context)?;
    conditions.push(named(&["$autocapture"]));
    conditions.push(eq(property("$event_type"), Expr::lit("click")));
    conditions.push(call("notEmpty", vec![call("ifNull", vec![url.clone(), Expr::lit("")])]));
    let session = || Expr::field(["$session_id"]);
    // a session has one visitor
    let of_sessions = SelectQuery {
        select: vec![
            call("any", vec![Expr::field(["person_id"])]).alias("visitor"),
            call("count", Vec::new()).alias("clicks"),
            url.alias("url"),
        ],
        from: Some(table("events")),
        filter: Some(and(conditions)),
        group_by: Some(GroupBy::Exprs(vec![session(), Expr::field(["url"])])),
        ..SelectQuery::default()
    };
    let limit = query.limit();
    let offset = query.web.offset.unwrap_or(0);
    let columns = ["context.columns.url", "context.columns.visitors", "context.columns.clicks"];
    let select = SelectQuery {
        select: vec![
            Expr::field(["url"]),
            call("uniq", vec![Expr::field(["visitor"])]).alias("visitors"),
            call("sum", vec![Expr::field(["clicks"])]).alias("all_clicks"),
        ],
        from: Some(from_query(of_sessions, None)),
        group_by: Some(GroupBy::Exprs(vec![Expr::field(["url"])])),
        order_by: vec![desc(Expr::field(["visitors"])), asc(Expr::field(["url"]))],
        limit: lit(limit + 1),
        offset: lit(offset),
        ..SelectQuery::default()
    };
    let mut found = rows(select, context)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let types: Vec<Value> = columns.iter().zip(["Nullable(String)", "UInt64", "UInt64"]).map(|(name, kind)| json!([name, kind])).collect();
    let more = Map::from_iter([
        ("columns".to_owned(), json!(columns)),
        ("types".to_owned(), Value::Array(types)),
        ("limit".to_owned(), json!(limit)),
        ("offset".to_owned(), json!(offset)),
        ("samplingRate".to_owned(), sampling_rate()),
    ]);
    Ok(InsightResult { results: json!(found), has_more, more, range: Some(query.web.range(context)) })
}

/// WebVitalsPathBreakdownQuery: pages by a measure of how fast they are, in three bands.
///
/// # Errors
/// [`QueryError::Request`] without thresholds or with a measure that is not known.
pub(in crate::insights) fn vitals_by_path(query: &ListQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let bad = |detail: String, attr| QueryError::Request { detail, attr: Some(attr) };
    let Some([good, fair]) = query.thresholds else { return Err(bad("thresholds are missing".to_owned(), "thresholds")) };
    let metric = query.metric.as_deref().unwrap_or_default();
    if !matches!(metric, "LCP" | "INP" | "CLS" | "FCP") {
        return Err(bad(format!("a metric is LCP, INP, CLS or FCP, found '{metric}'"), "metric"));
    }
    let share = match query.percentile.as_deref().unwrap_or_default() {
        "p75" => 0.75,
        "p90" => 0.9,
        "p99" => 0.99,
        other => return Err(bad(format!("a percentile is p75, p90 or p99, found '{other}'"), "percentile")),
    };
    let path = clean(property("$pathname"), &query.web, context)?;
    let mut conditions = query.conditions(context)?;
    conditions.push(named(&["$web_vitals"]));
    conditions.push(call("isNotNull", vec![path.clone()]));
    let number = call("toFloat", vec![property(&format!("$web_vitals_{metric}_value"))]);
    let value =
        Expr::from(Call { name: "quantile".to_owned(), params: Some(vec![Expr::lit(share)]), args: vec![number], ..Call::default() });
    let select = SelectQuery {
        select: vec![path.alias("path"), value.alias("value")],
        from: Some(table("events")),
        filter: Some(and(conditions)),
        group_by: Some(GroupBy::Exprs(vec![Expr::field(["path"])])),
        having: Some(compare(CompareOp::GtEq, Expr::field(["value"]), Expr::lit(0.0))),
        order_by: vec![asc(Expr::field(["value"])), asc(Expr::field(["path"]))],
        ..SelectQuery::default()
    };
    let mut bands: [Vec<Value>; 3] = Default::default();
    for row in rows(select, context)? {
        let Some(value) = row[1].as_f64() else { continue };
        let band = &mut bands[usize::from(value > good) + usize::from(value > good && value > fair)];
        if band.len() < PAGES_PER_BAND {
            band.push(json!({"path": row[0], "value": value}));
        }
    }
    let [good, fair, poor] = bands;
    let more = Map::from_iter([("samplingRate".to_owned(), sampling_rate())]);
    let results = json!([{"good": good, "needs_improvements": fair, "poor": poor}]);
    Ok(InsightResult { results, more, range: Some(query.web.range(context)), ..InsightResult::default() })
}

/// WebPageURLSearchQuery: addresses that were looked at, the most visited first.
///
/// # Errors
/// [`QueryError`] when a filter cannot be understood.
pub(in crate::insights) fn page_urls(query: &ListQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let text = call("toString", vec![property("$current_url")]);
    let mut conditions = vec![named(&["$pageview"]), call("isNotNull", vec![text.clone()])];
    if let Some(words) = query.search_term.as_deref().filter(|words| !words.is_empty()) {
        conditions.push(compare(CompareOp::ILike, text.clone(), Expr::lit(format!("%{words}%"))));
    }
    let limit = query.limit();
    let select = SelectQuery {
        select: vec![query.address(text).alias("url"), call("count", Vec::new()).alias("views")],
        from: Some(table("events")),
        filter: Some(and(conditions)),
        group_by: Some(GroupBy::Exprs(vec![Expr::field(["url"])])),
        order_by: vec![desc(Expr::field(["views"])), asc(Expr::field(["url"]))],
        limit: lit(limit),
        ..SelectQuery::default()
    };
    let found = rows(select, context)?;
    let has_more = found.len() >= limit;
    let results = found.into_iter().map(|row| json!({"url": row[0], "count": row[1]})).collect();
    Ok(InsightResult { results, has_more, ..InsightResult::default() })
}
