//! Snapshots and views: a state that does not change any more, seen by one project.

use super::overrides::Overrides;
use super::state::State;
use super::tables::Tables;
use crate::ReadError;
use crate::cache::ColumnCache;
use crate::layout::part::TablePart;
use crate::layout::table::ProjectRange;
use crate::read::{DistinctIdsTable, GroupsTable, Part, PersonsTable, ProjectView, Snapshot};
use crate::segment::part::SegmentPart;
use aqueduct_event::{PersonId, ProjectId};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

/// The embedded store at one moment.
#[derive(Debug)]
pub(crate) struct EmbeddedSnapshot {
    state: Arc<State>,
    cache: Arc<ColumnCache>,
    tables: Arc<Tables>,
    shards: u16,
}

impl EmbeddedSnapshot {
    pub(crate) fn new(state: Arc<State>, cache: &Arc<ColumnCache>, tables: &Arc<Tables>, shards: u16) -> Self {
        Self { state, cache: Arc::clone(cache), tables: Arc::clone(tables), shards }
    }
}

impl Snapshot for EmbeddedSnapshot {
    fn project(&self, project: ProjectId) -> Result<Arc<dyn ProjectView>, ReadError> {
        let state = &self.state;
        let mut generation = state.base.seqs.get(&project).copied().unwrap_or_default();
        let mut shards: Vec<Vec<Arc<dyn Part>>> = vec![Vec::new(); usize::from(self.shards)];
        for segment in &state.base.segments {
            for_each_range(&segment.descriptor.ranges, project, |place| {
                let shard = usize::from(segment.descriptor.ranges[place].shard);
                shards[shard].push(Arc::new(SegmentPart::new(segment, &self.cache, place)));
            });
        }
        for chunk in state.chunks() {
            for_each_range(&chunk.ranges, project, |place| {
                let range = &chunk.ranges[place];
                generation = generation.max(range.seq);
                shards[usize::from(range.shard)].push(Arc::new(TablePart::new(chunk, place)));
            });
        }
        for layer in state.layers() {
            generation = generation.max(layer.seqs.get(&project).copied().unwrap_or_default());
        }
        static NONE: LazyLock<Arc<Overrides>> = LazyLock::new(Arc::default);
        let overrides = Arc::clone(state.overrides.get(&project).unwrap_or(&NONE).resolved());
        let group_types = state.group_types.get(&project).map(Arc::clone).unwrap_or_default();
        Ok(Arc::new(EmbeddedView {
            state: Arc::clone(state),
            tables: Arc::clone(&self.tables),
            project,
            generation,
            shards,
            overrides,
            group_types,
            persons: OnceLock::new(),
            groups: OnceLock::new(),
            distinct_ids: OnceLock::new(),
        }))
    }
}

/// Calls `visit` with the place of each range of `project`; ranges are in order of (shard, project).
fn for_each_range(ranges: &[ProjectRange], project: ProjectId, mut visit: impl FnMut(usize)) {
    let mut at = 0;
    while let Some(shard) = ranges.get(at).map(|range| range.shard) {
        let end = at + ranges[at..].partition_point(|range| range.shard == shard);
        if let Ok(place) = ranges[at..end].binary_search_by_key(&project, |range| range.project) {
            visit(at + place);
        }
        at = end;
    }
}

/// One project of a snapshot.
#[derive(Debug)]
struct EmbeddedView {
    state: Arc<State>,
    tables: Arc<Tables>,
    project: ProjectId,
    generation: u64,
    shards: Vec<Vec<Arc<dyn Part>>>,
    overrides: Arc<HashMap<PersonId, PersonId>>,
    group_types: Arc<Vec<String>>,
    persons: OnceLock<Arc<PersonsTable>>,
    groups: OnceLock<Arc<GroupsTable>>,
    distinct_ids: OnceLock<Arc<DistinctIdsTable>>,
}

fn once<T>(cell: &OnceLock<Arc<T>>, make: impl FnOnce() -> Result<Arc<T>, ReadError>) -> Result<Arc<T>, ReadError> {
    if let Some(made) = cell.get() {
        return Ok(Arc::clone(made));
    }
    let made = make()?;
    Ok(Arc::clone(cell.get_or_init(|| made)))
}

impl ProjectView for EmbeddedView {
    fn project(&self) -> ProjectId {
        self.project
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn shards(&self) -> &[Vec<Arc<dyn Part>>] {
        &self.shards
    }

    fn overrides(&self) -> &Arc<HashMap<PersonId, PersonId>> {
        &self.overrides
    }

    fn persons(&self) -> Result<Arc<PersonsTable>, ReadError> {
        once(&self.persons, || self.tables.persons(&self.state, self.project))
    }

    fn groups(&self) -> Result<Arc<GroupsTable>, ReadError> {
        once(&self.groups, || self.tables.groups(&self.state, self.project))
    }

    fn group_types(&self) -> &[String] {
        &self.group_types
    }

    fn distinct_ids(&self) -> Result<Arc<DistinctIdsTable>, ReadError> {
        once(&self.distinct_ids, || self.tables.distinct_ids(&self.state, self.project))
    }
}
