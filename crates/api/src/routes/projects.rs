//! Projects (PostHog also calls them teams and environments; here all three are one).

use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Catalog, Level, NewProject, Project, ProjectPatch};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A project with its settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectBody {
    id: u32,
    uuid: Uuid,
    organization: Uuid,
    /// The same as `id`.
    project_id: u32,
    name: String,
    /// The token that SDKs send.
    api_token: String,
    /// The token for local evaluation of flags.
    secret_api_token: String,
    /// IANA name.
    timezone: String,
    /// 0 Sunday, 1 Monday.
    week_start_day: u8,
    anonymize_ips: bool,
    test_account_filters: Value,
    path_cleaning_filters: Value,
    ingested_event: bool,
    has_group_types: bool,
    group_types: Vec<GroupTypeBody>,
    person_on_events_querying_enabled: bool,
    effective_membership_level: u8,
    user_access_level: &'static str,
    live_events_token: Option<String>,
    created_at: String,
    updated_at: String,
    /// Settings that clients keep here.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// A type of groups.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupTypeBody {
    pub(crate) group_type: String,
    /// 0 to 4.
    pub(crate) group_type_index: usize,
    pub(crate) name_singular: Option<String>,
    pub(crate) name_plural: Option<String>,
}

/// Fields of a project that can be set; unknown ones are left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ProjectChange {
    name: Option<String>,
    /// IANA name.
    timezone: Option<String>,
    /// 0 Sunday, 1 Monday.
    week_start_day: Option<u8>,
    anonymize_ips: Option<bool>,
    test_account_filters: Option<Value>,
    path_cleaning_filters: Option<Value>,
    /// Settings that clients keep here.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// What a setting holds, and what it is while nobody set it.
#[derive(Clone, Copy)]
enum Setting {
    /// `true`, `false` or `null`.
    Flag(Option<bool>),
    /// A list, or `null`.
    List,
    /// Any value.
    Any,
}

/// Settings that PostHog's clients keep in a project.
const SETTINGS: &[(&str, Setting)] = &[
    ("app_urls", Setting::List),
    ("recording_domains", Setting::Any),
    ("data_attributes", Setting::List),
    ("person_display_name_properties", Setting::Any),
    ("correlation_config", Setting::Any),
    ("live_events_columns", Setting::Any),
    ("modifiers", Setting::Any),
    ("extra_settings", Setting::Any),
    ("primary_dashboard", Setting::Any),
    ("slack_incoming_webhook", Setting::Any),
    ("product_description", Setting::Any),
    ("has_completed_onboarding_for", Setting::Any),
    ("session_recording_sample_rate", Setting::Any),
    ("session_recording_minimum_duration_milliseconds", Setting::Any),
    ("session_recording_linked_flag", Setting::Any),
    ("session_recording_network_payload_capture_config", Setting::Any),
    ("session_replay_config", Setting::Any),
    ("autocapture_exceptions_errors_to_ignore", Setting::Any),
    ("autocapture_web_vitals_allowed_metrics", Setting::Any),
    ("survey_config", Setting::Any),
    ("cookieless_server_hash_mode", Setting::Any),
    ("drop_events_older_than_seconds", Setting::Any),
    ("completed_snippet_onboarding", Setting::Flag(Some(false))),
    ("is_demo", Setting::Flag(Some(false))),
    ("access_control", Setting::Flag(Some(false))),
    ("session_recording_opt_in", Setting::Flag(Some(false))),
    ("inject_web_apps", Setting::Flag(None)),
    ("autocapture_opt_out", Setting::Flag(None)),
    ("autocapture_exceptions_opt_in", Setting::Flag(None)),
    ("autocapture_web_vitals_opt_in", Setting::Flag(None)),
    ("capture_console_log_opt_in", Setting::Flag(None)),
    ("capture_performance_opt_in", Setting::Flag(None)),
    ("capture_dead_clicks", Setting::Flag(None)),
    ("heatmaps_opt_in", Setting::Flag(None)),
    ("surveys_opt_in", Setting::Flag(None)),
    ("flags_persistence_default", Setting::Flag(None)),
    ("test_account_filters_default_checked", Setting::Flag(None)),
];

impl Setting {
    fn default_value(self, name: &str) -> Value {
        match self {
            Self::Flag(default) => default.map_or(Value::Null, Value::Bool),
            Self::List if name == "data_attributes" => json!(["data-attr"]),
            Self::List => json!([]),
            Self::Any => Value::Null,
        }
    }

    fn accepts(self, value: &Value) -> Result<(), &'static str> {
        match self {
            Self::Flag(_) if !(value.is_boolean() || value.is_null()) => Err("Must be a valid boolean."),
            Self::List if !(value.is_array() || value.is_null()) => Err("Expected a list of items."),
            _ => Ok(()),
        }
    }
}

impl ProjectChange {
    fn into_patch(self) -> Result<ProjectPatch, ApiError> {
        let mut settings = Map::new();
        for (name, setting) in SETTINGS {
            let Some(value) = self.settings.get(*name) else { continue };
            setting.accepts(value).map_err(|detail| ApiError::field(name, "invalid_input", detail))?;
            settings.insert((*name).to_owned(), value.clone());
        }
        Ok(ProjectPatch {
            name: self.name,
            timezone: self.timezone,
            week_start_day: self.week_start_day,
            anonymize_ips: self.anonymize_ips,
            test_account_filters: self.test_account_filters,
            path_cleaning_filters: self.path_cleaning_filters,
            settings,
        })
    }
}

impl ProjectBody {
    pub(crate) fn of(project: &Project, group_types: &[String]) -> Self {
        let value = |(name, setting): &(&str, Setting)| {
            let value = project.settings.get(name).cloned().unwrap_or_else(|| setting.default_value(name));
            ((*name).to_owned(), value)
        };
        Self {
            id: project.id.0,
            uuid: project.uuid,
            organization: project.organization,
            project_id: project.id.0,
            name: project.name.clone(),
            api_token: project.api_token.clone(),
            secret_api_token: project.secret_api_token.clone(),
            timezone: project.timezone.clone(),
            week_start_day: project.week_start_day,
            anonymize_ips: project.anonymize_ips,
            test_account_filters: project.test_account_filters.clone(),
            path_cleaning_filters: project.path_cleaning_filters.clone(),
            ingested_event: project.ingested_event,
            has_group_types: !group_types.is_empty(),
            group_types: GroupTypeBody::list(group_types, &project.settings),
            person_on_events_querying_enabled: true,
            effective_membership_level: 15,
            user_access_level: "admin",
            live_events_token: None,
            created_at: iso(project.created_at),
            updated_at: iso(project.updated_at),
            settings: SETTINGS.iter().map(value).collect(),
        }
    }
}

impl GroupTypeBody {
    /// The setting that holds what types are called.
    pub(crate) const NAMES: &str = "group_type_names";

    pub(crate) fn list(names: &[String], settings: &Value) -> Vec<Self> {
        let called = |index: usize, form: &str| {
            let names = settings.get(Self::NAMES)?.get(index.to_string())?;
            names.get(form)?.as_str().map(str::to_owned)
        };
        let body = |(group_type_index, name): (usize, &String)| Self {
            group_type: name.clone(),
            group_type_index,
            name_singular: called(group_type_index, "singular"),
            name_plural: called(group_type_index, "plural"),
        };
        names.iter().enumerate().map(body).collect()
    }
}

fn body(state: &ApiState, project: &Project) -> Result<ProjectBody, ApiError> {
    Ok(ProjectBody::of(project, state.snapshots.project(project.id)?.group_types()))
}

/// All projects.
#[utoipa::path(get, path = "/api/projects/", tag = "projects", params(PageParams), responses((status = 200, body = Page<ProjectBody>)))]
pub(crate) async fn list(State(state): State<ApiState>, caller: Caller, cursor: Cursor) -> Result<Json<Page<ProjectBody>>, ApiError> {
    caller.may("project")?;
    let projects = state.catalog.projects();
    let bodies = projects.iter().skip(cursor.offset).take(cursor.limit).map(|project| body(&state, project));
    Ok(Json(cursor.page(projects.len(), bodies.collect::<Result<_, _>>()?)))
}

/// Makes a project with a token of its own.
#[utoipa::path(post, path = "/api/projects/", tag = "projects", request_body = ProjectChange, responses((status = 201, body = ProjectBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(change): Body<ProjectChange>,
) -> Result<(StatusCode, Json<ProjectBody>), ApiError> {
    caller.may("project")?;
    caller.at_least(Level::Admin)?;
    let new = NewProject { patch: change.into_patch()?, ..NewProject::default() };
    let project = state.catalog.create_project(new).await?;
    Ok((StatusCode::CREATED, Json(ProjectBody::of(&project, &[]))))
}

/// One project.
#[utoipa::path(get, path = "/api/projects/{project}/", tag = "projects", params(("project" = String, Path, description = "number or `@current`")),
    responses((status = 200, body = ProjectBody)))]
pub(crate) async fn get(State(state): State<ApiState>, InProject { project, caller }: InProject) -> Result<Json<ProjectBody>, ApiError> {
    caller.may("project")?;
    Ok(Json(body(&state, &project)?))
}

/// Changes settings of a project; fields that are left out stay.
#[utoipa::path(patch, path = "/api/projects/{project}/", tag = "projects", params(("project" = String, Path, description = "number or `@current`")),
    request_body = ProjectChange, responses((status = 200, body = ProjectBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(change): Body<ProjectChange>,
) -> Result<Json<ProjectBody>, ApiError> {
    caller.may("project")?;
    let project = state.catalog.update_project(project.id, change.into_patch()?).await?;
    Ok(Json(body(&state, &project)?))
}

/// Gives a project a new token; the old one stops working at once.
#[utoipa::path(patch, path = "/api/projects/{project}/reset_token/", tag = "projects",
    params(("project" = String, Path, description = "number or `@current`")), responses((status = 200, body = ProjectBody)))]
pub(crate) async fn reset_token(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<ProjectBody>, ApiError> {
    caller.may("project")?;
    caller.at_least(Level::Admin)?;
    let project = Catalog::reset_token(&state.catalog, project.id).await?;
    Ok(Json(body(&state, &project)?))
}
