//! The embedded store: chunks in memory, Parquet segments and a redb manifest at rest.
//!
//! One writer at a time replaces the [`State`]; readers take the present one and keep it as long as they like.

mod base;
mod delta;
mod lookup;
mod overrides;
mod snapshot;
mod state;
mod tables;

use crate::commit::{Commit, DistinctIdRecord, GroupRecord, PersonRecord};
use crate::config::StoreConfig;
use crate::read::Snapshot;
use crate::{CommitError, OpenError, ReadError, Store};
use aqueduct_event::limits::GROUP_TYPES_MAX;
use aqueduct_event::{Clock, JournalPosition, PartitionId, PersonId, ProjectId};
use arc_swap::ArcSwap;
use base::Base;
use delta::Delta;
use parking_lot::Mutex;
use snapshot::EmbeddedSnapshot;
use state::{Generation, State};
use std::sync::Arc;

/// The embedded store.
#[derive(Debug)]
pub struct EmbeddedStore {
    config: StoreConfig,
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
    /// Held while the state is replaced: by a commit, a freeze, the end of a flush or of a compaction.
    writer: Mutex<()>,
}

impl EmbeddedStore {
    /// Opens the store in `config.dir`, or makes it.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be used, was written by a newer program, or is damaged.
    pub fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let state = State {
            base: Arc::new(Base::default()),
            frozen: None,
            active: Generation::default(),
            overrides: Arc::default(),
            group_types: Arc::default(),
            seq: 0,
        };
        Ok(Self { config, clock, state: ArcSwap::from_pointee(state), writer: Mutex::new(()) })
    }

    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(EmbeddedSnapshot::new(self.state.load_full(), self.config.shards))
    }
}

impl Store for EmbeddedStore {
    fn durable(&self, partition: PartitionId) -> JournalPosition {
        self.state.load().base.positions.get(&partition).copied().unwrap_or_default()
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        apply(&mut state, commit, self.config.shards);
        state.active.since.get_or_insert_with(|| self.clock.now());
        self.state.store(Arc::new(state));
        Ok(())
    }

    fn work(&self) -> Result<bool, CommitError> {
        Ok(false)
    }

    fn flush(&self) -> Result<(), CommitError> {
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

    fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError> {
        self.state.load().group(project, type_index, key)
    }

    fn group_types(&self, project: ProjectId) -> Result<Vec<String>, ReadError> {
        Ok(self.state.load().group_types.get(&project).map(|types| types.to_vec()).unwrap_or_default())
    }
}

/// The state after a commit.
fn apply(state: &mut State, commit: Commit, shards: u16) {
    let Commit { partition, upto, events, persons, distinct_ids, groups, group_types, overrides } = commit;
    state.seq += 1;
    let seq = state.seq;
    let mut touched: Vec<ProjectId> = Vec::new();
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

fn apply_overrides(state: &mut State, overrides: &[crate::commit::PersonOverride], persons: &[PersonRecord], touched: &mut Vec<ProjectId>) {
    for step in overrides {
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
