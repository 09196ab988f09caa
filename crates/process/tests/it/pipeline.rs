//! The loop: from journal to store, through failures, to a clean end; step by step or on a thread of its own.

use crate::model::ModelStore;
use crate::world::{Notes, Tokens, encode};
use aqueduct_event::{JournalPosition, PartitionId, SystemClock};
use aqueduct_journal::{Journal, MemoryJournal};
use aqueduct_process::{Pace, Pipeline, PipelineArgs, ProcessConfig, Step, StepError, Stop, VisibleBytes};
use aqueduct_store::Store;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::watch;

const PARTITION: PartitionId = PartitionId(0);

struct Rig {
    journal: MemoryJournal,
    store: Arc<ModelStore>,
    sent: u64,
}

impl Rig {
    fn new() -> Self {
        Self { journal: MemoryJournal::new(), store: Arc::new(ModelStore::default()), sent: 0 }
    }

    fn append(&mut self, lines: &[&str]) {
        let payload = encode("plain", &mut self.sent, lines).into();
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(self.journal.append(0, payload)).expect("appended");
    }

    fn pipeline(&self) -> Pipeline {
        let config = ProcessConfig { retry_wait: Duration::from_millis(1), ..ProcessConfig::default() };
        Pipeline::open(PipelineArgs {
            journal: Arc::new(self.journal.clone()),
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            projects: Arc::new(Tokens),
            observer: Arc::new(Notes::default()),
            clock: Arc::new(SystemClock),
            partition: PARTITION,
            config,
        })
        .expect("opened")
    }

    fn rows(&self) -> usize {
        self.store.kept().rows.len()
    }

    fn wait_for(&self, rows: usize) {
        let begun = Instant::now();
        while self.rows() < rows {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {rows} rows", self.rows());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const EVENT: &str = r#"{"event":"e","distinct_id":"ann","properties":{"$set":{"a":1}}}"#;

#[test]
fn steps_never_wait() {
    let mut rig = Rig::new();
    let mut pipeline = rig.pipeline();
    assert_eq!(pipeline.step().expect("idle"), Step::Idle);
    rig.append(&[EVENT]);
    rig.append(&[EVENT, EVENT]);
    assert_eq!(pipeline.step().expect("works"), Step::Committed { records: 2 });
    assert_eq!(pipeline.step().expect("idle"), Step::Idle);
    assert_eq!((rig.rows(), pipeline.progress().position(), pipeline.progress().lag_records()), (3, JournalPosition(2), 0));
}

/// Whoever sends little is visible without what others sent after it, and nothing is passed over for that.
#[test]
fn a_commit_ends_behind_the_last_small_record_and_the_next_begins_there() {
    let mut rig = Rig::new();
    let mut pipeline = rig.pipeline();
    let large = format!(r#"{{"event":"e","distinct_id":"bob","properties":{{"text":"{}"}}}}"#, "x".repeat(40_000));
    for record in [EVENT, &large, EVENT, &large, &large] {
        rig.append(&[record]);
    }
    rig.store.commits_to_fail.store(1, Ordering::SeqCst);
    assert!(matches!(pipeline.step(), Err(StepError::Commit(_))));
    assert_eq!((pipeline.step().expect("works"), rig.rows()), (Step::Committed { records: 3 }, 3));
    assert_eq!((pipeline.step().expect("works"), rig.rows()), (Step::Committed { records: 2 }, 5));
    assert_eq!(pipeline.step().expect("idle"), Step::Idle);
    assert_eq!(pipeline.progress().position(), JournalPosition(5));
}

#[test]
fn a_failed_step_is_made_again_from_the_same_records() {
    let mut rig = Rig::new();
    let mut pipeline = rig.pipeline();
    rig.append(&[EVENT]);
    rig.store.commits_to_fail.store(2, Ordering::SeqCst);
    assert!(matches!(pipeline.step(), Err(StepError::Commit(_))));
    rig.append(&[EVENT]);
    assert!(matches!(pipeline.step(), Err(StepError::Commit(_))));
    assert_eq!(pipeline.step().expect("works"), Step::Committed { records: 1 });
    assert_eq!(pipeline.step().expect("works"), Step::Committed { records: 1 });
    let kept = rig.store.kept();
    let person = kept.persons.values().next().expect("one");
    assert_eq!((kept.rows.len(), kept.persons.len(), person.version), (2, 1, 0));
}

#[test]
fn the_journal_is_trimmed_to_what_is_durable_and_no_further() {
    let mut rig = Rig::new();
    let mut pipeline = rig.pipeline();
    rig.append(&[EVENT]);
    pipeline.step().expect("works");
    rig.store.flush().expect("flushed");
    rig.append(&[EVENT]);
    pipeline.step().expect("works");
    let from = |position| rig.journal.reader(PARTITION, JournalPosition(position));
    assert!(from(0).is_err() || rig.journal.end(PARTITION) == JournalPosition(2));
    from(1).expect("what is not durable is still there");
}

#[test]
fn a_restart_begins_at_what_is_durable() {
    let mut rig = Rig::new();
    rig.append(&[EVENT]);
    let mut pipeline = rig.pipeline();
    pipeline.step().expect("works");
    rig.store.flush().expect("flushed");
    rig.append(&[EVENT]);
    pipeline.step().expect("works");
    rig.store.crash();
    assert_eq!(rig.rows(), 1);
    let mut pipeline = rig.pipeline();
    assert_eq!(pipeline.step().expect("works"), Step::Committed { records: 1 });
    assert_eq!(rig.rows(), 2);
}

#[test]
fn the_thread_makes_events_visible_and_drains_when_told() {
    let mut rig = Rig::new();
    let (stop, stopped) = watch::channel(Stop::No);
    let pipeline = rig.pipeline();
    let progress = pipeline.progress();
    let thread = std::thread::spawn(move || pipeline.run(stopped));
    rig.append(&[EVENT]);
    rig.wait_for(1);
    rig.store.commits_to_fail.store(3, Ordering::SeqCst);
    rig.append(&[EVENT]);
    rig.wait_for(2);
    for _ in 0..20 {
        rig.append(&[EVENT]);
    }
    stop.send(Stop::Drained).expect("heard");
    thread.join().expect("no panic").expect("a clean end");
    assert_eq!((rig.rows(), progress.position()), (22, JournalPosition(22)));
}

#[test]
fn the_thread_ends_at_once_or_with_the_journal() {
    let mut rig = Rig::new();
    rig.append(&[EVENT]);
    let (stop, stopped) = watch::channel(Stop::Now);
    let pipeline = rig.pipeline();
    std::thread::spawn(move || pipeline.run(stopped)).join().expect("no panic").expect("a clean end");
    assert_eq!(rig.rows(), 0);

    drop(stop);
    let (stop, stopped) = watch::channel(Stop::No);
    drop(stop);
    let pipeline = rig.pipeline();
    let thread = std::thread::spawn(move || pipeline.run(stopped));
    rig.wait_for(1);
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(rig.journal.close());
    thread.join().expect("no panic").expect("a clean end");
}

/// What a pipeline tells of its pace; `None` is a failed step.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Option<VisibleBytes>>>);

impl Pace for Told {
    fn visible(&self, bytes: VisibleBytes, _: Duration) {
        self.0.lock().expect("unpoisoned").push(Some(bytes));
    }

    fn stalled(&self) {
        self.0.lock().expect("unpoisoned").push(None);
    }
}

#[test]
fn the_edge_is_told_what_became_visible_and_what_was_there_before() {
    let mut rig = Rig::new();
    rig.append(&[EVENT]);
    let old = rig.journal.appended_bytes();
    let told = Arc::new(Told::default());
    let mut pipeline = rig.pipeline().with_pace(Arc::clone(&told) as Arc<dyn Pace>);
    rig.append(&[EVENT, EVENT]);
    let fresh = rig.journal.appended_bytes() - old;
    rig.store.commits_to_fail.store(1, Ordering::SeqCst);
    pipeline.step().expect_err("fails");
    pipeline.step().expect("works");
    pipeline.step().expect("idle");
    assert_eq!(*told.0.lock().expect("unpoisoned"), vec![None, Some(VisibleBytes { replayed: old, fresh })]);
}

#[test]
fn a_drain_is_bounded_by_who_asked_for_it() {
    let mut rig = Rig::new();
    for _ in 0..1000 {
        rig.append(&[EVENT]);
    }
    let pipeline = Pipeline::open(PipelineArgs {
        journal: Arc::new(rig.journal.clone()),
        store: Arc::clone(&rig.store) as Arc<dyn Store>,
        projects: Arc::new(Tokens),
        observer: Arc::new(Notes::default()),
        clock: Arc::new(SystemClock),
        partition: PARTITION,
        config: ProcessConfig { commit_bytes_max: 1, ..ProcessConfig::default() },
    })
    .expect("opened");
    let (stop, heard) = watch::channel(Stop::Drained);
    let visible = Arc::new(StopsAfter { commits: Mutex::new(3), stop });
    pipeline.with_pace(visible).run(heard).expect("ends");
    assert_eq!(rig.rows(), 3, "the rest stays in the journal");
}

/// Loses patience after some commits.
#[derive(Debug)]
struct StopsAfter {
    commits: Mutex<usize>,
    stop: watch::Sender<Stop>,
}

impl Pace for StopsAfter {
    fn visible(&self, _: VisibleBytes, _: Duration) {
        let mut left = self.commits.lock().expect("unpoisoned");
        *left -= 1;
        if *left == 0 {
            self.stop.send_replace(Stop::Now);
        }
    }

    fn stalled(&self) {}
}

#[test]
fn what_the_store_had_confirmed_before_a_crash_is_trimmed_after_it() {
    let mut rig = Rig::new();
    rig.append(&[EVENT]);
    assert_eq!(rig.pipeline().step().expect("works"), Step::Committed { records: 1 });
    // Confirmed, and the process dies before it hears of it. A full journal would refuse everything until somebody trims it.
    rig.store.flush().expect("flushed");
    assert_eq!(rig.pipeline().step().expect("idle"), Step::Idle);
    assert!(rig.journal.reader(PARTITION, JournalPosition(0)).is_err(), "trimmed");
}
