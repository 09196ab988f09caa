//! All paths.
//!
//! The tables say each path once; every one answers with and without a trailing slash, and what belongs to a project also under
//! `/api/environments/…`, PostHog's other name for it. Addresses of old clients become those of today before (`old.rs`).

use crate::auth;
use crate::body::BODY_BYTES_MAX;
use crate::error::ApiError;
use crate::jobs::QueryStatus;
use crate::metrics;
use crate::old;
use crate::page::Cursor;
use crate::routes::persons::{changes, values};
use crate::routes::works::{actions, annotations, cohorts, dashboards, insights, sharing};
use crate::routes::{
    absent, activity, bulk, dead_letters, definitions, events, exports, groups, invites, keys, ledger, live, members, organizations,
    persons, projects, query, query_log, session, sessions, tags, trace, users, warnings,
};
use crate::scope::InProject;
use crate::state::ApiState;
use crate::ui;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Json, Router};
use http::{HeaderMap, Method, Uri};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;

type Table = Vec<(&'static str, MethodRouter<ApiState>)>;

/// What belongs to a project, below `/api/projects/{project}`.
fn in_project() -> Table {
    vec![
        ("", get(projects::get).patch(projects::update)),
        ("/reset_token", patch(projects::reset_token)),
        ("/query", post(query::run)),
        ("/query/upgrade", post(query::upgrade)),
        ("/query/check_auth_for_async", post(query::check_auth)),
        ("/query/{id}", get(query::poll).delete(query::cancel).post(query::run_kind)),
        ("/query/{id}/log", get(query::log)),
        ("/query_log", get(query_log::list)),
        ("/event_definitions", get(definitions::events)),
        ("/event_definitions/by_name", get(definitions::event_by_name)),
        ("/event_definitions/{id}", get(definitions::event).patch(definitions::update_event).delete(definitions::delete_event)),
        ("/property_definitions", get(definitions::properties)),
        ("/property_definitions/seen_together", get(definitions::seen_together)),
        ("/property_definitions/{id}", get(definitions::property).patch(definitions::update_property).delete(definitions::delete_property)),
        ("/actions", get(actions::list).post(actions::create)),
        ("/actions/{id}", get(actions::get).patch(actions::update).put(actions::update).delete(actions::delete)),
        ("/cohorts", get(cohorts::list).post(cohorts::create)),
        ("/cohorts/{id}", get(cohorts::get).patch(cohorts::update).put(cohorts::update).delete(cohorts::delete)),
        ("/cohorts/{id}/persons", get(cohorts::persons)),
        ("/cohorts/{id}/add_persons_to_static_cohort", patch(cohorts::add_persons).post(cohorts::add_persons)),
        ("/cohorts/{id}/remove_person_from_static_cohort", patch(cohorts::remove_person).post(cohorts::remove_person)),
        ("/cohorts/{id}/duplicate_as_static_cohort", get(cohorts::duplicate).post(cohorts::duplicate)),
        ("/persons", get(persons::list)),
        ("/persons/{id}", get(persons::get).patch(changes::update).delete(changes::delete)),
        ("/persons/values", get(values::list)),
        ("/persons/properties", get(values::properties)),
        ("/persons/cohorts", get(cohorts::of_person)),
        ("/activity_log", get(activity::log)),
        ("/persons/bulk_delete", post(changes::bulk_delete)),
        ("/persons/{id}/update_property", post(changes::update_property)),
        ("/persons/{id}/delete_property", post(changes::delete_property)),
        ("/persons/{id}/split", post(changes::split)),
        ("/persons/{id}/delete_events", post(changes::delete_events)),
        ("/events", get(events::list)),
        ("/events/values", get(events::values)),
        ("/events/{id}", get(events::get)),
        ("/sessions/property_definitions", get(sessions::property_definitions)),
        ("/sessions/values", get(sessions::values)),
        ("/tags", get(tags::list)),
        ("/ingestion_warnings", get(warnings::list)),
        ("/export/events", get(bulk::events)),
        ("/export/persons", get(bulk::persons)),
        ("/events/stored", post(bulk::stored)),
        ("/live", get(live::stream)),
        ("/trace/{id}", get(trace::trace)),
        ("/ledger", get(ledger::get)),
        ("/dead_letters", get(dead_letters::list)),
        ("/dead_letters/{id}", get(dead_letters::get).patch(dead_letters::update).delete(dead_letters::delete)),
        ("/dead_letters/{id}/replay", post(dead_letters::replay)),
    ]
}

/// What people save in a project, and its groups.
fn saved_in_project() -> Table {
    vec![
        ("/annotations", get(annotations::list).post(annotations::create)),
        ("/annotations/{id}", get(annotations::get).patch(annotations::update).put(annotations::update)),
        ("/insights", get(insights::list).post(insights::create)),
        ("/insights/{id}", get(insights::get).patch(insights::update).put(insights::update)),
        ("/insights/cancel", post(query::cancel_named)),
        ("/dashboards", get(dashboards::list).post(dashboards::create)),
        ("/dashboards/{id}", get(dashboards::get).patch(dashboards::update).put(dashboards::update)),
        ("/{resource}/{id}/sharing", get(sharing::get).patch(sharing::update)),
        ("/{resource}/{id}/sharing/refresh", post(sharing::renew)),
        ("/exports", get(exports::list).post(exports::create)),
        ("/exports/{id}", get(exports::get)),
        ("/exports/{id}/content", get(exports::content)),
        ("/groups", get(groups::list)),
        ("/groups/find", get(groups::find)),
        ("/groups/related", get(groups::related)),
        ("/groups/property_definitions", get(groups::property_definitions)),
        ("/groups/property_values", get(groups::property_values)),
        ("/groups/update_property", post(groups::update_property)),
        ("/groups/delete_property", post(groups::delete_property)),
        ("/feature_flags", get(absent::flags)),
        ("/feature_flags/my_flags", get(absent::my_flags)),
        ("/feature_flags/local_evaluation", get(absent::local_evaluation)),
        ("/feature_flags/{id}", get(absent::flag)),
        ("/experiments", get(absent::experiments)),
        ("/surveys", get(absent::surveys)),
        ("/session_recordings", get(absent::recordings)),
        ("/groups_types", get(groups::types)),
        ("/groups_types/update_metadata", patch(groups::update_types)),
    ]
}

/// What belongs to the installation.
fn of_installation() -> Table {
    vec![
        ("/api/organizations", get(organizations::list)),
        ("/api/organizations/{organization}", get(organizations::get).patch(organizations::update)),
        ("/api/projects", get(projects::list).post(projects::create)),
        ("/api/environments", get(projects::list).post(projects::create)),
        ("/api/users", get(users::list)),
        ("/api/users/@me", get(users::me).patch(users::update_me)),
        ("/api/personal_api_keys", get(keys::list).post(keys::create)),
        ("/api/personal_api_keys/{id}", get(keys::get).patch(keys::update).delete(keys::delete)),
        ("/api/setup", post(session::set_up)),
        ("/api/signup/{invite}", get(session::invited).post(session::sign_up)),
        ("/api/login", post(session::sign_in)),
        ("/api/logout", post(session::sign_out)),
        ("/api/audit", get(trace::audit)),
        ("/shared/{token}", get(sharing::show)),
        ("/shared_dashboard/{token}", get(sharing::show)),
        ("/api/running_queries", get(query_log::running)),
        ("/api/schema", get(async || Json(Document::openapi()))),
    ]
}

/// Projects below their organization, as PostHog's newer paths have them.
fn in_organization() -> Table {
    vec![
        ("/members", get(members::list)),
        ("/members/{user}", get(members::get).patch(members::update).delete(members::delete)),
        ("/invites", get(invites::list).post(invites::create)),
        ("/invites/bulk", post(invites::create_many)),
        ("/invites/{id}", delete(invites::delete)),
        ("/roles", get(absent::roles)),
        ("/projects", get(projects::list).post(projects::create)),
        ("/projects/{project}", get(projects::get).patch(projects::update)),
        ("/projects/{project}/reset_token", patch(projects::reset_token)),
    ]
}

/// Everything for people and programs, the web app as fallback.
pub fn router(state: ApiState) -> Router {
    metrics::describe();
    Router::new().fallback_service(of_today(state)).layer(middleware::map_request(old::rewrite))
}

/// The same without the addresses of old clients.
fn of_today(state: ApiState) -> Router {
    let mut api = add(Router::new(), "", of_installation());
    for prefix in ["/api/projects/{project}", "/api/environments/{project}"] {
        api = add(add(api, prefix, in_project()), prefix, saved_in_project());
        for (resource, scope) in absent::LISTS {
            let list = get(move |project: InProject, cursor: Cursor| absent::list(scope, project, cursor));
            api = add(api, &format!("{prefix}/{resource}"), vec![("", list)]);
        }
        for logged in activity::LOGGED {
            let of_kind = get(move |state: State<ApiState>, project: InProject, params, cursor: Cursor| {
                activity::of_kind(logged, state, project, params, cursor)
            });
            let of_one = get(move |state: State<ApiState>, project: InProject, path, params, cursor: Cursor| {
                activity::of_one(logged, state, project, path, params, cursor)
            });
            api = add(api, &format!("{prefix}/{}", logged.path), vec![("/activity", of_kind), ("/{id}/activity", of_one)]);
        }
    }
    let organization = add(Router::new(), "/api/organizations/{organization}", in_organization());
    let organization = organization.route_layer(middleware::from_fn_with_state(state.clone(), organizations::exists));
    api.merge(organization)
        .route_layer(middleware::from_fn_with_state(state.clone(), auth::key_from_body))
        .route_layer(middleware::from_fn(metrics::count))
        .method_not_allowed_fallback(async |method: Method| ApiError::Method(method))
        .fallback(fallback)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(|_| ApiError::Panic.into_response()))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(state)
}

fn add(mut router: Router<ApiState>, prefix: &str, table: Table) -> Router<ApiState> {
    for (path, handler) in table {
        router = router.route(&format!("{prefix}{path}"), handler.clone()).route(&format!("{prefix}{path}/"), handler);
    }
    router
}

async fn fallback(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if uri.path().starts_with("/api/") {
        return ApiError::NotFound("Endpoint not found.").into_response();
    }
    match method {
        Method::GET | Method::HEAD => ui::answer(&uri, &headers),
        other => ApiError::Method(other).into_response(),
    }
}

/// The OpenAPI document of everything here, as JSON.
#[must_use]
pub fn openapi() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Aqueduct", description = "Management and queries, in the form of PostHog's API. Every path answers with and without a trailing slash; what lies below `/api/projects/{project}/` also does below `/api/environments/{project}/`. `/api/insight/…`, `/api/event/…` and the like, PostHog's older addresses, mean the project `@current`.",
        license(name = "MIT OR Apache-2.0")),
    paths(
        organizations::list, organizations::get, organizations::update, members::list, members::get, members::update, members::delete,
        invites::list, invites::create, invites::create_many, invites::delete,
        projects::list, projects::create, projects::get, projects::update, projects::reset_token,
        query::run, query::run_kind, query::poll, query::cancel, query::upgrade, query::check_auth, query::log,
        query_log::list, query_log::running,
        definitions::events, definitions::event, definitions::update_event, definitions::delete_event, definitions::event_by_name,
        definitions::properties, definitions::property, definitions::update_property, definitions::delete_property, definitions::seen_together,
        actions::list, actions::create, actions::get, actions::update, actions::delete,
        cohorts::list, cohorts::create, cohorts::get, cohorts::update, cohorts::delete,
        cohorts::persons, cohorts::add_persons, cohorts::remove_person, cohorts::duplicate,
        persons::list, persons::get, values::list, values::properties, cohorts::of_person, changes::update, changes::update_property, changes::delete_property,
        changes::split, changes::delete, changes::delete_events, changes::bulk_delete,
        events::list, events::get, events::values,
        annotations::list, annotations::create, annotations::get, annotations::update,
        insights::list, insights::create, insights::get, insights::update, query::cancel_named,
        activity::log, activity::of_kind, activity::of_one,
        dashboards::list, dashboards::create, dashboards::get, dashboards::update,
        sharing::get, sharing::update, sharing::renew, sharing::show,
        exports::list, exports::create, exports::get, exports::content,
        groups::list, groups::find, groups::related, groups::property_definitions, groups::property_values, groups::update_property,
        groups::delete_property, groups::types, groups::update_types,
        absent::flags, absent::flag, absent::my_flags, absent::experiments, absent::surveys, absent::recordings,
        absent::local_evaluation, absent::list, absent::roles,
        sessions::property_definitions, sessions::values, tags::list,
        warnings::list, live::stream, trace::trace, trace::audit,
        ledger::get, dead_letters::list, dead_letters::get, dead_letters::update, dead_letters::replay, dead_letters::delete,
        bulk::events, bulk::persons, bulk::stored,
        users::list, users::me, users::update_me,
        keys::list, keys::create, keys::get, keys::update, keys::delete,
        session::set_up, session::invited, session::sign_up, session::sign_in, session::sign_out,
    ),
    components(schemas(QueryStatus)),
    modifiers(&Security),
)]
struct Document;

/// How a caller says who they are.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A personal API key, `phx_…`.")).build();
        components.add_security_scheme("personal_api_key", SecurityScheme::Http(bearer));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(auth::COOKIE)));
        components.add_security_scheme("session", cookie);
        let either = ["personal_api_key", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
        document.security = Some(either.to_vec());
    }
}
