//! The books balance: a journal, processing and a store that crash and come back, at every cut.

use crate::world::{Notes, Tokens};
use aqueduct_event::{JournalPosition, ManualClock, Minute, PartitionId, ProjectId, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::{Journal, MemoryJournal};
use aqueduct_ledger::account::{Interval, Ledger, State};
use aqueduct_ledger::{Account, Edge};
use aqueduct_process::{Books, BooksArgs, Pipeline, PipelineArgs, ProcessConfig};
use aqueduct_store::{Accounts, EmbeddedStore, Store, StoreConfig};
use proptest::prelude::*;
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

const LOCAL: PartitionId = PartitionId(0);
const NOW: i64 = 1_700_000_000_000_000;

#[derive(Debug)]
struct Known;

impl aqueduct_ledger::Tokens for Known {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        aqueduct_process::Projects::project_by_token(&Tokens, token).map(|facts| facts.id)
    }
}

/// Everything that a crash takes away. The journal stays.
struct World {
    books: Books,
    account: Arc<Account>,
    store: Arc<EmbeddedStore>,
    pipeline: Pipeline,
}

fn open(dir: &Path, journal: &MemoryJournal) -> World {
    let clock = Arc::new(ManualClock::new(UnixMicros(NOW)));
    let path = dir.join("account");
    let open = move || {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let backend: Box<dyn StorageBackend> = Box::new(FileBackend::new(file).map_err(std::io::Error::other)?);
        Ok(backend)
    };
    let account = Arc::new(Account::open(Box::new(open), Arc::new(Known)).expect("opens"));
    let config = StoreConfig { dir: dir.join("store"), background: false, ..StoreConfig::default() };
    let store = Arc::new(EmbeddedStore::open(config, Arc::<ManualClock>::clone(&clock)).expect("opens"));
    let journal: Arc<dyn Journal> = Arc::new(journal.clone());
    let args = BooksArgs {
        journal: Arc::clone(&journal),
        accounts: Arc::<EmbeddedStore>::clone(&store),
        account: Arc::clone(&account),
        clock: Arc::<ManualClock>::clone(&clock),
    };
    let books = Books::open(args).expect("opens");
    let args = PipelineArgs {
        journal,
        store: Arc::<EmbeddedStore>::clone(&store),
        projects: Arc::new(Tokens),
        observer: Arc::new(Notes::default()),
        clock,
        partition: LOCAL,
        config: ProcessConfig::default(),
    };
    let pipeline = Pipeline::open(args).expect("opens").accounted_by(Arc::clone(&account));
    World { books, account, store, pipeline }
}

fn append(journal: &MemoryJournal, account: &Account, runtime: &tokio::runtime::Runtime, token: &str, minute: i64, kinds: &[usize]) {
    const PROPERTIES: [&str; 3] = ["{}", "{\"a\":", r#"{"$cookieless_mode":true}"#];
    let events = kinds.iter().map(|kind| RawEvent {
        uuid: Uuid::from_u128(*kind as u128 % 5),
        timestamp: UnixMicros(NOW),
        event: "e",
        distinct_id: "ann",
        cookieless: false,
        properties: PROPERTIES[kind % 3],
        set: "",
        set_once: "",
        unset: "",
    });
    let batch = RawBatch {
        token,
        received_at: UnixMicros(NOW + minute * 60_000_000),
        sent_at: None,
        historical: false,
        client_ip: "",
        user_agent: "",
        path: "/e",
        events: events.collect(),
    };
    let receipt = runtime.block_on(journal.append(0, batch.encode().into())).expect("appended");
    account.acknowledged(receipt.partition, receipt.position, kinds.len() as u32);
}

#[derive(Clone, Debug)]
enum Step {
    Append { token: &'static str, minute: i64, kinds: Vec<usize> },
    Process,
    Flush,
    Keep,
    Save,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let token = prop_oneof![3 => Just("plain"), 1 => Just("careful"), 1 => Just("nobody")];
    let append = (token, -3..1_i64, proptest::collection::vec(0..12_usize, 1..5));
    prop_oneof![
        4 => append.prop_map(|(token, minute, kinds)| Step::Append { token, minute, kinds }),
        3 => Just(Step::Process),
        1 => Just(Step::Flush),
        2 => Just(Step::Keep),
        1 => Just(Step::Save),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_books_balance_whatever_crashes(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let journal = MemoryJournal::new();
        let mut world = open(dir.path(), &journal);
        let mut received = 0;
        for step in steps.iter().chain(&[Step::Process, Step::Process, Step::Process, Step::Keep]) {
            match step {
                Step::Append { token, minute, kinds } => {
                    append(&journal, &world.account, &runtime, token, *minute, kinds);
                    received += kinds.len() as i64;
                }
                Step::Process => drop(world.pipeline.step().expect("processed")),
                Step::Flush => world.store.flush().expect("flushed"),
                Step::Keep => {
                    let health = world.books.step().expect("kept");
                    prop_assert!(matches!(health.state, State::Balanced | State::Replaying), "{:?}", health);
                }
                Step::Save => world.books.save().expect("saved"),
                Step::Crash => {
                    drop(world);
                    world = open(dir.path(), &journal);
                }
            }
            let report = world.books.report(Minute(0)..=Minute(u32::MAX), Interval::Minute, None).expect("a report");
            prop_assert_eq!((report.total.received, report.total.residue), (received, 0), "{:?} {:?}", step, report);
            for row in &report.rows {
                let figures = &row.figures;
                let ended: i64 = figures.refused.values().chain(figures.dropped.values()).chain(figures.dead_lettered.values()).sum();
                prop_assert_eq!(figures.received, figures.visible + figures.in_flight + figures.duplicate + ended);
            }
        }
        let health = world.books.step().expect("kept");
        prop_assert_eq!((health.state, health.residue, health.missing), (State::Balanced, 0, 0));
        let report = world.books.report(Minute(0)..=Minute(u32::MAX), Interval::Minute, None).expect("a report");
        prop_assert_eq!(report.total.in_flight, 0);
    }
}

#[test]
fn the_journal_is_trimmed_only_behind_the_account() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let journal = MemoryJournal::new();
    let mut world = open(dir.path(), &journal);
    append(&journal, &world.account, &runtime, "plain", 0, &[0]);
    append(&journal, &world.account, &runtime, "plain", 0, &[3]);
    world.pipeline.step().expect("processed");
    world.store.flush().expect("flushed");
    world.pipeline.step().expect("tidied");
    assert!(journal.reader(LOCAL, JournalPosition(0)).is_ok(), "the account has not counted it yet");
    world.books.step().expect("kept");
    world.books.save().expect("saved");
    world.pipeline.step().expect("tidied");
    assert!(journal.reader(LOCAL, JournalPosition(1)).is_err(), "trimmed");
}

#[test]
fn an_account_that_was_lost_begins_anew_and_balances() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let journal = MemoryJournal::new();
    let mut world = open(dir.path(), &journal);
    append(&journal, &world.account, &runtime, "plain", 0, &[0, 1]);
    world.pipeline.step().expect("processed");
    world.books.step().expect("kept");
    world.books.save().expect("saved");
    world.store.flush().expect("flushed");
    world.pipeline.step().expect("tidied");
    drop(world);
    std::fs::remove_file(dir.path().join("account")).expect("removed");
    let mut world = open(dir.path(), &journal);
    append(&journal, &world.account, &runtime, "plain", 0, &[2]);
    world.pipeline.step().expect("processed");
    assert_eq!(world.books.step().expect("kept").state, State::Balanced);
    let report = world.books.report(Minute(0)..=Minute(u32::MAX), Interval::Minute, None).expect("a report");
    assert_eq!((report.total.received, report.total.residue), (3, 0));
    assert_eq!(world.store.account(Minute(0)..=Minute(u32::MAX)).expect("read").totals.len(), 3);
}
