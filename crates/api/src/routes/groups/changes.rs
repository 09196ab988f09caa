//! Changes of groups and of what their types are called. Properties change through the journal, like those of persons.

use super::{GroupBody, Groups};
use crate::body::{Body, ListBody, Params};
use crate::changing;
use crate::error::ApiError;
use crate::routes::projects::GroupTypeBody;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Project, ProjectPatch};
use aqueduct_event::CommandedChange;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

/// Which group.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupName {
    /// Index of its type, 0 to 4.
    pub(super) group_type_index: u8,
    /// Its key.
    pub(super) group_key: String,
}

/// A property to be set, or removed.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct GroupChange {
    key: Option<String>,
    #[schema(value_type = Option<Object>)]
    value: Option<Value>,
    /// The property to be removed.
    #[serde(rename = "$unset")]
    unset: Option<String>,
}

/// What a type of groups is called.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct GroupTypeChange {
    group_type_index: usize,
    name_singular: Option<String>,
    name_plural: Option<String>,
}

const NO_GROUP: ApiError = ApiError::NotFound("Group not found.");

pub(super) fn find(state: &ApiState, project: &Project, name: &GroupName) -> Result<GroupBody, ApiError> {
    let table = state.snapshots.project(project.id)?.groups()?;
    Groups::of(&table)?.find(name.group_type_index, &name.group_key).ok_or(NO_GROUP)
}

/// Changes a group that there is; the answer is the group as it is then.
async fn changed(
    state: &ApiState,
    project: &Project,
    name: &GroupName,
    change: impl Future<Output = Result<(), ApiError>>,
) -> Result<Json<GroupBody>, ApiError> {
    find(state, project, name)?;
    change.await?;
    Ok(Json(find(state, project, name)?))
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::field(field, "required", "This field is required."))
}

/// Sets a property of a group.
#[utoipa::path(post, path = "/api/projects/{project}/groups/update_property/", tag = "groups", params(("project" = String, Path), GroupName),
    request_body = GroupChange, responses((status = 200, body = GroupBody)))]
pub(crate) async fn update_property(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(name): Params<GroupName>,
    Body(change): Body<GroupChange>,
) -> Result<Json<GroupBody>, ApiError> {
    caller.may("group")?;
    changed(&state, &project, &name, async {
        let key = required("key", change.key.filter(|key| !key.is_empty()))?;
        let set = Map::from_iter([(key, required("value", change.value)?)]);
        let types = state.snapshots.project(project.id)?.group_types().to_vec();
        let group_type = types.get(usize::from(name.group_type_index)).ok_or(NO_GROUP)?;
        let properties = json!({"$group_type": group_type, "$group_key": name.group_key, "$group_set": set});
        // PostHog sends these events in the name of the project itself.
        let sender = project.uuid.to_string();
        changing::event(&state, &project, ("$groupidentify", &sender), &properties).await
    })
    .await
}

/// Removes a property of a group.
#[utoipa::path(post, path = "/api/projects/{project}/groups/delete_property/", tag = "groups", params(("project" = String, Path), GroupName),
    request_body = GroupChange, responses((status = 200, body = GroupBody)))]
pub(crate) async fn delete_property(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(name): Params<GroupName>,
    Body(change): Body<GroupChange>,
) -> Result<Json<GroupBody>, ApiError> {
    caller.may("group")?;
    changed(&state, &project, &name, async {
        let property = required("$unset", change.unset)?;
        let change = CommandedChange::UnsetGroupProperty { type_index: name.group_type_index, key: &name.group_key, property: &property };
        changing::command(&state, &project, change).await
    })
    .await
}

/// Sets what types of groups are called.
#[utoipa::path(patch, path = "/api/projects/{project}/groups_types/update_metadata/", tag = "groups", params(("project" = String, Path)),
    request_body = Vec<GroupTypeChange>, responses((status = 200, body = Vec<GroupTypeBody>)))]
pub(crate) async fn update_types(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    ListBody(changes): ListBody<GroupTypeChange>,
) -> Result<Json<Vec<GroupTypeBody>>, ApiError> {
    caller.may("group")?;
    let types = state.snapshots.project(project.id)?.group_types().to_vec();
    let mut names = project.settings.get(GroupTypeBody::NAMES).and_then(Value::as_object).cloned().unwrap_or_default();
    for change in changes.into_iter().filter(|change| change.group_type_index < types.len()) {
        names.insert(change.group_type_index.to_string(), json!({"singular": change.name_singular, "plural": change.name_plural}));
    }
    let settings = Map::from_iter([(GroupTypeBody::NAMES.to_owned(), Value::Object(names))]);
    let project = state.catalog.update_project(project.id, ProjectPatch { settings, ..ProjectPatch::default() }).await?;
    Ok(Json(GroupTypeBody::list(&types, &project.settings)))
}
