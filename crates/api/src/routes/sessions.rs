//! Properties of sessions and the values that they have: what menus of filters offer.
//!
//! Sessions are computed from events, so their properties are always the same; no definition is learned.

use crate::asking::ask;
use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::definitions::Search;
use crate::routes::values::{ValueBody, ValueParams};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::PropertyType;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use PropertyType as T;

/// Properties of sessions, as HogQL's table `sessions` has them.
const PROPERTIES: &[(&str, PropertyType)] = &[
    ("$start_timestamp", T::DateTime),
    ("$end_timestamp", T::DateTime),
    ("$session_duration", T::Duration),
    ("$is_bounce", T::Boolean),
    ("$channel_type", T::String),
    ("$pageview_count", T::Numeric),
    ("$autocapture_count", T::Numeric),
    ("$screen_count", T::Numeric),
    ("$num_uniq_urls", T::Numeric),
    ("$entry_current_url", T::String),
    ("$entry_hostname", T::String),
    ("$entry_pathname", T::String),
    ("$end_current_url", T::String),
    ("$end_hostname", T::String),
    ("$end_pathname", T::String),
    ("$last_external_click_url", T::String),
    ("$entry_referrer", T::String),
    ("$entry_referring_domain", T::String),
    ("$entry_utm_source", T::String),
    ("$entry_utm_campaign", T::String),
    ("$entry_utm_medium", T::String),
    ("$entry_utm_term", T::String),
    ("$entry_utm_content", T::String),
    ("$entry_gclid", T::String),
    ("$entry_gad_source", T::String),
    ("$entry_fbclid", T::String),
    ("$entry_gclsrc", T::String),
    ("$entry_dclid", T::String),
    ("$entry_gbraid", T::String),
    ("$entry_wbraid", T::String),
    ("$entry_msclkid", T::String),
    ("$entry_twclid", T::String),
    ("$entry_li_fat_id", T::String),
    ("$entry_mc_cid", T::String),
    ("$entry_igshid", T::String),
    ("$entry_ttclid", T::String),
];

/// Values that are offered.
const VALUES_MAX: usize = 20;

/// Which properties.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionPropertyParams {
    /// Words that the name must hold, whatever their case.
    search: Option<String>,
    /// Names to take, separated by commas.
    properties: Option<String>,
}

/// A property of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionPropertyBody {
    /// The same as the name.
    id: &'static str,
    name: &'static str,
    is_numerical: bool,
    /// `String`, `Numeric`, `Boolean`, `DateTime` or `Duration`.
    property_type: &'static str,
    is_seen_on_filtered_events: Option<bool>,
    tags: [&'static str; 0],
}

/// Properties of sessions.
#[utoipa::path(get, path = "/api/projects/{project}/sessions/property_definitions/", tag = "definitions",
    params(("project" = String, Path), SessionPropertyParams, PageParams), responses((status = 200, body = Page<SessionPropertyBody>)))]
pub(crate) async fn property_definitions(
    InProject { caller, .. }: InProject,
    Params(params): Params<SessionPropertyParams>,
    cursor: Cursor,
) -> Result<Json<Page<SessionPropertyBody>>, ApiError> {
    caller.may("property_definition")?;
    let search = Search::new(params.search.as_deref());
    let is_wanted = |name: &str| params.properties.as_deref().is_none_or(|names| names.split(',').any(|wanted| wanted.trim() == name));
    let found: Vec<_> = PROPERTIES.iter().filter(|(name, _)| search.finds(name) && is_wanted(name)).collect();
    Ok(Json(cursor.cut(found.into_iter().map(|(name, kind)| SessionPropertyBody {
        id: name,
        name,
        is_numerical: matches!(kind, T::Numeric | T::Duration),
        property_type: kind.as_str(),
        is_seen_on_filtered_events: None,
        tags: [],
    }))))
}

/// Values of a property of sessions, most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/sessions/values/", tag = "definitions", params(("project" = String, Path), ValueParams),
    responses((status = 200, body = Vec<ValueBody>)))]
pub(crate) async fn values(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ValueParams>,
) -> Result<Json<Vec<ValueBody>>, ApiError> {
    caller.may_read("query")?;
    let known = PROPERTIES.iter().find(|(name, _)| *name == params.key);
    let (name, kind) = known.ok_or_else(|| ApiError::field("key", "does_not_exist", "Sessions have no such property."))?;
    if *kind == T::Boolean {
        return Ok(Json(["1", "0"].map(|value| ValueBody::named(value.to_owned())).into()));
    }
    // The name is one of the table above; what the caller looks for is a value, never text of the query.
    let query = format!(
        "SELECT toString({name}) AS value FROM sessions WHERE notEmpty(value) AND position(lower(value), lower({{wanted}})) > 0 \
         GROUP BY value ORDER BY count() DESC, value LIMIT {VALUES_MAX}"
    );
    let query = json!({"kind": "HogQLQuery", "query": query, "values": {"wanted": params.value.unwrap_or_default()}});
    let mut answer = ask(&state, &project, query).await?;
    let Some(Value::Array(rows)) = answer.remove("results") else { return Ok(Json(Vec::new())) };
    let value = |row: Value| row.get(0).and_then(Value::as_str).map(|value| ValueBody::named(value.to_owned()));
    Ok(Json(rows.into_iter().filter_map(value).collect()))
}
