//! Much at once: a project's events and persons as a stream of lines, and whether events that were sent are stored.

use crate::body::{Params, StrictBody};
use crate::bulk::{self, EventFilter};
use crate::error::ApiError;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_event::timestamp;
use aqueduct_store::{ProjectView, ReadError, Seen};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 2;
/// Events of one question.
const EVENTS_MAX: usize = 10_000;

/// Which events to export.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// First timestamp, RFC 3339 or a date. Default: the oldest.
    date_from: Option<String>,
    /// End of the timestamps, not in it any more. Default: the newest.
    date_to: Option<String>,
    /// Names of events, a JSON list. Default: all.
    events: Option<String>,
}

/// All events of a project, or some, as lines of JSON in the form of a batch export. They show one moment; each piece of the store is in the order of time.
#[utoipa::path(get, path = "/api/projects/{project}/export/events/", tag = "export", params(("project" = String, Path), ExportParams),
    responses((status = 200, description = "one JSON object for each line", content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn events(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ExportParams>,
) -> Result<Response, ApiError> {
    caller.may("event")?;
    let time = |field, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let wrong = || ApiError::field(field, "invalid_input", format!("Found {text:?}, expected a time by RFC 3339."));
            timestamp::parse(&text).map(|time| Some(time.0)).ok_or_else(wrong)
        }
    };
    let wrong = || ApiError::field("events", "invalid_input", "Expected a JSON list of names.".to_owned());
    let events = params.events.map(|text| serde_json::from_str(&text).map_err(|_| wrong())).transpose()?.unwrap_or_default();
    let filter = EventFilter { from: time("date_from", params.date_from)?, to: time("date_to", params.date_to)?, events };
    let view = state.snapshots.project(project.id)?;
    Ok(streamed(view, move |view, take| bulk::events(view, &filter, take)))
}

/// All persons of a project as lines of JSON, with their distinct ids.
#[utoipa::path(get, path = "/api/projects/{project}/export/persons/", tag = "export", params(("project" = String, Path)),
    responses((status = 200, description = "one JSON object for each line", content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn persons(State(state): State<ApiState>, InProject { project, caller }: InProject) -> Result<Response, ApiError> {
    caller.may("person")?;
    let view = state.snapshots.project(project.id)?;
    Ok(streamed(view, |view, take| bulk::persons(view, take)))
}

type Take<'a> = &'a mut dyn FnMut(String) -> ControlFlow<()>;

/// A body that is made while it is read. What cannot be read breaks it off, so that nobody takes a part for the whole.
fn streamed(
    view: Arc<dyn ProjectView>,
    write: impl FnOnce(&dyn ProjectView, Take<'_>) -> Result<(), ReadError> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, ReadError>>(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let mut take = |piece: String| match sender.blocking_send(Ok(piece.into())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        if let Err(error) = write(&*view, &mut take) {
            tracing::error!(%error, "an export was broken off");
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pieces)).into_response()
}

/// An event that was sent.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SentEvent {
    uuid: Uuid,
    event: String,
    distinct_id: String,
}

/// Events that were sent within the window of duplicates.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SentEvents {
    events: Vec<SentEvent>,
}

/// Which of them are stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredBody {
    /// How many are.
    stored: usize,
    /// Ids of the others.
    missing: Vec<Uuid>,
}

/// Whether events that were sent lately are stored: known by uuid, name and distinct id as duplicates are, so for as long as duplicates are known.
#[utoipa::path(post, path = "/api/projects/{project}/events/stored/", tag = "export", params(("project" = String, Path)), request_body = SentEvents,
    responses((status = 200, body = StoredBody)))]
pub(crate) async fn stored(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    StrictBody(asked): StrictBody<SentEvents>,
) -> Result<Json<StoredBody>, ApiError> {
    caller.may_read("event")?;
    if asked.events.len() > EVENTS_MAX {
        return Err(ApiError::field(
            "events",
            "invalid_input",
            format!("Found {} events, expected {EVENTS_MAX} at most.", asked.events.len()),
        ));
    }
    let (store, received_at) = (Arc::clone(&state.store), state.clock.now());
    let work = tokio::task::spawn_blocking(move || {
        let rule = store.seen_rule();
        let key = |sent: &SentEvent| Seen { key: rule.key(project.id, sent.uuid, &sent.event, &sent.distinct_id), received_at };
        let keys: Vec<Seen> = asked.events.iter().map(key).collect();
        let found = store.seen(&keys)?;
        let missing = asked.events.iter().zip(&found).filter(|(_, found)| found.is_none());
        let missing: Vec<Uuid> = missing.map(|(sent, _)| sent.uuid).collect();
        Ok::<_, ReadError>(StoredBody { stored: found.len() - missing.len(), missing })
    });
    Ok(Json(work.await.map_err(|_| ApiError::Panic)??))
}
