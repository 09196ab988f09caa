//! Changes of persons: properties set and removed, persons deleted with or without their events, and split.
//!
//! All of them go through the journal ([`crate::changing`]): `process` is the only writer of persons.

use super::{NO_PERSON, Persons, find};
use crate::auth::Caller;
use crate::body::{Body, Params};
use crate::changing;
use crate::erasing;
use crate::error::ApiError;
use crate::routes::activity;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{ActivityDetail, FieldChange, Project};
use aqueduct_event::{CommandedChange, PersonId};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Persons that one request may name: PostHog's limit.
const BULK_MAX: usize = 1_000;

/// How a person is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteParams {
    /// Erases all events of the person that were processed before. Default: false.
    #[serde(default)]
    delete_events: bool,
    /// The person itself stays. Default: false.
    #[serde(default)]
    keep_person: bool,
}

/// Which persons to delete, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct BulkDelete {
    /// Ids of persons, at most 1000.
    ids: Option<Vec<Uuid>>,
    /// Distinct ids of persons, at most 1000.
    distinct_ids: Option<Vec<String>>,
    /// Erases all events of the persons that were processed before.
    #[serde(default)]
    delete_events: bool,
    /// The persons themselves stay.
    #[serde(default)]
    keep_person: bool,
}

/// What became of a deletion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkDeleted {
    persons_found: usize,
    persons_deleted: usize,
    events_queued_for_deletion: bool,
    recordings_queued_for_deletion: bool,
    deletion_errors: Vec<String>,
}

/// Properties of a person to be set.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct PersonChange {
    #[schema(value_type = Option<Object>)]
    properties: Option<Map<String, Value>>,
}

/// One property.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct PropertyChange {
    key: Option<String>,
    #[schema(value_type = Option<Object>)]
    value: Option<Value>,
}

/// The property to be removed.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct PropertyRemoval {
    #[serde(rename = "$unset")]
    unset: Option<String>,
}

/// Which distinct id stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Split {
    /// The distinct id that stays with the person, which keeps its properties then. Without it the person keeps the id that it was made of and loses its properties.
    main_distinct_id: Option<String>,
}

/// Notes who changed persons, and how. Neither properties nor distinct ids are told: the log would keep what an erasure takes away.
async fn note(
    state: &ApiState,
    (project, caller): (&Project, &Caller),
    persons: &[PersonId],
    activity: &'static str,
    change: Option<FieldChange>,
) -> Result<(), ApiError> {
    let entry = |person: &PersonId| {
        let detail = ActivityDetail { name: Some(person.to_string()), short_id: None, changes: change.clone().into_iter().collect() };
        (person.to_string(), detail)
    };
    activity::note(state, project, caller, ("Person", activity), persons.iter().map(entry)).await
}

async fn set(state: &ApiState, by: (&Project, &Caller), id: &str, properties: Map<String, Value>) -> Result<StatusCode, ApiError> {
    let person = find(state, by.0, id)?;
    let distinct_id = person.distinct_ids.first().ok_or(NO_PERSON)?;
    changing::event(state, by.0, ("$set", distinct_id), &json!({ "$set": properties })).await?;
    note(state, by, &[person.id], "updated", Some(FieldChange::of_field("changed", Some("properties")))).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets properties of a person.
#[utoipa::path(patch, path = "/api/projects/{project}/persons/{id}/", tag = "persons", params(("project" = String, Path), ("id" = String, Path)),
    request_body = PersonChange, responses((status = 202)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(change): Body<PersonChange>,
) -> Result<StatusCode, ApiError> {
    caller.may("person")?;
    let properties = change.properties.ok_or_else(|| ApiError::field("properties", "required", "This field is required."))?;
    set(&state, (&project, &caller), &id, properties).await
}

/// Sets one property of a person.
#[utoipa::path(post, path = "/api/projects/{project}/persons/{id}/update_property/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path)), request_body = PropertyChange, responses((status = 202)))]
pub(crate) async fn update_property(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(change): Body<PropertyChange>,
) -> Result<StatusCode, ApiError> {
    caller.may("person")?;
    let missing = |field| ApiError::field(field, "required", "This field is required.");
    let value = change.value.ok_or_else(|| missing("value"))?;
    let key = change.key.filter(|key| !key.is_empty()).ok_or_else(|| missing("key"))?;
    set(&state, (&project, &caller), &id, Map::from_iter([(key, value)])).await
}

/// Removes a property of a person.
#[utoipa::path(post, path = "/api/projects/{project}/persons/{id}/delete_property/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path)), request_body = PropertyRemoval, responses((status = 201)))]
pub(crate) async fn delete_property(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(removal): Body<PropertyRemoval>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    caller.may("person")?;
    let key = removal.unset.ok_or_else(|| ApiError::field("$unset", "required", "This field is required."))?;
    let person = find(&state, &project, &id)?;
    let distinct_id = person.distinct_ids.first().ok_or(NO_PERSON)?;
    changing::event(&state, &project, ("$delete_person_property", distinct_id), &json!({ "$unset": [key] })).await?;
    note(&state, (&project, &caller), &[person.id], "updated", Some(FieldChange::of_field("changed", Some("properties")))).await?;
    Ok((StatusCode::CREATED, Json(json!({ "success": true }))))
}

/// Gives each distinct id of a person but one a person of its own, with its events.
#[utoipa::path(post, path = "/api/projects/{project}/persons/{id}/split/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path)), request_body = Split, responses((status = 201)))]
pub(crate) async fn split(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(split): Body<Split>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    caller.may("person")?;
    let person = find(&state, &project, &id)?;
    let keeps = split.main_distinct_id.unwrap_or_default();
    if !keeps.is_empty() && !person.distinct_ids.contains(&keeps) {
        return Err(ApiError::field("main_distinct_id", "invalid_input", format!("{keeps:?} is no distinct id of this person.")));
    }
    changing::command(&state, &project, CommandedChange::Split { person: person.id, keeps: &keeps }).await?;
    note(&state, (&project, &caller), &[person.id], "split_person", Some(FieldChange::of_field("split", None))).await?;
    Ok((StatusCode::CREATED, Json(json!({ "success": true }))))
}

async fn delete_all(state: &ApiState, by: (&Project, &Caller), persons: Vec<PersonId>, how: DeleteParams) -> Result<(), ApiError> {
    let (project, gone) = (by.0, persons.clone());
    let notes = match how.delete_events {
        true => Some(Arc::new(erasing::notes_of(state, project.id, persons.clone()).await?)),
        false => None,
    };
    if let Some(notes) = &notes {
        erasing::erase(state, project.id, notes).await?;
    }
    let change = CommandedChange::Delete { persons, erases_events: how.delete_events, keeps_persons: how.keep_person };
    changing::command(state, project, change).await?;
    if let Some(notes) = &notes {
        erasing::erase(state, project.id, notes).await?;
    }
    match how.keep_person {
        false => note(state, by, &gone, "deleted", None).await,
        true => note(state, by, &gone, "updated", Some(FieldChange::of_field("deleted", Some("events")))).await,
    }
}

/// Deletes a person; with `delete_events` also its events, which nobody sees from then on.
#[utoipa::path(delete, path = "/api/projects/{project}/persons/{id}/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path), DeleteParams), responses((status = 202)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Params(how): Params<DeleteParams>,
) -> Result<StatusCode, ApiError> {
    caller.may("person")?;
    let person = find(&state, &project, &id)?;
    delete_all(&state, (&project, &caller), vec![person.id], how).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Erases the events of a person; the person stays.
#[utoipa::path(post, path = "/api/projects/{project}/persons/{id}/delete_events/", tag = "persons",
    params(("project" = String, Path), ("id" = String, Path)), responses((status = 202)))]
pub(crate) async fn delete_events(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.may("person")?;
    // A person that was deleted without its events is named by its id.
    let person = match find(&state, &project, &id) {
        Ok(person) => person.id,
        Err(ApiError::NotFound(_)) => Uuid::try_parse(&id).map_err(|_| NO_PERSON)?,
        Err(error) => return Err(error),
    };
    delete_all(&state, (&project, &caller), vec![person], DeleteParams { delete_events: true, keep_person: true }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Deletes up to a thousand persons.
#[utoipa::path(post, path = "/api/projects/{project}/persons/bulk_delete/", tag = "persons", params(("project" = String, Path)),
    request_body = BulkDelete, responses((status = 202, body = BulkDeleted)))]
pub(crate) async fn bulk_delete(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(request): Body<BulkDelete>,
) -> Result<(StatusCode, Json<BulkDeleted>), ApiError> {
    caller.may("person")?;
    let (ids, distinct_ids) = (request.ids.unwrap_or_default(), request.distinct_ids.unwrap_or_default());
    if ids.is_empty() && distinct_ids.is_empty() {
        return Err(ApiError::field("ids", "required", "You need to specify either distinct_ids or ids."));
    }
    if ids.len().max(distinct_ids.len()) > BULK_MAX {
        return Err(ApiError::field("ids", "invalid_input", "You can only pass 1000 ids in one call."));
    }
    let view = state.snapshots.project(project.id)?;
    let persons = Persons::of(&*view)?;
    let mut found: Vec<PersonId> = Vec::new();
    for id in ids.iter().map(Uuid::to_string).chain(distinct_ids) {
        found.extend(persons.id_of(&*view, &id)?);
    }
    found.sort_unstable();
    found.dedup();
    let (count, deleted) = (found.len(), if request.keep_person { 0 } else { found.len() });
    if count > 0 {
        delete_all(
            &state,
            (&project, &caller),
            found,
            DeleteParams { delete_events: request.delete_events, keep_person: request.keep_person },
        )
        .await?;
    }
    let body = BulkDeleted {
        persons_found: count,
        persons_deleted: deleted,
        events_queued_for_deletion: request.delete_events && count > 0,
        recordings_queued_for_deletion: false,
        deletion_errors: Vec::new(),
    };
    Ok((StatusCode::ACCEPTED, Json(body)))
}
