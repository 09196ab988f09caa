//! The order of looking: rows of the store, fates of events without a row, records that are not processed yet, remarks of the edge, and when all of that knows
//! nothing, records that were processed and must not be unknown.

use crate::error::TraceError;
use crate::model::{AskedBy, EventWarning, JournalPlace, Received, Searched, Trace, TracedEvent};
use crate::rows::{self, Row, Search};
use crate::scan::Walk;
use crate::{assemble, hints};
use aqueduct_event::{Clock, JournalPosition, Minute, PartitionId, ProjectId, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::Journal;
use aqueduct_ledger::recorder::{Recorder, Remark};
use aqueduct_store::{Accounts, Fate, ProjectView, Snapshot, Store};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// No project: where remarks and fates of events without one are kept.
const NONE: ProjectId = ProjectId(0);

/// Finds projects by token. Answered from memory.
pub trait Projects: Send + Sync + fmt::Debug {
    /// The project of a token.
    fn project_of(&self, token: &str) -> Option<ProjectId>;
}

/// What one trace may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events in the answer.
    pub events: usize,
    /// Bytes of the journal that are looked at.
    pub journal_bytes: u64,
    /// Time for looking through the store.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 20, journal_bytes: 256 << 20, time: Duration::from_secs(10) }
    }
}

/// What a tracer looks into.
#[derive(Clone)]
pub struct TracerArgs {
    /// Accepted records.
    pub journal: Arc<dyn Journal>,
    /// Persons.
    pub store: Arc<dyn Store>,
    /// Fates of events without a row.
    pub accounts: Arc<dyn Accounts>,
    /// Takes a snapshot of the store; called once for each trace.
    pub snapshot: Arc<dyn Fn() -> Arc<dyn Snapshot> + Send + Sync>,
    /// Receipts and remarks.
    pub recorder: Arc<Recorder>,
    /// Projects by token.
    pub projects: Arc<dyn Projects>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for TracerArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerArgs").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// Answers where an event is.
#[derive(Clone, Debug)]
pub struct Tracer {
    args: TracerArgs,
    limits: Limits,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) project: ProjectId,
    pub(crate) text: &'a str,
    pub(crate) uuid: Option<Uuid>,
}

impl Wanted<'_> {
    fn is(&self, event: &RawEvent<'_>) -> bool {
        match self.uuid {
            Some(uuid) => event.uuid == uuid,
            None => event.distinct_id == self.text,
        }
    }

    fn is_in(&self, remark: &Remark) -> bool {
        match self.uuid {
            Some(uuid) => remark.uuids.contains(&uuid),
            None => remark.distinct_ids.iter().any(|id| id == self.text),
        }
    }
}

/// A record's event that was found in the journal.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) position: JournalPosition,
    pub(crate) received_at: UnixMicros,
    pub(crate) uuid: Uuid,
    pub(crate) event: String,
    pub(crate) distinct_id: String,
    pub(crate) timestamp: UnixMicros,
    pub(crate) properties: String,
    /// The project that has its token.
    pub(crate) project: Option<ProjectId>,
    pub(crate) path: String,
    pub(crate) agent: String,
}

impl Tracer {
    /// A tracer over these parts.
    #[must_use]
    pub fn new(args: TracerArgs, limits: Limits) -> Self {
        Self { args, limits }
    }

    /// Where the event with this id is, or what became of the newest events of this distinct id. `warnings` are the ingestion warnings of the project that are
    /// kept; those about the event are put into the answer.
    ///
    /// # Errors
    /// [`TraceError`] when store, journal or receipts cannot be read.
    pub fn trace(&self, project: ProjectId, asked: &str, warnings: &[EventWarning]) -> Result<Trace, TraceError> {
        let asked = asked.trim();
        let by_uuid = self.look(Wanted { project, text: asked, uuid: Uuid::try_parse(asked).ok() }, warnings)?;
        // Anonymous distinct ids have the form of uuids: when no event has the id, it is a sender's.
        if by_uuid.asked_by == AskedBy::Uuid && by_uuid.events.is_empty() {
            let by_sender = self.look(Wanted { project, text: asked, uuid: None }, warnings)?;
            if !by_sender.events.is_empty() {
                return Ok(by_sender);
            }
        }
        Ok(by_uuid)
    }

    fn look(&self, wanted: Wanted<'_>, warnings: &[EventWarning]) -> Result<Trace, TraceError> {
        let mut searched = Searched { complete: true, ..Searched::default() };
        // The position comes first: what is committed meanwhile is found in the store, and perhaps in the journal too.
        let visible = self.visible()?;
        let view = (self.args.snapshot)().project(wanted.project)?;
        let mut search = Search { deadline: Instant::now() + self.limits.time, searched: &mut searched };
        let rows = match wanted.uuid {
            Some(uuid) => rows::by_uuid(&*view, uuid, &mut search)?,
            None => rows::by_distinct_id(&*view, wanted.text, self.limits.events, &mut search)?,
        };
        let mut events = Vec::new();
        for row in &rows {
            events.push(self.of_row(&*view, wanted.project, row)?);
        }
        for fate in self.fates(wanted)? {
            events.push(self.of_fate(&fate)?);
        }
        for (partition, raw) in self.in_journal(wanted, |partition| position_of(&visible, partition), |_| None, &mut searched)? {
            if !rows.iter().any(|row| row.uuid == raw.uuid && row.created_at == raw.received_at) {
                events.push(self.of_raw(partition, &raw, position_of(&visible, partition)));
            }
        }
        for project in [wanted.project, NONE] {
            let remarks = self.args.recorder.remarks_of(project, |remark| wanted.is_in(remark));
            assemble::add_remarks(&mut events, &remarks, wanted);
        }
        if events.is_empty() {
            // Processed, and yet unknown: it must not happen, and if it does it must be seen.
            for (_, raw) in
                self.in_journal(wanted, |_| JournalPosition(0), |partition| Some(position_of(&visible, partition)), &mut searched)?
            {
                events.push(assemble::missing(&raw, self.received(&raw.receipt_key())?));
            }
        }
        assemble::add_warnings(&mut events, warnings);
        events.sort_by(|a, b| received_at(b).cmp(received_at(a)));
        let hints =
            if events.is_empty() { hints::never_received(&self.args.recorder, wanted.project, self.args.clock.now()) } else { Vec::new() };
        Ok(assemble::answer(wanted, events, hints, searched, self.limits.events))
    }

    fn visible(&self) -> Result<BTreeMap<PartitionId, JournalPosition>, TraceError> {
        Ok(self.args.accounts.account(Minute(0)..=Minute(0))?.visible)
    }

    fn of_row(&self, view: &dyn ProjectView, project: ProjectId, row: &Row) -> Result<TracedEvent, TraceError> {
        let merged_into = view.overrides().get(&row.person).copied().filter(|into| *into != row.person);
        let exists = self.args.store.person(project, merged_into.unwrap_or(row.person))?.is_some();
        let other = match assemble::other_id_of(row) {
            Some(other) => {
                let owner = self.args.store.distinct_id(project, &other)?;
                let owner = owner.map(|owner| view.overrides().get(&owner.person).copied().unwrap_or(owner.person));
                Some((other, owner))
            }
            None => None,
        };
        let received = self.received(&ReceiptKey { at: row.created_at, project })?;
        let mut event = assemble::visible(row, received, merged_into, exists);
        assemble::tell_merge(&mut event, row, other, merged_into.unwrap_or(row.person));
        let remarks = self.args.recorder.remarks_of(project, |remark| remark.uuids.contains(&row.uuid));
        event.time_moved = assemble::time_moved(row.timestamp, row.created_at, &row.properties, &remarks);
        Ok(event)
    }

    fn fates(&self, wanted: Wanted<'_>) -> Result<Vec<Fate>, TraceError> {
        let mut fates = Vec::new();
        for project in [wanted.project, NONE] {
            fates.extend(match wanted.uuid {
                Some(uuid) => self.args.accounts.fates_of(project, uuid)?,
                None => self.args.accounts.fates_by(project, wanted.text, self.limits.events)?,
            });
        }
        Ok(fates)
    }

    fn of_fate(&self, fate: &Fate) -> Result<TracedEvent, TraceError> {
        let received = self.received(&ReceiptKey { at: fate.received_at, project: fate.project })?;
        let remarks = self.args.recorder.remarks_of(fate.project, |remark| remark.uuids.contains(&fate.uuid));
        let mut event = assemble::without_row(fate, received);
        event.time_moved = assemble::time_moved_by_edge(&remarks);
        Ok(event)
    }

    fn of_raw(&self, partition: PartitionId, raw: &Raw, visible: JournalPosition) -> TracedEvent {
        let place = JournalPlace { position: raw.position.0, processed_upto: visible.0, end: self.args.journal.end(partition).0 };
        // Receipts of requests that were taken this moment may not be noted yet; the record itself says as much.
        let received = self.received(&raw.receipt_key()).ok().flatten();
        let received = received.unwrap_or_else(|| Received {
            at: raw.received_at.to_rfc3339(),
            path: raw.path.clone(),
            agent: raw.agent.clone(),
            ..Received::default()
        });
        let remarks = self.args.recorder.remarks_of(raw.project.unwrap_or(NONE), |remark| remark.uuids.contains(&raw.uuid));
        let mut event = assemble::in_flight(raw, received, place);
        event.time_moved = assemble::time_moved(raw.timestamp, raw.received_at, &raw.properties, &remarks);
        event
    }

    /// Events that are looked for in records from one position on, up to another or the end.
    fn in_journal(
        &self,
        wanted: Wanted<'_>,
        from: impl Fn(PartitionId) -> JournalPosition,
        upto: impl Fn(PartitionId) -> Option<JournalPosition>,
        searched: &mut Searched,
    ) -> Result<Vec<(PartitionId, Raw)>, TraceError> {
        let mut found = Vec::new();
        for partition in self.args.journal.partitions() {
            let mut walk = Walk::from(&*self.args.journal, partition, from(partition))?;
            let upto = upto(partition);
            while let Some(entry) = walk.next()?.filter(|entry| upto.is_none_or(|upto| entry.position < upto)) {
                if walk.bytes > self.limits.journal_bytes || found.len() >= self.limits.events {
                    searched.complete = false;
                    break;
                }
                // A record that cannot be read is a dead letter as a whole.
                let Ok(batch) = RawBatch::decode(&entry.payload) else { continue };
                let project = self.args.projects.project_of(batch.token);
                if project.is_some_and(|project| project != wanted.project) {
                    continue;
                }
                let events = batch.events.iter().filter(|event| wanted.is(event));
                found.extend(events.map(|event| (partition, raw_of(entry.position, &batch, event, project))));
            }
            searched.journal_bytes += walk.bytes;
        }
        Ok(found)
    }

    /// The request of an event, as far as its receipt is kept.
    fn received(&self, key: &ReceiptKey) -> Result<Option<Received>, TraceError> {
        let found = self.args.recorder.receipts_at(key.at)?;
        let of = |token: &str| self.args.projects.project_of(token);
        // The token may have been changed since: then no project has it, and only the moment tells.
        let own = found.receipts.iter().find(|receipt| of(&receipt.token) == Some(key.project));
        let receipt = own.or_else(|| found.receipts.iter().find(|receipt| of(&receipt.token).is_none()));
        Ok(Some(match receipt {
            Some(receipt) => assemble::received(receipt),
            None => Received { at: key.at.to_rfc3339(), ..Received::default() },
        }))
    }
}

/// What leads from an event to its receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiptKey {
    at: UnixMicros,
    project: ProjectId,
}

impl Raw {
    fn receipt_key(&self) -> ReceiptKey {
        ReceiptKey { at: self.received_at, project: self.project.unwrap_or(NONE) }
    }
}

fn raw_of(position: JournalPosition, batch: &RawBatch<'_>, event: &RawEvent<'_>, project: Option<ProjectId>) -> Raw {
    Raw {
        position,
        received_at: batch.received_at,
        uuid: event.uuid,
        event: event.event.to_owned(),
        distinct_id: event.distinct_id.to_owned(),
        timestamp: event.timestamp,
        properties: event.properties.to_owned(),
        project,
        path: batch.path.to_owned(),
        agent: batch.user_agent.to_owned(),
    }
}

fn position_of(positions: &BTreeMap<PartitionId, JournalPosition>, partition: PartitionId) -> JournalPosition {
    positions.get(&partition).copied().unwrap_or_default()
}

fn received_at(event: &TracedEvent) -> &str {
    event.received.as_ref().map_or("", |received| &received.at)
}
