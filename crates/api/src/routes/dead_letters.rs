//! Dead letters: events that could not be processed, to look at, mend, replay or discard.
//!
//! Letters of no project (records that could not be read) are shown and handled in every project: there is one organization.

use crate::body::{Params, StrictBody};
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_event::{LetterId, ProjectId, Verdict};
use aqueduct_store::DeadLetter;
use axum::Json;
use axum::extract::{RawPathParams, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

const NO_LETTER: ApiError = ApiError::NotFound("Dead letter not found. It may have been replayed or discarded.");
const NOBODY: ProjectId = ProjectId(0);

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterBody {
    id: String,
    /// Why it died, for programs.
    reason: &'static str,
    /// Why it died, for people.
    explanation: &'static str,
    /// What to do.
    remedy: &'static str,
    /// What exactly went wrong.
    detail: String,
    received_at: String,
    /// How many events it stands for.
    events: u32,
    uuid: String,
    event: String,
    distinct_id: String,
    /// Whether the record could not be read, so that nobody knows its project.
    is_unassigned: bool,
    /// Whether its payload was changed.
    is_amended: bool,
    /// How often it was replayed in vain.
    replays: u32,
    /// The event with the facts of its request. A text stands where JSON was sent that cannot be read.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
}

/// Which letters to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LetterParams {
    /// Letters of no project instead of the project's.
    #[serde(default)]
    unassigned: bool,
}

/// A change of a letter.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LetterChange {
    /// The payload that is to be replayed, in the form in which it was shown.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
}

impl From<DeadLetter> for LetterBody {
    fn from(letter: DeadLetter) -> Self {
        let verdict = Verdict::DeadLettered(letter.reason);
        let payload = RawValue::from_string(letter.payload.to_string());
        Self {
            id: letter.id.to_string(),
            reason: verdict.reason(),
            explanation: verdict.words(),
            remedy: verdict.remedy(),
            detail: letter.detail.to_string(),
            received_at: iso(letter.received_at),
            events: letter.events,
            uuid: letter.uuid.to_string(),
            event: letter.event.to_string(),
            distinct_id: letter.distinct_id.to_string(),
            is_unassigned: letter.project == NOBODY,
            is_amended: letter.is_amended,
            replays: letter.replays,
            payload: payload.unwrap_or_default(),
        }
    }
}

/// The letter of the path: of the project, else of none.
async fn find(state: &ApiState, project: ProjectId, path: &RawPathParams) -> Result<DeadLetter, ApiError> {
    let id: LetterId = path.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse().ok()).ok_or(NO_LETTER)?;
    for of in [project, NOBODY] {
        if let Some(letter) = state.accounts.dead_letter(of, id)? {
            return Ok(letter);
        }
    }
    Err(NO_LETTER)
}

/// Runs what waits for the disk beside the runtime.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::Panic)?
}

/// The dead letters of a project, the oldest first.
#[utoipa::path(get, path = "/api/projects/{project}/dead_letters/", tag = "dead_letters",
    params(("project" = String, Path), LetterParams, PageParams), responses((status = 200, body = Page<LetterBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<LetterParams>,
    cursor: Cursor,
) -> Result<Json<Page<LetterBody>>, ApiError> {
    caller.may("dead_letter")?;
    let of = if params.unassigned { NOBODY } else { project.id };
    let (offset, limit) = (cursor.offset, cursor.limit);
    let (count, letters) = beside(move || Ok(state.accounts.dead_letters(of, offset, limit)?)).await?;
    Ok(Json(cursor.page(count, letters.into_iter().map(LetterBody::from).collect())))
}

/// One dead letter.
#[utoipa::path(get, path = "/api/projects/{project}/dead_letters/{id}/", tag = "dead_letters",
    params(("project" = String, Path), ("id" = String, Path)), responses((status = 200, body = LetterBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    path: RawPathParams,
) -> Result<Json<LetterBody>, ApiError> {
    caller.may("dead_letter")?;
    Ok(Json(find(&state, project.id, &path).await?.into()))
}

/// Replaces the payload. It must be one that can be replayed.
#[utoipa::path(patch, path = "/api/projects/{project}/dead_letters/{id}/", tag = "dead_letters",
    params(("project" = String, Path), ("id" = String, Path)), request_body = LetterChange, responses((status = 200, body = LetterBody)))]
pub(crate) async fn update(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    path: RawPathParams,
    StrictBody(change): StrictBody<LetterChange>,
) -> Result<Json<LetterBody>, ApiError> {
    caller.may("dead_letter")?;
    let letter = find(&state, project.id, &path).await?;
    let payload = change.payload.get().to_owned();
    let mended = DeadLetter { payload: payload.as_str().into(), ..letter.clone() };
    record_of(&state, &mended, project.id)?;
    let amended = beside(move || Ok(state.accounts.amend_dead_letter(letter.project, letter.id, &payload)?)).await?;
    Ok(Json(amended.ok_or(NO_LETTER)?.into()))
}

/// Puts the letter's events through the journal again. They keep the time at which they were received; when they are processed the letter is gone, or it stays
/// with a new reason.
#[utoipa::path(post, path = "/api/projects/{project}/dead_letters/{id}/replay/", tag = "dead_letters",
    params(("project" = String, Path), ("id" = String, Path)), responses((status = 202, body = LetterBody)))]
pub(crate) async fn replay(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    path: RawPathParams,
) -> Result<(StatusCode, Json<LetterBody>), ApiError> {
    caller.may("dead_letter")?;
    let letter = find(&state, project.id, &path).await?;
    let record = record_of(&state, &letter, project.id)?;
    state.replays.append(record).await.map_err(ApiError::NotDurable)?;
    Ok((StatusCode::ACCEPTED, Json(letter.into())))
}

/// Discards the letter: its events are counted as dropped.
#[utoipa::path(delete, path = "/api/projects/{project}/dead_letters/{id}/", tag = "dead_letters",
    params(("project" = String, Path), ("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    path: RawPathParams,
) -> Result<StatusCode, ApiError> {
    caller.may("dead_letter")?;
    let letter = find(&state, project.id, &path).await?;
    let discarded = beside(move || Ok(state.accounts.discard_dead_letter(letter.project, letter.id)?)).await?;
    if discarded { Ok(StatusCode::NO_CONTENT) } else { Err(NO_LETTER) }
}

/// The record that replays a letter. Its token must be the project's: nobody replays into somebody else's project.
fn record_of(state: &ApiState, letter: &DeadLetter, project: ProjectId) -> Result<Vec<u8>, ApiError> {
    let wrong = |detail: String| ApiError::field("payload", "invalid_input", detail);
    let replayable = state.replays.record_of(letter).map_err(wrong)?;
    let owner = state.catalog.project_by_token(&replayable.token).map(|owner| owner.id);
    if owner != Some(project) {
        return Err(wrong("The payload's token is not the token of this project.".to_owned()));
    }
    Ok(replayable.record)
}
