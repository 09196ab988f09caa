//! Properties of persons and the values that they have, most frequent first.

use crate::body::Params;
use crate::error::ApiError;
use crate::routes::values::{Counts, ValueBody, ValueParams};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_store::PropertyObjects;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::cmp::Reverse;
use std::collections::HashMap;
use utoipa::ToSchema;

/// A property that persons have.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PropertyCount {
    name: String,
    /// Persons that have it.
    count: u64,
}

/// Properties of persons with the number of persons that have each, most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/persons/properties/", tag = "persons", params(("project" = String, Path)),
    responses((status = 200, body = Vec<PropertyCount>)))]
pub(crate) async fn properties(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<Vec<PropertyCount>>, ApiError> {
    caller.may("person")?;
    let view = state.snapshots.project(project.id)?;
    let work = tokio::task::spawn_blocking(move || Ok(Json(counts_of(&*view.person_properties()?))));
    work.await.map_err(|_| ApiError::Panic)?
}

fn counts_of(persons: &PropertyObjects) -> Vec<PropertyCount> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for properties in persons.iter() {
        let names: HashMap<String, IgnoredAny> = serde_json::from_str(properties).unwrap_or_default();
        for name in names.into_keys() {
            *counts.entry(name).or_default() += 1;
        }
    }
    let mut counts: Vec<PropertyCount> = counts.into_iter().map(|(name, count)| PropertyCount { name, count }).collect();
    counts.sort_by(|left, right| (Reverse(left.count), &left.name).cmp(&(Reverse(right.count), &right.name)));
    counts
}

/// Values of a property of persons, most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/persons/values/", tag = "persons", params(("project" = String, Path), ValueParams),
    responses((status = 200, body = Vec<ValueBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ValueParams>,
) -> Result<Json<Vec<ValueBody>>, ApiError> {
    caller.may("person")?;
    let view = state.snapshots.project(project.id)?;
    let work = tokio::task::spawn_blocking(move || {
        let mut counts = Counts::default();
        if let Some(column) = view.person_properties()?.property(&params.key) {
            counts.add(&column, None);
        }
        Ok(Json(counts.into_values(&params, true)))
    });
    work.await.map_err(|_| ApiError::Panic)?
}
