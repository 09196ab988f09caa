//! Values of a person's property, most frequent first, and the cohorts of a person.

use crate::body::Params;
use crate::error::ApiError;
use crate::routes::values::{Counts, ValueBody, ValueParams};
use crate::scope::InProject;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;

/// Values of a property of persons, most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/persons/values/", tag = "persons", params(("project" = String, Path), ValueParams),
    responses((status = 200, body = Vec<ValueBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ValueParams>,
) -> Result<Json<Vec<ValueBody>>, ApiError> {
    caller.may("person")?;
    let persons = state.snapshots.project(project.id)?.persons()?;
    let work = tokio::task::spawn_blocking(move || {
        let mut counts = Counts::default();
        if let Some(column) = persons.property(&params.key) {
            counts.add(&column, None);
        }
        Json(counts.into_values(&params, true))
    });
    work.await.map_err(|_| ApiError::Panic)
}
