//! Exports: the result of a query or an insight as a file, by name, to be fetched.
//!
//! The file is made when it is fetched, from the query that the export holds: nothing is kept that an erasure would miss.

use crate::asking::ask_exact;
use crate::body::Body;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::works::insights::source_of;
use crate::scope::InProject;
use crate::state::ApiState;
use crate::table::Table;
use aqueduct_catalog::{Project, Work, WorkKind};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Json,
    Parquet,
}

impl Format {
    const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Parquet];

    fn mime(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// The format of a media type or an extension.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.mime() == name || format.extension() == name)
    }

    /// A result as a file of this kind.
    pub(crate) fn file(self, name: &str, answer: &Map<String, Value>) -> Result<Response, ApiError> {
        let table = Table::of(answer.get("results"), answer.get("columns"));
        let bytes = match self {
            Self::Csv => table.to_csv().into_bytes(),
            Self::Json => table.to_json().to_string().into_bytes(),
            Self::Parquet => table.to_parquet()?,
        };
        let kind = if self == Self::Csv { "text/csv; charset=utf-8" } else { self.mime() };
        let disposition = format!("attachment; filename=\"{name}.{}\"", self.extension());
        let mut response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
        if let Ok(disposition) = HeaderValue::from_str(&disposition) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }
}

/// Whether an answer is wanted as a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileParams {
    /// `csv`, `json` (a list of objects) or `parquet`: the results as a file. Default: the whole answer.
    format: Option<String>,
}

impl FileParams {
    pub(crate) fn format(&self) -> Result<Option<Format>, ApiError> {
        let wanted = self.format.as_deref().filter(|name| !name.is_empty());
        let of = |name| {
            Format::of(name).ok_or_else(|| ApiError::field("format", "invalid_choice", format!("\"{name}\" is not a valid choice.")))
        };
        wanted.map(of).transpose()
    }
}

/// What is to be exported.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExportRequest {
    /// `text/csv`, `application/json` or `application/vnd.apache.parquet`.
    export_format: String,
    /// The number of a saved insight.
    insight: Option<i64>,
    /// An object with `source`, the query, and perhaps `filename`.
    #[schema(value_type = Option<Object>)]
    export_context: Option<Map<String, Value>>,
}

/// An export.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportBody {
    id: i64,
    dashboard: Option<i64>,
    insight: Option<i64>,
    export_format: String,
    created_at: String,
    has_content: bool,
    #[schema(value_type = Object)]
    export_context: Value,
    filename: String,
    expires_after: Option<String>,
    exception: Option<String>,
}

fn format_of(work: &Work) -> Format {
    work.document.get("export_format").and_then(Value::as_str).and_then(Format::of).unwrap_or(Format::Csv)
}

/// The file's name without its extension: of characters that mean nothing to a file system or a header.
fn name_of(work: &Work) -> String {
    let wanted = work.document.get("export_context").and_then(|context| context.get("filename")).and_then(Value::as_str);
    let safe: String = wanted.unwrap_or("export").chars().filter(|c| c.is_ascii_alphanumeric() || "-_ ".contains(*c)).take(100).collect();
    if safe.trim().is_empty() { "export".to_owned() } else { safe }
}

fn body(work: &Work) -> ExportBody {
    let format = format_of(work);
    ExportBody {
        id: work.id,
        dashboard: None,
        insight: work.document.get("insight").and_then(Value::as_i64),
        export_format: format.mime().to_owned(),
        created_at: iso(work.created_at),
        has_content: true,
        export_context: work.document.get("export_context").cloned().unwrap_or_default(),
        filename: format!("{}.{}", name_of(work), format.extension()),
        expires_after: None,
        exception: None,
    }
}

/// The query that an export holds.
fn query_of(state: &ApiState, project: &Project, document: &Map<String, Value>) -> Result<Value, ApiError> {
    let insight = document.get("insight").and_then(Value::as_i64);
    let saved = insight.and_then(|id| state.catalog.work(project.id, WorkKind::Insight, id)).filter(|work| !work.is_deleted);
    let query = match &saved {
        Some(insight) => insight.document.get("query"),
        None => document.get("export_context").and_then(|context| context.get("source")),
    };
    let missing = || ApiError::field("export_context", "required", "Either insight or export_context.source, a query, is required.");
    query.and_then(source_of).cloned().ok_or_else(missing)
}

/// Exports of a project, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/exports/", tag = "exports", params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<ExportBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    cursor: Cursor,
) -> Result<Json<Page<ExportBody>>, ApiError> {
    caller.may("export")?;
    let works = state.catalog.works(project.id, WorkKind::Export);
    Ok(Json(cursor.cut(works.iter().rev().map(|work| body(work)))))
}

/// Makes an export. A query that cannot be answered is refused here.
#[utoipa::path(post, path = "/api/projects/{project}/exports/", tag = "exports", params(("project" = String, Path)), request_body = ExportRequest,
    responses((status = 201, body = ExportBody)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Body(request): Body<ExportRequest>,
) -> Result<(StatusCode, Json<ExportBody>), ApiError> {
    caller.may("export")?;
    let Some(format) = Format::of(&request.export_format) else {
        let detail = format!("\"{}\" is not a valid choice.", request.export_format);
        return Err(ApiError::field("export_format", "invalid_choice", detail));
    };
    let document = json!({"export_format": format.mime(), "insight": request.insight, "export_context": request.export_context});
    let Value::Object(document) = document else { return Err(ApiError::Panic) };
    ask_exact(&state, &project, query_of(&state, &project, &document)?).await?;
    let work = state.catalog.create_work(project.id, WorkKind::Export, caller.user.id, document).await?;
    Ok((StatusCode::CREATED, Json(body(&work))))
}

fn find(state: &ApiState, project: &Project, id: &str) -> Result<std::sync::Arc<Work>, ApiError> {
    let found = id.parse().ok().and_then(|id| state.catalog.work(project.id, WorkKind::Export, id));
    found.ok_or(ApiError::NotFound("Not found."))
}

/// One export.
#[utoipa::path(get, path = "/api/projects/{project}/exports/{id}/", tag = "exports", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 200, body = ExportBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<ExportBody>, ApiError> {
    caller.may("export")?;
    Ok(Json(body(&*find(&state, &project, &id)?)))
}

/// The file.
#[utoipa::path(get, path = "/api/projects/{project}/exports/{id}/content/", tag = "exports", params(("project" = String, Path), ("id" = i64, Path)),
    responses((status = 200, description = "the file", content_type = "text/csv")))]
pub(crate) async fn content(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    caller.may("export")?;
    let work = find(&state, &project, &id)?;
    let answer = ask_exact(&state, &project, query_of(&state, &project, &work.document)?).await?;
    format_of(&work).file(&name_of(&work), &answer.body)
}
