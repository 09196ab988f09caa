//! Events, one by one or newest first, and the values of their properties.
//!
//! The list is PostHog's older way to read events; it asks an `EventsQuery` underneath. Without `after` it looks at the last day first, and further back only when
//! that day does not fill the page.

use crate::asking::ask;
use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, PageParams};
use crate::routes::iso;
use crate::routes::values::{Counts, ValueBody, ValueParams};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_event::{UnixMicros, timestamp};
use aqueduct_store::{EventColumn, ProjectView};
use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::Int32Type;
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Events of a page.
const EVENTS_MAX: usize = 25_000;
const DAY_MICROS: i64 = 24 * 3_600_000_000;

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventBody {
    id: Value,
    distinct_id: Value,
    #[schema(value_type = Object)]
    properties: Value,
    event: Value,
    timestamp: Value,
    /// Distinct ids, properties and whether it is identified; `null` without a person.
    #[schema(value_type = Object)]
    person: Value,
    elements: Vec<Value>,
    elements_chain: Value,
}

/// Events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// Address of the next page.
    next: Option<String>,
    results: Vec<EventBody>,
}

/// Which events to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Name of the events.
    event: Option<String>,
    /// Those of a person, by id.
    person_id: Option<String>,
    /// Those of a distinct id.
    distinct_id: Option<String>,
    /// Those that happened after this time.
    after: Option<String>,
    /// Those that happened before this time.
    before: Option<String>,
    /// Filters by properties, a JSON list.
    properties: Option<String>,
    /// A JSON list of HogQL expressions that must hold.
    #[serde(rename = "where")]
    conditions: Option<String>,
    /// A JSON list; `["timestamp"]` for the oldest first. Default: `["-timestamp"]`.
    #[serde(rename = "orderBy")]
    order_by: Option<String>,
    /// Events of a page, up to 25000. Default: 100.
    limit: Option<usize>,
}

/// What is asked of each event: `*`, and its person.
const SELECT: [&str; 2] = ["*", "person"];

fn parsed(field: &str, text: Option<&str>) -> Result<Option<Value>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let value = serde_json::from_str(text).map_err(|error| ApiError::field(field, "invalid_input", format!("Expected JSON: {error}.")))?;
    Ok(Some(value))
}

impl EventParams {
    fn is_ascending(&self) -> bool {
        self.order_by.as_deref().is_some_and(|order| order.contains("timestamp") && !order.contains("-timestamp"))
    }

    fn query(&self, limit: usize, offset: usize, after: Option<String>, before: Option<&str>) -> Result<Value, ApiError> {
        let mut query = json!({
            "kind": "EventsQuery", "select": SELECT, "limit": limit, "offset": offset,
            "orderBy": [if self.is_ascending() { "timestamp ASC" } else { "timestamp DESC" }],
            // Everything, unless times say otherwise: the query's own default is the last day.
            "after": after.unwrap_or_else(|| "all".to_owned()),
        });
        let fields = [("event", self.event.as_deref()), ("personId", self.person_id.as_deref()), ("before", before)];
        for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))) {
            query[name] = Value::from(value);
        }
        let mut filters = match parsed("properties", self.properties.as_deref())? {
            None => Vec::new(),
            Some(Value::Array(filters)) => filters,
            Some(group) => vec![group],
        };
        if let Some(distinct_id) = &self.distinct_id {
            filters.push(json!({"type": "event_metadata", "key": "distinct_id", "operator": "exact", "value": [distinct_id]}));
        }
        query["properties"] = Value::Array(filters);
        if let Some(conditions) = parsed("where", self.conditions.as_deref())? {
            query["where"] = conditions;
        }
        Ok(query)
    }
}

async fn rows(state: &ApiState, project: &Project, query: Value) -> Result<Vec<EventBody>, ApiError> {
    let mut answer = ask(state, project, query).await?;
    let Some(Value::Array(rows)) = answer.remove("results") else { return Ok(Vec::new()) };
    Ok(rows.into_iter().filter_map(body).collect())
}

/// A row of [`SELECT`].
fn body(row: Value) -> Option<EventBody> {
    let Value::Array(cells) = row else { return None };
    let mut cells = cells.into_iter();
    let (Value::Object(mut event), person) = (cells.next()?, cells.next()?) else { return None };
    let mut take = |name: &str| event.remove(name).unwrap_or_default();
    let distinct_id = take("distinct_id");
    let person = match person {
        Value::Object(mut person) if person.contains_key("uuid") => {
            let mut shown = Map::new();
            shown.insert("is_identified".to_owned(), Value::Bool(true));
            shown.insert("distinct_ids".to_owned(), json!([distinct_id]));
            for name in ["uuid", "created_at", "properties"] {
                shown.insert(name.to_owned(), person.remove(name).unwrap_or_default());
            }
            Value::Object(shown)
        }
        _ => Value::Null,
    };
    Some(EventBody {
        id: take("uuid"),
        properties: take("properties"),
        event: take("event"),
        timestamp: take("timestamp"),
        elements_chain: take("elements_chain"),
        elements: take("elements").as_array().cloned().unwrap_or_default(),
        distinct_id,
        person,
    })
}

/// Events, newest first. Without times: those of the last day, or of all time where that day does not fill a page.
#[utoipa::path(get, path = "/api/projects/{project}/events/", tag = "events", params(("project" = String, Path), EventParams, PageParams),
    responses((status = 200, body = EventPage)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<EventParams>,
    cursor: Cursor,
) -> Result<Json<EventPage>, ApiError> {
    caller.may_read("query")?;
    // Pipelines read events in pages that are larger than those of other lists, and take a shorter page for the last one.
    let cursor = cursor.with_limit(params.limit, EVENTS_MAX);
    // One more than a page tells whether there is another page.
    let limit = cursor.limit + 1;
    let before = params.before.as_deref();
    let mut found = Vec::new();
    if params.after.is_none() && !params.is_ascending() && cursor.offset == 0 {
        let end = before.and_then(timestamp::parse).unwrap_or_else(|| state.clock.now());
        let query = params.query(limit, 0, Some(iso(UnixMicros(end.0 - DAY_MICROS))), before)?;
        found = rows(&state, &project, query).await?;
    }
    if found.len() < limit {
        let query = params.query(limit, cursor.offset, params.after.clone(), before)?;
        found = rows(&state, &project, query).await?;
    }
    let has_more = found.len() > cursor.limit;
    found.truncate(cursor.limit);
    let last = found.last().and_then(|event| event.timestamp.as_str());
    let bound = if params.is_ascending() { "after" } else { "before" };
    let next = last.filter(|_| has_more).map(|last| cursor.address_with(bound, last));
    Ok(Json(EventPage { next, results: found }))
}

/// One event by uuid.
#[utoipa::path(get, path = "/api/projects/{project}/events/{id}/", tag = "events", params(("project" = String, Path), ("id" = Uuid, Path)),
    responses((status = 200, body = EventBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<EventBody>, ApiError> {
    caller.may_read("query")?;
    let uuid = Uuid::try_parse(&id).map_err(|_| ApiError::NotFound("Event not found."))?;
    // A uuid is written in one way, so that it is no way for text into the expression.
    let query = json!({"kind": "EventsQuery", "select": SELECT, "limit": 1, "after": "all", "where": [format!("uuid = '{uuid}'")]});
    rows(&state, &project, query).await?.pop().map(Json).ok_or(ApiError::NotFound("Event not found."))
}

/// Values of a property of events, most frequent first. With the key `custom_event`: names of events that applications made up.
#[utoipa::path(get, path = "/api/projects/{project}/events/values/", tag = "events", params(("project" = String, Path), ValueParams),
    responses((status = 200, body = Vec<ValueBody>)))]
pub(crate) async fn values(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ValueParams>,
) -> Result<Json<Vec<ValueBody>>, ApiError> {
    caller.may_read("query")?;
    if params.key == "custom_event" {
        let names = state.catalog.event_definitions(project.id).into_iter().map(|event| event.name).filter(|name| !name.starts_with('$'));
        return Ok(Json(names.map(ValueBody::named).collect()));
    }
    let view = state.snapshots.project(project.id)?;
    // It looks at every row: not on a thread that answers other requests.
    let work = tokio::task::spawn_blocking(move || count(&*view, &params));
    work.await.map_err(|_| ApiError::Panic)?
}

fn count(view: &dyn ProjectView, params: &ValueParams) -> Result<Json<Vec<ValueBody>>, ApiError> {
    let events: Option<HashSet<String>> = params.event_name.as_deref().filter(|names| !names.is_empty()).map(|names| {
        let list: Option<Vec<String>> = serde_json::from_str(names).ok();
        list.unwrap_or_else(|| vec![names.to_owned()]).into_iter().collect()
    });
    let mut counts = Counts::default();
    for part in view.shards().iter().flatten() {
        if let Some(column) = part.property(&params.key)? {
            let mask = match &events {
                None => None,
                Some(events) => Some(is_one_of(&part.column(EventColumn::Event)?, events)?),
            };
            counts.add(&column, mask.as_ref());
        }
    }
    Ok(Json(counts.into_values(params, false)))
}

fn is_one_of(column: &ArrayRef, names: &HashSet<String>) -> Result<BooleanArray, ApiError> {
    const WRONG: ApiError = ApiError::Column("events.event");
    let events = column.as_dictionary_opt::<Int32Type>().ok_or(WRONG)?;
    let texts = events.values().as_string_opt::<i32>().ok_or(WRONG)?;
    let wanted: Vec<bool> = texts.iter().map(|text| text.is_some_and(|text| names.contains(text))).collect();
    let is_wanted = |key: Option<i32>| key.and_then(|key| wanted.get(usize::try_from(key).ok()?).copied());
    Ok(events.keys().iter().map(|key| Some(is_wanted(key).unwrap_or(false))).collect())
}
