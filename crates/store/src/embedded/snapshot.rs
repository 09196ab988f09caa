//! Snapshots and views: a state that does not change any more, seen by one project.

use super::overrides::Overrides;
use super::state::State;
use super::tables::Tables;
use crate::ReadError;
use crate::cache::{ColumnCache, Kept, What};
use crate::layout::living::{KeptRows, Living};
use crate::layout::part::TablePart;
use crate::layout::property_objects::PropertyObjects;
use crate::layout::table::{ProjectRange, shard_of};
use crate::read::{DistinctIdsTable, GroupsTable, Part, PersonsTable, ProjectView, Snapshot};
use crate::segment::Segment;
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
            for place in places_of(&segment.descriptor.ranges, project) {
                let range = &segment.descriptor.ranges[place];
                let part = Arc::new(SegmentPart::new(segment, &self.cache, place));
                shards[usize::from(range.shard)].extend(self.living(part, range, Some(segment))?);
            }
        }
        for chunk in state.chunks() {
            for place in places_of(&chunk.ranges, project) {
                let range = &chunk.ranges[place];
                generation = generation.max(range.seq);
                shards[usize::from(range.shard)].extend(self.living(Arc::new(TablePart::new(chunk, place)), range, None)?);
            }
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
            person_properties: OnceLock::new(),
            groups: OnceLock::new(),
            distinct_ids: OnceLock::new(),
        }))
    }
}

impl EmbeddedSnapshot {
    /// What is left of a part without withdrawn rows; `None` when that is nothing.
    fn living(&self, part: Arc<dyn Part>, range: &ProjectRange, segment: Option<&Segment>) -> Result<Option<Arc<dyn Part>>, ReadError> {
        let withdrawn = self.state.withdrawn.get(&range.project);
        let Some(withdrawn) = withdrawn.filter(|withdrawn| withdrawn.newest() > range.seq) else { return Ok(Some(part)) };
        let load = || -> Result<_, ReadError> {
            let mut persons = Vec::new();
            for person in withdrawn.ids() {
                let here = shard_of(person.as_u128(), self.shards) == range.shard && withdrawn.hides(person, range.seq);
                if here && segment.map_or(Ok(true), |segment| segment.may_hold(person.as_bytes()))? {
                    persons.push(person);
                }
            }
            Ok(if persons.is_empty() { None } else { KeptRows::without(&*part, &persons)?.map(Arc::new) })
        };
        let kept = match segment {
            None => load()?,
            Some(segment) => {
                let what = What::Living(range.rows.clone(), withdrawn.newest());
                match self.cache.get(segment.descriptor.id, what, || Ok(Kept::Living(load()?)))? {
                    Kept::Living(kept) => kept,
                    _ => load()?,
                }
            }
        };
        Ok(match kept {
            None => Some(part),
            Some(kept) => Living::of(part, kept),
        })
    }
}

/// Places of the ranges of `project`; ranges are in order of (shard, project).
fn places_of(ranges: &[ProjectRange], project: ProjectId) -> Vec<usize> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some(shard) = ranges.get(at).map(|range| range.shard) {
        let end = at + ranges[at..].partition_point(|range| range.shard == shard);
        if let Ok(place) = ranges[at..end].binary_search_by_key(&project, |range| range.project) {
            places.push(at + place);
        }
        at = end;
    }
    places
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
    person_properties: OnceLock<Arc<PropertyObjects>>,
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

    fn person_properties(&self) -> Result<Arc<PropertyObjects>, ReadError> {
        once(&self.person_properties, || self.tables.person_properties(&self.state, self.project))
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
