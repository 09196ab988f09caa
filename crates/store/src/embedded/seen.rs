//! Background work on the index of arrivals: runs are merged, old ones given up, damaged ones made again from the rows, and from what the manifest keeps of
//! rows that were erased.

use super::EmbeddedStore;
use super::pending::{Added, Pending, Removed};
use super::state::State;
use crate::cache::ColumnCache;
use crate::manifest::Change;
use crate::read::{EventColumn, Part};
use crate::seen::write::{self, Job};
use crate::seen::{FrozenSeen, Run, Seen, SeenRule, merge};
use crate::segment::Segment;
use crate::segment::part::SegmentPart;
use crate::{CommitError, ReadError, metrics};
use aqueduct_event::{ProjectId, UnixMicros};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// Distinct ids that processing gave to visitors without one begin with this; all of them were sent with the same one.
const COOKIELESS_PREFIX: &str = "cookieless_";
const COOKIELESS_AS_SENT: &str = "$posthog_cookieless";

impl EmbeddedStore {
    /// Writes frozen arrivals to a run. The directory is not synced yet.
    pub(super) fn write_run_of(&self, frozen: &FrozenSeen, seq: u64) -> Result<Option<Run>, CommitError> {
        let seen = frozen.table.sorted();
        self.write_run(seen, seq)
    }

    fn write_run(&self, seen: Vec<Seen>, seq: u64) -> Result<Option<Run>, CommitError> {
        if seen.is_empty() {
            return Ok(None);
        }
        let job = Job { id: self.next_segment.fetch_add(1, Ordering::SeqCst), seq, arrivals_max: seen.len() };
        let mut seen = seen.into_iter();
        write::write(&*self.files, &job, || Ok(seen.next()))
    }

    /// Does one piece of work on the runs. Answers whether there was any.
    pub(super) fn tend_seen(&self, pending: &mut Option<Pending>) -> Result<bool, CommitError> {
        if let Some(made) = self.settle(pending)? {
            self.replace_runs(made);
            return Ok(true);
        }
        self.seen.collect_garbage();
        if self.seen.is_damaged() {
            return self.rebuild_seen(pending).map(|()| true);
        }
        let Some((old, horizon)) = self.seen.due() else {
            return Ok(false);
        };
        let live: Vec<Run> = old.iter().filter(|run| run.descriptor().last >= horizon).cloned().collect();
        let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
        let merged = merge::merge(&*self.files, id, &live, horizon).inspect_err(|error| {
            metrics::failed();
            if let CommitError::Read(error) = error {
                self.seen.note_damage(error);
            }
        })?;
        self.change_runs(old.iter().map(|run| run.descriptor().id).collect(), Vec::from_iter(merged), pending)?;
        Ok(true)
    }

    /// Makes the runs again: every arrival that may still be asked for is of a row of a segment, or of one that was erased.
    pub(super) fn rebuild_seen(&self, pending: &mut Option<Pending>) -> Result<(), CommitError> {
        let (old, horizon, state) = {
            // At one moment: the rows of all these runs lie in these segments.
            let _writer = self.writer.lock();
            let (old, horizon) = self.seen.all();
            (old, horizon, self.state.load_full())
        };
        tracing::warn!(
            runs = old.len(),
            segments = state.base.segments.len(),
            "an index of arrivals is damaged; making it again from the rows"
        );
        let mut new = Vec::new();
        if let Err(error) = self.write_runs_again(&state, horizon, &mut new) {
            self.remove_files(&Added { segments: Vec::new(), runs: new });
            return Err(error);
        }
        self.change_runs(old, new, pending)?;
        self.seen.is_mended();
        Ok(())
    }

    fn write_runs_again(&self, state: &State, horizon: i64, new: &mut Vec<Run>) -> Result<(), CommitError> {
        for segment in &state.base.segments {
            let mut seen = self.arrivals_of(segment, horizon)?;
            seen.sort_unstable();
            new.extend(self.write_run(seen, state.base.seq)?);
        }
        // Read last: what a flush adds meanwhile is there twice at the worst.
        let mut erased = state.base.view.erased_since(horizon)?;
        erased.sort_unstable();
        new.extend(self.write_run(erased, state.base.seq)?);
        Ok(())
    }

    fn change_runs(&self, removed: Vec<u64>, new: Vec<Run>, pending: &mut Option<Pending>) -> Result<(), CommitError> {
        let added = Added { segments: Vec::new(), runs: new };
        self.sync_dir().inspect_err(|_| self.remove_files(&added))?;
        let next_segment = self.next_segment.load(Ordering::SeqCst);
        let runs = added.runs.iter().map(Run::descriptor).collect();
        let erased_before = Some(self.seen.oldest_kept());
        let change = Change { add_runs: runs, remove_runs: removed.clone(), next_segment, erased_before, ..Change::default() };
        self.change_manifest(&change, &added, pending)?;
        self.replace_runs(Pending::made(added, Removed { segments: Vec::new(), runs: removed }));
        Ok(())
    }

    fn replace_runs(&self, made: Pending) {
        let (added, removed) = made.into_parts();
        self.seen.replace(&removed.runs, added.runs);
    }

    fn arrivals_of(&self, segment: &Arc<Segment>, horizon: i64) -> Result<Vec<Seen>, ReadError> {
        // What is read here once must not push out what queries read again.
        let cache = Arc::new(ColumnCache::new(0));
        let mut arrivals = Vec::new();
        for (place, range) in segment.descriptor.ranges.iter().enumerate() {
            let part = SegmentPart::new(segment, &cache, place);
            let since = Since { rule: self.seen.rule(), project: range.project, horizon };
            since.arrivals(&part, 0..part.rows(), &mut arrivals)?;
        }
        Ok(arrivals)
    }
}

/// Which arrivals of a project are looked for: those that may still be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) rule: SeenRule,
    pub(super) project: ProjectId,
    /// Nothing before this is kept.
    pub(super) horizon: i64,
}

impl Since {
    /// Adds the arrivals of these rows of a part.
    pub(super) fn arrivals(self, part: &dyn Part, rows: impl Iterator<Item = usize>, into: &mut Vec<Seen>) -> Result<(), ReadError> {
        let times = part.column(EventColumn::CreatedAt)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let mut rows = rows.filter(|row| times.value(*row) >= self.horizon).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let [uuids, events, ids] = [EventColumn::Uuid, EventColumn::Event, EventColumn::DistinctId].map(|column| part.column(column));
        let (uuids, events, ids) = (uuids?, events?, ids?);
        for row in rows {
            let uuid = Uuid::from_slice(uuids.as_fixed_size_binary().value(row)).unwrap_or_default();
            let (event, id, received_at) = (text(&events, row), text(&ids, row), UnixMicros(times.value(row)));
            // Whether it was made here or sent so does not stand in the row.
            for id in [Some(id), id.starts_with(COOKIELESS_PREFIX).then_some(COOKIELESS_AS_SENT)].into_iter().flatten() {
                into.push(Seen { key: self.rule.key(self.project, uuid, event, id), received_at });
            }
        }
        Ok(())
    }
}

fn text(column: &ArrayRef, row: usize) -> &str {
    let column = column.as_dictionary::<Int32Type>();
    column.values().as_string::<i32>().value(column.keys().value(row) as usize)
}
