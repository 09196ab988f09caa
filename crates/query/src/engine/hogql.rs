//! HogQLQuery.

use super::filters::filter_pair;
use super::{Listed, QueryResponse, Run};
use crate::error::QueryError;
use crate::hogql::ast::{Expr, Query};
use crate::hogql::parse_select;
use crate::plan::{Nesting, ROWS_MAX, plan_query};
use crate::resolve::{CteEnv, Output, QueryContext, Values, replace_in_query};
use serde_json::{Value as Json, json};
use std::time::Instant;

pub(super) async fn answer(run: &Run, request: &Json) -> Result<QueryResponse, QueryError> {
    let Some(text) = request.get("query").and_then(Json::as_str) else {
        return Err(QueryError::Request { detail: "query.query must be text".to_owned(), attr: Some("query") });
    };
    let mut timings = Timings::default();
    let mut query = parse_select(text)?;
    replace_in_query(&mut query, &values(request, &run.context)?)?;
    add_limit(&mut query, run.context.default_limit);
    timings.mark("./parse");
    let (plan, outputs) = plan_query(&query, &run.context, &CteEnv::default(), Nesting::Outer)?;
    let page = page(&query);
    let (results, has_more) = run.page(plan, &outputs, page.map_or(usize::MAX, |page| page.limit), &mut timings).await?;
    timings.mark("./show");
    let listed = Listed {
        results: results.into_iter().map(Json::Array).collect(),
        columns: outputs.iter().map(|output| output.name.as_str()).collect(),
        types: types(&outputs, &run.context),
        hogql: query.to_string(),
        has_more,
        limit: page.map_or(run.context.default_limit, |page| page.limit),
        offset: page.map_or(0, |page| page.offset),
    };
    Ok(listed.respond([("query", Json::from(text))], timings))
}

/// `[[name, type], …]`.
pub(crate) fn types(outputs: &[Output], context: &QueryContext) -> Json {
    outputs.iter().map(|output| json!([output.name, output.ty.name(&context.project.timezone)])).collect()
}

/// How long each step took.
#[derive(Debug)]
pub(crate) struct Timings {
    start: Instant,
    last: Instant,
    marks: Vec<Json>,
}

impl Default for Timings {
    fn default() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, marks: Vec::new() }
    }
}

impl Timings {
    pub(crate) fn mark(&mut self, step: &str) {
        let now = Instant::now();
        self.marks.push(json!({"k": step, "t": (now - self.last).as_secs_f64()}));
        self.last = now;
    }

    /// PostHog's `timings`: the last one, `.`, is the whole.
    pub(crate) fn finish(mut self) -> Json {
        self.marks.push(json!({"k": ".", "t": (self.last - self.start).as_secs_f64()}));
        Json::Array(self.marks)
    }
}

#[derive(Clone, Copy, Debug)]
struct Page {
    limit: usize,
    offset: usize,
}

/// LIMIT and OFFSET of a single SELECT; `None` where the number of rows is not LIMIT's alone to say.
fn page(query: &Query) -> Option<Page> {
    let Query::Select(select) = query else { return None };
    if select.with_ties {
        return None;
    }
    let number = |expr: &Option<Expr>| match expr.as_ref().and_then(Expr::as_literal) {
        Some(crate::hogql::ast::Literal::Int(count)) => usize::try_from(*count).ok(),
        _ => None,
    };
    Some(Page { limit: number(&select.limit)?.min(ROWS_MAX), offset: number(&select.offset).unwrap_or(0) })
}

/// The default LIMIT, written into every SELECT of the user's own that has none.
fn add_limit(query: &mut Query, default: usize) {
    match query {
        Query::Select(select) => {
            if select.limit.is_none() {
                select.limit = i64::try_from(default).ok().map(Expr::lit);
            }
        }
        Query::Set(set) if set.limit.is_some() => {}
        Query::Set(set) => {
            add_limit(&mut set.first, default);
            set.rest.iter_mut().for_each(|(_, query)| add_limit(query, default));
        }
        Query::Placeholder(_) => {}
    }
}

/// What placeholders of the request stand for.
pub(super) fn values(request: &Json, context: &QueryContext) -> Result<Values, QueryError> {
    let mut values = Values::default();
    if let Some(Json::Object(given)) = request.get("values") {
        values.values.clone_from(given);
    }
    if let Some(Json::Object(variables)) = request.get("variables") {
        for variable in variables.values() {
            let is_null = variable.get("isNull").and_then(Json::as_bool).unwrap_or(false);
            let value = if is_null { Json::Null } else { variable.get("value").cloned().unwrap_or(Json::Null) };
            if let Some(name) = variable.get("code_name").and_then(Json::as_str) {
                values.variables.push((name.to_owned(), value));
            }
        }
    }
    if let Some(given) = request.get("filters").filter(|given| !given.is_null()) {
        values.filters = Some(filter_pair(given, context)?);
    }
    Ok(values)
}
