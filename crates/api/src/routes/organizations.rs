//! The organization. There is one; `@current` and its id both name it.

use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::state::ApiState;
use aqueduct_catalog::{Level, Organization, Project, User};
use axum::Json;
use axum::extract::{FromRef, FromRequestParts, RawPathParams, State};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

const NO_ORGANIZATION: ApiError = ApiError::NotFound("Organization not found.");

/// The organization with its projects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationBody {
    id: Uuid,
    name: String,
    slug: String,
    logo_media_id: Option<String>,
    created_at: String,
    updated_at: String,
    /// 1 member, 8 admin, 15 owner.
    membership_level: u8,
    plugins_access_level: u8,
    members_can_use_personal_api_keys: bool,
    is_active: bool,
    is_member_join_email_enabled: bool,
    enforce_2fa: Option<bool>,
    available_product_features: Vec<String>,
    teams: Vec<ProjectBasic>,
    projects: Vec<ProjectBasic>,
}

/// The organization as users have it in their list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationBasic {
    id: Uuid,
    name: String,
    slug: String,
    logo_media_id: Option<String>,
    /// 1 member, 8 admin, 15 owner.
    membership_level: u8,
    members_can_use_personal_api_keys: bool,
    is_active: bool,
}

/// A project as organizations have it in their list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectBasic {
    id: u32,
    uuid: Uuid,
    organization: Uuid,
    project_id: u32,
    name: String,
    api_token: String,
    timezone: String,
    ingested_event: bool,
    is_demo: bool,
    completed_snippet_onboarding: bool,
    access_control: bool,
}

/// The organization of the path (`{organization}`), and who asks.
#[derive(Debug)]
pub(crate) struct InOrganization {
    organization: Arc<Organization>,
    pub(super) caller: Caller,
}

impl<S: Send + Sync> FromRequestParts<S> for InOrganization
where
    ApiState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let organization = ApiState::from_ref(state).catalog.organization().ok_or(NO_ORGANIZATION)?;
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| NO_ORGANIZATION)?;
        let name = path.iter().find_map(|(name, value)| (name == "organization").then_some(value));
        let same = |name: &str| name == "@current" || name.parse() == Ok(organization.id);
        if name.is_none_or(same) { Ok(Self { organization, caller }) } else { Err(NO_ORGANIZATION) }
    }
}

impl OrganizationBody {
    pub(crate) fn of(state: &ApiState, organization: &Organization, user: &User) -> Self {
        let projects = || state.catalog.projects().iter().map(|project| ProjectBasic::of(project)).collect();
        Self {
            id: organization.id,
            name: organization.name.clone(),
            slug: slug_of(organization),
            logo_media_id: None,
            created_at: iso(organization.created_at),
            updated_at: iso(organization.updated_at),
            membership_level: user.level.number(),
            plugins_access_level: 0,
            members_can_use_personal_api_keys: true,
            is_active: true,
            is_member_join_email_enabled: false,
            enforce_2fa: None,
            available_product_features: Vec::new(),
            teams: projects(),
            projects: projects(),
        }
    }
}

impl OrganizationBasic {
    pub(crate) fn of(organization: &Organization, user: &User) -> Self {
        Self {
            id: organization.id,
            name: organization.name.clone(),
            slug: slug_of(organization),
            logo_media_id: None,
            membership_level: user.level.number(),
            members_can_use_personal_api_keys: true,
            is_active: true,
        }
    }
}

impl ProjectBasic {
    fn of(project: &Project) -> Self {
        let flag = |name: &str| project.settings.get(name).and_then(Value::as_bool).unwrap_or(false);
        Self {
            id: project.id.0,
            uuid: project.uuid,
            organization: project.organization,
            project_id: project.id.0,
            name: project.name.clone(),
            api_token: project.api_token.clone(),
            timezone: project.timezone.clone(),
            ingested_event: project.ingested_event,
            is_demo: flag("is_demo"),
            completed_snippet_onboarding: flag("completed_snippet_onboarding"),
            access_control: flag("access_control"),
        }
    }
}

fn slug_of(organization: &Organization) -> String {
    organization.name.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-")
}

/// The organizations: always one.
#[utoipa::path(get, path = "/api/organizations/", tag = "organizations", params(PageParams), responses((status = 200, body = Page<OrganizationBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InOrganization { organization, caller }: InOrganization,
    cursor: Cursor,
) -> Result<Json<Page<OrganizationBody>>, ApiError> {
    caller.may("organization")?;
    Ok(Json(cursor.cut(std::iter::once(OrganizationBody::of(&state, &organization, &caller.user)))))
}

/// The organization.
#[utoipa::path(get, path = "/api/organizations/{organization}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`")), responses((status = 200, body = OrganizationBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InOrganization { organization, caller }: InOrganization,
) -> Result<Json<OrganizationBody>, ApiError> {
    caller.may("organization")?;
    Ok(Json(OrganizationBody::of(&state, &organization, &caller.user)))
}

/// Fields of the organization that can be set; unknown ones are left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct OrganizationChange {
    name: Option<String>,
}

/// Renames the organization.
#[utoipa::path(patch, path = "/api/organizations/{organization}/", tag = "organizations",
    params(("organization" = String, Path, description = "id or `@current`")), request_body = OrganizationChange,
    responses((status = 200, body = OrganizationBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InOrganization { organization, caller }: InOrganization,
    Body(change): Body<OrganizationChange>,
) -> Result<Json<OrganizationBody>, ApiError> {
    caller.may("organization")?;
    caller.at_least(Level::Admin)?;
    let organization = match change.name {
        Some(name) => state.catalog.rename_organization(&name).await?,
        None => organization,
    };
    Ok(Json(OrganizationBody::of(&state, &organization, &caller.user)))
}

/// Lets requests pass whose path names the organization.
pub(crate) async fn exists(_: InOrganization, request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    next.run(request).await
}
