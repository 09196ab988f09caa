//! The account against a little store of its own.

use super::*;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{RawBatch, RawEvent, UnixMicros};
use redb::backends::FileBackend;
use std::fs::File;
use std::path::Path;

const LOCAL: PartitionId = PartitionId(0);
const ALL: RangeInclusive<Minute> = Minute(0)..=Minute(u32::MAX);
/// An hour's first minute: 22:00 of some day.
const TEN: u32 = 28_333_320;

/// Knows the tokens `1`, `2` and so on; `late` only from some time on.
#[derive(Debug, Default)]
struct Numbers {
    late: std::sync::atomic::AtomicBool,
}

impl Tokens for Numbers {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        if token == "late" {
            return self.late.load(std::sync::atomic::Ordering::SeqCst).then_some(ProjectId(9));
        }
        token.parse().ok().map(ProjectId)
    }
}

fn open(path: &Path) -> Account {
    let path = path.to_owned();
    let open = move || {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let backend: Box<dyn StorageBackend> = Box::new(FileBackend::new(file).map_err(std::io::Error::other)?);
        Ok(backend)
    };
    Account::open(Box::new(open), Arc::new(Numbers::default())).expect("opens")
}

use redb::StorageBackend;

fn record(token: &str, minute: u32, events: usize) -> Vec<u8> {
    let event = RawEvent {
        uuid: uuid::Uuid::nil(),
        timestamp: UnixMicros(0),
        event: "e",
        distinct_id: "d",
        cookieless: false,
        properties: "",
        set: "",
        set_once: "",
        unset: "",
    };
    let received_at = Minute(minute).start();
    RawBatch {
        token,
        received_at,
        sent_at: None,
        historical: false,
        client_ip: "",
        user_agent: "",
        path: "/e",
        events: vec![event; events],
    }
    .encode()
}

/// A journal and what a store would say of it: every event gets the verdict that stands beside its record.
#[derive(Default)]
struct Journal(Vec<(Vec<u8>, u32, Minute, Verdict, i64)>);

impl Journal {
    fn push(&mut self, token: &str, project: u32, minute: u32, events: usize, verdict: Verdict) {
        self.0.push((record(token, minute, events), project, Minute(minute), verdict, events as i64));
    }

    /// Tells the account of the records from `from` on.
    fn tell(&self, account: &Account, from: u64) {
        for (position, (payload, ..)) in (0..).zip(&self.0).skip(usize::try_from(from).expect("small")) {
            account.record(LOCAL, JournalPosition(position), payload);
        }
        account.read_to(LOCAL, JournalPosition(self.0.len() as u64));
    }

    fn fates(&self, upto: u64) -> Fates {
        let mut fates = Fates { cut: [(LOCAL, JournalPosition(upto))].into(), ..Fates::default() };
        for (_, project, minute, verdict, events) in self.0.iter().take(usize::try_from(upto).expect("small")) {
            *fates.totals.entry((ProjectId(*project), *verdict)).or_default() += events;
            fates.rows.push((TallyKey { minute: *minute, project: ProjectId(*project), verdict: *verdict }, *events));
        }
        fates
    }
}

fn journal() -> Journal {
    let mut journal = Journal::default();
    journal.push("1", 1, TEN, 3, Verdict::Visible);
    journal.push("2", 2, TEN, 2, Verdict::Duplicate);
    journal.push("1", 1, TEN + 1, 1, Verdict::Dropped(DropReason::TooOld));
    journal.push("nobody", 0, TEN + 1, 4, Verdict::Dropped(DropReason::UnknownToken));
    journal.push("1", 1, TEN + 2, 5, Verdict::DeadLettered(DeadReason::Panicked));
    journal
}

fn told(report: &Report) -> String {
    let rows = report.rows.iter().map(|row| {
        let figures = &row.figures;
        let ended: i64 = figures.refused.values().chain(figures.dropped.values()).chain(figures.dead_lettered.values()).sum();
        assert_eq!(figures.received, figures.visible + figures.in_flight + figures.duplicate + ended + figures.residue, "{row:?}");
        let minute = &row.start[11..16];
        let (received, visible, flying, residue) = (figures.received, figures.visible, figures.in_flight, figures.residue);
        format!("{minute} {}: {received} = {visible} visible + {flying} flying + {} + {ended} + {residue}", row.project, figures.duplicate)
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_payload_that_is_lost_is_an_alarm_until_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = journal();
    let told = |account: &Account, journal: &Journal, cut| {
        let health = account.balance(&journal.fates(cut));
        (health.state, health.residue, health.payloads_lost)
    };
    let account = open(&dir.path().join("account"));
    journal.push("1", 1, TEN + 3, 2, Verdict::DeadLettered(DeadReason::NoRoom));
    journal.tell(&account, 0);
    assert_eq!(told(&account, &journal, 6), (State::Balanced, 0, 2), "what was lost before is told, and no alarm");
    journal.push("1", 1, TEN + 4, 1, Verdict::DeadLettered(DeadReason::NoRoom));
    journal.tell(&account, 6);
    assert_eq!(told(&account, &journal, 7), (State::Alarm, 0, 3));
    assert_eq!(told(&account, &journal, 7), (State::Alarm, 0, 3));
    account.save().expect("saves");
    drop(account);
    assert_eq!(told(&open(&dir.path().join("account")), &journal, 7), (State::Balanced, 0, 3));
}

#[test]
fn a_moving_stream_balances_at_every_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let account = open(&dir.path().join("account"));
    let journal = journal();
    journal.tell(&account, 0);
    for cut in 0..=5 {
        let fates = journal.fates(cut);
        let health = account.balance(&fates);
        assert_eq!((health.state, health.residue), (State::Balanced, 0), "{cut}: {health:?}");
        let report = account.report(ALL, Interval::Minute, None, &fates).expect("a report");
        told(&report);
        assert_eq!((report.total.received, report.total.residue), (15, 0));
    }
    let report = account.report(ALL, Interval::Hour, Some(ProjectId(1)), &journal.fates(3)).expect("a report");
    assert_eq!(told(&report).lines().count(), 1);
    assert_eq!((report.total.received, report.total.data_loss_percent), (9, 0.0));
}

#[test]
fn a_lost_event_alarms_and_so_does_one_counted_twice() {
    for (events, residue) in [(2, 1), (4, -1)] {
        let dir = tempfile::tempdir().expect("a directory");
        let account = open(&dir.path().join("account"));
        let mut journal = journal();
        journal.tell(&account, 0);
        journal.0[0].4 = events;
        let fates = journal.fates(5);
        let health = account.balance(&fates);
        assert_eq!((health.state, health.residue), (State::Alarm, residue));
        assert_eq!(health.alarms[0], Alarm { project: ProjectId(1), minute: None, accepted: 9, fates: 9 - residue });
        let report = account.report(ALL, Interval::Minute, Some(ProjectId(1)), &fates).expect("a report");
        assert_eq!((report.total.residue, report.rows[0].figures.residue), (residue, residue));
        assert!(report.total.data_loss_percent > 11.0);
    }
}

#[test]
fn what_moves_between_projects_or_minutes_alarms() {
    for (project, minute) in [(2, TEN), (1, TEN + 1)] {
        let dir = tempfile::tempdir().expect("a directory");
        let account = open(&dir.path().join("account"));
        let mut journal = journal();
        journal.tell(&account, 0);
        (journal.0[0].1, journal.0[0].2) = (project, Minute(minute));
        assert_eq!(account.balance(&journal.fates(5)).state, State::Alarm, "{project} {minute}");
    }
}

#[test]
fn a_crash_counts_nothing_twice_and_misses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("account");
    let journal = journal();
    let account = open(&path);
    assert_eq!(account.position(LOCAL), None);
    journal.tell(&account, 0);
    account.balance(&journal.fates(2));
    account.save().expect("saved");
    assert_eq!(account.durable(LOCAL), JournalPosition(2));
    // Counted, and never saved.
    account.balance(&journal.fates(4));
    drop(account);
    let account = open(&path);
    let from = account.position(LOCAL).expect("known");
    assert_eq!(from, JournalPosition(2));
    journal.tell(&account, from.0);
    // The store came back from further behind: nothing can be compared yet, and nothing alarms.
    let health = account.balance(&journal.fates(1));
    assert_eq!(health.state, State::Replaying);
    let report = account.report(ALL, Interval::Minute, None, &journal.fates(1)).expect("a report");
    assert_eq!((report.total.received, report.total.residue, report.total.in_flight), (15, 0, 12), "{}", told(&report));
    assert_eq!(account.position(LOCAL), Some(JournalPosition(2)), "the cut does not go back");
    for cut in 2..=5 {
        let health = account.balance(&journal.fates(cut));
        assert_eq!((health.state, health.residue), (State::Balanced, 0), "{cut}: {health:?}");
    }
    account.save().expect("saved");
    account.save().expect("nothing to do");
    drop(account);
    let report = open(&path).report(ALL, Interval::Day, None, &journal.fates(5)).expect("a report");
    assert_eq!((report.total.received, report.total.residue), (15, 0));
}

#[test]
fn a_token_that_becomes_known_is_settled() {
    let dir = tempfile::tempdir().expect("a directory");
    let account = open(&dir.path().join("account"));
    let mut journal = Journal::default();
    // The account looked before the project was made, processing after.
    journal.push("late", 9, TEN, 2, Verdict::Visible);
    journal.push("nobody", 0, TEN, 1, Verdict::Dropped(DropReason::UnknownToken));
    journal.tell(&account, 0);
    let fates = journal.fates(2);
    assert_eq!(account.balance(&fates).state, State::Balanced);
    let report = account.report(ALL, Interval::Minute, None, &fates).expect("a report");
    assert_eq!(told(&report), "22:00 0: 1 = 0 visible + 0 flying + 0 + 1 + 0\n22:00 9: 2 = 2 visible + 0 flying + 0 + 0 + 0");
}

#[test]
fn refusals_are_received_and_ended_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let account = open(&dir.path().join("account"));
    let received_at = Minute(TEN).start();
    let verdict = Verdict::Refused(Refusal::EventTooLarge);
    account.refused(&Refused { token: "1", received_at, verdict, content: Content::Events(3) });
    account.refused(&Refused { token: "", received_at, verdict: Verdict::Refused(Refusal::Unparsable), content: Content::Unreadable });
    account.refused(&Refused {
        token: "1",
        received_at,
        verdict: Verdict::Dropped(DropReason::PerformanceEvent),
        content: Content::Events(2),
    });
    let overloaded = Verdict::Refused(Refusal::Overloaded);
    for content in [Content::Unread { bytes: 700 }, Content::Unread { bytes: 0 }, Content::Unread { bytes: 41 }, Content::Events(4)] {
        account.refused(&Refused { token: "1", received_at, verdict: overloaded, content });
    }
    assert_eq!(account.balance(&Fates::default()).state, State::Balanced);
    account.save().expect("saved");
    drop(account);
    let account = open(&dir.path().join("account"));
    let report = account.report(ALL, Interval::Minute, None, &Fates::default()).expect("a report");
    assert_eq!(told(&report), "22:00 0: 0 = 0 visible + 0 flying + 0 + 0 + 0\n22:00 1: 9 = 0 visible + 0 flying + 0 + 9 + 0");
    assert_eq!((&report.total.unread_requests, &report.total.unread_bytes), (&[("overloaded", 3)].into(), &[("overloaded", 741)].into()));
    assert_eq!(report.total.refused["overloaded"], 4);
    assert_eq!(report.total.unreadable_requests, [("unparsable", 1)].into());
    assert_eq!((report.total.refused["event_too_large"], report.total.dropped["performance_event"]), (3, 2));
}

#[test]
fn what_was_acknowledged_must_be_in_the_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let account = open(&dir.path().join("account"));
    let journal = journal();
    account.acknowledged(LOCAL, JournalPosition(0), 3);
    journal.tell(&account, 0);
    account.acknowledged(LOCAL, JournalPosition(1), 2);
    assert_eq!(account.balance(&journal.fates(5)).state, State::Balanced);
    // Told of a record that never came, and of more events than a record has.
    account.acknowledged(LOCAL, JournalPosition(5), 7);
    account.read_to(LOCAL, JournalPosition(6));
    let health = account.balance(&journal.fates(5));
    assert_eq!((health.state, health.missing), (State::Alarm, 7));
}

#[test]
fn old_minutes_become_hours_and_still_balance() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("account");
    let account = open(&path);
    let journal = journal();
    journal.tell(&account, 0);
    account.balance(&journal.fates(5));
    account.save().expect("saved");
    let mut fates = journal.fates(5);
    fates.hours_before = Minute(TEN + 60);
    fates.rows.iter_mut().for_each(|(key, _)| key.minute = Minute(TEN));
    account.balance(&fates);
    account.record(LOCAL, JournalPosition(5), &record("1", TEN, 0));
    fates.cut.insert(LOCAL, JournalPosition(6));
    assert_eq!(account.balance(&fates).state, State::Balanced);
    account.save().expect("saved");
    drop(account);
    let report = open(&path).report(ALL, Interval::Minute, None, &fates).expect("a report");
    assert_eq!((report.rows.len(), report.total.received, report.total.residue), (3, 15, 0), "{}", told(&report));
}

#[test]
fn an_account_whose_records_are_gone_takes_the_stores_word() {
    let dir = tempfile::tempdir().expect("a directory");
    let account = open(&dir.path().join("account"));
    let journal = journal();
    account.adopt(&journal.fates(3)).expect("adopted");
    assert_eq!(account.position(LOCAL), Some(JournalPosition(3)));
    assert_eq!(account.balance(&journal.fates(3)).state, State::Balanced);
    journal.tell(&account, 3);
    assert_eq!(account.balance(&journal.fates(5)).state, State::Balanced);
    let report = account.report(ALL, Interval::Minute, None, &journal.fates(5)).expect("a report");
    assert_eq!((report.total.received, report.total.residue), (15, 0));
}

/// A file whose `nth` next sync fails, as far as its writer hears; what was written can be read all the same.
#[derive(Debug)]
struct Unsure(FileBackend, Arc<std::sync::atomic::AtomicI64>);

impl StorageBackend for Unsure {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        match self.1.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) {
            1 => Err(std::io::Error::other("no answer of the disk")),
            _ => self.0.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

#[test]
fn a_save_whose_outcome_is_unknown_is_not_made_twice() {
    let mut failures = 0;
    // The second and the third sync from here on may fail, too: the first one is met while the file is opened again.
    for (nth, again) in (1..6).flat_map(|nth| (1..6).map(move |again| (nth, again))) {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, syncs) = (dir.path().join("account"), Arc::new(std::sync::atomic::AtomicI64::new(0)));
        let open = |syncs: &Arc<std::sync::atomic::AtomicI64>| {
            let (path, syncs) = (path.clone(), Arc::clone(syncs));
            let open = move || -> std::io::Result<Box<dyn StorageBackend>> {
                let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
                Ok(Box::new(Unsure(FileBackend::new(file).map_err(std::io::Error::other)?, Arc::clone(&syncs))))
            };
            Account::open(Box::new(open), Arc::new(Numbers::default())).expect("opens")
        };
        let account = open(&syncs);
        let refuse = |events| {
            let verdict = Verdict::Refused(Refusal::EventTooLarge);
            account.refused(&Refused { token: "1", received_at: Minute(TEN).start(), verdict, content: Content::Events(events) });
        };
        for (events, nth) in [(1, 0), (2, nth), (4, again)] {
            refuse(events);
            syncs.store(nth, std::sync::atomic::Ordering::SeqCst);
            failures += u32::from(account.save().is_err());
        }
        syncs.store(0, std::sync::atomic::Ordering::SeqCst);
        refuse(8);
        account.save().expect("saved");
        let refused = |account: &Account| {
            let report = account.report(ALL, Interval::Minute, None, &Fates::default()).expect("a report");
            report.total.refused["event_too_large"]
        };
        assert_eq!(refused(&account), 15, "{nth} {again}");
        drop(account);
        assert_eq!(refused(&open(&syncs)), 15, "{nth} {again}, opened again");
    }
    assert!(failures > 10, "{failures}");
}
