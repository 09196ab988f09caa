//! Who belongs together: persons and groups that occurred on the same events in the last three months.

use crate::asking::ask;
use crate::body::Params;
use crate::error::ApiError;
use crate::routes::groups::Groups;
use crate::routes::persons::Persons;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_event::limits::GROUP_TYPES_MAX;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// Actors of each kind that are shown.
const RELATED_MAX: usize = 100;

/// Whose relations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RelatedParams {
    /// Index of the group's type; without it the actor is a person.
    group_type_index: Option<u8>,
    /// The group's key, or the person's id.
    id: String,
}

/// Persons and groups that occurred together with a group or a person.
#[utoipa::path(get, path = "/api/projects/{project}/groups/related/", tag = "groups", params(("project" = String, Path), RelatedParams),
    responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<RelatedParams>,
) -> Result<Json<Vec<Value>>, ApiError> {
    caller.may("group")?;
    // Columns come from this list, values as placeholders: no text of a request becomes part of the query.
    const GROUPS: [&str; GROUP_TYPES_MAX] = ["$group_0", "$group_1", "$group_2", "$group_3", "$group_4"];
    let own = match params.group_type_index {
        None => "person_id",
        Some(index) => {
            GROUPS.get(usize::from(index)).ok_or_else(|| ApiError::field("group_type_index", "invalid_input", "Expected 0 to 4."))?
        }
    };
    let view = state.snapshots.project(project.id)?;
    let columns = std::iter::once("person_id").chain(GROUPS.into_iter().take(view.group_types().len()));
    let (persons, table) = (Persons::of(&*view)?, view.groups()?);
    let groups = Groups::of(&table)?;
    let mut related = Vec::new();
    for column in columns.filter(|column| *column != own) {
        let query = format!(
            "SELECT DISTINCT toString({column}) FROM events WHERE timestamp > now() - INTERVAL 90 DAY AND toString({own}) = {{id}} LIMIT {RELATED_MAX}"
        );
        let answer = ask(&state, &project, json!({"kind": "HogQLQuery", "query": query, "values": {"id": params.id}})).await?;
        let found = answer.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for id in found.iter().filter_map(|row| row.get(0)?.as_str()).filter(|id| !id.is_empty()) {
            let index = GROUPS.iter().position(|name| *name == column).and_then(|index| u8::try_from(index).ok());
            let body = match index {
                None => persons.one(&*view, id)?.and_then(|person| serde_json::to_value(person).ok()).map(|body| ("person", body)),
                Some(index) => groups.find(index, id).and_then(|group| serde_json::to_value(group).ok()).map(|body| ("group", body)),
            };
            if let Some((kind, mut body)) = body {
                body["type"] = Value::from(kind);
                related.push(body);
            }
        }
    }
    Ok(Json(related))
}
