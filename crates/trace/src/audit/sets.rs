//! The first proof: events of the journal against rows and verdicts, one by one.
//!
//! ```text
//! pass 1   records ─▶ how often each event was accepted, by hash
//!          rows    ─▶ taken off; what is too much is extra
//! pass 2   records ─▶ of events that are left over: the verdict by its place, or missing      (only when something is left over)
//! ```
//! Both passes run for one share of the times of receipt after the other.

use super::report::{Audit, EXAMPLES_MAX, Example};
use super::{Auditor, Period};
use crate::error::TraceError;
use crate::rows::text;
use crate::scan::Walk;
use aqueduct_event::record::Receipt;
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId, RawBatch, RawEvent, UnixMicros, Verdict};
use aqueduct_store::{AccountView, EventColumn, Fate, Part, Snapshot};
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use foldhash::quality::FixedState;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use uuid::Uuid;

/// Distinct ids that the server makes for cookieless events begin so; what was sent is another text.
const COOKIELESS: &str = "cookieless_";

/// The comparison under way.
#[derive(Debug)]
pub(super) struct Sets<'a> {
    pub(super) auditor: &'a Auditor,
    pub(super) account: &'a AccountView,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) projects: &'a BTreeSet<ProjectId>,
    pub(super) period: Period,
    pub(super) audit: &'a mut Audit,
}

/// One share of the times of receipt.
#[derive(Clone, Copy, Debug)]
struct Share {
    number: u64,
    of: u64,
}

impl Share {
    fn holds(self, received_at: i64) -> bool {
        self.of == 1 || FixedState::default().hash_one(received_at) % self.of == self.number
    }
}

/// Events that were accepted and are not found yet, by hash.
#[derive(Debug, Default)]
struct Accepted {
    events: HashMap<u128, u32>,
    /// Project and time of receipt of their requests: rows of others are none of our business.
    requests: HashSet<(ProjectId, i64)>,
}

impl Sets<'_> {
    pub(super) fn compare(&mut self, events_at_once: usize) -> Result<(), TraceError> {
        let events = self.count()?;
        let of = (events / events_at_once.max(1) as u64) + 1;
        for number in 0..of {
            self.share(Share { number, of })?;
        }
        Ok(())
    }

    /// Counts what is there, and finds out what is on its way. Answers the processed events.
    fn count(&mut self) -> Result<u64, TraceError> {
        let mut processed = 0;
        for partition in self.auditor.journal.partitions() {
            let visible = self.visible(partition);
            let mut walk = Walk::from(&*self.auditor.journal, partition, JournalPosition(0))?;
            self.audit.processed_upto = visible.0;
            self.audit.journal_end = self.auditor.journal.end(partition).0;
            let mut first = None;
            while let Some(entry) = walk.next()? {
                first.get_or_insert(entry.position);
                if matches!(Receipt::read(&entry.payload), Receipt::Replay | Receipt::Command) {
                    // The events of a dead letter that comes again were accepted by the record that they first came in; a command has none.
                    continue;
                }
                let Ok(batch) = RawBatch::decode(&entry.payload) else {
                    self.audit.unreadable_records += u64::from(entry.position < visible);
                    continue;
                };
                if !self.period.holds(batch.received_at.0) {
                    continue;
                }
                let events = batch.events.len() as u64;
                if entry.position < visible {
                    processed += events;
                    self.audit.records += 1;
                    let project = self.project_of(&batch);
                    self.audit.project(project).events += events;
                } else {
                    self.audit.in_flight += events;
                }
            }
            self.audit.journal_first = first.map_or(self.audit.journal_end, |first| first.0);
        }
        Ok(processed)
    }

    fn share(&mut self, share: Share) -> Result<(), TraceError> {
        let mut accepted = Accepted::default();
        self.each_record(share, |sets, _, batch| {
            let project = sets.project_of(batch);
            accepted.requests.insert((project, batch.received_at.0));
            for event in &batch.events {
                *accepted.events.entry(key_of(project, batch.received_at, event)).or_default() += 1;
            }
            Ok(())
        })?;
        for project in self.projects {
            let view = self.snapshot.project(*project)?;
            for part in view.shards().iter().flatten() {
                self.take_off(*project, &**part, &mut accepted)?;
            }
        }
        accepted.events.retain(|_, left| *left > 0);
        if !accepted.events.is_empty() {
            self.explain(share, accepted.events)?;
        }
        Ok(())
    }

    /// Takes the rows of a part off what was accepted.
    fn take_off(&mut self, project: ProjectId, part: &dyn Part, accepted: &mut Accepted) -> Result<(), TraceError> {
        let times = part.column(EventColumn::CreatedAt)?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or(TraceError::Column("created_at"))?.values().clone();
        let rows: Vec<usize> = (0..times.len()).filter(|row| accepted.requests.contains(&(project, times[*row]))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let ids = part.column(EventColumn::Uuid)?;
        let ids = ids.as_fixed_size_binary_opt().ok_or(TraceError::Column("uuid"))?;
        let (names, senders) = (part.column(EventColumn::Event)?, part.column(EventColumn::DistinctId)?);
        for row in rows {
            let uuid = Uuid::from_slice(ids.value(row)).map_err(|_| TraceError::Column("uuid"))?;
            let (event, distinct_id) = (text(&names, row, "event")?, text(&senders, row, "distinct_id")?);
            let received_at = UnixMicros(times[row]);
            let found = self.audit.project(project);
            match accepted.events.get_mut(&key(project, received_at, uuid, &event, &distinct_id)) {
                Some(left @ 1..) => {
                    *left -= 1;
                    found.visible += 1;
                }
                _ => {
                    found.extra += 1;
                    if found.extra_examples.len() < EXAMPLES_MAX {
                        found.extra_examples.push(Example {
                            uuid,
                            event,
                            distinct_id,
                            received_at: received_at.to_rfc3339(),
                            position: None,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the verdicts of events that have no row; what has none is missing.
    fn explain(&mut self, share: Share, mut left: HashMap<u128, u32>) -> Result<(), TraceError> {
        let mut candidates: Vec<(u128, ProjectId, Example)> = Vec::new();
        self.each_record(share, |sets, position, batch| {
            let project = sets.project_of(batch);
            for (index, event) in batch.events.iter().enumerate() {
                let key = key_of(project, batch.received_at, event);
                let Some(count) = left.get_mut(&key).filter(|count| **count > 0) else { continue };
                match sets.fate(project, position, index, event)? {
                    Some(fate) => {
                        *count -= 1;
                        *sets.audit.project(project).without_row.entry(fate.verdict.to_string()).or_default() += 1;
                    }
                    None => {
                        let example = Example {
                            uuid: event.uuid,
                            event: event.event.to_owned(),
                            distinct_id: event.distinct_id.to_owned(),
                            received_at: batch.received_at.to_rfc3339(),
                            position: Some(position.0),
                        };
                        candidates.push((key, project, example));
                    }
                }
            }
            Ok(())
        })?;
        // Of an event that was accepted twice in one request one may be the row: it had no verdict, and is not missing.
        for (key, project, example) in candidates {
            if let Some(count) = left.get_mut(&key).filter(|count| **count > 0) {
                *count -= 1;
                let found = self.audit.project(project);
                found.missing += 1;
                if found.missing_examples.len() < EXAMPLES_MAX {
                    found.missing_examples.push(example);
                }
            }
        }
        Ok(())
    }

    fn fate(&self, project: ProjectId, position: JournalPosition, index: usize, event: &RawEvent<'_>) -> Result<Option<Fate>, TraceError> {
        let fates = self.auditor.accounts.fates_of(project, event.uuid)?;
        let erased = Verdict::Dropped(DropReason::Erased);
        Ok(fates.into_iter().find(|fate| fate.verdict == erased || (fate.position == position && fate.index as usize == index)))
    }

    /// Calls `visit` for each processed record of the share.
    fn each_record(
        &mut self,
        share: Share,
        mut visit: impl FnMut(&mut Self, JournalPosition, &RawBatch<'_>) -> Result<(), TraceError>,
    ) -> Result<(), TraceError> {
        for partition in self.auditor.journal.partitions() {
            let visible = self.visible(partition);
            let mut walk = Walk::from(&*self.auditor.journal, partition, JournalPosition(self.audit.journal_first))?;
            while let Some(entry) = walk.next()?.filter(|entry| entry.position < visible) {
                let Ok(batch) = RawBatch::decode(&entry.payload) else { continue };
                if self.period.holds(batch.received_at.0) && share.holds(batch.received_at.0) {
                    visit(self, entry.position, &batch)?;
                }
            }
        }
        Ok(())
    }

    fn visible(&self, partition: PartitionId) -> JournalPosition {
        self.account.visible.get(&partition).copied().unwrap_or_default()
    }

    /// The project of a record; 0 for a token that no project has.
    fn project_of(&self, batch: &RawBatch<'_>) -> ProjectId {
        self.auditor.projects.project_of(batch.token).unwrap_or(ProjectId(0))
    }
}

fn key_of(project: ProjectId, received_at: UnixMicros, event: &RawEvent<'_>) -> u128 {
    let is_cookieless = event.cookieless || event.properties.contains("\"$cookieless_mode\"");
    key(project, received_at, event.uuid, event.event, if is_cookieless { COOKIELESS } else { event.distinct_id })
}

/// 128 bits of what makes an event the same; ids that the server makes count as one.
fn key(project: ProjectId, received_at: UnixMicros, uuid: Uuid, event: &str, distinct_id: &str) -> u128 {
    let distinct_id = if distinct_id.starts_with(COOKIELESS) { COOKIELESS } else { distinct_id };
    let half = |seed: u64| {
        let mut hasher = FixedState::with_seed(seed).build_hasher();
        hasher.write_u32(project.0);
        hasher.write_i64(received_at.0);
        hasher.write(uuid.as_bytes());
        hasher.write_usize(event.len());
        hasher.write(event.as_bytes());
        hasher.write(distinct_id.as_bytes());
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
