//! From rows in arrival order to a sorted table.

use super::builder::{Rearrange, RowsBuilder, TextBuilder};
use super::gather::{Plan, Slice};
use super::sparse::KeyColumn;
use super::table::{Fixed, ProjectRange, Table, TextColumn, id_at, shard_of};
use aqueduct_event::ProjectId;
use std::sync::Arc;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    shard: u16,
    project: u32,
    person: u128,
    timestamp: i64,
    uuid: u128,
    /// Rows that are equal in all else keep the order of arrival.
    row: u32,
}

/// Sorts the rows of a commit; `seq` is its number.
pub(crate) fn sorted(rows: RowsBuilder, shards: u16, seq: u64) -> Table {
    let fixed = &rows.fixed;
    let mut order: Vec<SortKey> = (0..rows.rows())
        .map(|row| {
            let person = id_at(&fixed.person, row);
            let uuid = id_at(&fixed.uuid, row);
            SortKey {
                shard: shard_of(person, shards),
                project: fixed.project[row],
                person,
                timestamp: fixed.timestamp[row],
                uuid,
                row: row as u32,
            }
        })
        .collect();
    order.sort_unstable();
    let mut boundaries = Boundaries::default();
    for (at, key) in order.iter().enumerate() {
        boundaries.row(at, (key.shard, ProjectId(key.project), key.person), (key.timestamp, key.timestamp), seq);
    }
    let (ranges, runs) = boundaries.finish(order.len());
    let slices = order.iter().map(|key| Slice { source: 0, from: key.row, to: key.row + 1 }).collect();
    let plan = Plan::new(slices, vec![order.len()]);
    drop(order);
    permuted(rows, &plan, ranges, runs)
}

fn permuted(rows: RowsBuilder, plan: &Plan, ranges: Vec<ProjectRange>, runs: Vec<u32>) -> Table {
    let from = rows.fixed;
    let fixed = Fixed {
        uuid: plan.ids(&[&from.uuid]),
        person: plan.ids(&[&from.person]),
        timestamp: plan.values(&[&from.timestamp]),
        created_at: plan.values(&[&from.created_at]),
        person_created_at: plan.values(&[&from.person_created_at]),
        person_mode: plan.values(&[&from.person_mode]),
        event: text(from.event, plan),
        distinct_id: text(from.distinct_id, plan),
        person_properties: text(from.person_properties, plan),
        elements_chain: text(from.elements_chain, plan),
    };
    let mut keys: Vec<KeyColumn> = rows.keys.into_iter().filter_map(|key| key.finish_with(plan.rows, &Rearrange::By(plan))).collect();
    keys.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Table::new(fixed, ranges, runs, keys)
}

/// The dictionary stays as it is: only codes move.
fn text(column: TextBuilder, plan: &Plan) -> TextColumn {
    TextColumn { codes: plan.values(&[&column.codes]), dict: Arc::new(column.dict.finish()) }
}

/// Finds where projects and persons begin while rows go by in order.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    ranges: Vec<ProjectRange>,
    runs: Vec<u32>,
    last: Option<(u16, ProjectId, u128)>,
}

impl Boundaries {
    /// Rows of `person` begin or go on at `at`; `time` is their smallest and largest timestamp.
    pub(crate) fn row(&mut self, at: usize, (shard, project, person): (u16, ProjectId, u128), time: (i64, i64), seq: u64) {
        if self.last != Some((shard, project, person)) {
            self.last = Some((shard, project, person));
            self.runs.push(at as u32);
        }
        match self.ranges.last_mut() {
            Some(range) if (range.shard, range.project) == (shard, project) => {
                range.seq = range.seq.max(seq);
                range.time = (range.time.0.min(time.0), range.time.1.max(time.1));
            }
            _ => {
                if let Some(range) = self.ranges.last_mut() {
                    range.rows.end = at;
                }
                self.ranges.push(ProjectRange { shard, project, rows: at..at, seq, time });
            }
        }
    }

    /// The ranges and runs of a table of `rows` rows.
    pub(crate) fn finish(mut self, rows: usize) -> (Vec<ProjectRange>, Vec<u32>) {
        if let Some(range) = self.ranges.last_mut() {
            range.rows.end = rows;
        }
        self.runs.push(rows as u32);
        (self.ranges, self.runs)
    }
}
