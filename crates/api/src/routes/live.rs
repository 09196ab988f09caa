//! Live events: what arrives in a project, as it becomes visible, as server-sent events.
//!
//! A stream looks at the newest snapshot a few times each second. Parts never change, so only parts that were not there the last time are
//! looked at, and of them only the column of arrival times; a stream costs nothing while nothing arrives.

use crate::error::ApiError;
use crate::metrics;
use crate::routes::iso;
use crate::routes::persons::json_of;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_event::UnixMicros;
use aqueduct_store::{EventColumn, Part, ProjectView, ReadError};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{self, Stream};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Events that are sent after one look, the newest of them: 50 each second.
const EVENTS_OF_A_LOOK_MAX: usize = 12;
/// Streams at the same time.
const STREAMS_MAX: u32 = 64;
/// Batches become visible a little out of order of their arrival; also how far back a stream begins.
const DISORDER_MICROS: i64 = 10 * 1_000_000;
/// Ids that are remembered so that an event is sent once.
const SENT_MAX: usize = 4_096;

static STREAMS: AtomicU32 = AtomicU32::new(0);

/// An event that arrived.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LiveEvent {
    uuid: Uuid,
    event: String,
    distinct_id: String,
    timestamp: String,
    person_id: Uuid,
    /// As they were sent.
    #[schema(value_type = Object)]
    properties: Box<RawValue>,
    #[serde(skip)]
    arrived: i64,
}

/// One stream: where it looks, and what it has seen.
struct Watch {
    state: ApiState,
    stopping: tokio::sync::watch::Receiver<bool>,
    project: Arc<Project>,
    generation: Option<u64>,
    seen: Vec<Arc<dyn Part>>,
    newest: i64,
    sent: HashSet<Uuid>,
    sent_order: VecDeque<Uuid>,
    ready: VecDeque<LiveEvent>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::SeqCst);
        ::metrics::gauge!(metrics::STREAMS).decrement(1.0);
    }
}

/// Events as they arrive, at most 50 each second, beginning with those of the last seconds.
#[utoipa::path(get, path = "/api/projects/{project}/live/", tag = "events", params(("project" = String, Path)),
    responses((status = 200, description = "one message for each event", content_type = "text/event-stream", body = LiveEvent)))]
pub(crate) async fn stream(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    caller.may("event")?;
    if STREAMS.fetch_add(1, Ordering::SeqCst) >= STREAMS_MAX {
        STREAMS.fetch_sub(1, Ordering::SeqCst);
        return Err(ApiError::Throttled("Too many live streams are open."));
    }
    ::metrics::gauge!(metrics::STREAMS).increment(1.0);
    let newest = state.clock.now().0;
    let mut watch = Watch {
        stopping: state.stopping.clone(),
        state,
        project,
        generation: None,
        seen: Vec::new(),
        newest,
        sent: HashSet::new(),
        sent_order: VecDeque::new(),
        ready: VecDeque::new(),
    };
    // The last seconds are shown at once; parts that are older are not opened.
    let since = newest - DISORDER_MICROS;
    watch.seen = watch.view()?.shards().iter().flatten().filter(|part| part.time_range().1 < since).map(Arc::clone).collect();
    let events = stream::unfold(watch, |mut watch| async move {
        loop {
            if let Some(event) = watch.ready.pop_front() {
                let message = Event::default().json_data(&event).unwrap_or_else(|_| Event::default().comment("unreadable"));
                return Some((Ok(message), watch));
            }
            tokio::select! {
                // Also when the sender is gone: then nothing new can come.
                _ = watch.stopping.wait_for(|stopping| *stopping) => return None,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            watch = tokio::task::spawn_blocking(move || {
                if let Err(failure) = watch.look() {
                    tracing::warn!(%failure, "live events could not be read");
                }
                watch
            })
            .await
            .ok()?;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Watch {
    fn view(&self) -> Result<Arc<dyn ProjectView>, ReadError> {
        self.state.snapshots.project(self.project.id)
    }

    /// Finds what is new since the last look and makes the newest of it ready.
    fn look(&mut self) -> Result<(), ApiError> {
        let view = self.view()?;
        if self.generation == Some(view.generation()) {
            return Ok(());
        }
        let parts: Vec<Arc<dyn Part>> = view.shards().iter().flatten().map(Arc::clone).collect();
        let mut found: Vec<(i64, usize, u32)> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if !self.seen.iter().any(|seen| Arc::ptr_eq(seen, part)) {
                let arrived = part.column(EventColumn::CreatedAt)?;
                let arrived = arrived.as_primitive_opt::<TimestampMicrosecondType>().ok_or(ApiError::Column("events.created_at"))?;
                let since = self.newest - DISORDER_MICROS;
                let rows = arrived.values().iter().zip(0_u32..).filter(|(time, _)| **time >= since);
                found.extend(rows.map(|(time, row)| (*time, at, row)));
            }
        }
        found.sort_unstable();
        let mut fresh = Vec::new();
        for (arrived, at, row) in found.into_iter().rev() {
            if fresh.len() >= EVENTS_OF_A_LOOK_MAX {
                break;
            }
            fresh.extend(self.read(&*parts[at], row, arrived)?);
        }
        self.newest = fresh.iter().map(|event| event.arrived).max().unwrap_or(self.newest).max(self.newest);
        self.ready.extend(fresh.into_iter().rev());
        self.generation = Some(view.generation());
        self.seen = parts;
        Ok(())
    }

    /// Reads a row, unless its event was sent already.
    fn read(&mut self, part: &dyn Part, row: u32, arrived: i64) -> Result<Option<LiveEvent>, ApiError> {
        let at = row as usize;
        let uuid = uuid_at(&part.column(EventColumn::Uuid)?, at)?;
        if !self.sent.insert(uuid) {
            return Ok(None);
        }
        self.sent_order.push_back(uuid);
        if self.sent_order.len() > SENT_MAX
            && let Some(oldest) = self.sent_order.pop_front()
        {
            self.sent.remove(&oldest);
        }
        let timestamp = part.column(EventColumn::Timestamp)?;
        let timestamp = timestamp.as_primitive_opt::<TimestampMicrosecondType>().ok_or(ApiError::Column("events.timestamp"))?.value(at);
        Ok(Some(LiveEvent {
            uuid,
            event: text_at(&part.column(EventColumn::Event)?, at)?,
            distinct_id: text_at(&part.column(EventColumn::DistinctId)?, at)?,
            timestamp: iso(UnixMicros(timestamp)),
            person_id: uuid_at(&part.column(EventColumn::PersonId)?, at)?,
            properties: json_of(&text_at(&part.properties_json(Some(&[row]))?, 0)?),
            arrived,
        }))
    }
}

fn uuid_at(column: &ArrayRef, row: usize) -> Result<Uuid, ApiError> {
    let bytes = column.as_fixed_size_binary_opt().ok_or(ApiError::Column("events.uuid"))?;
    Uuid::from_slice(bytes.value(row)).map_err(|_| ApiError::Column("events.uuid"))
}

/// The text of one row, whether the column is a dictionary or not.
fn text_at(column: &ArrayRef, row: usize) -> Result<String, ApiError> {
    let one = column.slice(row, 1);
    let one = arrow::compute::cast(&one, &DataType::Utf8).map_err(|_| ApiError::Column("events, a text"))?;
    let one = one.as_string_opt::<i32>().ok_or(ApiError::Column("events, a text"))?;
    Ok(if one.is_valid(0) { one.value(0).to_owned() } else { String::new() })
}
