//! Tags that people gave to what they saved and to definitions.

use crate::error::ApiError;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{ActionKind, WorkKind};
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use std::collections::BTreeSet;

/// All tags in use, by name.
#[utoipa::path(get, path = "/api/projects/{project}/tags/", tag = "projects", params(("project" = String, Path)),
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<BTreeSet<String>>, ApiError> {
    caller.may_read("project")?;
    let catalog = &state.catalog;
    let mut tags = BTreeSet::new();
    for kind in [WorkKind::Annotation, WorkKind::Insight, WorkKind::Dashboard] {
        for work in catalog.works(project.id, kind).iter().filter(|work| !work.is_deleted) {
            add(&mut tags, work.document.get("tags"));
        }
    }
    for action in catalog.works(project.id, ActionKind).iter().filter(|action| !action.is_deleted) {
        tags.extend(action.document.tags.iter().cloned());
    }
    let events = catalog.event_definitions(project.id).into_iter().map(|event| event.id);
    for definition in events.chain(catalog.property_definitions(project.id).into_iter().map(|property| property.id)) {
        add(&mut tags, catalog.notes(definition).get("tags"));
    }
    Ok(Json(tags))
}

fn add(tags: &mut BTreeSet<String>, list: Option<&Value>) {
    tags.extend(list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
}
