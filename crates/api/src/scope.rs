//! Which project a request is about.

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::ApiState;
use aqueduct_catalog::{Catalog, Project, User};
use aqueduct_event::ProjectId;
use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use http::request::Parts;
use std::sync::Arc;

const NO_PROJECT: ApiError = ApiError::NotFound("Project not found.");

/// The project of the path (`{project}`: a number or `@current`), and who asks.
#[derive(Debug)]
pub(crate) struct InProject {
    pub(crate) project: Arc<Project>,
    pub(crate) caller: Caller,
}

impl<S: Send + Sync> FromRequestParts<S> for InProject
where
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Who asks comes first: a stranger must not learn which projects exist.
        let caller = Caller::from_request_parts(parts, state).await?;
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| NO_PROJECT)?;
        let (_, name) = path.iter().find(|(name, _)| *name == "project").ok_or(NO_PROJECT)?;
        let project = find(&ApiState::from_ref(state).catalog, &caller.user, name)?;
        Ok(Self { project, caller })
    }
}

fn find(catalog: &Catalog, user: &User, name: &str) -> Result<Arc<Project>, ApiError> {
    let found = match name {
        "@current" => current(catalog, user),
        _ => name.parse().ok().and_then(|id| catalog.project(ProjectId(id))),
    };
    found.ok_or(NO_PROJECT)
}

/// The project that `@current` means to a user: the one that they chose, else the first one.
pub(crate) fn current(catalog: &Catalog, user: &User) -> Option<Arc<Project>> {
    let chosen = user.current_project.and_then(|project| catalog.project(project));
    chosen.or_else(|| catalog.projects().into_iter().next())
}
