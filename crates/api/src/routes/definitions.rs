//! Event and property definitions: what a project's events are called and which properties they have.

use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::works::UserBasic;
use crate::routes::{activity, iso};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{ActivityDetail, EventDefinition, FieldChange, PropertyDefinition, PropertyParent, PropertyType};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What the log of activity calls definitions.
const EVENT: &str = "EventDefinition";
const PROPERTY: &str = "PropertyDefinition";

/// An event's definition.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventDefinitionBody {
    id: Uuid,
    name: String,
    created_at: String,
    /// To the hour.
    last_seen_at: String,
    last_updated_at: String,
    enforcement_mode: &'static str,
    primary_property: Option<String>,
    is_action: bool,
    action_id: Option<i64>,
    is_calculating: bool,
    last_calculated_at: Option<String>,
    created_by: Option<i64>,
    post_to_slack: bool,
    #[serde(flatten)]
    notes: NotesBody,
}

/// What people say of an event or a property.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotesBody {
    description: Option<String>,
    tags: Vec<String>,
    verified: bool,
    verified_at: Option<String>,
    verified_by: Option<UserBasic>,
    hidden: bool,
    updated_by: Option<UserBasic>,
}

/// A property's definition.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PropertyDefinitionBody {
    id: Uuid,
    name: String,
    is_numerical: bool,
    /// `String`, `Numeric`, `Boolean`, `DateTime`, `Duration` or `null`.
    property_type: Option<&'static str>,
    /// Whether it occurred on one of `event_names`; `null` when none were given.
    is_seen_on_filtered_events: Option<bool>,
    #[serde(flatten)]
    notes: NotesBody,
}

/// Which events to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventDefinitionParams {
    /// Words that the name must hold, whatever their case.
    search: Option<String>,
    /// `event` (all), `event_custom` or `event_posthog` (those beginning with `$`).
    event_type: Option<String>,
    /// `name`, `created_at` or `last_seen_at`; with `-` in front descending. Default: `name`.
    ordering: Option<String>,
}

/// Which properties to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PropertyDefinitionParams {
    /// Words that the name must hold, whatever their case.
    search: Option<String>,
    /// `event` (default), `person`, `group` or `session`.
    #[serde(rename = "type")]
    parent: Option<String>,
    /// With the type `group`: which one.
    group_type_index: Option<u8>,
    /// Names to take, separated by commas.
    properties: Option<String>,
    /// Names to leave out, separated by commas or as a JSON list.
    excluded_properties: Option<String>,
    /// Event names as a JSON list, to mark properties that occurred on them.
    event_names: Option<String>,
    /// Only properties that occurred on `event_names`.
    filter_by_event_names: Option<bool>,
    /// Only numbers.
    is_numerical: Option<bool>,
    /// Only flags (names beginning with `$feature/`), or everything but them.
    is_feature_flag: Option<bool>,
}

/// Fields of a property's definition that can be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct PropertyDefinitionChange {
    /// `String`, `Numeric`, `Boolean`, `DateTime`, `Duration`; empty for none.
    property_type: Option<String>,
    #[serde(flatten)]
    notes: NotesChange,
}

impl NotesBody {
    fn of(state: &ApiState, definition: Uuid) -> Self {
        let notes = state.catalog.notes(definition);
        let flag = |name: &str| notes.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| notes.get(name).and_then(Value::as_str).map(str::to_owned);
        let user = |name: &str| UserBasic::of(state, notes.get(name).and_then(Value::as_i64));
        let tags = notes.get("tags").and_then(Value::as_array).into_iter().flatten();
        Self {
            description: text("description"),
            tags: tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect(),
            verified: flag("verified"),
            verified_at: text("verified_at"),
            verified_by: user("verified_by"),
            hidden: flag("hidden"),
            updated_by: user("updated_by"),
        }
    }
}

/// What people say, to be set; fields that are left out stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct NotesChange {
    description: Option<String>,
    tags: Option<Vec<String>>,
    verified: Option<bool>,
    hidden: Option<bool>,
}

impl NotesChange {
    /// Keeps it with the definition, and notes what changed.
    async fn keep(self, state: &ApiState, scope: &InProject, named: Named<'_>) -> Result<(), ApiError> {
        let (definition, before) = (named.id, state.catalog.notes(named.id));
        let mut fields = Map::new();
        let user = Value::from(scope.caller.user.id);
        if let Some(verified) = self.verified {
            let (at, by) = if verified { (Value::from(iso(state.clock.now())), user.clone()) } else { (Value::Null, Value::Null) };
            fields.extend([("verified".to_owned(), Value::from(verified)), ("verified_at".to_owned(), at), ("verified_by".to_owned(), by)]);
        }
        fields.extend(self.description.map(|text| ("description".to_owned(), Value::from(text))));
        fields.extend(self.tags.map(|tags| ("tags".to_owned(), Value::from(tags))));
        fields.extend(self.hidden.map(|hidden| ("hidden".to_owned(), Value::from(hidden))));
        if !fields.is_empty() {
            fields.insert("updated_by".to_owned(), user);
            state.catalog.note(scope.project.id, definition, fields).await?;
        }
        let told = |notes: &Map<String, Value>| {
            let is_told = |name: &str| matches!(name, "description" | "tags" | "verified" | "hidden");
            notes.iter().filter(|(name, _)| is_told(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let changes = FieldChange::between(&told(&before), &told(&state.catalog.notes(definition)));
        if changes.is_empty() { Ok(()) } else { named.note(state, scope, "changed", changes).await }
    }
}

/// A definition, as the log of activity names it.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    scope: &'static str,
    id: Uuid,
    name: &'a str,
}

impl Named<'_> {
    async fn note(self, state: &ApiState, scope: &InProject, what: &'static str, changes: Vec<FieldChange>) -> Result<(), ApiError> {
        let detail = ActivityDetail { name: Some(self.name.to_owned()), short_id: None, changes };
        activity::note(state, &scope.project, &scope.caller, (self.scope, what), [(self.id.to_string(), detail)]).await
    }
}

/// An event's definition by its id.
fn find_event(state: &ApiState, scope: &InProject, id: &str) -> Result<EventDefinition, ApiError> {
    let found = state.catalog.event_definitions(scope.project.id).into_iter().find(|event| id.parse() == Ok(event.id));
    found.ok_or(ApiError::NotFound("Not found."))
}

/// A property's definition by its id.
fn find_property(state: &ApiState, scope: &InProject, id: &str) -> Result<PropertyDefinition, ApiError> {
    let found = state.catalog.property_definitions(scope.project.id).into_iter().find(|property| id.parse() == Ok(property.id));
    found.ok_or(ApiError::NotFound("Not found."))
}

impl EventDefinitionBody {
    fn of(state: &ApiState, definition: EventDefinition) -> Self {
        Self {
            notes: NotesBody::of(state, definition.id),
            id: definition.id,
            name: definition.name,
            created_at: iso(definition.created_at),
            last_seen_at: iso(definition.last_seen_at),
            last_updated_at: iso(definition.last_seen_at),
            enforcement_mode: "allow",
            primary_property: None,
            is_action: false,
            action_id: None,
            is_calculating: false,
            last_calculated_at: None,
            created_by: None,
            post_to_slack: false,
        }
    }
}

impl PropertyDefinitionBody {
    fn of(state: &ApiState, definition: PropertyDefinition, seen: Option<bool>) -> Self {
        Self {
            notes: NotesBody::of(state, definition.id),
            id: definition.id,
            name: definition.name,
            is_numerical: definition.property_type == Some(PropertyType::Numeric),
            property_type: definition.property_type.map(PropertyType::as_str),
            is_seen_on_filtered_events: seen,
        }
    }
}

/// Every word of a search is in the name.
pub(super) struct Search(Vec<String>);

impl Search {
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect())
    }

    pub(super) fn finds(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().all(|word| name.contains(word))
    }
}

/// Events of a project.
#[utoipa::path(get, path = "/api/projects/{project}/event_definitions/", tag = "definitions",
    params(("project" = String, Path), EventDefinitionParams, PageParams), responses((status = 200, body = Page<EventDefinitionBody>)))]
pub(crate) async fn events(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<EventDefinitionParams>,
    cursor: Cursor,
) -> Result<Json<Page<EventDefinitionBody>>, ApiError> {
    caller.may("event_definition")?;
    let search = Search::new(params.search.as_deref());
    let mut events = state.catalog.event_definitions(project.id);
    match params.event_type.as_deref() {
        None | Some("event" | "all") => {}
        Some("event_custom") => events.retain(|event| !event.name.starts_with('$')),
        Some("event_posthog") => events.retain(|event| event.name.starts_with('$')),
        Some(other) => return Err(ApiError::field("event_type", "invalid_choice", format!("{other:?} is not a valid choice."))),
    }
    events.retain(|event| search.finds(&event.name));
    let ordering = params.ordering.as_deref().unwrap_or("name");
    match ordering.trim_start_matches('-') {
        "name" => {}
        "created_at" => events.sort_by_key(|event| event.created_at),
        "last_seen_at" => events.sort_by_key(|event| event.last_seen_at),
        other => return Err(ApiError::field("ordering", "invalid_choice", format!("{other:?} is not a valid choice."))),
    }
    if ordering.starts_with('-') {
        events.reverse();
    }
    Ok(Json(cursor.cut(events.into_iter().map(|event| EventDefinitionBody::of(&state, event)))))
}

/// One event.
#[utoipa::path(get, path = "/api/projects/{project}/event_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), responses((status = 200, body = EventDefinitionBody)))]
pub(crate) async fn event(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<EventDefinitionBody>, ApiError> {
    scope.caller.may("event_definition")?;
    Ok(Json(EventDefinitionBody::of(&state, find_event(&state, &scope, &id)?)))
}

/// Says something of an event.
#[utoipa::path(patch, path = "/api/projects/{project}/event_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), request_body = NotesChange, responses((status = 200, body = EventDefinitionBody)))]
pub(crate) async fn update_event(
    State(state): State<ApiState>,
    scope: InProject,
    Path((name, id)): Path<(String, String)>,
    Body(change): Body<NotesChange>,
) -> Result<Json<EventDefinitionBody>, ApiError> {
    scope.caller.may("event_definition")?;
    let found = find_event(&state, &scope, &id)?;
    change.keep(&state, &scope, Named { scope: EVENT, id: found.id, name: &found.name }).await?;
    event(State(state), scope, Path((name, id))).await
}

/// Forgets an event, until it occurs again. Stored events stay.
#[utoipa::path(delete, path = "/api/projects/{project}/event_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), responses((status = 204)))]
pub(crate) async fn delete_event(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    scope.caller.may("event_definition")?;
    let found = find_event(&state, &scope, &id)?;
    state.catalog.delete_event_definition(scope.project.id, found.id).await?;
    Named { scope: EVENT, id: found.id, name: &found.name }.note(&state, &scope, "deleted", Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which event.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventNameParams {
    /// The event's name.
    name: String,
}

/// One event, by its name.
#[utoipa::path(get, path = "/api/projects/{project}/event_definitions/by_name/", tag = "definitions",
    params(("project" = String, Path), EventNameParams), responses((status = 200, body = EventDefinitionBody)))]
pub(crate) async fn event_by_name(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<EventNameParams>,
) -> Result<Json<EventDefinitionBody>, ApiError> {
    caller.may("event_definition")?;
    let found = state.catalog.event_definitions(project.id).into_iter().find(|event| event.name == params.name);
    found.map(|event| Json(EventDefinitionBody::of(&state, event))).ok_or(ApiError::NotFound("Not found."))
}

/// Forgets a property and its type, until it occurs again. Stored values stay.
#[utoipa::path(delete, path = "/api/projects/{project}/property_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), responses((status = 204)))]
pub(crate) async fn delete_property(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    scope.caller.may("property_definition")?;
    let found = find_property(&state, &scope, &id)?;
    state.catalog.delete_property_definition(scope.project.id, found.id).await?;
    Named { scope: PROPERTY, id: found.id, name: &found.name }.note(&state, &scope, "deleted", Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which pairs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeenTogetherParams {
    /// JSON list of event names.
    event_names: String,
    /// The property's key.
    property_name: String,
}

/// Whether a property occurred on each of the events.
#[utoipa::path(get, path = "/api/projects/{project}/property_definitions/seen_together/", tag = "definitions",
    params(("project" = String, Path), SeenTogetherParams), responses((status = 200, description = "event names to true or false", body = Object)))]
pub(crate) async fn seen_together(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<SeenTogetherParams>,
) -> Result<Json<BTreeMap<String, bool>>, ApiError> {
    caller.may("property_definition")?;
    let seen = |event: String| {
        let keys = state.catalog.properties_of_events(project.id, std::slice::from_ref(&event));
        let is_seen = keys.contains(&params.property_name);
        (event, is_seen)
    };
    Ok(Json(event_names_of(&params.event_names)?.into_iter().map(seen).collect()))
}

/// Properties of a project.
#[utoipa::path(get, path = "/api/projects/{project}/property_definitions/", tag = "definitions",
    params(("project" = String, Path), PropertyDefinitionParams, PageParams), responses((status = 200, body = Page<PropertyDefinitionBody>)))]
pub(crate) async fn properties(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<PropertyDefinitionParams>,
    cursor: Cursor,
) -> Result<Json<Page<PropertyDefinitionBody>>, ApiError> {
    caller.may("property_definition")?;
    let parent = parent_of(&params)?;
    let names = params.properties.as_deref().map(names_of);
    let excluded = params.excluded_properties.as_deref().map(names_of).unwrap_or_default();
    let search = Search::new(params.search.as_deref());
    let seen = match params.event_names.as_deref() {
        None => None,
        Some(text) => Some(state.catalog.properties_of_events(project.id, &event_names_of(text)?)),
    };
    let is_seen = |definition: &PropertyDefinition| seen.as_ref().map(|seen| seen.contains(&definition.name));
    let mut properties = state.catalog.property_definitions(project.id);
    properties.retain(|definition| {
        (definition.parent, definition.group_type_index) == parent
            && names.as_ref().is_none_or(|names| names.contains(&definition.name))
            && !excluded.contains(&definition.name)
            && search.finds(&definition.name)
            && params.is_numerical.is_none_or(|wanted| (definition.property_type == Some(PropertyType::Numeric)) == wanted)
            && params.is_feature_flag.is_none_or(|wanted| definition.name.starts_with("$feature/") == wanted)
            && (params.filter_by_event_names != Some(true) || is_seen(definition) != Some(false))
    });
    // Those of the events in question come first, as in PostHog's menus.
    properties.sort_by_key(|definition| is_seen(definition) == Some(false));
    let body = |definition: PropertyDefinition| {
        let seen = is_seen(&definition);
        PropertyDefinitionBody::of(&state, definition, seen)
    };
    Ok(Json(cursor.cut(properties.into_iter().map(body))))
}

fn parent_of(params: &PropertyDefinitionParams) -> Result<(PropertyParent, Option<u8>), ApiError> {
    let group = params.group_type_index;
    match params.parent.as_deref() {
        None | Some("event") => Ok((PropertyParent::Event, None)),
        Some("person") => Ok((PropertyParent::Person, None)),
        Some("session") => Ok((PropertyParent::Session, None)),
        Some("group") if group.is_some_and(|index| index < 5) => Ok((PropertyParent::Group, group)),
        Some("group") => Err(ApiError::field("group_type_index", "required", "Group properties need a group type from 0 to 4.")),
        Some(other) => Err(ApiError::field("type", "invalid_choice", format!("{other:?} is not a valid choice."))),
    }
}

fn names_of(text: &str) -> HashSet<String> {
    let list = serde_json::from_str::<Vec<String>>(text).ok();
    list.map_or_else(|| text.split(',').map(str::to_owned).collect(), |list| list.into_iter().collect())
}

fn event_names_of(text: &str) -> Result<Vec<String>, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::field("event_names", "invalid_input", "Expected a JSON list of event names."))
}

/// One property.
#[utoipa::path(get, path = "/api/projects/{project}/property_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), responses((status = 200, body = PropertyDefinitionBody)))]
pub(crate) async fn property(
    State(state): State<ApiState>,
    scope: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<PropertyDefinitionBody>, ApiError> {
    scope.caller.may("property_definition")?;
    Ok(Json(PropertyDefinitionBody::of(&state, find_property(&state, &scope, &id)?, None)))
}

/// Says something of a property, or sets its type by hand; that is not inferred any more.
#[utoipa::path(patch, path = "/api/projects/{project}/property_definitions/{id}/", tag = "definitions",
    params(("project" = String, Path), ("id" = Uuid, Path)), request_body = PropertyDefinitionChange,
    responses((status = 200, body = PropertyDefinitionBody)))]
pub(crate) async fn update_property(
    State(state): State<ApiState>,
    scope: InProject,
    Path((name, id)): Path<(String, String)>,
    Body(change): Body<PropertyDefinitionChange>,
) -> Result<Json<PropertyDefinitionBody>, ApiError> {
    scope.caller.may("property_definition")?;
    let found = find_property(&state, &scope, &id)?;
    let named = Named { scope: PROPERTY, id: found.id, name: &found.name };
    if let Some(wanted) = change.property_type.as_deref() {
        let parsed = PropertyType::from_name(wanted);
        if parsed.is_none() && !wanted.is_empty() {
            return Err(ApiError::field("property_type", "invalid_choice", format!("{wanted:?} is not a valid choice.")));
        }
        state.catalog.set_property_type(scope.project.id, found.id, parsed).await?;
        if parsed != found.property_type {
            let [before, after] = [found.property_type, parsed].map(|kind| Value::from(kind.map(PropertyType::as_str)));
            let change = FieldChange { before, after, ..FieldChange::of_field("changed", Some("property_type")) };
            named.note(&state, &scope, "changed", vec![change]).await?;
        }
    }
    change.notes.keep(&state, &scope, named).await?;
    property(State(state), scope, Path((name, id))).await
}
