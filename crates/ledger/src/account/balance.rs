//! The comparison: by project over all time, and by project and minute for the last hours.

use super::book::{Book, bucket, spread};
use super::{Counts, Fates, Line};
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{Minute, ProjectId, UnixMicros, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// Alarms that are kept in words; all of them count.
const ALARMS_MAX: usize = 20;

/// Whether the account is sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No comparison was made yet.
    #[default]
    Unknown,
    /// After a start: records that were counted before are processed again, and until then nothing can be compared.
    Replaying,
    /// Every event has one fate.
    Balanced,
    /// It does not add up.
    Alarm,
}

/// What does not add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The project.
    pub project: ProjectId,
    /// The minute of receipt; `None` for all time.
    pub minute: Option<Minute>,
    /// Events that were accepted.
    pub accepted: i64,
    /// Events that have a fate.
    pub fates: i64,
}

/// How the account stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// In a word.
    pub state: State,
    /// Events of all projects without a fate, or (below 0) with more than one.
    pub residue: i64,
    /// Events that a sender was told of and that the journal does not have.
    pub missing: u64,
    /// Events of dead letters that found no room, of all time: what was in them is lost. One more than at the start is an alarm.
    pub payloads_lost: i64,
    /// What does not add up.
    pub alarms: Vec<Alarm>,
}

/// Events by project: accepted, and with a fate.
type Sides = BTreeMap<ProjectId, (i64, i64)>;

/// Moves events between project 0 and the others where a token became known, or unknown, between receipt and processing. Answers by how many events each
/// project's accepted side grew.
pub(super) fn settle(sides: &mut Sides) -> BTreeMap<ProjectId, i64> {
    let nobody = ProjectId(0);
    let mut moved = BTreeMap::new();
    let (accepted, fates) = sides.get(&nobody).copied().unwrap_or_default();
    let mut open = accepted - fates;
    for (project, (accepted, fates)) in sides.iter_mut().filter(|(project, _)| **project != nobody) {
        let residue = *accepted - *fates;
        if residue.signum() * open.signum() < 0 {
            let events = residue.abs().min(open.abs()) * open.signum();
            *accepted += events;
            open -= events;
            moved.insert(*project, events);
        }
    }
    let events: i64 = moved.values().sum();
    if events != 0 {
        sides.entry(nobody).or_default().0 -= events;
        moved.insert(nobody, -events);
    }
    moved
}

/// Whether the store has come to where the account was saved.
pub(super) fn is_replaying(counts: &Counts, fates: &Fates) -> bool {
    counts.cut.iter().any(|(partition, cut)| fates.cut.get(partition).copied().unwrap_or_default() < *cut)
}

pub(super) fn check(counts: &Counts, fates: &Fates, book: &mut Book) -> Health {
    if is_replaying(counts, fates) {
        return Health { state: State::Replaying, missing: counts.missing, ..Health::default() };
    }
    let mut sides = Sides::new();
    for ((project, line), events) in &counts.totals {
        if *line == Line::Accepted {
            sides.entry(*project).or_default().0 += events;
        }
    }
    for ((project, _), events) in &fates.totals {
        sides.entry(*project).or_default().1 += events;
    }
    settle(&mut sides);
    let without_room = fates.totals.iter().filter(|((_, verdict), _)| *verdict == Verdict::DeadLettered(DeadReason::NoRoom));
    let payloads_lost = without_room.map(|(_, events)| events).sum();
    let mut health = Health { state: State::Balanced, missing: counts.missing, payloads_lost, ..Health::default() };
    for (project, (accepted, fates)) in sides {
        health.residue += accepted - fates;
        health.alarm(project, None, accepted, fates);
    }
    for (minute, mut sides) in by_minute(counts, fates, book) {
        settle(&mut sides);
        for (project, (accepted, fates)) in sides {
            health.alarm(project, Some(minute), accepted, fates);
        }
    }
    if health.missing > 0 || counts.payloads_lost_before.is_some_and(|before| payloads_lost > before) {
        health.state = State::Alarm;
    }
    health
}

impl Health {
    fn alarm(&mut self, project: ProjectId, minute: Option<Minute>, accepted: i64, fates: i64) {
        if accepted != fates {
            self.state = State::Alarm;
            if self.alarms.len() < ALARMS_MAX {
                self.alarms.push(Alarm { project, minute, accepted, fates });
            }
        }
    }
}

/// Both sides of the minutes that `fates` has rows of, and of those that changed lately.
fn by_minute(counts: &Counts, fates: &Fates, book: &mut Book) -> BTreeMap<Minute, Sides> {
    let hours_before = counts.hours_before;
    let mut minutes: BTreeMap<Minute, Sides> = BTreeMap::new();
    for (key, events) in &fates.rows {
        minutes.entry(bucket(key.minute, hours_before)).or_default().entry(key.project).or_default().1 += events;
    }
    let Some((first, last)) = minutes.keys().next().copied().zip(minutes.keys().next_back().copied()) else {
        return minutes;
    };
    // A book that cannot be read now is told of by its save; the totals are compared all the same.
    let Ok(saved) = book.rows(spread(&(first..=last), hours_before)) else { return BTreeMap::new() };
    let fresh = counts.fresh.iter().map(|(key, count)| (*key, *count));
    for ((minute, project, line), count) in saved.into_iter().chain(fresh) {
        let minute = bucket(minute, hours_before);
        if line == Line::Accepted
            && let Some(sides) = minutes.get_mut(&minute)
        {
            sides.entry(project).or_default().0 += count;
        }
    }
    minutes
}

/// Says aloud what changed.
pub(super) fn tell(before: &Health, now: &Health) {
    if now.state == State::Alarm && before != now {
        for alarm in &now.alarms {
            let minute = alarm.minute.map_or("all time".to_owned(), |minute| UnixMicros::to_rfc3339(minute.start()));
            let (accepted, fates, residue) = (alarm.accepted, alarm.fates, alarm.accepted - alarm.fates);
            tracing::error!(project = alarm.project.0, minute, accepted, fates, residue, "the ledger does not balance");
        }
        if now.missing > before.missing {
            tracing::error!(events = now.missing, "events were acknowledged that the journal does not have");
        }
    }
    if now.payloads_lost > before.payloads_lost && before.state != State::Unknown {
        let events = now.payloads_lost - before.payloads_lost;
        tracing::error!(events, "dead letters found no room, what was in them is lost");
    }
    if before.state == State::Alarm && now.state == State::Balanced {
        tracing::info!("the ledger balances again");
    }
}
