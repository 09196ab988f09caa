//! What the store is at one moment: an immutable value that readers share and writers replace.
//!
//! ```text
//! base    what the manifest holds: segments, persons … at the last flush
//! frozen  the generation that a flush is writing out, if one is under way
//! active  the generation that commits go to
//! ```
//! A look-up asks active, then frozen, then base.

use super::account::Account;
use super::delta::{Delta, Layers};
use super::overrides::Overrides;
use super::withdrawn::{Withdrawn, WithdrawnByProject};
use crate::layout::table::shard_of;
use crate::layout::{Table, merge_tables, merge_tables_without};
use crate::manifest::View;
use crate::seen::{FrozenSeen, Seen};
use crate::segment::Segment;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, UnixMicros};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// What was committed between two freezes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    /// Sorted chunks, oldest first.
    pub(crate) chunks: Vec<Arc<Table>>,
    pub(crate) layers: Layers,
    /// Where each partition stands after it.
    pub(crate) positions: BTreeMap<PartitionId, JournalPosition>,
    /// Verdicts, fates and dead letters.
    pub(crate) account: Arc<Account>,
    /// Arrivals whose rows were erased, a list for each commit that erased any.
    pub(crate) erased: Vec<Arc<Vec<Seen>>>,
    /// When its first commit came.
    pub(crate) since: Option<UnixMicros>,
}

/// Chunks of one size class that are merged when so many are there.
const TIER_CHUNKS: usize = 4;
/// The smallest size class is wider and may hold more: tiny commits come many per second.
const SMALL_ROWS: usize = 1024;
const SMALL_CHUNKS: usize = 8;
/// The largest size class that commits merge themselves, some milliseconds at most. Larger ones would hold up what waits for its commit: they are merged in
/// the background.
const COMMIT_CLASS_MAX: u32 = 1;

impl Generation {
    pub(crate) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        let erased: usize = self.erased.iter().map(|seen| seen.len() * size_of::<Seen>()).sum();
        self.chunks.iter().map(|chunk| chunk.bytes).sum::<usize>() + self.layers.bytes() + self.account.bytes() + erased
    }

    /// Adds a chunk and merges those of its size class when there are enough: few parts for a query, each row merged a logarithmic number of times.
    pub(crate) fn push_chunk(&mut self, chunk: Table, shards: u16) {
        self.chunks.push(Arc::new(chunk));
        let mut class = size_class(self.chunks.last().map_or(0, |chunk| chunk.rows()));
        while class <= COMMIT_CLASS_MAX {
            let Some(same) = self.full_class(class) else { return };
            let merged = merge_tables(&same, shards);
            class = size_class(merged.rows());
            self.replace(&same, merged);
        }
    }

    /// The chunks to be merged next that commits leave, if any.
    pub(crate) fn to_merge(&self) -> Option<Vec<Arc<Table>>> {
        let largest = self.chunks.iter().map(|chunk| size_class(chunk.rows())).max()?;
        (COMMIT_CLASS_MAX + 1..=largest).find_map(|class| self.full_class(class))
    }

    /// All chunks of a size class, when there are enough.
    fn full_class(&self, class: u32) -> Option<Vec<Arc<Table>>> {
        let same: Vec<_> = self.chunks.iter().filter(|chunk| size_class(chunk.rows()) == class).cloned().collect();
        (same.len() >= if class == 0 { SMALL_CHUNKS } else { TIER_CHUNKS }).then_some(same)
    }

    /// Puts the merge of some chunks in their place; false, and nothing changed, when they are not all here any more.
    pub(crate) fn replace(&mut self, merged_from: &[Arc<Table>], merged: Table) -> bool {
        let is_one = |chunk: &Arc<Table>| merged_from.iter().any(|other| Arc::ptr_eq(chunk, other));
        if self.chunks.iter().filter(|chunk| is_one(chunk)).count() != merged_from.len() {
            return false;
        }
        self.chunks.retain(|chunk| !is_one(chunk));
        // Larger chunks are older: order by size class keeps the oldest first.
        let class = size_class(merged.rows());
        let at = self.chunks.partition_point(|chunk| size_class(chunk.rows()) >= class);
        self.chunks.insert(at, Arc::new(merged));
        true
    }
}

impl Generation {
    /// Takes rows out that were withdrawn: whatever lies here was committed before.
    pub(crate) fn withdraw(&mut self, project: ProjectId, withdrawn: &Withdrawn, shards: u16) {
        let place = |person: u128| (shard_of(person, shards), project);
        let holds = |chunk: &Table| withdrawn.ids().any(|person| chunk.holds(place(person.as_u128()), person.as_u128()));
        let is_gone = |of, person, seq| of == project && withdrawn.hides(Uuid::from_u128(person), seq);
        for chunk in &mut self.chunks {
            if holds(chunk) {
                *chunk = Arc::new(merge_tables_without(&[Arc::clone(chunk)], shards, &is_gone));
            }
        }
        self.chunks.retain(|chunk| chunk.rows() > 0);
    }
}

fn size_class(rows: usize) -> u32 {
    if rows < SMALL_ROWS { 0 } else { 1 + (rows / SMALL_ROWS).ilog(TIER_CHUNKS) }
}

/// What is durable: the segments, and the manifest as of the last flush.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) view: Arc<View>,
    /// Number of the newest durable commit that touched a project.
    pub(crate) seqs: Arc<FxHashMap<ProjectId, u64>>,
    /// Where each partition stands.
    pub(crate) positions: Arc<BTreeMap<PartitionId, JournalPosition>>,
    /// Overrides as the manifest has them.
    pub(crate) overrides: OverridesByProject,
    /// Withdrawn rows as the manifest has them.
    pub(crate) withdrawn: WithdrawnByProject,
    /// Number of the newest durable commit.
    pub(crate) seq: u64,
    /// Number of the newest durable commit that changed records of a project.
    pub(crate) records_changed: Arc<FxHashMap<ProjectId, u64>>,
    /// Records of the last flushes, oldest first, for tables that were made before them.
    pub(crate) recent: Vec<Recent>,
}

/// Records of a flushed generation.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// Number of the last commit before the generation.
    pub(crate) after: u64,
    pub(crate) delta: Arc<Delta>,
}

/// Records that are kept after their flush for the sake of tables.
const RECENT_RECORDS_MAX: usize = 200_000;

impl Base {
    /// Recent records after one more flush.
    pub(crate) fn recent_and(&self, delta: Arc<Delta>) -> Vec<Recent> {
        let mut recent = self.recent.clone();
        recent.push(Recent { after: self.seq, delta });
        while recent.iter().map(|recent| recent.delta.len()).sum::<usize>() > RECENT_RECORDS_MAX {
            recent.remove(0);
        }
        recent
    }
}

impl Base {
    /// The same with other segments.
    pub(crate) fn with_segments(&self, segments: Vec<Arc<Segment>>) -> Self {
        Self { segments, ..self.clone() }
    }
}

/// A generation that is being written out, with what belongs to its last commit.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) generation: Generation,
    pub(crate) overrides: OverridesByProject,
    pub(crate) group_types: GroupTypesByProject,
    pub(crate) withdrawn: WithdrawnByProject,
    /// Arrivals of its rows.
    pub(crate) seen: FrozenSeen,
    pub(crate) seq: u64,
}

pub(crate) type OverridesByProject = Arc<FxHashMap<ProjectId, Arc<Overrides>>>;
pub(crate) type GroupTypesByProject = Arc<FxHashMap<ProjectId, Arc<Vec<String>>>>;

/// The store at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) base: Arc<Base>,
    pub(crate) frozen: Option<Arc<Frozen>>,
    pub(crate) active: Generation,
    /// All overrides, durable or not.
    pub(crate) overrides: OverridesByProject,
    /// All group types, durable or not.
    pub(crate) group_types: GroupTypesByProject,
    /// Rows that were withdrawn and may still lie in segments, durable or not.
    pub(crate) withdrawn: WithdrawnByProject,
    /// Number of the newest commit; goes on after a restart.
    pub(crate) seq: u64,
    /// Bytes of all dead letters.
    pub(crate) letter_bytes: u64,
}

impl State {
    /// Layers that are not in the base, newest first.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Delta> {
        let frozen = self.frozen.iter().flat_map(|frozen| frozen.generation.layers.newest_first());
        self.active.layers.newest_first().chain(frozen)
    }

    /// Number of the newest commit that changed records of a project.
    pub(crate) fn records_changed(&self, project: ProjectId) -> u64 {
        let durable = self.base.records_changed.get(&project).copied().unwrap_or_default();
        self.layers().filter_map(|layer| layer.seqs.get(&project).copied()).fold(durable, u64::max)
    }

    /// Whether [`State::layers_since`] has every change after commit `seq`.
    pub(crate) fn knows_changes_since(&self, seq: u64) -> bool {
        self.base.seq <= seq || self.base.recent.iter().any(|recent| recent.after <= seq)
    }

    /// Layers with every change after commit `seq`, and perhaps some from before it, oldest first.
    pub(crate) fn layers_since(&self, seq: u64) -> Vec<&Delta> {
        let mut layers: Vec<&Delta> = self.layers().collect();
        if self.base.seq > seq {
            layers.extend(self.base.recent.iter().rev().map(|recent| &*recent.delta));
        }
        layers.reverse();
        layers
    }

    /// Chunks that are not in the base, oldest first.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.frozen.iter().flat_map(|frozen| frozen.generation.chunks.iter()).chain(&self.active.chunks)
    }

    /// Bytes of everything that is not in the base.
    pub(crate) fn bytes(&self) -> usize {
        self.active.bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.generation.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{EventRow, EventRows, PersonMode};

    const SHARDS: u16 = 2;

    fn chunk(first: usize, rows: usize) -> Table {
        let mut events = EventRows::default();
        let none: Arc<str> = "{}".into();
        for row in first..first + rows {
            let id = Uuid::from_u128(row as u128);
            let row = EventRow {
                project: ProjectId(1),
                uuid: id,
                event: "e",
                distinct_id: "d",
                person: id,
                timestamp: UnixMicros(row as i64),
                created_at: UnixMicros(row as i64),
                person_created_at: UnixMicros(0),
                person_properties: &none,
                person_mode: PersonMode::Full,
                elements_chain: "",
            };
            events.push(&row, std::iter::empty());
        }
        events.into_table(SHARDS, 1)
    }

    #[test]
    fn commits_merge_small_chunks_and_leave_large_ones() {
        let mut generation = Generation::default();
        for commit in 0..100 {
            generation.push_chunk(chunk(commit * 300, 300), SHARDS);
        }
        // Two thousand rows and more go into one chunk eight at a time, ten thousand four at a time; those are three now, and a fourth is due.
        let sizes: Vec<_> = generation.chunks.iter().map(|chunk| chunk.rows()).collect();
        assert_eq!(sizes, [9600, 9600, 9600, 300, 300, 300, 300]);
        assert!(generation.to_merge().is_none());
        for commit in 100..130 {
            generation.push_chunk(chunk(commit * 300, 300), SHARDS);
        }
        let same = generation.to_merge().expect("four of one class");
        let merged = merge_tables(&same, SHARDS);
        // A commit came meanwhile.
        generation.push_chunk(chunk(39_000, 300), SHARDS);
        assert!(generation.replace(&same, merged));
        let sizes: Vec<_> = generation.chunks.iter().map(|chunk| chunk.rows()).collect();
        assert_eq!((sizes[0], sizes.iter().sum::<usize>()), (38_400, 39_300));
        assert!(generation.to_merge().is_none());
    }

    #[test]
    fn a_merge_of_chunks_that_are_gone_changes_nothing() {
        let mut generation = Generation::default();
        for commit in 0..4 {
            generation.push_chunk(chunk(commit * 5000, 5000), SHARDS);
        }
        let same = generation.to_merge().expect("four of one class");
        let merged = merge_tables(&same, SHARDS);
        let mut next = Generation::default();
        next.push_chunk(chunk(0, 5000), SHARDS);
        assert!(!next.replace(&same, merged) && next.rows() == 5000, "a flush took them");
        generation.chunks.remove(1);
        assert!(!generation.replace(&same, merge_tables(&same, SHARDS)) && generation.rows() == 15_000, "one was replaced");
    }
}
