//! Results of saved queries: computed, kept or under way, as a request wants them.
//!
//! In: a saved work's body with its `query`. Out: the same with `result` and what belongs to it. A query that runs in the background, or has failed, says so in
//! `query_status`; the older result stands beside it where one is kept.

use super::insights::source_of;
use crate::answer::AnswerBody;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::overrides::{apply_filters, apply_variables};
use crate::questions::{Question, Refresh, Reply};
use crate::routes::iso;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_query::Asker;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::IntoParams;
use uuid::Uuid;

/// The path, as the query log shows it.
const ENDPOINT: &str = "/api/projects/:id/insights/";

/// What an insight has of an answer: as the answer calls it and as an insight does.
const FIELDS: [(&str, &str); 6] = [
    ("results", "result"),
    ("hasMore", "hasMore"),
    ("columns", "columns"),
    ("types", "types"),
    ("hogql", "hogql"),
    ("resolved_date_range", "resolved_date_range"),
];

/// Which results are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResultParams {
    /// How results are come by: `blocking`, `async`, `lazy_async`, `async_except_on_cache_miss`, `force_blocking` (`true`), `force_async`, or `force_cache`
    /// (`false`: what is kept, however old). Default: `blocking` for one, no results in lists.
    refresh: Option<String>,
    /// Filters put over those of the query, JSON: `{date_from, date_to, properties, breakdown_filter}`.
    filters_override: Option<String>,
    /// Values of the query's variables by their ids, JSON.
    variables_override: Option<String>,
}

/// How results are come by, and what is put over the queries.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    refresh: Refresh,
    asker: Asker,
    filters: Option<Value>,
    variables: Option<Value>,
}

impl ResultParams {
    /// What the request wants; `default` when it does not say.
    ///
    /// # Errors
    /// [`ApiError::Field`] when a parameter cannot be understood.
    pub(crate) fn wanted(&self, caller: &Caller, default: Option<Refresh>) -> Result<Option<Wanted>, ApiError> {
        let refresh = match self.refresh.as_deref() {
            None => default,
            Some(text) => Some(Refresh::of(Some(&Value::from(text)), None)?),
        };
        let (filters, variables) = (
            json_of("filters_override", self.filters_override.as_ref())?,
            json_of("variables_override", self.variables_override.as_ref())?,
        );
        let asker = Asker { user: Some(caller.user.id), with_key: caller.key().is_some(), name: None, endpoint: ENDPOINT };
        Ok(refresh.map(|refresh| Wanted { refresh, asker, filters, variables }))
    }
}

impl Wanted {
    /// What somebody without a name sees.
    pub(crate) fn shared() -> Self {
        Self { refresh: Refresh::Blocking, asker: Asker::default(), filters: None, variables: None }
    }

    /// The same with the filters and the values of variables that a dashboard has, unless the request brings its own.
    pub(crate) fn on_dashboard(self, filters: Option<&Value>, variables: Option<&Value>) -> Self {
        Self { filters: self.filters.or_else(|| filters.cloned()), variables: self.variables.or_else(|| variables.cloned()), ..self }
    }
}

fn json_of(field: &'static str, text: Option<&String>) -> Result<Option<Value>, ApiError> {
    let given = text.filter(|text| !text.is_empty()).map(|text| serde_json::from_str(text)).transpose();
    given.map_err(|error| ApiError::field(field, "invalid_input", format!("Expected JSON: {error}.")))
}

/// Adds the result of a body's query to it.
pub(crate) async fn add(state: &ApiState, project: &Arc<Project>, body: &mut Map<String, Value>, wanted: &Wanted) {
    let Some(mut query) = body.get("query").and_then(source_of).cloned() else { return };
    if let Some(filters) = &wanted.filters {
        apply_filters(&mut query, filters);
    }
    if let Some(variables) = &wanted.variables {
        apply_variables(&mut query, variables);
    }
    let asker = Asker { name: query.get("name").and_then(Value::as_str).map(str::to_owned), ..wanted.asker.clone() };
    let question = Question { project: Arc::clone(project), query, query_id: Uuid::now_v7().to_string(), refresh: wanted.refresh, asker };
    match question.ask(state).await {
        Ok(Reply::Answered(answer)) => put(body, &answer),
        Ok(Reply::Started { last, status, .. }) => {
            if let Some(last) = last {
                put(body, &last);
            }
            body.insert("query_status".to_owned(), json!(status));
        }
        Ok(Reply::Missing { .. }) => {}
        Err(error) => {
            let status = json!({"id": body.get("short_id"), "query_async": false, "team_id": project.id.0, "error": true, "complete": true,
                "error_message": detail(&error)});
            body.insert("query_status".to_owned(), status);
        }
    }
}

fn put(body: &mut Map<String, Value>, answer: &AnswerBody) {
    let answer = answer.answer();
    for (from, to) in FIELDS {
        if let Some(value) = answer.body.get(from) {
            body.insert(to.to_owned(), value.clone());
        }
    }
    body.insert("is_cached".to_owned(), Value::Bool(answer.is_cached));
    let times = [
        ("last_refresh", answer.last_refresh),
        ("cache_target_age", answer.cache_target_age),
        ("next_allowed_client_refresh", answer.next_allowed_client_refresh),
    ];
    body.extend(times.map(|(name, time)| (name.to_owned(), Value::from(iso(time)))));
}

/// What the user may know of a failure.
fn detail(error: &ApiError) -> String {
    match error {
        ApiError::Query(error) if error.is_user_error() => error.detail(),
        other => {
            tracing::warn!(%other, "an insight could not be computed");
            "The query failed.".to_owned()
        }
    }
}
