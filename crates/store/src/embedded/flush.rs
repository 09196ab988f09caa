//! Flush: fresh rows to a segment, then one manifest transaction, then the swap.
//!
//! A crash between any two steps loses nothing: a file that the manifest does not name is removed at the next start, and the journal is read
//! again from the position of the last transaction.

use super::EmbeddedStore;
use super::delta::Delta;
use super::overrides::Overrides;
use super::pending::{Added, Pending, Removed};
use super::state::{Base, Frozen, Generation, GroupTypesByProject, OverridesByProject, State};
use super::withdrawn::{self, WithdrawnByProject};
use crate::layout::merge::{Rewrite, SortColumns, plan};
use crate::manifest::Change;
use crate::seen::Run;
use crate::segment::source::Source;
use crate::segment::{Descriptor, Segment, write};
use crate::{CommitError, metrics};
use aqueduct_event::{PersonId, ProjectId};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use uuid::Uuid;

/// What the manifest holds of the parts of the state that are kept whole in memory: the next flush writes the difference.
#[derive(Debug, Default)]
pub(super) struct Persisted {
    pub(super) overrides: OverridesByProject,
    pub(super) group_types: GroupTypesByProject,
    pub(super) withdrawn: WithdrawnByProject,
    pub(super) pending: Option<Pending>,
}

impl EmbeddedStore {
    /// Whether a flush is due: there is a generation that an earlier flush could not write, or the active one is large or old enough.
    pub(super) fn flush_is_due(&self) -> bool {
        let state = self.state.load();
        let active = &state.active;
        let Some(since) = active.since.filter(|_| state.frozen.is_none()) else {
            return state.frozen.is_some();
        };
        // A clock that jumps must not put a flush off for ever, so the distance counts, whatever its sign.
        let age_ms = (self.clock.now().0 - since.0).unsigned_abs() / 1000;
        age_ms >= self.config.flush_age_ms
            || active.rows() >= self.config.flush_rows
            || active.bytes() >= self.config.flush_bytes
            || self.fresh_bytes(&state) >= self.config.memory_bytes_max
    }

    /// Writes out one generation. Answers whether there was any.
    pub(super) fn flush_generation(&self, persisted: &mut Persisted) -> Result<bool, CommitError> {
        let Some(frozen) = self.freeze() else {
            return Ok(false);
        };
        let flushed = self.write_out(&frozen, persisted);
        if flushed.is_err() {
            metrics::failed();
        }
        flushed.map(|()| true)
    }

    /// The generation to write out: the one that could not be written earlier, or the active one.
    fn freeze(&self) -> Option<Arc<Frozen>> {
        let _writer = self.writer.lock();
        let state = self.state.load();
        if let Some(frozen) = &state.frozen {
            return Some(Arc::clone(frozen));
        }
        if state.active.is_empty() {
            return None;
        }
        let mut next = State::clone(&state);
        let frozen = Arc::new(Frozen {
            generation: std::mem::take(&mut next.active),
            overrides: Arc::clone(&next.overrides),
            group_types: Arc::clone(&next.group_types),
            withdrawn: Arc::clone(&next.withdrawn),
            seen: self.seen.freeze(),
            seq: next.seq,
        });
        next.frozen = Some(Arc::clone(&frozen));
        self.state.store(Arc::new(next));
        Some(frozen)
    }

    fn write_out(&self, frozen: &Frozen, persisted: &mut Persisted) -> Result<(), CommitError> {
        let started = Instant::now();
        let added = match self.settle(&mut persisted.pending)? {
            Some(made) => made.into_parts().0,
            None => self.make_durable(frozen, persisted)?,
        };
        let (rows, bytes) = added.segments.iter().fold((0, 0), |(rows, bytes), added| (rows + added.rows, bytes + added.bytes));
        // The change is made: should the swap fail, the next attempt begins there.
        persisted.pending = Some(Pending::made(added.clone(), Removed::default()));
        self.swap_in(frozen, added)?;
        *persisted = Persisted {
            overrides: Arc::clone(&frozen.overrides),
            group_types: Arc::clone(&frozen.group_types),
            withdrawn: Arc::clone(&frozen.withdrawn),
            pending: None,
        };
        metrics::flushed(rows, bytes, started.elapsed());
        tracing::debug!(rows, bytes, took = ?started.elapsed(), "flushed");
        Ok(())
    }

    fn make_durable(&self, frozen: &Frozen, persisted: &mut Persisted) -> Result<Added, CommitError> {
        let generation = &frozen.generation;
        let added = self.write_files_of(frozen)?;
        let delta = one_layer(generation);
        let change = Change {
            add: added.segments.iter().collect(),
            add_runs: added.runs.iter().map(Run::descriptor).collect(),
            delta: Some(&delta),
            positions: Some(&generation.positions),
            account: Some((&generation.account, self.account_limits())),
            group_types: changed_group_types(&persisted.group_types, &frozen.group_types),
            overrides: changed_overrides(&persisted.overrides, &frozen.overrides),
            withdrawn: withdrawn::changed(&persisted.withdrawn, &frozen.withdrawn),
            erased: &generation.erased,
            erased_before: None,
            seqs: Some(&generation.seqs()),
            seq: Some(frozen.seq),
            next_segment: self.next_segment.load(Ordering::SeqCst),
            seen_newest: frozen.seen.horizon.newest(),
            remove: Vec::new(),
            remove_runs: Vec::new(),
        };
        self.change_manifest(&change, &added, &mut persisted.pending)?;
        Ok(added)
    }

    fn write_files_of(&self, frozen: &Frozen) -> Result<Added, CommitError> {
        let mut added = Added { segments: Vec::from_iter(self.write_segment_of(frozen)?), runs: Vec::new() };
        let written = self.write_run_of(&frozen.seen, frozen.seq).and_then(|run| {
            added.runs.extend(run);
            if added.segments.is_empty() && added.runs.is_empty() { Ok(()) } else { self.sync_dir() }
        });
        written.inspect_err(|_| self.remove_files(&added))?;
        Ok(added)
    }

    fn write_segment_of(&self, frozen: &Frozen) -> Result<Option<Descriptor>, CommitError> {
        let chunks = &frozen.generation.chunks;
        if chunks.is_empty() {
            return Ok(None);
        }
        let sort: Vec<SortColumns> = chunks.iter().map(|chunk| SortColumns::of(chunk)).collect();
        let withdrawn = Arc::clone(&self.state.load().withdrawn);
        // Withdrawn rows left the chunks when they were withdrawn.
        let rewrite = Rewrite { present: &person_to_write(&frozen.overrides, &withdrawn), is_gone: &|_, _, _| false };
        let merged = plan(&sort, &rewrite, self.shards);
        drop(sort);
        let sources: Vec<Box<dyn Source>> = chunks.iter().map(|chunk| -> Box<dyn Source> { Box::new(Arc::clone(chunk)) }).collect();
        let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
        let rows = 0..merged.plan.rows;
        let job = write::Job { id, plan: &merged, rows, sources: &sources, config: &self.config };
        Ok(Some(write::write(&*self.files, &job)?))
    }

    pub(super) fn sync_dir(&self) -> Result<(), CommitError> {
        let io = |source| CommitError::Io { action: "sync", path: self.files.path(""), source };
        self.files.sync_dir().map_err(io)
    }

    /// The frozen generation is durable: readers find it in the base from now on.
    fn swap_in(&self, frozen: &Frozen, added: Added) -> Result<(), CommitError> {
        if self.manifest.has_failed() {
            self.manifest.heal()?;
        }
        let view = self.manifest.view()?;
        // What takes long is done while commits go on: a layer of all that changed takes tens of milliseconds to make, and those that nobody needs any more as
        // long to give back.
        let delta = self.tables.are_used().then(|| Arc::new(one_layer(&frozen.generation).into_owned()));
        let (seqs_of_frozen, changed_records) = (frozen.generation.seqs(), newest(frozen.generation.seqs_of_layers()));
        let writer = self.writer.lock();
        let mut next = State::clone(&self.state.load());
        let mut segments = next.base.segments.clone();
        segments.extend(added.segments.into_iter().map(|descriptor| Arc::new(Segment::new(descriptor, Arc::clone(&self.files)))));
        let mut seqs = FxHashMap::clone(&next.base.seqs);
        seqs.extend(seqs_of_frozen);
        let mut positions = next.base.positions.as_ref().clone();
        positions.extend(&frozen.generation.positions);
        let mut records_changed = FxHashMap::clone(&next.base.records_changed);
        records_changed.extend(changed_records);
        let recent = delta.map(|delta| next.base.recent_and(delta)).unwrap_or_default();
        next.base = Arc::new(Base {
            segments,
            view: Arc::new(view),
            seqs: Arc::new(seqs),
            positions: Arc::new(positions),
            overrides: Arc::clone(&frozen.overrides),
            withdrawn: Arc::clone(&frozen.withdrawn),
            seq: frozen.seq,
            records_changed: Arc::new(records_changed),
            recent,
        });
        next.frozen = None;
        self.seen.flushed(added.runs.into_iter().next(), frozen.seen.horizon);
        metrics::fresh(self.fresh_bytes(&next));
        let before = self.state.swap(Arc::new(next));
        drop(writer);
        self.room.notify_all();
        drop(before);
        self.overrides_to_check.store(true, Ordering::SeqCst);
        self.withdrawn_to_check.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Generation {
    /// Number of the newest commit of each project that it touches.
    fn seqs(&self) -> FxHashMap<ProjectId, u64> {
        newest(
            self.chunks.iter().flat_map(|chunk| chunk.ranges.iter().map(|range| (range.project, range.seq))).chain(self.seqs_of_layers()),
        )
    }

    /// Numbers of the commits that changed records, by project.
    fn seqs_of_layers(&self) -> impl Iterator<Item = (ProjectId, u64)> {
        self.layers.newest_first().flat_map(|layer| layer.seqs.iter().map(|(project, seq)| (*project, *seq)))
    }
}

/// The largest number of each project.
fn newest(seqs: impl Iterator<Item = (ProjectId, u64)>) -> FxHashMap<ProjectId, u64> {
    let mut newest = FxHashMap::default();
    for (project, seq) in seqs {
        let of_project = newest.entry(project).or_insert(seq);
        *of_project = seq.max(*of_project);
    }
    newest
}

/// The person whose id rows get that are written now: the present one by the overrides of a moment. An id of which rows were withdrawn takes no others as long as
/// there may be such rows, for a file does not tell the ones from the others; these keep the id that they carry, and their override.
pub(super) fn person_to_write(overrides: &OverridesByProject, withdrawn: &WithdrawnByProject) -> impl Fn(ProjectId, u128) -> u128 {
    move |project, person| {
        let Some(overrides) = overrides.get(&project) else { return person };
        let present = overrides.resolve(Uuid::from_u128(person));
        let is_marked = withdrawn.get(&project).is_some_and(|withdrawn| withdrawn.marks().contains_key(&present));
        if is_marked { person } else { present.as_u128() }
    }
}

fn one_layer(generation: &Generation) -> Cow<'_, Delta> {
    match &generation.layers.0[..] {
        [] => Cow::Owned(Delta::default()),
        [only] => Cow::Borrowed(&**only),
        [oldest, newer @ ..] => {
            let mut all = Delta::clone(oldest);
            for layer in newer {
                all.absorb(layer);
            }
            Cow::Owned(all)
        }
    }
}

fn changed_group_types(before: &GroupTypesByProject, after: &GroupTypesByProject) -> Vec<(ProjectId, Arc<Vec<String>>)> {
    let changed = after.iter().filter(|(project, names)| before.get(project) != Some(names));
    changed.map(|(project, names)| (*project, Arc::clone(names))).collect()
}

/// Overrides to write and (`None`) to take out.
fn changed_overrides(before: &OverridesByProject, after: &OverridesByProject) -> Vec<(ProjectId, PersonId, Option<PersonId>)> {
    let none = Arc::new(Overrides::default());
    let mut changes = Vec::new();
    for (project, now) in after.iter() {
        let was = before.get(project).unwrap_or(&none);
        if Arc::ptr_eq(was, now) {
            continue;
        }
        let (was, now) = (was.steps(), now.steps());
        changes.extend(now.iter().filter(|(from, to)| was.get(from) != Some(to)).map(|(from, to)| (*project, *from, Some(*to))));
        changes.extend(was.keys().filter(|from| !now.contains_key(from)).map(|from| (*project, *from, None)));
    }
    changes
}
