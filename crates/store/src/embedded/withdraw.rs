//! Withdrawals: rows of a person leave it, erased or given to others.
//!
//! In: a [`Withdrawal`] of a commit. Out: marks that hide the rows from every reader from that commit on, what their going means for the account, and copies of
//! those that go to other persons. Compaction leaves marked rows out of what it writes; a mark is forgotten when no file has rows of it.
//!
//! # Invariants
//! - What was committed after a withdrawal is not touched by it, whatever it carries.
//! - Only durable marks take rows out of files: a crash never leaves files that are ahead of the journal position.
//! - A damaged segment does not hold up a withdrawal: its rows cannot be counted, but are marked like the others.

use super::EmbeddedStore;
use super::compact::Compaction;
use super::seen::Since;
use super::state::State;
use super::withdrawn::{Mark, Withdrawn};
use crate::account::Fate;
use crate::commit::{EventRow, EventRows, PersonMode, Withdrawal, WithdrawnTo};
use crate::layout::living::rows_of;
use crate::layout::table::shard_of;
use crate::read::{EventColumn, Part, PropertyColumn};
use crate::seen::Seen;
use crate::segment::Segment;
use crate::segment::part::SegmentPart;
use crate::{CommitError, ReadError};
use aqueduct_event::verdict::DropReason;
use aqueduct_event::{JournalPosition, Minute, PersonId, ProjectId, Tally, TallyKey, UnixMicros, Verdict};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt8Type};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// How often it is looked whether withdrawn rows are due to leave the files.
const LOOK_EVERY_MICROS: u64 = 60_000_000;

/// Events that were received so long before they were erased can no longer be in the journal: nobody has to be told why they have no row.
const TOLD_MICROS: i64 = 24 * 3_600_000_000;

/// What the withdrawals of a commit mean, found out before it is applied.
#[derive(Debug, Default)]
pub(super) struct Withdrawing {
    /// Ids that rows carry, by project.
    ids: Vec<(ProjectId, PersonId, UnixMicros)>,
    /// Erased rows change their verdict.
    pub(super) verdicts: Tally,
    /// Why events that the journal may still hold have no row any more. They say nothing of who it was.
    pub(super) fates: Vec<Fate>,
    /// Arrivals of erased rows that may still be asked for: once the rows have left the files, nothing else tells of them if the index is damaged.
    erased: Vec<Seen>,
    /// Copies of rows that go to other persons.
    pub(super) given: EventRows,
}

impl EmbeddedStore {
    /// Reads the rows that the withdrawals are about.
    pub(super) fn read_withdrawn(&self, withdrawals: &[Withdrawal]) -> Result<Withdrawing, ReadError> {
        let mut found = Withdrawing::default();
        for withdrawal in withdrawals {
            let view = self.snapshot().project(withdrawal.project)?;
            if view.overrides().contains_key(&withdrawal.person) {
                // It was merged into somebody meanwhile, and what carries its id is of that one.
                continue;
            }
            let merged = view.overrides().iter().filter(|(_, to)| **to == withdrawal.person).map(|(from, _)| *from);
            let mut ids: Vec<PersonId> = merged.chain([withdrawal.person]).collect();
            ids.sort_unstable();
            let since = Since { rule: self.seen.rule(), project: withdrawal.project, horizon: self.seen.oldest_kept() };
            for part in view.shards().iter().flatten() {
                // What is not counted now is never counted: a read that went wrong once is no damage yet.
                let taken = match found.take(withdrawal, &**part, &ids, since) {
                    Err(ReadError::Damaged { .. }) => found.take(withdrawal, &**part, &ids, since),
                    taken => taken,
                };
                match taken {
                    Err(error @ ReadError::Damaged { .. }) => {
                        tracing::error!(%error, person = %withdrawal.person, "rows that are withdrawn cannot be read");
                    }
                    taken => taken?,
                }
            }
            found.ids.extend(ids.into_iter().map(|id| (withdrawal.project, id, withdrawal.at)));
        }
        Ok(found)
    }
}

impl Withdrawing {
    /// Takes note of the rows of a part that carry one of `ids`: of all of them, or of none.
    fn take(&mut self, withdrawal: &Withdrawal, part: &dyn Part, ids: &[PersonId], since: Since) -> Result<(), ReadError> {
        let runs = part.person_runs()?;
        let rows: Vec<Range<usize>> = ids.iter().filter_map(|id| rows_of(&runs, id)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        match &withdrawal.to {
            WithdrawnTo::Nowhere => {
                let times = part.column(EventColumn::CreatedAt)?;
                let times = times.as_primitive::<TimestampMicrosecondType>().values();
                let uuids = part.column(EventColumn::Uuid)?;
                // The last that can fail: of a part all is taken or nothing.
                since.arrivals(part, rows.iter().cloned().flatten(), &mut self.erased)?;
                let erased = Verdict::Dropped(DropReason::Erased);
                for row in rows.into_iter().flatten() {
                    let key = |verdict| TallyKey { minute: Minute::of(UnixMicros(times[row])), project: withdrawal.project, verdict };
                    self.verdicts.add(key(Verdict::Visible), -1);
                    self.verdicts.add(key(erased), 1);
                    if withdrawal.at.0.saturating_sub(times[row]) < TOLD_MICROS {
                        self.fates.push(Fate {
                            project: withdrawal.project,
                            uuid: Uuid::from_slice(uuids.as_fixed_size_binary().value(row)).unwrap_or_default(),
                            event: "".into(),
                            distinct_id: "".into(),
                            received_at: UnixMicros(times[row]),
                            position: JournalPosition(0),
                            index: 0,
                            verdict: erased,
                            detail: "".into(),
                        });
                    }
                }
                Ok(())
            }
            WithdrawnTo::Persons(persons) => {
                let person_of = |distinct_id: &str| {
                    let given = persons.iter().find(|(id, _)| **id == *distinct_id);
                    given.map_or(withdrawal.person, |(_, person)| *person)
                };
                copy(withdrawal.project, part, rows.into_iter().flatten(), person_of, &mut self.given)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The arrivals of erased rows, for the manifest.
    pub(super) fn take_erased(&mut self) -> Option<Arc<Vec<Seen>>> {
        (!self.erased.is_empty()).then(|| Arc::new(std::mem::take(&mut self.erased)))
    }

    /// Marks the rows in `state`, whose number is that of the commit.
    pub(super) fn mark(&self, state: &mut State, shards: u16, touched: &mut Vec<ProjectId>) {
        let mut of_commit: BTreeMap<ProjectId, Withdrawn> = BTreeMap::new();
        for (project, id, at) in &self.ids {
            let mark = Mark { before: state.seq, at: *at };
            of_commit.entry(*project).or_default().insert(*id, mark);
            Arc::make_mut(Arc::make_mut(&mut state.withdrawn).entry(*project).or_default()).insert(*id, mark);
        }
        for (project, withdrawn) in of_commit {
            state.active.withdraw(project, &withdrawn, shards);
            touched.push(project);
        }
    }
}

/// Copies rows of a part, each for the person that its distinct id has now.
fn copy(
    project: ProjectId,
    part: &dyn Part,
    rows: impl Iterator<Item = usize>,
    person_of: impl Fn(&str) -> PersonId,
    into: &mut EventRows,
) -> Result<(), ReadError> {
    let times = |column| -> Result<_, ReadError> { Ok(part.column(column)?.as_primitive::<TimestampMicrosecondType>().values().clone()) };
    let (timestamps, created_at, person_created_at) =
        (times(EventColumn::Timestamp)?, times(EventColumn::CreatedAt)?, times(EventColumn::PersonCreatedAt)?);
    let (uuids, modes) = (part.column(EventColumn::Uuid)?, part.column(EventColumn::PersonMode)?);
    let (uuids, modes) = (uuids.as_fixed_size_binary(), modes.as_primitive::<UInt8Type>());
    let (events, distinct_ids) = (part.column(EventColumn::Event)?, part.column(EventColumn::DistinctId)?);
    let (persons, chains) = (part.column(EventColumn::PersonProperties)?, part.column(EventColumn::ElementsChain)?);
    let mut properties: Vec<(String, PropertyColumn)> = Vec::new();
    for key in part.property_keys()? {
        if let Some(column) = part.property(&key)? {
            properties.push((key, column));
        }
    }
    for row in rows {
        let distinct_id = text_at(&distinct_ids, row);
        let event = EventRow {
            project,
            uuid: Uuid::from_slice(uuids.value(row)).unwrap_or_default(),
            event: text_at(&events, row),
            distinct_id,
            person: person_of(distinct_id),
            timestamp: UnixMicros(timestamps[row]),
            created_at: UnixMicros(created_at[row]),
            person_created_at: UnixMicros(person_created_at[row]),
            person_properties: &Arc::from(text_at(&persons, row)),
            person_mode: mode_of(modes.value(row)),
            elements_chain: text_at(&chains, row),
        };
        into.push(&event, properties.iter().filter_map(|(key, column)| Some((key.as_str(), column.value(row)?))));
    }
    Ok(())
}

fn mode_of(number: u8) -> PersonMode {
    [PersonMode::Propertyless, PersonMode::ForceUpgrade].into_iter().find(|mode| *mode as u8 == number).unwrap_or(PersonMode::Full)
}

fn text_at(column: &ArrayRef, row: usize) -> &str {
    let texts = column.as_dictionary::<Int32Type>();
    match texts.key(row) {
        Some(key) => texts.values().as_string::<i32>().value(key),
        None => "",
    }
}

impl EmbeddedStore {
    /// Forgets durable marks that no file needs any more, and finds a segment whose withdrawn rows are due to leave it.
    pub(super) fn tend_withdrawn(&self, compaction: &mut Compaction) -> Result<(), CommitError> {
        let state = self.state.load_full();
        if state.base.withdrawn.values().all(|withdrawn| withdrawn.is_empty()) {
            return Ok(());
        }
        let now = self.clock.now();
        let rests = |looked: UnixMicros| now.0.abs_diff(looked.0) < LOOK_EVERY_MICROS.min(self.config.erase_after_ms.saturating_mul(1000));
        if compaction.looked_for_withdrawn.is_some_and(rests) && !self.withdrawn_to_check.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        compaction.looked_for_withdrawn = Some(now);
        let mut unneeded = Vec::new();
        for (project, withdrawn) in state.base.withdrawn.iter() {
            let mut gone = Vec::new();
            for (person, mark) in withdrawn.marks() {
                match self.holder_of(&state, *project, *person, *mark)? {
                    None => gone.push((*person, *mark)),
                    Some(segment) if now.0.saturating_sub(mark.at.0) >= self.erase_after_micros() => compaction.rewrite = Some(segment),
                    Some(_) => {}
                }
            }
            unneeded.push((*project, gone));
        }
        let _writer = self.writer.lock();
        let mut next = State::clone(&self.state.load());
        // Rows on their way into a segment, or a segment that came meanwhile, may need them.
        if next.frozen.is_none() && Arc::ptr_eq(&next.base, &state.base) {
            for (project, gone) in unneeded.iter().filter(|(_, gone)| !gone.is_empty()) {
                if let Some(of_project) = Arc::make_mut(&mut next.withdrawn).get_mut(project) {
                    Arc::make_mut(of_project).forget(gone);
                }
            }
            self.state.store(Arc::new(next));
        }
        Ok(())
    }

    fn erase_after_micros(&self) -> i64 {
        i64::try_from(self.config.erase_after_ms.saturating_mul(1000)).unwrap_or(i64::MAX)
    }

    /// A segment with rows that a mark means.
    fn holder_of(&self, state: &State, project: ProjectId, person: PersonId, mark: Mark) -> Result<Option<u64>, ReadError> {
        let shard = shard_of(person.as_u128(), self.shards);
        for segment in &state.base.segments {
            let ranges = segment.descriptor.ranges.iter().enumerate();
            let mut places = ranges.filter(|(_, range)| (range.shard, range.project) == (shard, project) && range.seq < mark.before);
            if let Some((place, _)) = places.next()
                && self.holds(segment, place, &person)?
            {
                return Ok(Some(segment.descriptor.id));
            }
        }
        Ok(None)
    }

    /// Nothing is forgotten because of damage: a damaged segment may hold anybody.
    fn holds(&self, segment: &Arc<Segment>, place: usize, person: &PersonId) -> Result<bool, ReadError> {
        let look = || {
            Ok(segment.may_hold(person.as_bytes())?
                && SegmentPart::new(segment, &self.cache, place).person_runs()?.persons.binary_search(person).is_ok())
        };
        match look() {
            Err(ReadError::Damaged { .. }) => Ok(true),
            answer => answer,
        }
    }
}
