//! Annotations: notes at moments, shown in charts.

use super::{Fields, Holds, UserBasic, deletion, find, is_found, known, shown, text};
use crate::body::{Body, Params};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Work, WorkKind};
use aqueduct_event::timestamp;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

const FIELDS: Fields = &[
    ("content", Holds::Text),
    ("date_marker", Holds::Time),
    ("creation_type", Holds::Text),
    ("dashboard_item", Holds::Number),
    ("dashboard_id", Holds::Number),
    ("scope", Holds::Text),
    ("tags", Holds::List),
];
const SCOPES: [&str; 5] = ["dashboard_item", "dashboard", "project", "organization", "recording"];
/// Characters of a note: PostHog's limit.
const CONTENT_CHARS_MAX: usize = 400;

/// An annotation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnnotationBody {
    id: i64,
    /// `content`, `date_marker`, `creation_type`, `dashboard_item`, `dashboard_id`, `scope`, `tags`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
    dashboard_name: Option<String>,
    insight_short_id: Option<String>,
    insight_name: Option<String>,
    insight_derived_name: Option<String>,
    created_by: Option<UserBasic>,
    created_at: String,
    updated_at: String,
    deleted: bool,
}

/// Which annotations to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnnotationParams {
    /// Words of the note.
    search: Option<String>,
    /// `dashboard_item`, `dashboard`, `project` or `organization`.
    scope: Option<String>,
    /// Those at this time or later.
    date_from: Option<String>,
    /// Those at this time or earlier.
    date_to: Option<String>,
    /// Those that were made after this time.
    after: Option<String>,
    /// Those that were made before this time.
    before: Option<String>,
    /// `true`: those that are shown on every insight, `false`: those of one.
    apply_all: Option<String>,
    /// `true`: the deleted ones instead.
    deleted: Option<String>,
    /// Those of an insight, by number.
    #[serde(rename = "dashboardItemId")]
    dashboard_item_id: Option<i64>,
}

fn body(state: &ApiState, work: &Work) -> AnnotationBody {
    let mut fields = shown(FIELDS, work);
    for (field, value) in [("creation_type", "USR"), ("scope", "dashboard_item")] {
        if fields.get(field).is_none_or(Value::is_null) {
            fields.insert(field.to_owned(), json!(value));
        }
    }
    let linked =
        |kind, field: &str| work.document.get(field).and_then(Value::as_i64).and_then(|id| state.catalog.work(work.project, kind, id));
    let insight = linked(WorkKind::Insight, "dashboard_item");
    let named = |work: &Work, field| Some(text(work, field).to_owned()).filter(|text| !text.is_empty());
    AnnotationBody {
        id: work.id,
        fields,
        dashboard_name: linked(WorkKind::Dashboard, "dashboard_id").map(|dashboard| text(&dashboard, "name").to_owned()),
        insight_short_id: insight.as_ref().map(|insight| insight.short_id.clone()),
        insight_name: insight.as_ref().and_then(|insight| named(insight, "name")),
        insight_derived_name: insight.as_ref().and_then(|insight| named(insight, "derived_name")),
        created_by: UserBasic::of(state, work.created_by),
        created_at: iso(work.created_at),
        updated_at: iso(work.updated_at),
        deleted: work.is_deleted,
    }
}

fn checked(request: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let fields = known(FIELDS, request)?;
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    if text("content").is_some_and(|content| content.chars().count() > CONTENT_CHARS_MAX) {
        return Err(ApiError::field("content", "max_length", "Ensure this field has no more than 400 characters."));
    }
    match text("scope") {
        Some(scope) if !SCOPES.contains(&scope) => {
            Err(ApiError::field("scope", "invalid_choice", format!("\"{scope}\" is not a valid choice.")))
        }
        _ => Ok(fields),
    }
}

/// Annotations of a project, the newest moment first.
#[utoipa::path(get, path = "/api/projects/{project}/annotations/", tag = "annotations",
    params(("project" = String, Path), AnnotationParams, PageParams), responses((status = 200, body = Page<AnnotationBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<AnnotationParams>,
    cursor: Cursor,
) -> Result<Json<Page<AnnotationBody>>, ApiError> {
    caller.may("annotation")?;
    let moment = |work: &Work| timestamp::parse(text(work, "date_marker"));
    let bound = |text: &Option<String>| text.as_deref().and_then(timestamp::parse);
    let (from, to) = (bound(&params.date_from), bound(&params.date_to));
    let (after, before) = (bound(&params.after), bound(&params.before));
    let flag = |text: &Option<String>| text.as_deref().map(|text| matches!(text, "true" | "True" | "1" | ""));
    let (applies_to_all, deleted) = (flag(&params.apply_all), flag(&params.deleted).unwrap_or(false));
    let is_of_one = |work: &Work| matches!(text(work, "scope"), "" | "dashboard_item");
    let mut works = state.catalog.works(project.id, WorkKind::Annotation);
    works.retain(|work| {
        work.is_deleted == deleted
            && after.is_none_or(|after| work.created_at > after)
            && before.is_none_or(|before| work.created_at < before)
            && applies_to_all.is_none_or(|all| all != is_of_one(work))
            && is_found(params.search.as_deref(), &[text(work, "content")])
            && params.scope.as_deref().is_none_or(|scope| text(work, "scope") == scope)
            && from.is_none_or(|from| moment(work).is_some_and(|at| at >= from))
            && to.is_none_or(|to| moment(work).is_some_and(|at| at <= to))
            && params.dashboard_item_id.is_none_or(|id| work.document.get("dashboard_item").and_then(Value::as_i64) == Some(id))
    });
    works.sort_by_key(|work| std::cmp::Reverse((moment(work), work.id)));
    Ok(Json(cursor.cut(works.iter().map(|work| body(&state, work)))))
}

/// Makes an annotation.
#[utoipa::path(post, path = "/api/projects/{project}/annotations/", tag = "annotations", params(("project" = String, Path)),
    request_body = Object, responses((status = 201, body = AnnotationBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(request): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<AnnotationBody>), ApiError> {
    caller.may("annotation")?;
    let work = state.catalog.create_work(project.id, WorkKind::Annotation, caller.user.id, checked(&request)?).await?;
    Ok((StatusCode::CREATED, Json(body(&state, &work))))
}

/// One annotation.
#[utoipa::path(get, path = "/api/projects/{project}/annotations/{id}/", tag = "annotations",
    params(("project" = String, Path), ("id" = i64, Path)), responses((status = 200, body = AnnotationBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<AnnotationBody>, ApiError> {
    caller.may("annotation")?;
    Ok(Json(body(&state, &*find(&state, project.id, WorkKind::Annotation, &id, false)?)))
}

/// Changes an annotation; `{"deleted": true}` deletes it.
#[utoipa::path(patch, path = "/api/projects/{project}/annotations/{id}/", tag = "annotations",
    params(("project" = String, Path), ("id" = i64, Path)), request_body = Object, responses((status = 200, body = AnnotationBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
    Body(request): Body<Map<String, Value>>,
) -> Result<Json<AnnotationBody>, ApiError> {
    caller.may("annotation")?;
    let found = find(&state, project.id, WorkKind::Annotation, &id, true)?;
    let fields = checked(&request)?;
    let change = |work: &mut Work| {
        work.document.extend(fields);
        work.is_deleted = deletion(&request).unwrap_or(work.is_deleted);
    };
    let work = state.catalog.update_work(project.id, WorkKind::Annotation, found.id, caller.user.id, change).await?;
    Ok(Json(body(&state, &work)))
}
