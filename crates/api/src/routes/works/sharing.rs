//! Sharing by link: who knows the address sees one dashboard or insight with its results, without signing in, and nothing else.
//!
//! # Invariants
//! - What is shown names no user and no key.
//! - A link of something deleted leads nowhere.

use super::results::{self, Wanted};
use super::{dashboards, find, insights, text};
use crate::auth::Caller;
use crate::body::Body;
use crate::error::ApiError;
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::{Kind, Project, SharedLink, Work, WorkKind};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::Arc;
use utoipa::ToSchema;

const NO_LINK: ApiError = ApiError::NotFound("This link leads nowhere. It may have been turned off.");

/// How a dashboard or an insight is shared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SharingBody {
    created_at: Option<String>,
    enabled: bool,
    /// What stands in the address `/shared/<token>`.
    access_token: Option<String>,
    settings: Option<Value>,
    password_required: bool,
}

/// Whether it is to be shared.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SharingChange {
    enabled: Option<bool>,
}

impl From<Option<SharedLink>> for SharingBody {
    fn from(link: Option<SharedLink>) -> Self {
        Self {
            created_at: link.as_ref().map(|link| iso(link.created_at)),
            enabled: link.as_ref().is_some_and(|link| link.is_enabled),
            access_token: link.map(|link| link.token),
            settings: None,
            password_required: false,
        }
    }
}

/// What of a project can be shared, by the name of its resource.
fn kind_of(resource: &str) -> Result<WorkKind, ApiError> {
    match resource {
        "dashboards" => Ok(WorkKind::Dashboard),
        "insights" => Ok(WorkKind::Insight),
        _ => Err(ApiError::NotFound("Endpoint not found.")),
    }
}

/// What the path names. Sharing needs the scope of what is shared.
fn shareable(state: &ApiState, project: &Project, caller: &Caller, resource: &str, id: &str) -> Result<(WorkKind, Arc<Work>), ApiError> {
    let kind = kind_of(resource)?;
    caller.may(kind.name())?;
    Ok((kind, find(state, project.id, kind, id, false)?))
}

/// How a dashboard or an insight is shared.
#[utoipa::path(get, path = "/api/projects/{project}/{resource}/{id}/sharing/", tag = "sharing",
    params(("project" = String, Path), ("resource" = String, Path, description = "`dashboards` or `insights`"), ("id" = String, Path)),
    responses((status = 200, body = SharingBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, resource, id)): Path<(String, String, String)>,
) -> Result<Json<SharingBody>, ApiError> {
    let (kind, work) = shareable(&state, &project, &caller, &resource, &id)?;
    Ok(Json(state.catalog.shared_link(kind, work.id).into()))
}

/// Turns the link on or off. It keeps its address.
#[utoipa::path(patch, path = "/api/projects/{project}/{resource}/{id}/sharing/", tag = "sharing",
    params(("project" = String, Path), ("resource" = String, Path), ("id" = String, Path)), request_body = SharingChange,
    responses((status = 200, body = SharingBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, resource, id)): Path<(String, String, String)>,
    Body(change): Body<SharingChange>,
) -> Result<Json<SharingBody>, ApiError> {
    let (kind, work) = shareable(&state, &project, &caller, &resource, &id)?;
    let enabled = change.enabled.ok_or_else(|| ApiError::field("enabled", "required", "This field is required."))?;
    let link = state.catalog.share(project.id, kind, work.id, enabled, false).await?;
    Ok(Json(Some(link).into()))
}

/// Gives the link a new address; the old one stops working.
#[utoipa::path(post, path = "/api/projects/{project}/{resource}/{id}/sharing/refresh/", tag = "sharing",
    params(("project" = String, Path), ("resource" = String, Path), ("id" = String, Path)), responses((status = 200, body = SharingBody)))]
pub(crate) async fn renew(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, resource, id)): Path<(String, String, String)>,
) -> Result<Json<SharingBody>, ApiError> {
    let (kind, work) = shareable(&state, &project, &caller, &resource, &id)?;
    let enabled = state.catalog.shared_link(kind, work.id).is_none_or(|link| link.is_enabled);
    let link = state.catalog.share(project.id, kind, work.id, enabled, true).await?;
    Ok(Json(Some(link).into()))
}

/// What a link shows: as JSON under `<token>.json`, else as a page.
#[utoipa::path(get, path = "/shared/{token}", tag = "sharing", params(("token" = String, Path)), security(()),
    responses((status = 200, body = Object)))]
pub(crate) async fn show(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let (token, as_json) = name.strip_suffix(".json").map_or((name.as_str(), false), |token| (token, true));
    let link = state.catalog.link_by_token(token).ok_or(NO_LINK)?;
    let project = state.catalog.project(link.project).ok_or(NO_LINK)?;
    let work = state.catalog.work(link.project, link.kind, link.id).filter(|work| !work.is_deleted).ok_or(NO_LINK)?;
    let mut shown = if link.kind == WorkKind::Dashboard {
        dashboards::whole(&state, &project, &work, Some(Wanted::shared())).await
    } else {
        let mut body = insights::body(&state, &project, &work);
        results::add(&state, &project, &mut body, &Wanted::shared()).await;
        body
    };
    shown.values_mut().for_each(hide_people);
    hide(&mut shown);
    let mut response = if as_json {
        Json(json!({ link.kind.name(): shown })).into_response()
    } else {
        let title = Some(text(&work, "name")).filter(|name| !name.is_empty()).unwrap_or("Shared").to_owned();
        Html(page(&title, &shown)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn hide(object: &mut Map<String, Value>) {
    for name in ["created_by", "last_modified_by"] {
        object.remove(name);
    }
}

fn hide_people(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // The query and its result are what is shared; users stand beside them.
            hide(object);
            object
                .iter_mut()
                .filter(|(name, _)| !matches!(name.as_str(), "result" | "query" | "filters"))
                .for_each(|(_, value)| hide_people(value));
        }
        Value::Array(items) => items.iter_mut().for_each(hide_people),
        _ => {}
    }
}

/// A page that shows results as tables. Everything of a user is escaped.
fn page(title: &str, shown: &Map<String, Value>) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><style>\
         body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}section{overflow-x:auto;margin:2rem 0}\
         table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}</style>",
    );
    let _ = write!(out, "<title>{0}</title><h1>{0}</h1>", escaped(title));
    match shown.get("tiles").and_then(Value::as_array) {
        Some(tiles) => tiles.iter().for_each(|tile| section(&mut out, tile)),
        None => section(&mut out, &json!({ "insight": shown })),
    }
    out
}

fn section(out: &mut String, tile: &Value) {
    out.push_str("<section>");
    if let Some(text) = tile.pointer("/text/body").and_then(Value::as_str) {
        let _ = write!(out, "<p>{}</p>", escaped(text));
    }
    if let Some(insight) = tile.get("insight").filter(|insight| insight.is_object()) {
        let name = ["name", "derived_name"].iter().find_map(|field| insight.get(*field)?.as_str().filter(|name| !name.is_empty()));
        let _ = write!(out, "<h2>{}</h2>", escaped(name.unwrap_or("Insight")));
        let table = crate::table::Table::of(insight.get("result"), insight.get("columns"));
        out.push_str("<table><tr>");
        for column in table.columns() {
            let _ = write!(out, "<th>{}</th>", escaped(column));
        }
        out.push_str("</tr>");
        for row in table.rows() {
            out.push_str("<tr>");
            for cell in row {
                let _ = write!(out, "<td>{}</td>", escaped(&crate::table::text_of(cell)));
            }
            out.push_str("</tr>");
        }
        out.push_str("</table>");
    }
    out.push_str("</section>");
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_escape_what_people_wrote() {
        let shown = json!({"tiles": [
            {"text": {"body": "<script>alert(1)</script>"}},
            {"insight": {"name": "\"><img>", "columns": ["<b>"], "result": [["<i>"]]}},
        ]});
        let Value::Object(shown) = shown else { return };
        let page = page("<t>", &shown);
        for wrong in ["<script", "<img", "<b>", "<i>", "<t>"] {
            assert!(!page.contains(wrong), "{wrong} in {page}");
        }
    }

    #[test]
    fn nobody_is_named() {
        let mut value = json!({"tiles": [{"insight": {"created_by": {"email": "a@b"}, "result": [{"created_by": 1}]}}]});
        hide_people(&mut value);
        assert_eq!(value, json!({"tiles": [{"insight": {"result": [{"created_by": 1}]}}]}));
    }
}
