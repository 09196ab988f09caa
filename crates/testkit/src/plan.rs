//! The plan of a run: everything that a seed decides before it begins. Each seed draws few kinds of fault and odd weights, so that over many seeds
//! rare combinations are met ("swarm testing").

use aqueduct_capture::CaptureConfig;
use aqueduct_event::limits::MIB;
use aqueduct_journal::WalConfig;
use aqueduct_process::ProcessConfig;
use aqueduct_store::StoreConfig;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// Where the journal lies on the simulated disk.
pub(crate) const JOURNAL_DIR: &str = "/data/journal";
/// Where the store lies.
pub(crate) const STORE_DIR: &str = "/data/store";
/// Where the ledger's account lies, and in which directory.
pub(crate) const DATA_DIR: &str = "/data";
pub(crate) const LEDGER: &str = "/data/ledger.redb";

/// What may happen next in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client sends.
    Client,
    /// The edge goes on with a request.
    Edge,
    /// The journal's writer works.
    Journal,
    /// Processing takes what the journal has.
    Process,
    /// The store does one piece of background work.
    Work,
    /// The store flushes.
    Flush,
    /// The books are kept: what came in is counted and compared with what became of it.
    Keep,
    /// The account is saved.
    Save,
    /// Somebody asks the query engine.
    Ask,
    /// Somebody asks for a person to be deleted or split, or for a property of a group to be removed.
    Command,
    /// A record comes that cannot be processed.
    Poison,
    /// Somebody looks after dead letters: mends, replays or discards one.
    Letter,
    /// Time passes.
    Tick,
    /// Nothing comes for a while: the journal's writer rests.
    Rest,
    /// The wall clock is set to another time.
    ClockJump,
    /// The power will fail, or the process be killed, after some more changes of files.
    Crash,
    /// The server is stopped in order and started again.
    Restart,
    /// A write, sync or other change will fail.
    DiskError,
    /// The disk becomes small, or large again.
    Capacity,
    /// A read will give wrong bytes.
    Misread,
    /// What is visible is compared with the model.
    Look,
}

/// What a seed decides before the run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) projects: u32,
    pub(crate) clients: usize,
    /// Requests of all clients together.
    pub(crate) requests: usize,
    /// Steps of the run before everything is brought to an end.
    pub(crate) steps: usize,
    /// What may happen, with weights.
    pub(crate) actions: Vec<(Action, u32)>,
    /// Whether the engine is asked everything at the end.
    pub(crate) asks_everything: bool,
    /// Chance that an answer is lost on its way.
    pub(crate) answer_lost: f64,
    /// Chance that a request arrives twice.
    pub(crate) duplicated: f64,
    /// Chance that a request is no good.
    pub(crate) bad: f64,
    pub(crate) journal: WalConfig,
    pub(crate) store: StoreConfig,
    pub(crate) process: ProcessConfig,
    pub(crate) capture: CaptureConfig,
}

impl Plan {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let segment_bytes = [2_000, 8_000, 40_000][rng.random_range(0..3)];
        let journal = WalConfig {
            segment_bytes,
            // With the middle size some confirmed segments stay; drawn from what is drawn already, so that seeds keep their meaning.
            retain_bytes: if segment_bytes == 8_000 { 8_000 } else { 0 },
            bytes_max: [20_000, 40_000, 4_000_000][rng.random_range(0..3)],
            disk_free_min_bytes: 4_000,
            read_cache_bytes: [0, 2_000, 100_000][rng.random_range(0..3)],
            ..WalConfig::in_dir(JOURNAL_DIR)
        };
        let store = StoreConfig {
            shards: rng.random_range(1..4),
            flush_rows: [12, 60, 400][rng.random_range(0..3)],
            flush_age_ms: [500, 30_000][rng.random_range(0..2)],
            memory_bytes_max: [10_000, 60_000, 1 << 30][rng.random_range(0..3)],
            background: false,
            erase_after_ms: [0, 1_000, 3_600_000][rng.random_range(0..3)],
            cache_bytes: Some([0, 32 << 20, 32 << 20][rng.random_range(0..3)]),
            manifest_cache_bytes: MIB,
            property_columns_max: [1, 3, 512][rng.random_range(0..3)],
            compaction_fanout: rng.random_range(2..5),
            row_group_rows_max: [8, 1 << 20, 1 << 20, 1 << 20][rng.random_range(0..4)],
            ..StoreConfig::default()
        };
        let process = ProcessConfig {
            commit_bytes_max: [1, 2_000, 100_000][rng.random_range(0..3)],
            cache_bytes_max: [0, MIB][rng.random_range(0..2)],
            ..ProcessConfig::default()
        };
        Self {
            projects: rng.random_range(1..4),
            clients: rng.random_range(1..6),
            requests: rng.random_range(8..40),
            steps: rng.random_range(60..300),
            actions: draw_actions(rng),
            asks_everything: rng.random_bool(ASKED_EVERYTHING),
            answer_lost: [0.0, 0.1, 0.5][rng.random_range(0..3)],
            duplicated: [0.0, 0.1, 0.4][rng.random_range(0..3)],
            bad: [0.0, 0.15][rng.random_range(0..2)],
            journal,
            store,
            process,
            capture: CaptureConfig::default(),
        }
    }
}

/// Share of the seeds in which somebody asks the engine during the run. A question costs a third of what a run costs without any.
const ASKED_DURING_RUN: f64 = 0.06;
/// Share of the seeds in which the engine is asked everything at the end; in the others one thing.
const ASKED_EVERYTHING: f64 = 0.05;

/// Share of the seeds in which records come that cannot be processed.
const POISONED: f64 = 0.3;

fn draw_actions(rng: &mut ChaCha8Rng) -> Vec<(Action, u32)> {
    let always = [Action::Client, Action::Edge, Action::Journal, Action::Process];
    let mut actions: Vec<(Action, u32)> = always.map(|action| (action, rng.random_range(5..30))).into();
    let mut maybe = |action, chance, weights: std::ops::Range<u32>| {
        if rng.random_bool(chance) {
            actions.push((action, rng.random_range(weights)));
        }
    };
    maybe(Action::Work, 0.9, 1..12);
    maybe(Action::Flush, 0.5, 1..6);
    maybe(Action::Tick, 0.9, 2..15);
    maybe(Action::Rest, 0.3, 1..4);
    maybe(Action::ClockJump, 0.3, 1..4);
    maybe(Action::Crash, 0.8, 1..6);
    maybe(Action::Restart, 0.4, 1..3);
    maybe(Action::DiskError, 0.4, 1..6);
    maybe(Action::Capacity, 0.25, 1..6);
    maybe(Action::Misread, 0.3, 1..5);
    maybe(Action::Look, 0.5, 1..3);
    maybe(Action::Command, 0.4, 1..3);
    maybe(Action::Keep, 0.9, 1..4);
    maybe(Action::Save, 0.9, 1..4);
    maybe(Action::Ask, ASKED_DURING_RUN, 4..12);
    if rng.random_bool(POISONED) {
        actions.extend([(Action::Poison, rng.random_range(1..3)), (Action::Letter, rng.random_range(1..5))]);
    }
    actions
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} projects, {} clients, {} requests, {} steps; answers lost {}, requests doubled {}, bad {}",
            self.projects, self.clients, self.requests, self.steps, self.answer_lost, self.duplicated, self.bad
        )?;
        writeln!(
            f,
            "journal: segments of {} of {} bytes, {} cached; commits of {} bytes, {} cached",
            self.journal.segment_bytes,
            self.journal.bytes_max,
            self.journal.read_cache_bytes,
            self.process.commit_bytes_max,
            self.process.cache_bytes_max
        )?;
        let store = &self.store;
        writeln!(
            f,
            "store: {} shards, flush at {} rows or {} ms, {} bytes of memory, {} cached, {} property columns, fanout {}",
            store.shards,
            store.flush_rows,
            store.flush_age_ms,
            store.memory_bytes_max,
            store.cache_bytes(),
            store.property_columns_max,
            store.compaction_fanout
        )?;
        let actions: Vec<String> = self.actions.iter().map(|(action, weight)| format!("{action:?} {weight}")).collect();
        write!(f, "actions: {}", actions.join(", "))
    }
}
