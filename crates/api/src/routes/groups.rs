//! Groups and their types.

use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::persons::{json_of, text_at, texts, time_at, times};
use crate::routes::projects::GroupTypeBody;
use crate::scope::InProject;
use crate::state::ApiState;
use arrow::array::AsArray;
use arrow::datatypes::UInt8Type;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupBody {
    group_type_index: u8,
    group_key: String,
    /// As they were sent.
    #[schema(value_type = Object)]
    group_properties: Box<RawValue>,
    created_at: String,
}

/// Which groups to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupParams {
    /// Which type, 0 to 4.
    group_type_index: u8,
    /// Text that the key or a property must hold, whatever its case.
    search: Option<String>,
}

/// Types of groups of a project.
#[utoipa::path(get, path = "/api/projects/{project}/groups_types/", tag = "groups", params(("project" = String, Path)),
    responses((status = 200, body = Vec<GroupTypeBody>)))]
pub(crate) async fn types(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<Vec<GroupTypeBody>>, ApiError> {
    caller.may("group")?;
    Ok(Json(GroupTypeBody::list(state.snapshots.project(project.id)?.group_types())))
}

/// Groups of one type, by key.
#[utoipa::path(get, path = "/api/projects/{project}/groups/", tag = "groups", params(("project" = String, Path), GroupParams, PageParams),
    responses((status = 200, body = Page<GroupBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<GroupParams>,
    cursor: Cursor,
) -> Result<Json<Page<GroupBody>>, ApiError> {
    caller.may("group")?;
    let table = state.snapshots.project(project.id)?.groups()?;
    let types = table.type_index.as_primitive_opt::<UInt8Type>().ok_or(ApiError::Column("groups.type_index"))?;
    let (keys, properties) = (texts(&table.key, "groups.key")?, texts(&table.properties, "groups.properties")?);
    let created_at = times(&table.created_at, "groups.created_at")?;
    let search = params.search.unwrap_or_default().to_lowercase();
    let found: Vec<usize> = (0..types.len())
        .filter(|row| types.value(*row) == params.group_type_index)
        .filter(|row| text_at(keys, *row).to_lowercase().contains(&search) || text_at(properties, *row).to_lowercase().contains(&search))
        .collect();
    let body = |row: usize| GroupBody {
        group_type_index: types.value(row),
        group_key: text_at(keys, row).to_owned(),
        group_properties: json_of(text_at(properties, row)),
        created_at: time_at(created_at, row),
    };
    Ok(Json(cursor.cut(found.into_iter().map(body))))
}
