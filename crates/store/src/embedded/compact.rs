//! Compaction: segments of similar size become one larger segment per shard, and rows of merged persons get their present person.
//!
//! # Invariants
//! - The rows are the same before and after, but for person ids that overrides rewrite, and rows that were withdrawn.
//! - Memory: the sort keys of all rows taken, and one column of one row group. Rows and bytes taken are bounded by the config.
//! - A file goes only when no snapshot uses it.

use super::EmbeddedStore;
use super::flush::person_to_write;
use super::pending::{Added, Pending, Removed};
use super::rest::Rest;
use super::state::State;
use crate::layout::merge::{MergePlan, Rewrite, SortColumns, plan};
use crate::layout::table::shard_of;
use crate::manifest::Change;
use crate::segment::source::{SegmentSource, Source};
use crate::segment::{Descriptor, Segment, write};
use crate::{CommitError, ReadError, metrics};
use aqueduct_event::{PersonId, ProjectId, Space, UnixMicros};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Segments with fewer rows are of one size class, and a merge that gives fewer rows per shard is not split by shard.
const SMALL_ROWS: u64 = 32 * 1024;
/// At rest segments are merged until each has more than so many times the rows of all smaller ones together.
const REST_FANOUT: u64 = 4;
/// Decoded text of one column that a compaction takes on: keeps dictionaries below 2 GiB, which they have to be.
const TEXT_BYTES_MAX: u64 = 3 << 29;
/// Merged persons in one segment that make it worth rewriting alone.
const OVERRIDDEN_MAX: usize = 10_000;

/// What the one running compaction keeps from one attempt to the next.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    pending: Option<Pending>,
    /// A segment that is rewritten for the sake of merged persons in it, or of withdrawn rows.
    pub(super) rewrite: Option<u64>,
    /// When it was last looked which segments hold withdrawn rows.
    pub(super) looked_for_withdrawn: Option<UnixMicros>,
    /// Segments that were found damaged: they are left alone, so that the others go on being compacted.
    damaged: HashSet<PathBuf>,
    /// When the last one ended and how long it took: while rows come in, the next one waits as long, so that at most half a core goes into it.
    last: Option<(Instant, Duration)>,
    rest: Rest,
}

impl EmbeddedStore {
    /// Does one compaction if one is due. Answers whether it did.
    pub(super) fn compact(&self, compaction: &mut Compaction) -> Result<bool, CommitError> {
        if let Some(pending) = self.settle(&mut compaction.pending)? {
            self.replace_segments(pending);
            return Ok(true);
        }
        let state = self.state.load_full();
        let rests = |(ended, took): (Instant, Duration)| ended.elapsed() < took;
        if self.config.background && !state.active.is_empty() && compaction.last.is_some_and(rests) {
            return Ok(false);
        }
        let room = self.room();
        let sound: Vec<Arc<Segment>> =
            state.base.segments.iter().filter(|segment| !self.is_damaged(segment, compaction)).cloned().collect();
        let is_at_rest = self.is_at_rest(&mut compaction.rest);
        let due = self.due(&sound, compaction.rewrite.take()).or_else(|| if is_at_rest { self.due_at_rest(&sound) } else { None });
        let Some(taken) = due else {
            return Ok(false);
        };
        if taken.iter().map(|segment| segment.descriptor.bytes).sum::<u64>() > room {
            metrics::compaction_held_back();
            return Ok(false);
        }
        let compacted = self.compact_segments(&state, &taken, compaction);
        if let Err(CommitError::Read(ReadError::Damaged { path, .. })) = &compacted {
            compaction.damaged.insert(path.clone());
        }
        if compacted.is_err() {
            metrics::failed();
        }
        compacted.map(|()| true)
    }

    /// The segments to merge next: of the smallest size class that is full, oldest first.
    fn due(&self, segments: &[Arc<Segment>], rewrite: Option<u64>) -> Option<Vec<Arc<Segment>>> {
        let fanout = self.config.compaction_fanout.max(2);
        let mut classes: BTreeMap<(u32, Option<u16>), Vec<&Arc<Segment>>> = BTreeMap::new();
        for segment in segments {
            let rows = segment.descriptor.rows;
            if rows <= self.config.segment_rows_max as u64 / 2 {
                let class = if rows < SMALL_ROWS { 0 } else { 1 + (rows / SMALL_ROWS).ilog(fanout as u64) };
                classes.entry((class, segment.descriptor.shard)).or_default().push(segment);
            }
        }
        for (_, mut class) in classes.into_iter().filter(|(_, class)| class.len() >= fanout) {
            class.sort_by_key(|segment| segment.descriptor.id);
            let taken = self.within_bounds(&class);
            if taken.len() >= 2 {
                return Some(taken);
            }
        }
        let alone = segments.iter().find(|segment| Some(segment.descriptor.id) == rewrite)?;
        Some(vec![Arc::clone(alone)])
    }

    /// The segments of a shard to merge when there is time: those that together have at least a quarter of the rows of the next larger one. A row is so written a number of times
    /// that grows with the logarithm of all rows, and what is left are few segments of which each is much larger than the next.
    fn due_at_rest(&self, segments: &[Arc<Segment>]) -> Option<Vec<Arc<Segment>>> {
        let mut shards: BTreeMap<Option<u16>, Vec<&Arc<Segment>>> = BTreeMap::new();
        for segment in segments.iter().filter(|segment| segment.descriptor.rows <= self.config.segment_rows_max as u64 / 2) {
            shards.entry(segment.descriptor.shard).or_default().push(segment);
        }
        for mut of_shard in shards.into_values() {
            of_shard.sort_by_key(|segment| segment.descriptor.rows);
            let (mut smaller, mut count) = (0, 0);
            for (place, segment) in of_shard.iter().enumerate() {
                if segment.descriptor.rows <= REST_FANOUT * smaller {
                    count = place + 1;
                }
                smaller += segment.descriptor.rows;
            }
            of_shard.truncate(count);
            let mut taken = self.within_bounds(&of_shard);
            if taken.len() >= 2 {
                taken.sort_by_key(|segment| segment.descriptor.id);
                return Some(taken);
            }
        }
        None
    }

    /// Bytes that a compaction may write: the disk keeps enough for writing out fresh rows, for that alone lets the journal be trimmed.
    fn room(&self) -> u64 {
        // When the system does not tell, its own "no space" is still handled.
        let space = self.files.space().unwrap_or(Space::UNKNOWN);
        let reserve = space.reserve_bytes(self.config.disk_free_min_bytes, self.config.disk_free_min_percent) / 2;
        metrics::disk(space.free_bytes, reserve);
        space.free_bytes.saturating_sub(reserve)
    }

    fn is_damaged(&self, segment: &Segment, compaction: &Compaction) -> bool {
        !compaction.damaged.is_empty() && compaction.damaged.contains(&self.files.path(&segment.descriptor.file()))
    }

    fn within_bounds(&self, class: &[&Arc<Segment>]) -> Vec<Arc<Segment>> {
        let (mut rows, mut bytes, mut text) = (0, 0, 0);
        let mut taken = Vec::new();
        for segment in class {
            rows += segment.descriptor.rows;
            bytes += segment.descriptor.bytes;
            text += segment.descriptor.text_bytes;
            if rows > self.config.segment_rows_max as u64 || bytes > self.config.compaction_bytes_max || text > TEXT_BYTES_MAX {
                break;
            }
            taken.push(Arc::clone(segment));
        }
        taken
    }

    fn compact_segments(&self, state: &State, taken: &[Arc<Segment>], compaction: &mut Compaction) -> Result<(), CommitError> {
        let started = Instant::now();
        let added = Added { segments: self.write_merged(state, taken)?, runs: Vec::new() };
        let removed: Vec<u64> = taken.iter().map(|segment| segment.descriptor.id).collect();
        let next_segment = self.next_segment.load(Ordering::SeqCst);
        let change = Change { add: added.segments.iter().collect(), remove: removed.clone(), next_segment, ..Change::default() };
        self.change_manifest(&change, &added, &mut compaction.pending)?;
        let rows = added.segments.iter().map(|descriptor| descriptor.rows).sum();
        tracing::debug!(rows, from = removed.len(), to = added.segments.len(), took = ?started.elapsed(), "compacted");
        metrics::compacted(rows, started.elapsed());
        compaction.last = Some((Instant::now(), started.elapsed()));
        self.warm(taken, &added.segments);
        self.replace_segments(Pending::made(added, Removed { segments: removed, runs: Vec::new() }));
        Ok(())
    }

    fn write_merged(&self, state: &State, taken: &[Arc<Segment>]) -> Result<Vec<Descriptor>, CommitError> {
        let mut sources: Vec<Box<dyn Source>> = Vec::with_capacity(taken.len());
        for segment in taken {
            sources.push(Box::new(SegmentSource::open(segment)?));
        }
        let sort: Vec<SortColumns> = sources.iter().map(|source| source.sort_columns()).collect::<Result<_, ReadError>>()?;
        // Only durable overrides are written into rows: a crash must not leave rows that are ahead of the journal position.
        // And only those that still hold: a person that came to life again keeps its rows.
        let durable = person_to_write(&state.base.overrides, &state.withdrawn);
        let still = |project, person| state.overrides.get(&project).is_some_and(|overrides| overrides.contains(&Uuid::from_u128(person)));
        let present = |project, person| if still(project, person) { durable(project, person) } else { person };
        let withdrawn = &state.base.withdrawn;
        let is_gone = |project, person, seq| withdrawn.get(&project).is_some_and(|of| of.hides(Uuid::from_u128(person), seq));
        let merged = plan(&sort, &Rewrite { present: &present, is_gone: &is_gone }, self.shards);
        drop(sort);
        let mut added = Vec::new();
        for rows in self.outputs(&merged) {
            let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
            let job = write::Job { id, plan: &merged, rows, sources: &sources, config: &self.config };
            match write::write(&*self.files, &job) {
                Ok(descriptor) => added.push(descriptor),
                Err(error) => {
                    self.remove_files(&Added { segments: added, runs: Vec::new() });
                    return Err(error);
                }
            }
        }
        self.sync_dir().inspect_err(|_| self.remove_files(&Added { segments: added.clone(), runs: Vec::new() }))?;
        Ok(added)
    }

    /// Rows of each segment to write: one per shard, or one for all while they are few.
    fn outputs(&self, merged: &MergePlan) -> Vec<Range<usize>> {
        let few = (merged.plan.rows as u64) < SMALL_ROWS * u64::from(self.shards) / 2;
        let outputs = merged.ranges.chunk_by(|a, b| few || a.shard == b.shard);
        outputs.map(|ranges| ranges[0].rows.start..ranges[ranges.len() - 1].rows.end).collect()
    }

    fn replace_segments(&self, made: Pending) {
        let (added, removed) = made.into_parts();
        let gone = {
            let _writer = self.writer.lock();
            let mut next = State::clone(&self.state.load());
            let (gone, mut kept): (Vec<_>, Vec<_>) =
                next.base.segments.iter().cloned().partition(|segment| removed.segments.contains(&segment.descriptor.id));
            kept.extend(added.segments.into_iter().map(|descriptor| Arc::new(Segment::new(descriptor, Arc::clone(&self.files)))));
            next.base = Arc::new(next.base.with_segments(kept));
            self.state.store(Arc::new(next));
            gone
        };
        self.garbage.lock().extend(gone);
        self.overrides_to_check.store(true, Ordering::SeqCst);
        self.withdrawn_to_check.store(true, Ordering::SeqCst);
    }

    /// Removes files that left the manifest and that no snapshot reads any more. Answers whether there were any.
    pub(super) fn collect_garbage(&self) -> Result<bool, CommitError> {
        let mut garbage = self.garbage.lock();
        let before = garbage.len();
        let mut kept = Vec::new();
        let mut failure = None;
        for segment in garbage.drain(..) {
            if Arc::strong_count(&segment) > 1 {
                kept.push(segment);
                continue;
            }
            self.cache.forget(segment.descriptor.id);
            if let Err(source) = self.files.remove(&segment.descriptor.file()) {
                let path = self.files.path(&segment.descriptor.file());
                failure = Some(CommitError::Io { action: "remove", path, source });
                kept.push(segment);
            }
        }
        *garbage = kept;
        failure.map_or(Ok(garbage.len() < before), Err)
    }

    /// Forgets durable overrides that no row needs any more. Looks at what changed since the last time only when something did.
    pub(super) fn forget_overrides(&self, compaction: &mut Compaction) -> Result<(), CommitError> {
        if !self.overrides_to_check.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let state = self.state.load_full();
        let unneeded = unneeded(&state, self.shards, &mut compaction.rewrite)
            .inspect_err(|_| self.overrides_to_check.store(true, Ordering::SeqCst))?;
        let _writer = self.writer.lock();
        let mut next = State::clone(&self.state.load());
        for (project, mut gone) in unneeded {
            let (Some(now), Some(then)) = (next.overrides.get(&project), state.base.overrides.get(&project)) else {
                continue;
            };
            // A newer commit may have said something else of the person, or brought rows of it.
            gone.retain(|from| now.steps().get(from) == then.steps().get(from) && !in_memory(&next, project, *from, self.shards));
            if !gone.is_empty()
                && let Some(of_project) = Arc::make_mut(&mut next.overrides).get_mut(&project)
            {
                Arc::make_mut(of_project).forget(&gone);
            }
        }
        let overrides = next.overrides.values().map(|overrides| overrides.steps().len()).sum();
        metrics::stands(next.base.segments.len(), overrides, self.cache.bytes());
        self.state.store(Arc::new(next));
        Ok(())
    }
}

/// Durable overrides without rows in any segment. On the way, finds a segment that is worth rewriting.
fn unneeded(state: &State, shards: u16, rewrite: &mut Option<u64>) -> Result<Vec<(ProjectId, Vec<PersonId>)>, ReadError> {
    let mut hits = vec![0_usize; state.base.segments.len()];
    let mut unneeded = Vec::new();
    let person_of = person_to_write(&state.base.overrides, &state.withdrawn);
    for (project, overrides) in state.base.overrides.iter() {
        let mut gone = Vec::new();
        for from in overrides.steps().keys() {
            let shard = shard_of(from.as_u128(), shards);
            let is_rewritten = person_of(*project, from.as_u128()) != from.as_u128();
            let mut needed = false;
            for (segment, hits) in state.base.segments.iter().zip(&mut hits) {
                let here = segment.descriptor.shard.is_none_or(|of| of == shard);
                if here && may_hold(segment, from)? {
                    *hits += usize::from(is_rewritten);
                    needed = true;
                }
            }
            if !needed {
                gone.push(*from);
            }
        }
        unneeded.push((*project, gone));
    }
    let worst = hits.iter().enumerate().max_by_key(|(_, hits)| **hits).filter(|(_, hits)| **hits >= OVERRIDDEN_MAX);
    *rewrite = worst.map(|(place, _)| state.base.segments[place].descriptor.id);
    Ok(unneeded)
}

/// A damaged segment may hold anybody: nothing is forgotten because of damage.
fn may_hold(segment: &Segment, person: &PersonId) -> Result<bool, ReadError> {
    match segment.may_hold(person.as_bytes()) {
        Err(ReadError::Damaged { .. }) => Ok(true),
        answer => answer,
    }
}

fn in_memory(state: &State, project: ProjectId, person: PersonId, shards: u16) -> bool {
    let place = (shard_of(person.as_u128(), shards), project);
    state.chunks().any(|chunk| chunk.holds(place, person.as_u128()))
}
