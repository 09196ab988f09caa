//! Who is in a cohort: counted, listed, put in, taken out.

use super::CohortBody;
use super::csv::Names;
use crate::asking::ask;
use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::persons::{PersonBody, Persons, text_at, texts};
use crate::routes::works::find;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Cohort, CohortDocument, CohortKind, CohortMember, Project};
use aqueduct_event::PersonId;
use aqueduct_store::ProjectView;
use arrow::array::Array;
use axum::Json;
use axum::extract::{Path, State};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Rows of one query at most; longer lists are asked for in pieces.
const PIECE: usize = 50_000;

/// Persons to put in.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PersonIds {
    /// Ids of persons.
    person_ids: Vec<Uuid>,
}

/// A person to take out.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OnePersonId {
    /// Id of the person.
    person_id: Uuid,
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    success: bool,
}

/// The table of a cohort's members.
fn table(cohort: &Cohort) -> &'static str {
    if cohort.document.is_static { "static_cohort_people" } else { "cohort_people" }
}

async fn rows(state: &ApiState, project: &Project, query: Value) -> Result<Vec<Value>, ApiError> {
    let mut body = ask(state, project, query).await?;
    Ok(body.get_mut("results").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
}

/// Some of the members in order of id.
async fn ids(state: &ApiState, project: &Project, cohort: &Cohort, limit: usize, offset: usize) -> Result<Vec<PersonId>, ApiError> {
    let text =
        format!("SELECT person_id FROM {} WHERE cohort_id = {} ORDER BY person_id LIMIT {limit} OFFSET {offset}", table(cohort), cohort.id);
    let rows = rows(state, project, json!({"kind": "HogQLQuery", "query": text})).await?;
    Ok(rows.iter().filter_map(id_of).collect())
}

/// Numbers of the living cohorts that a person is in, in order. Those that cannot be understood have no members.
///
/// # Errors
/// What the query answers.
pub(super) async fn cohorts_of(state: &ApiState, project: &Project, person: PersonId) -> Result<Vec<i64>, ApiError> {
    let mut found = Vec::new();
    for table in ["cohort_people", "static_cohort_people"] {
        let text = format!("SELECT DISTINCT cohort_id FROM {table} WHERE person_id = {{person}} LIMIT {PIECE}");
        let query = json!({"kind": "HogQLQuery", "query": text, "values": {"person": person.to_string()}});
        found.extend(rows(state, project, query).await?.iter().filter_map(|row| row.get(0)?.as_i64()));
    }
    found.sort_unstable();
    Ok(found)
}

/// The first id in a row; actors may be objects.
fn id_of(row: &Value) -> Option<PersonId> {
    let id = |cell: &Value| cell.as_str().or_else(|| cell.get("id").or(cell.get("uuid"))?.as_str())?.parse().ok();
    row.as_array()?.iter().find_map(id)
}

async fn all_ids(state: &ApiState, project: &Project, cohort: &Cohort) -> Result<Vec<PersonId>, ApiError> {
    let mut all = Vec::new();
    loop {
        let piece = ids(state, project, cohort, PIECE, all.len()).await?;
        let is_last = piece.len() < PIECE;
        all.extend(piece);
        if is_last {
            return Ok(all);
        }
    }
}

/// Counts the members and remembers it. That they cannot be counted is remembered too.
///
/// # Errors
/// [`ApiError::Catalog`].
pub(super) async fn count(state: &ApiState, project: &Project, cohort: &Cohort) -> Result<Arc<Cohort>, ApiError> {
    let text = format!("SELECT count() FROM {} WHERE cohort_id = {}", table(cohort), cohort.id);
    let counted = rows(state, project, json!({"kind": "HogQLQuery", "query": text})).await;
    let count = match &counted {
        Ok(rows) => rows.first().and_then(|row| row[0].as_i64()),
        Err(failure) => {
            tracing::info!(cohort = cohort.id, %failure, "a cohort could not be counted");
            None
        }
    };
    Ok(state.catalog.note_cohort_count(project.id, cohort.id, count).await?)
}

/// The actors of a query.
pub(super) async fn actors_of(state: &ApiState, project: &Project, query: &Value) -> Result<Vec<PersonId>, ApiError> {
    let mut query = query.clone();
    let is_actors = query.get("kind").and_then(Value::as_str) == Some("ActorsQuery");
    let mut all = Vec::new();
    loop {
        if is_actors {
            query["select"] = json!(["id"]);
            query["limit"] = json!(PIECE);
            query["offset"] = json!(all.len());
        }
        let rows = rows(state, project, query.clone()).await?;
        let is_last = !is_actors || rows.len() < PIECE;
        all.extend(rows.iter().filter_map(id_of));
        if is_last {
            return Ok(all);
        }
    }
}

/// Persons as members, with one of their distinct ids each. Ids that nobody has are left out.
fn members_of(view: &dyn ProjectView, wanted: impl IntoIterator<Item = PersonId>) -> Result<Vec<CohortMember>, ApiError> {
    let overrides = view.overrides();
    let wanted: HashSet<PersonId> = wanted.into_iter().map(|id| overrides.get(&id).copied().unwrap_or(id)).collect();
    let known = view.distinct_ids()?;
    let names = texts(&known.distinct_id, "distinct_ids.distinct_id")?;
    let mut found: HashMap<PersonId, &str> = HashMap::new();
    for (row, person) in known.person.iter().enumerate().filter(|(_, person)| wanted.contains(person)) {
        found.entry(*person).or_insert_with(|| text_at(names, row));
    }
    Ok(found.into_iter().map(|(person, distinct_id)| CohortMember { person, distinct_id: distinct_id.into() }).collect())
}

/// Puts persons in.
///
/// # Errors
/// What reading and writing answers.
pub(super) async fn add(
    state: &ApiState,
    project: &Project,
    caller: &Caller,
    cohort: i64,
    persons: impl IntoIterator<Item = PersonId> + Send + 'static,
) -> Result<Arc<Cohort>, ApiError> {
    let view = state.snapshots.project(project.id)?;
    let members = beside(move || members_of(&*view, persons)).await?;
    Ok(state.catalog.add_cohort_members(project.id, cohort, caller.user.id, members).await?)
}

/// Puts in the persons whom a file names.
///
/// # Errors
/// What reading and writing answers.
pub(super) async fn add_named(
    state: &ApiState,
    project: &Project,
    caller: &Caller,
    cohort: i64,
    named: Names,
) -> Result<Arc<Cohort>, ApiError> {
    let view = state.snapshots.project(project.id)?;
    let members = beside(move || {
        let persons = Persons::of(&*view)?;
        let found = persons.named(&named)?;
        members_of(&*view, found)
    });
    Ok(state.catalog.add_cohort_members(project.id, cohort, caller.user.id, members.await?).await?)
}

/// Work on tables of persons is not for threads that answer other requests.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::Panic)?
}

/// The members, as persons.
#[utoipa::path(get, path = "/api/projects/{project}/cohorts/{id}/persons/", tag = "cohorts",
    params(("project" = String, Path), ("id" = i64, Path), PageParams), responses((status = 200, body = Page<PersonBody>)))]
pub(crate) async fn persons(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    cursor: Cursor,
) -> Result<Json<Page<PersonBody>>, ApiError> {
    caller.may("cohort")?;
    caller.may("person")?;
    let cohort = count(&state, &project, &*find(&state, project.id, CohortKind, &id, true)?).await?;
    let ids = ids(&state, &project, &cohort, cursor.limit, cursor.offset).await?;
    let total = cohort.document.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(ids.len());
    let view = state.snapshots.project(project.id)?;
    let bodies = beside(move || {
        let persons = Persons::of(&*view)?;
        let rows: Vec<usize> = ids.into_iter().filter_map(|id| persons.row_of(id)).collect();
        persons.bodies(&rows)
    });
    Ok(Json(cursor.page(total, bodies.await?)))
}

/// Puts persons into a static cohort.
#[utoipa::path(patch, path = "/api/projects/{project}/cohorts/{id}/add_persons_to_static_cohort/", tag = "cohorts",
    params(("project" = String, Path), ("id" = i64, Path)), request_body = PersonIds, responses((status = 200, body = Done)))]
pub(crate) async fn add_persons(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(input): Body<PersonIds>,
) -> Result<Json<Done>, ApiError> {
    caller.may("cohort")?;
    let cohort = static_one(&state, &project, &id)?;
    if input.person_ids.is_empty() {
        return Err(ApiError::field("person_ids", "invalid_input", "Expected at least one id."));
    }
    add(&state, &project, &caller, cohort.id, input.person_ids).await?;
    Ok(Json(Done { success: true }))
}

/// Takes a person out of a static cohort.
#[utoipa::path(patch, path = "/api/projects/{project}/cohorts/{id}/remove_person_from_static_cohort/", tag = "cohorts",
    params(("project" = String, Path), ("id" = i64, Path)), request_body = OnePersonId, responses((status = 200, body = Done)))]
pub(crate) async fn remove_person(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(input): Body<OnePersonId>,
) -> Result<Json<Done>, ApiError> {
    caller.may("cohort")?;
    let cohort = static_one(&state, &project, &id)?;
    let view = state.snapshots.project(project.id)?;
    // A member may be kept under an id that it had once.
    let of_person = beside(move || distinct_ids_of(&*view, input.person_id)).await?;
    let is_gone = |member: &&CohortMember| member.person == input.person_id || of_person.contains(&member.distinct_id);
    let members = state.catalog.cohort_members(cohort.id);
    let gone: Vec<PersonId> = members.iter().filter(is_gone).map(|member| member.person).collect();
    if gone.is_empty() {
        return Err(ApiError::NotFound("Not found."));
    }
    state.catalog.remove_cohort_members(project.id, cohort.id, caller.user.id, gone).await?;
    Ok(Json(Done { success: true }))
}

fn distinct_ids_of(view: &dyn ProjectView, person: PersonId) -> Result<HashSet<Box<str>>, ApiError> {
    let known = view.distinct_ids()?;
    let names = texts(&known.distinct_id, "distinct_ids.distinct_id")?;
    let rows = (0..names.len()).filter(|row| known.person.get(*row) == Some(&person));
    Ok(rows.map(|row| text_at(names, row).into()).collect())
}

fn static_one(state: &ApiState, project: &Project, id: &str) -> Result<Arc<Cohort>, ApiError> {
    let cohort = find(state, project.id, CohortKind, id, true)?;
    if cohort.document.is_static {
        return Ok(cohort);
    }
    Err(ApiError::field("", "invalid_input", "Can only add users to static cohorts, or take them out."))
}

/// Copies the members that a cohort has now into a static one.
#[utoipa::path(post, path = "/api/projects/{project}/cohorts/{id}/duplicate_as_static_cohort/", tag = "cohorts",
    params(("project" = String, Path), ("id" = i64, Path)), responses((status = 200, body = CohortBody)))]
pub(crate) async fn duplicate(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    method: Method,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<CohortBody>, ApiError> {
    may_duplicate(&caller, &method)?;
    let source = find(&state, project.id, CohortKind, &id, true)?;
    let members = all_ids(&state, &project, &source).await?;
    let name = format!("{} (static copy)", source.document.name);
    let document = CohortDocument { name, is_static: true, count: Some(0), ..CohortDocument::default() };
    let copy = state.catalog.create_work(project.id, CohortKind, caller.user.id, document).await?;
    let copy = add(&state, &project, &caller, copy.id, members).await?;
    Ok(Json(CohortBody::of(&copy, &state)))
}

/// PostHog's clients ask with GET. A page of somebody else can make a browser do that, so it is for programs.
fn may_duplicate(caller: &Caller, method: &Method) -> Result<(), ApiError> {
    if *method == Method::GET && caller.key().is_none() {
        return Err(ApiError::ForeignOrigin);
    }
    caller.may_write("cohort")
}
