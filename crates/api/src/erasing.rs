//! What is kept of persons besides their rows: dead letters, fates of events without a row, remarks of the edge, ingestion warnings, receipts of their
//! requests. Erased with their events.
//!
//! In: persons. Out: nothing that was processed before tells who they were, also after a crash. It is done before the rows go, so that a request that broke off can be
//! repeated, and once more after, for events that were on their way.

use crate::error::ApiError;
use crate::state::ApiState;
use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use aqueduct_ledger::recorder::NotesOf;
use aqueduct_store::{EventColumn, Part, ProjectView};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// By what notes on persons are known: their distinct ids, those that only their rows still know too, and when their events were received.
///
/// # Errors
/// [`ApiError::Store`] when they cannot be read.
pub(crate) async fn notes_of(state: &ApiState, project: ProjectId, persons: Vec<PersonId>) -> Result<NotesOf, ApiError> {
    let view = state.snapshots.project(project)?;
    let work = tokio::task::spawn_blocking(move || find(&*view, &persons));
    work.await.map_err(|_| ApiError::Panic)?
}

/// Erases notes. What is erased already is no fault.
///
/// # Errors
/// [`ApiError::Catalog`], [`ApiError::Commit`] or [`ApiError::Notes`] when they could not be changed.
pub(crate) async fn erase(state: &ApiState, project: ProjectId, notes: &Arc<NotesOf>) -> Result<(), ApiError> {
    let (accounts, recorder) = (Arc::clone(&state.accounts), state.inspection.as_ref().map(|inspection| Arc::clone(&inspection.recorder)));
    state.catalog.erase_warnings(project, &notes.distinct_ids).await?;
    let notes = Arc::clone(notes);
    let work = tokio::task::spawn_blocking(move || {
        if let Some(recorder) = recorder {
            recorder.erase(project, &notes).map_err(ApiError::Notes)?;
        }
        Ok(accounts.erase_notes(project, &notes.distinct_ids)?)
    });
    work.await.map_err(|_| ApiError::Panic)?
}

fn find(view: &dyn ProjectView, persons: &[PersonId]) -> Result<NotesOf, ApiError> {
    let persons: BTreeSet<PersonId> = persons.iter().copied().collect();
    let known = view.distinct_ids()?;
    let names = known.distinct_id.as_string_opt::<i32>().ok_or(ApiError::Column("distinct_ids.distinct_id"))?;
    let mut notes = NotesOf::default();
    notes
        .distinct_ids
        .extend(known.person.iter().zip(names).filter(|(person, _)| persons.contains(person)).filter_map(|(_, name)| Some(name?.into())));
    // Rows keep the id that they were written with.
    let merged = view.overrides().iter().filter(|(_, to)| persons.contains(to)).map(|(from, _)| *from);
    let carried: BTreeSet<PersonId> = merged.chain(persons.iter().copied()).collect();
    for part in view.shards().iter().flatten() {
        take(&**part, &carried, &mut notes)?;
    }
    // Nobody's notes are not somebody's.
    notes.distinct_ids.remove("");
    Ok(notes)
}

/// Takes note of the rows of a part that carry one of the ids.
fn take(part: &dyn Part, carried: &BTreeSet<PersonId>, notes: &mut NotesOf) -> Result<(), ApiError> {
    let runs = part.person_runs()?;
    let run_of = |person: &PersonId| -> Option<Range<usize>> {
        let at = runs.persons.binary_search(person).ok()?;
        Some(*runs.starts.get(at)? as usize..*runs.starts.get(at + 1)? as usize)
    };
    let rows: Vec<Range<usize>> = carried.iter().filter_map(run_of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let times = part.column(EventColumn::CreatedAt)?;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or(ApiError::Column("events.created_at"))?;
    let names = part.column(EventColumn::DistinctId)?;
    for row in rows.into_iter().flatten() {
        notes.received_at.insert(UnixMicros(times.value(row)));
        if let Some(name) = text_at(&names, row).filter(|name| !notes.distinct_ids.contains(*name)) {
            notes.distinct_ids.insert(name.into());
        }
    }
    Ok(())
}

fn text_at(column: &ArrayRef, row: usize) -> Option<&str> {
    let texts = column.as_dictionary_opt::<Int32Type>()?;
    Some(texts.values().as_string_opt::<i32>()?.value(texts.key(row)?))
}
