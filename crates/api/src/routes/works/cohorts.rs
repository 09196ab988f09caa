//! Cohorts: sets of persons with a name.
//!
//! Dynamic ones are told by criteria and found when a query asks; static ones keep their members.

mod csv;
mod input;
mod members;

pub(crate) use csv::Names;
pub(crate) use members::{add_persons, duplicate, persons, remove_person};

// What the OpenAPI document names.
pub(crate) use members::{__path_add_persons, __path_duplicate, __path_persons, __path_remove_person};

use super::{UserBasic, find, is_found, required, set};
use crate::auth::Caller;
use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Cohort, CohortDocument, CohortKind, Project};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use input::{CohortForm, CohortInput};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A count that is older is taken anew when somebody looks at the cohort.
const COUNT_MICROS_MAX: i64 = 60 * 1_000_000;

/// A cohort.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CohortBody {
    id: i64,
    name: String,
    description: String,
    /// The older form of `filters`, not given any more.
    #[schema(value_type = Vec<Object>)]
    groups: Vec<Value>,
    deleted: bool,
    filters: Value,
    query: Value,
    version: i64,
    pending_version: i64,
    /// Always false: members are found when they are asked for.
    is_calculating: bool,
    created_by: Option<UserBasic>,
    created_at: String,
    /// When members were counted last.
    last_calculation: Option<String>,
    errors_calculating: i64,
    last_error_message: Option<String>,
    /// Members when they were counted last.
    count: Option<i64>,
    is_static: bool,
    /// `static`, `behavioral` or `person_property`.
    cohort_type: &'static str,
    #[schema(value_type = Vec<i64>)]
    experiment_set: Vec<i64>,
}

/// Which cohorts to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CohortParams {
    /// Words that the name must hold, whatever their case.
    search: Option<String>,
    /// `static` or `dynamic`.
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl CohortBody {
    fn of(cohort: &Cohort, state: &ApiState) -> Self {
        let CohortDocument { name, description, filters, query, is_static, count, last_calculation, errors_calculating } =
            cohort.document.clone();
        let is_behavioral = filters.to_string().contains("\"behavioral\"");
        Self {
            id: cohort.id,
            name,
            description,
            groups: Vec::new(),
            deleted: cohort.is_deleted,
            filters,
            query,
            version: cohort.updated_at.0 / 1_000_000,
            pending_version: cohort.updated_at.0 / 1_000_000,
            is_calculating: false,
            created_by: UserBasic::of(state, cohort.created_by),
            created_at: iso(cohort.created_at),
            last_calculation: last_calculation.map(iso),
            errors_calculating,
            last_error_message: None,
            count,
            is_static,
            cohort_type: match (is_static, is_behavioral) {
                (true, _) => "static",
                (false, true) => "behavioral",
                (false, false) => "person_property",
            },
            experiment_set: Vec::new(),
        }
    }
}

/// Cohorts of a project, the newest first.
#[utoipa::path(get, path = "/api/projects/{project}/cohorts/", tag = "cohorts",
    params(("project" = String, Path), CohortParams, PageParams), responses((status = 200, body = Page<CohortBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<CohortParams>,
    cursor: Cursor,
) -> Result<Json<Page<CohortBody>>, ApiError> {
    caller.may("cohort")?;
    let is_static = match params.kind.as_deref() {
        Some("static") => Some(true),
        Some("dynamic") => Some(false),
        _ => None,
    };
    let mut cohorts = state.catalog.works(project.id, CohortKind);
    cohorts.retain(|cohort| !cohort.is_deleted && is_found(params.search.as_deref(), &[&cohort.document.name]));
    cohorts.retain(|cohort| is_static.is_none_or(|is_static| cohort.document.is_static == is_static));
    cohorts.sort_by_key(|cohort| Reverse(cohort.id));
    Ok(Json(cursor.cut(cohorts.iter().map(|cohort| CohortBody::of(cohort, &state)))))
}

/// Whose cohorts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PersonParam {
    /// Id of a person.
    person_id: Uuid,
}

/// Cohorts of a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonCohorts {
    results: Vec<CohortBody>,
}

/// The cohorts that a person is in now.
#[utoipa::path(get, path = "/api/projects/{project}/persons/cohorts/", tag = "persons", params(("project" = String, Path), PersonParam),
    responses((status = 200, body = PersonCohorts)))]
pub(crate) async fn of_person(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<PersonParam>,
) -> Result<Json<PersonCohorts>, ApiError> {
    caller.may("person")?;
    caller.may("cohort")?;
    let person = crate::routes::persons::find(&state, &project, &params.person_id.to_string())?;
    let ids = members::cohorts_of(&state, &project, person.id).await?;
    let cohorts = ids.into_iter().filter_map(|id| state.catalog.work(project.id, CohortKind, id));
    Ok(Json(PersonCohorts { results: cohorts.map(|cohort| CohortBody::of(&cohort, &state)).collect() }))
}

/// Makes a cohort. A static one may bring its members: as a CSV file in a form, as ids, or as the actors of a query.
#[utoipa::path(post, path = "/api/projects/{project}/cohorts/", tag = "cohorts", params(("project" = String, Path)),
    request_body(content((CohortInput = "application/json"), (CohortInput = "multipart/form-data"))), responses((status = 201, body = CohortBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    CohortForm(input): CohortForm,
) -> Result<(StatusCode, Json<CohortBody>), ApiError> {
    caller.may("cohort")?;
    required(input.name.as_ref())?;
    let is_static = input.is_static == Some(true);
    let filters = input.filters(project.id, None, &state.catalog)?;
    if !is_static && filters.is_none() {
        return Err(ApiError::field("filters", "required", "A cohort that is not static needs criteria."));
    }
    // What cannot be read makes no cohort.
    let named = input.csv.as_deref().map(csv::names).transpose()?;
    let queried = match input.query.as_ref().filter(|query| is_static && query.is_object()) {
        Some(query) => members::actors_of(&state, &project, query).await?,
        None => Vec::new(),
    };
    let mut document = CohortDocument { is_static, count: is_static.then_some(0), ..CohortDocument::default() };
    let ids = input.person_ids.iter().flatten().copied().chain(queried).collect();
    input.apply(&mut document, filters);
    let cohort = state.catalog.create_work(project.id, CohortKind, caller.user.id, document).await?;
    let cohort = if is_static {
        fill(&state, &project, &caller, cohort, (ids, named)).await?
    } else {
        members::count(&state, &project, &cohort).await?
    };
    Ok((StatusCode::CREATED, Json(CohortBody::of(&cohort, &state))))
}

/// Puts members into a static cohort and counts them.
async fn fill(
    state: &ApiState,
    project: &Project,
    caller: &Caller,
    cohort: Arc<Cohort>,
    (ids, named): (Vec<Uuid>, Option<Names>),
) -> Result<Arc<Cohort>, ApiError> {
    if !ids.is_empty() {
        members::add(state, project, caller, cohort.id, ids).await?;
    }
    if let Some(named) = named {
        members::add_named(state, project, caller, cohort.id, named).await?;
    }
    members::count(state, project, &cohort).await
}

/// One cohort, with a count of its members that is at most a minute old.
#[utoipa::path(get, path = "/api/projects/{project}/cohorts/{id}/", tag = "cohorts", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 200, body = CohortBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<CohortBody>, ApiError> {
    caller.may("cohort")?;
    let mut cohort = find(&state, project.id, CohortKind, &id, true)?;
    let counted = cohort.document.last_calculation.map_or(i64::MIN, |at| at.0);
    if !cohort.is_deleted && counted < state.clock.now().0.saturating_sub(COUNT_MICROS_MAX) {
        cohort = members::count(&state, &project, &cohort).await?;
    }
    Ok(Json(CohortBody::of(&cohort, &state)))
}

/// Changes a cohort; `{"deleted": true}` deletes it, `false` brings it back. A form with a CSV file adds members to a static one.
#[utoipa::path(patch, path = "/api/projects/{project}/cohorts/{id}/", tag = "cohorts", params(("project" = String, Path), ("id" = i64, Path)),
    request_body(content((CohortInput = "application/json"), (CohortInput = "multipart/form-data"))), responses((status = 200, body = CohortBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    CohortForm(input): CohortForm,
) -> Result<Json<CohortBody>, ApiError> {
    caller.may("cohort")?;
    let found = find(&state, project.id, CohortKind, &id, true)?;
    let named = input.csv.as_deref().filter(|_| found.document.is_static).map(csv::names).transpose()?;
    let filters = input.filters(project.id, Some(found.id), &state.catalog)?;
    let has_new_members = filters.is_some() || input.deleted == Some(false);
    let ids = input.person_ids.clone().unwrap_or_default();
    let change = |cohort: &mut Cohort| {
        set(&mut cohort.is_deleted, input.deleted);
        input.apply(&mut cohort.document, filters);
    };
    let mut cohort = state.catalog.update_work(project.id, CohortKind, found.id, caller.user.id, change).await?;
    if cohort.document.is_static {
        if named.is_some() || !ids.is_empty() {
            cohort = fill(&state, &project, &caller, cohort, (ids, named)).await?;
        }
    } else if has_new_members && !cohort.is_deleted {
        cohort = members::count(&state, &project, &cohort).await?;
    }
    Ok(Json(CohortBody::of(&cohort, &state)))
}

/// Deletes a cohort: it is not listed any more, and queries that name it are refused.
#[utoipa::path(delete, path = "/api/projects/{project}/cohorts/{id}/", tag = "cohorts", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.may("cohort")?;
    super::delete(&state, &project, CohortKind, &id, caller.user.id).await
}
