//! The embedded store: chunks in memory, Parquet segments and a redb manifest at rest.
//!
//! One writer at a time replaces the [`State`]; readers take the present one and keep it as long as they like.

pub(crate) mod account;
mod accounts;
mod backup;
mod compact;
pub(crate) mod delta;
mod flush;
mod lookup;
mod open;
mod overrides;
mod pending;
mod rest;
mod seen;
mod snapshot;
mod state;
mod tables;
mod warm;
mod withdraw;
pub(crate) mod withdrawn;

use crate::account::DeadLetter;
use crate::cache::ColumnCache;
use crate::commit::{Commit, DistinctIdRecord, GroupRecord, PersonOverride, PersonRecord};
use crate::config::StoreConfig;
use crate::files::Files;
use crate::layout::merge_tables;
use crate::manifest::Manifest;
use crate::read::Snapshot;
use crate::seen::{Seen, SeenIndex, SeenRule, SeenStats};
use crate::segment::Segment;
use crate::{CommitError, ReadError, Store, metrics};
use account::Posting;
use aqueduct_event::limits::GROUP_TYPES_MAX;
use aqueduct_event::{Clock, JournalPosition, LetterId, PartitionId, PersonId, ProjectId, UnixMicros};
use arc_swap::ArcSwap;
use compact::Compaction;
use delta::Delta;
use flush::Persisted;
use parking_lot::{Condvar, Mutex, MutexGuard};
use pending::Pending;
use rest::Came;
use snapshot::EmbeddedSnapshot;
use state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};
use tables::Tables;
use withdraw::Withdrawing;

/// The embedded store.
#[derive(Debug)]
pub struct EmbeddedStore {
    config: StoreConfig,
    clock: Arc<dyn Clock>,
    files: Arc<dyn Files>,
    manifest: Manifest,
    cache: Arc<ColumnCache>,
    tables: Arc<Tables>,
    seen: SeenIndex,
    /// As the store was made, whatever the config says now.
    shards: u16,
    next_segment: AtomicU64,
    state: ArcSwap<State>,
    /// Held while the state is replaced: by a commit, a freeze, the end of a flush or of a compaction.
    writer: Mutex<()>,
    /// Signalled when a flush has made room in memory.
    room: Condvar,
    /// Held by the one flush that may run.
    flushing: Mutex<Persisted>,
    /// Held by whoever merges fresh chunks.
    merging: Mutex<()>,
    /// Held by the one compaction that may run.
    compacting: Mutex<Compaction>,
    /// Held by whoever works on the index of arrivals.
    tending_seen: Mutex<Option<Pending>>,
    /// Segments that left the manifest; their files go when no snapshot reads them.
    garbage: Mutex<Vec<Arc<Segment>>>,
    /// Whether segments changed since it was last looked which overrides are still needed.
    overrides_to_check: AtomicBool,
    /// The same for withdrawn rows.
    withdrawn_to_check: AtomicBool,
    came: Came,
}

/// How long a commit waits for room before it gives the batch back.
const ROOM_WAIT: Duration = Duration::from_secs(5);

impl EmbeddedStore {
    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(EmbeddedSnapshot::new(self.state.load_full(), &self.cache, &self.tables, self.shards))
    }

    /// Writes everything out and closes the manifest in order. Nothing may be asked of the store after this.
    ///
    /// # Errors
    /// [`CommitError`] when the last rows could not be written out: they are in the journal.
    pub fn close(&self) -> Result<(), CommitError> {
        let flushed = self.flush();
        self.manifest.close();
        flushed
    }

    /// Reads every segment and every run of arrivals and compares its checksum: the full check that opening does without.
    ///
    /// # Errors
    /// [`ReadError`] for the first file that is not what was written.
    pub fn verify(&self) -> Result<(), ReadError> {
        self.state.load_full().base.segments.iter().try_for_each(|segment| segment.verify())?;
        self.seen.verify()
    }

    /// How large the index of arrivals is.
    #[must_use]
    pub fn seen_stats(&self) -> SeenStats {
        self.seen.stats()
    }

    /// Memory of what is not in a file yet.
    fn fresh_bytes(&self, state: &State) -> usize {
        state.bytes() + self.seen.fresh_bytes()
    }

    /// Merges fresh chunks that are too large for a commit to do it. Answers whether there were any.
    fn merge_fresh(&self) -> bool {
        let Some(same) = self.state.load().active.to_merge() else { return false };
        let merged = merge_tables(&same, self.shards);
        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        // If not, they are being written out, or rows were withdrawn from them.
        if state.active.replace(&same, merged) {
            self.state.store(Arc::new(state));
        }
        true
    }

    /// The writer's lock, once fresh rows take less memory than they may.
    fn writer_with_room(&self) -> Result<MutexGuard<'_, ()>, CommitError> {
        let started = Instant::now();
        let mut writer = self.writer.lock();
        loop {
            let found = self.fresh_bytes(&self.state.load());
            if found < self.config.memory_bytes_max {
                break;
            }
            if !self.config.background {
                drop(writer);
                // Nobody else would do it: there is one thread.
                self.flush_generation(&mut self.flushing.lock())?;
                writer = self.writer.lock();
                continue;
            }
            if self.room.wait_for(&mut writer, ROOM_WAIT).timed_out() {
                return Err(CommitError::Full { found, max: self.config.memory_bytes_max });
            }
        }
        if started.elapsed() > Duration::from_millis(1) {
            metrics::waited(started.elapsed());
        }
        Ok(writer)
    }
}

impl Store for EmbeddedStore {
    fn durable(&self, partition: PartitionId) -> JournalPosition {
        self.state.load().base.positions.get(&partition).copied().unwrap_or_default()
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        // Before the lock is taken: it reads files. Only another commit, and there is one at a time, could change what it finds.
        let withdrawing = self.read_withdrawn(&commit.withdrawals)?;
        let _writer = self.writer_with_room()?;
        self.seen.insert(&commit.seen);
        let (started, rows) = (Instant::now(), commit.events.len());
        let mut state = State::clone(&self.state.load());
        apply(&mut state, commit, withdrawing, self.shards, self.config.dead_letters_bytes_max);
        state.active.since.get_or_insert_with(|| self.clock.now());
        metrics::committed(rows, started.elapsed(), self.fresh_bytes(&state));
        self.came.note(rows);
        self.state.store(Arc::new(state));
        Ok(())
    }

    fn work(&self) -> Result<bool, CommitError> {
        if self.manifest.outdates_views() {
            self.renew_view()?;
        }
        if self.flush_is_due()
            && let Some(mut persisted) = self.flushing.try_lock()
            && self.flush_generation(&mut persisted)?
        {
            return Ok(true);
        }
        if self.merging.try_lock().is_some_and(|_one_at_a_time| self.merge_fresh()) {
            return Ok(true);
        }
        if self.collect_garbage()? {
            return Ok(true);
        }
        if let Some(mut pending) = self.tending_seen.try_lock()
            && self.tend_seen(&mut pending)?
        {
            return Ok(true);
        }
        let Some(mut compaction) = self.compacting.try_lock() else {
            return Ok(false);
        };
        self.forget_overrides(&mut compaction)?;
        self.tend_withdrawn(&mut compaction)?;
        self.compact(&mut compaction)
    }

    fn flush(&self) -> Result<(), CommitError> {
        let mut persisted = self.flushing.lock();
        let is_left_over = self.state.load().frozen.is_some();
        self.flush_generation(&mut persisted)?;
        if is_left_over {
            // That was what an earlier flush could not write; what is active comes after it.
            self.flush_generation(&mut persisted)?;
        }
        Ok(())
    }

    fn person(&self, project: ProjectId, id: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        self.state.load().person(project, id)
    }

    fn distinct_id(&self, project: ProjectId, distinct_id: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        self.state.load().distinct_id(project, distinct_id)
    }

    fn distinct_ids_of(&self, project: ProjectId, person: PersonId) -> Result<Vec<String>, ReadError> {
        self.state.load().distinct_ids_of(project, person)
    }

    fn dead_letter(&self, project: ProjectId, id: LetterId) -> Result<Option<DeadLetter>, ReadError> {
        self.state.load().dead_letter(project, id)
    }

    fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError> {
        self.state.load().group(project, type_index, key)
    }

    fn group_types(&self, project: ProjectId) -> Result<Vec<String>, ReadError> {
        Ok(self.state.load().group_types.get(&project).map(|types| types.to_vec()).unwrap_or_default())
    }

    fn seen_rule(&self) -> SeenRule {
        self.seen.rule()
    }

    fn seen(&self, events: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError> {
        self.seen.find(events)
    }
}

/// The state after a commit.
fn apply(state: &mut State, commit: Commit, mut withdrawing: Withdrawing, shards: u16, letter_bytes_max: u64) {
    let Commit { partition, upto, events, persons, distinct_ids, groups, group_types, overrides, .. } = commit;
    let Commit { mut verdicts, mut fates, dead_letters, .. } = commit;
    verdicts.absorb(&withdrawing.verdicts);
    fates.extend_from_slice(&withdrawing.fates);
    let posting = Posting { visible: events.received(), verdicts, fates, letters: dead_letters };
    account::post(state, posting, letter_bytes_max);
    state.seq += 1;
    let seq = state.seq;
    let mut touched: Vec<ProjectId> = Vec::new();
    if !withdrawing.is_empty() {
        withdrawing.mark(state, shards, &mut touched);
        state.active.erased.extend(withdrawing.take_erased());
        if !withdrawing.given.is_empty() {
            state.active.push_chunk(withdrawing.given.into_table(shards, seq), shards);
        }
    }
    if !overrides.is_empty() || !persons.is_empty() {
        apply_overrides(state, &overrides, &persons, &mut touched);
    }
    if !group_types.is_empty() {
        apply_group_types(state, &group_types, &mut touched);
    }
    let mut delta = Delta::new(persons, distinct_ids, groups, seq);
    for project in touched {
        delta.seqs.insert(project, seq);
    }
    state.active.layers.push(delta);
    if !events.is_empty() {
        state.active.push_chunk(events.into_table(shards, seq), shards);
    }
    state.active.positions.insert(partition, upto);
}

fn apply_overrides(state: &mut State, overrides: &[PersonOverride], persons: &[PersonRecord], touched: &mut Vec<ProjectId>) {
    let is_idle = |state: &State, step: &PersonOverride| {
        step.from == step.to && !state.overrides.get(&step.project).is_some_and(|overrides| overrides.contains(&step.from))
    };
    for step in overrides {
        if is_idle(state, step) {
            continue;
        }
        let project = Arc::make_mut(&mut state.overrides).entry(step.project).or_default();
        Arc::make_mut(project).insert(step.from, step.to);
        touched.push(step.project);
    }
    // A person that is alive after the commit keeps its own rows, whatever was said of it before.
    for person in persons.iter().filter(|person| !person.is_deleted) {
        let overridden = state.overrides.get(&person.project).is_some_and(|overrides| overrides.contains(&person.id));
        if overridden && let Some(project) = Arc::make_mut(&mut state.overrides).get_mut(&person.project) {
            Arc::make_mut(project).revive(person.id);
        }
    }
}

fn apply_group_types(state: &mut State, group_types: &[(ProjectId, Arc<str>)], touched: &mut Vec<ProjectId>) {
    for (project, name) in group_types {
        let names = Arc::make_mut(Arc::make_mut(&mut state.group_types).entry(*project).or_default());
        if names.len() < GROUP_TYPES_MAX && !names.iter().any(|known| **known == **name) {
            names.push(name.to_string());
            touched.push(*project);
        }
    }
}
