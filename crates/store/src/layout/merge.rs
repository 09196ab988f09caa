//! The k-way merge: which rows of sorted sources come when, with persons rewritten that were merged meanwhile.
//!
//! In: the sort keys of the sources, oldest source first. Out: a [`MergePlan`], by which every column is gathered one at a time.
//!
//! The unit is the run (all rows of a person in one source), not the row: most persons occur in one source, and where they do not, the
//! sources mostly follow each other in time.

use super::gather::{Plan, Slice};
use super::sort::Boundaries;
use super::sparse::KeyColumn;
use super::table::{Fixed, ProjectRange, Table, TextColumn, id_at, shard_of};
use aqueduct_event::ProjectId;
use arrow::buffer::{Buffer, ScalarBuffer};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// What a merge needs of a source before it touches other columns.
#[derive(Clone, Debug)]
pub(crate) struct SortColumns {
    pub(crate) ranges: Vec<ProjectRange>,
    /// Only rows of these ranges take part.
    pub(crate) runs: Vec<u32>,
    pub(crate) person: Buffer,
    pub(crate) timestamp: ScalarBuffer<i64>,
    pub(crate) uuid: Buffer,
}

impl SortColumns {
    pub(crate) fn of(table: &Table) -> Self {
        let fixed = &table.fixed;
        Self {
            ranges: table.ranges.clone(),
            runs: table.runs.clone(),
            person: fixed.person.clone(),
            timestamp: fixed.timestamp.clone(),
            uuid: fixed.uuid.clone(),
        }
    }
}

/// What a merge changes about rows.
pub(crate) struct Rewrite<'a> {
    /// Present id of a person; the id itself when it was not merged.
    pub(crate) present: &'a dyn Fn(ProjectId, u128) -> u128,
    /// Whether rows that carry this id, in a range whose newest commit is this, were withdrawn: they are left out.
    pub(crate) is_gone: &'a dyn Fn(ProjectId, u128, u64) -> bool,
}

/// The output of a merge before any column of it is made.
#[derive(Debug)]
pub(crate) struct MergePlan {
    pub(crate) plan: Plan,
    pub(crate) ranges: Vec<ProjectRange>,
    pub(crate) runs: Vec<u32>,
    /// Person of each run.
    persons: Vec<u128>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    key: (u16, ProjectId, u128),
    source: u32,
    from: u32,
    to: u32,
    seq: u64,
}

/// Plans the merge of `sources`.
pub(crate) fn plan(sources: &[SortColumns], rewrite: &Rewrite<'_>, shards: u16) -> MergePlan {
    let mut runs = Vec::new();
    for (source, columns) in sources.iter().enumerate() {
        runs_of(source as u32, columns, rewrite, shards, &mut runs);
    }
    // Stable: of equal keys, the older source stays first.
    runs.sort_by_key(|run| run.key);
    let mut slices: Vec<Slice> = Vec::with_capacity(runs.len());
    let mut boundaries = Boundaries::default();
    let mut persons = Vec::new();
    let mut at = 0;
    for group in runs.chunk_by_mut(|a, b| a.key == b.key) {
        persons.push(group[0].key.2);
        for run in &*group {
            let times = &sources[run.source as usize].timestamp;
            boundaries.row(at, run.key, (times[run.from as usize], times[run.to as usize - 1]), run.seq);
        }
        at += group.iter().map(|run| (run.to - run.from) as usize).sum::<usize>();
        interleave(sources, group, &mut slices);
    }
    let (ranges, runs) = boundaries.finish(at);
    let source_rows = sources.iter().map(|source| source.timestamp.len()).collect();
    MergePlan { plan: Plan::new(slices, source_rows), ranges, runs, persons }
}

fn runs_of(source: u32, columns: &SortColumns, rewrite: &Rewrite<'_>, shards: u16, out: &mut Vec<Run>) {
    for range in &columns.ranges {
        let first = columns.runs.partition_point(|start| (*start as usize) < range.rows.start);
        for pair in columns.runs[first..].windows(2) {
            let (from, to) = (pair[0], pair[1]);
            if from as usize >= range.rows.end {
                break;
            }
            let written = id_at(&columns.person, from as usize);
            if (rewrite.is_gone)(range.project, written, range.seq) {
                continue;
            }
            let person = (rewrite.present)(range.project, written);
            let shard = if person == written { range.shard } else { shard_of(person, shards) };
            out.push(Run { key: (shard, range.project, person), source, from, to, seq: range.seq });
        }
    }
}

/// The rows of one person out of several runs, by (time, uuid), older sources first.
fn interleave(sources: &[SortColumns], group: &mut [Run], slices: &mut Vec<Slice>) {
    let time = |source: u32, row: u32| sources[source as usize].timestamp[row as usize];
    group.sort_by_key(|run| time(run.source, run.from));
    let follow = group.windows(2).all(|pair| time(pair[0].source, pair[0].to - 1) < time(pair[1].source, pair[1].from));
    if follow {
        slices.extend(group.iter().map(|run| Slice { source: run.source, from: run.from, to: run.to }));
        return;
    }
    let mut rows: Vec<(i64, u128, u32, u32)> = Vec::new();
    for run in &*group {
        let columns = &sources[run.source as usize];
        rows.extend((run.from..run.to).map(|row| (time(run.source, row), id_at(&columns.uuid, row as usize), run.source, row)));
    }
    rows.sort();
    for (_, _, source, row) in rows {
        match slices.last_mut() {
            Some(last) if last.source == source && last.to == row => last.to += 1,
            _ => slices.push(Slice { source, from: row, to: row + 1 }),
        }
    }
}

impl MergePlan {
    /// The person column over some output rows, with rewritten ids.
    pub(crate) fn persons_of(&self, rows: &Range<usize>) -> Buffer {
        let mut out: Vec<u8> = Vec::with_capacity(rows.len() * 16);
        let first = self.runs.partition_point(|start| (*start as usize) <= rows.start).saturating_sub(1);
        for (person, run) in self.persons[first..].iter().zip(self.runs[first..].windows(2)) {
            let (from, to) = (rows.start.max(run[0] as usize), rows.end.min(run[1] as usize));
            if from >= to {
                break;
            }
            for _ in from..to {
                out.extend_from_slice(&person.to_be_bytes());
            }
        }
        Buffer::from_vec(out)
    }
}

/// Merges tables of a store in memory; persons keep the ids they were written with.
pub(crate) fn merge_tables(sources: &[Arc<Table>], shards: u16) -> Table {
    merge_tables_without(sources, shards, &|_, _, _| false)
}

/// The same, without rows that were withdrawn. There may be no row left.
pub(crate) fn merge_tables_without(sources: &[Arc<Table>], shards: u16, is_gone: &dyn Fn(ProjectId, u128, u64) -> bool) -> Table {
    let sort: Vec<SortColumns> = sources.iter().map(|table| SortColumns::of(table)).collect();
    let merged = plan(&sort, &Rewrite { present: &|_, person| person, is_gone }, shards);
    drop(sort);
    let (plan, fixed) = (&merged.plan, |column: fn(&Fixed) -> &TextColumn| -> TextColumn {
        let columns: Vec<_> = sources.iter().map(|table| column(&table.fixed)).map(|text| (&text.codes[..], &*text.dict)).collect();
        merged.plan.texts(&columns)
    });
    let times = |column: fn(&Fixed) -> &ScalarBuffer<i64>| plan.values(&collect(sources, |table| &column(&table.fixed)[..]));
    let columns = Fixed {
        uuid: plan.ids(&collect(sources, |table| &table.fixed.uuid[..])),
        person: merged.persons_of(&(0..plan.rows)),
        timestamp: times(|fixed| &fixed.timestamp),
        created_at: times(|fixed| &fixed.created_at),
        person_created_at: times(|fixed| &fixed.person_created_at),
        person_mode: plan.values(&collect(sources, |table| &table.fixed.person_mode[..])),
        event: fixed(|fixed| &fixed.event),
        distinct_id: fixed(|fixed| &fixed.distinct_id),
        person_properties: fixed(|fixed| &fixed.person_properties),
        elements_chain: fixed(|fixed| &fixed.elements_chain),
    };
    let keys: BTreeSet<&Arc<str>> = sources.iter().flat_map(|table| table.keys.iter().map(|column| &column.key)).collect();
    let keys: Vec<KeyColumn> =
        keys.into_iter().filter_map(|key| plan.key(key, &sources.iter().map(|table| table.key(key)).collect::<Vec<_>>())).collect();
    let MergePlan { ranges, runs, .. } = merged;
    Table::new(columns, ranges, runs, keys)
}

fn collect<'a, T: ?Sized>(sources: &'a [Arc<Table>], column: impl Fn(&'a Table) -> &'a T) -> Vec<&'a T> {
    sources.iter().map(|table| column(table)).collect()
}
