//! The account of a period, as people and programs read it.

use super::balance::{Health, is_replaying, settle};
use super::book::{Book, BookError, bucket, spread};
use super::{Counts, Fates, Line};
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{Minute, ProjectId, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// How long a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interval {
    /// A minute; an hour where only hours are kept.
    #[default]
    Minute,
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl Interval {
    fn start(self, minute: Minute) -> Minute {
        let minutes = match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        };
        Minute(minute.0 - minute.0 % minutes)
    }
}

/// Figures of one project and period: `received = visible + in_flight + duplicate + refused + dropped + dead_lettered + residue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Events that came in, but for those of requests that could not be read.
    pub received: i64,
    /// Events that the journal took.
    pub accepted: i64,
    /// Events that are stored.
    pub visible: i64,
    /// Events that the journal took and that have no fate yet.
    pub in_flight: i64,
    /// Events that were stored before.
    pub duplicate: i64,
    /// Events whose sender was told no, by reason.
    pub refused: BTreeMap<&'static str, i64>,
    /// Events that a rule keeps out, by rule.
    pub dropped: BTreeMap<&'static str, i64>,
    /// Events that could not be processed, by reason.
    pub dead_lettered: BTreeMap<&'static str, i64>,
    /// Events without a fate; anything but 0 is a fault.
    pub residue: i64,
    /// Refused requests whose body could not be read to its end, so that its events could not be counted, by reason. They are in no sum.
    pub unreadable_requests: BTreeMap<&'static str, i64>,
    /// Requests that were refused by their heads alone, by reason: nobody looked what they held. They are in no sum.
    pub unread_requests: BTreeMap<&'static str, i64>,
    /// Bytes of the bodies of these, as announced.
    pub unread_bytes: BTreeMap<&'static str, i64>,
    /// Of 100 accepted events so many are lost: those without a fate, and dead letters whose payload found no room.
    pub data_loss_percent: f64,
}

impl Figures {
    fn add(&mut self, line: Line, count: i64) {
        match line {
            Line::Accepted => {
                self.accepted += count;
                self.received += count;
            }
            Line::Unreadable(refusal) => *self.unreadable_requests.entry(refusal.code()).or_default() += count,
            Line::Unread(refusal) => *self.unread_requests.entry(refusal.code()).or_default() += count,
            Line::UnreadBytes(refusal) => *self.unread_bytes.entry(refusal.code()).or_default() += count,
            Line::Ended(verdict) => {
                self.received += count;
                self.fate(verdict, count);
            }
        }
    }

    fn fate(&mut self, verdict: Verdict, count: i64) {
        match verdict {
            Verdict::Visible => self.visible += count,
            Verdict::Duplicate => self.duplicate += count,
            Verdict::Refused(reason) => *self.refused.entry(reason.code()).or_default() += count,
            Verdict::Dropped(reason) => *self.dropped.entry(reason.code()).or_default() += count,
            Verdict::DeadLettered(reason) => *self.dead_lettered.entry(reason.code()).or_default() += count,
        }
    }

    fn finish(&mut self) {
        let without_room = self.dead_lettered.get(DeadReason::NoRoom.code()).copied().unwrap_or_default();
        let lost = self.residue.abs() + without_room;
        self.data_loss_percent = if self.accepted > 0 { lost as f64 * 100.0 / self.accepted as f64 } else { 0.0 };
    }

    /// Adds the figures of another period or project.
    pub fn absorb(&mut self, other: &Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.visible += other.visible;
        self.in_flight += other.in_flight;
        self.duplicate += other.duplicate;
        self.residue += other.residue;
        let maps = [
            (&mut self.refused, &other.refused),
            (&mut self.dropped, &other.dropped),
            (&mut self.dead_lettered, &other.dead_lettered),
            (&mut self.unreadable_requests, &other.unreadable_requests),
            (&mut self.unread_requests, &other.unread_requests),
            (&mut self.unread_bytes, &other.unread_bytes),
        ];
        for (into, from) in maps {
            for (reason, count) in from {
                *into.entry(reason).or_default() += count;
            }
        }
        self.finish();
    }
}

/// One project in one period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// When the period begins, RFC 3339.
    pub start: String,
    /// The project; 0 stands for events of no project.
    pub project: ProjectId,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The account of a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How the account of all projects stands.
    pub health: Health,
    /// The period's figures together.
    pub total: Figures,
    /// Each project of each interval, in this order: time, project.
    pub rows: Vec<Row>,
    /// Bytes of all dead letters.
    pub dead_letters_bytes: u64,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) minutes: RangeInclusive<Minute>,
    pub(super) interval: Interval,
    pub(super) project: Option<ProjectId>,
}

type Cells = BTreeMap<Minute, BTreeMap<ProjectId, Figures>>;

pub(super) fn report(counts: &Counts, book: &mut Book, asked: Asked, fates: &Fates) -> Result<Report, BookError> {
    let mut cells = Cells::new();
    // By the minute first: what is settled is settled within a minute.
    let hours_before = counts.hours_before.max(fates.hours_before);
    let at = |minute: Minute| bucket(minute, hours_before);
    let wanted = |minute: Minute| asked.minutes.contains(&minute);
    let fresh = counts.fresh.iter().map(|(key, count)| (*key, *count));
    for ((minute, project, line), count) in book.rows(spread(&asked.minutes, hours_before))?.into_iter().chain(fresh) {
        if wanted(at(minute)) {
            cells.entry(at(minute)).or_default().entry(project).or_default().add(line, count);
        }
    }
    for ahead in counts.ahead.iter().filter(|ahead| wanted(at(ahead.minute)) && ahead.events > 0) {
        let figures = cells.entry(at(ahead.minute)).or_default().entry(ahead.project).or_default();
        figures.add(Line::Accepted, i64::from(ahead.events));
        figures.in_flight += i64::from(ahead.events);
    }
    let mut of_store: BTreeMap<(Minute, ProjectId), i64> = BTreeMap::new();
    for (key, events) in fates.rows.iter().filter(|(key, _)| wanted(at(key.minute))) {
        *of_store.entry((at(key.minute), key.project)).or_default() += events;
        cells.entry(at(key.minute)).or_default().entry(key.project).or_default().fate(key.verdict, *events);
    }
    let replaying = is_replaying(counts, fates);
    for (minute, projects) in &mut cells {
        let of_store = |project: &ProjectId| of_store.get(&(*minute, *project)).copied().unwrap_or_default();
        let mut sides = projects.iter().map(|(project, cell)| (*project, (cell.accepted - cell.in_flight, of_store(project)))).collect();
        let moved = settle(&mut sides);
        for (project, cell) in projects.iter_mut() {
            let moved = moved.get(project).copied().unwrap_or_default();
            cell.accepted += moved;
            cell.received += moved;
            let open = cell.accepted - cell.in_flight - of_store(project);
            // Until the store stands where the account was saved, what has no fate yet is still in the journal.
            if replaying { cell.in_flight += open } else { cell.residue = open }
        }
    }
    Ok(written(cells, counts, &asked, fates))
}

fn written(cells: Cells, counts: &Counts, asked: &Asked, fates: &Fates) -> Report {
    let mut intervals = Cells::new();
    let mut total = Figures::default();
    for (minute, projects) in cells {
        for (project, figures) in projects.into_iter().filter(|(project, _)| asked.project.is_none_or(|asked| asked == *project)) {
            total.absorb(&figures);
            intervals.entry(asked.interval.start(minute)).or_default().entry(project).or_default().absorb(&figures);
        }
    }
    let rows = intervals.into_iter().flat_map(|(minute, projects)| {
        projects.into_iter().map(move |(project, figures)| Row { start: minute.start().to_rfc3339(), project, figures })
    });
    Report { health: counts.health.clone(), total, rows: rows.collect(), dead_letters_bytes: fates.letter_bytes }
}
