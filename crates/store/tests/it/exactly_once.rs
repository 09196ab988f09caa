//! What was stored within the window is known, and nothing else, whatever happened to the files in between; and the index stays small.

use crate::world::{TestWorld, small};
use aqueduct_event::UnixMicros;
use aqueduct_store::conformance::{World, commit_of};
use aqueduct_store::{Seen, Store, StoreConfig};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const HOUR: i64 = 3_600_000_000;
const WINDOW: i64 = 10 * HOUR;

fn config(memory: usize) -> StoreConfig {
    StoreConfig { dedup_window_ms: (WINDOW / 1000) as u64, dedup_memory_bytes_max: memory, ..small() }
}

/// Many keys share their upper half, so that they lie on both sides of the edges of blocks.
fn key(number: u32) -> u128 {
    let mixed = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (u128::from(number % 5) << 125) | u128::from(mixed ^ (mixed >> 29))
}

#[derive(Clone, Debug)]
enum Step {
    /// So many keys from this one on arrive, each some µs after the one before; first the clock goes on.
    Commit {
        first: u32,
        count: u32,
        later: i64,
    },
    Flush,
    Work,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = (0..2000_u32, 1..600_u32, -HOUR / 2..3 * HOUR).prop_map(|(first, count, later)| Step::Commit { first, count, later });
    let step = prop_oneof![5 => commit, 4 => Just(Step::Flush), 3 => Just(Step::Work), 1 => Just(Step::Crash)];
    proptest::collection::vec(step, 1..30)
}

/// The obviously right index.
#[derive(Clone, Debug, Default)]
struct Model {
    arrivals: HashMap<u128, Vec<i64>>,
    now: i64,
    newest: i64,
    position: u64,
}

impl Model {
    fn check(&self, store: &dyn Store) {
        // An event may come as late as an hour behind others and still meet its whole window.
        for at in [self.newest, self.newest - HOUR, self.newest + WINDOW / 2] {
            let again: Vec<Seen> = (0..2700).map(|number| Seen { key: key(number), received_at: UnixMicros(at) }).collect();
            let found = store.seen(&again).expect("an answer");
            for (again, found) in again.iter().zip(found) {
                let mut covered = self.arrivals.get(&again.key).into_iter().flatten().filter(|stored| (*stored - at).abs() <= WINDOW);
                match found {
                    Some(found) => {
                        assert!(covered.any(|stored| *stored == found.0), "{found:?} is none of {:?}", self.arrivals.get(&again.key))
                    }
                    None => assert_eq!(covered.next(), None, "{again:?} was there"),
                }
            }
        }
    }
}

fn through(steps: &[Step], memory: usize) {
    let mut world = TestWorld::new(config(memory));
    let mut model = Model::default();
    let mut durable = Model::default();
    for step in steps {
        match step {
            Step::Commit { first, count, later } => {
                model.now += later;
                model.position += 1;
                let mut commit = commit_of(&[], model.position);
                for number in *first..first + count {
                    let received_at = model.now + i64::from(number % 7);
                    model.newest = model.newest.max(received_at);
                    // Processing stores only what is new.
                    let of_key = model.arrivals.entry(key(number)).or_default();
                    if of_key.iter().all(|stored| (*stored - received_at).abs() > WINDOW) {
                        of_key.push(received_at);
                        commit.seen.push(Seen { key: key(number), received_at: UnixMicros(received_at) });
                    }
                }
                world.store().commit(commit).expect("commits");
            }
            Step::Flush => {
                world.store().flush().expect("flushes");
                durable = model.clone();
            }
            Step::Work => while world.store().work().expect("works") {},
            Step::Crash => {
                world.crash();
                model = durable.clone();
            }
        }
        model.check(world.embedded());
    }
    world.store().flush().expect("flushes");
    world.embedded().verify().expect("files are what was written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn as_a_map_would_do_it(steps in steps()) {
        through(&steps, 1 << 20);
    }

    #[test]
    fn the_same_with_hardly_any_memory(steps in steps(), memory in 0..2000_usize) {
        through(&steps, memory);
    }
}

fn arrivals(numbers: std::ops::Range<u32>, at: i64) -> Vec<Seen> {
    numbers.map(|number| Seen { key: key(number), received_at: UnixMicros(at) }).collect()
}

#[test]
fn old_runs_go_and_memory_stays() {
    let world = TestWorld::new(config(20_000));
    for round in 0..60_u32 {
        let mut commit = commit_of(&[], u64::from(round) + 1);
        commit.seen = arrivals(round * 1000..round * 1000 + 1000, i64::from(round) * HOUR / 2);
        world.store().commit(commit).expect("commits");
        world.store().flush().expect("flushes");
        while world.store().work().expect("works") {}
        let stats = world.embedded().seen_stats();
        assert!(stats.runs <= 12 && stats.arrivals <= 46_000, "{stats:?}");
        assert!(stats.run_memory_bytes <= 20_000 && stats.fresh_memory_bytes == 0, "{stats:?}");
        let files = std::fs::read_dir(&world.config.dir).expect("a directory").filter_map(Result::ok);
        let files = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "seen")).count();
        assert!(files <= stats.runs + 1, "{files} files");
    }
    assert!(world.embedded().seen_stats().arrivals >= 20_000);
}

/// A merge that follows commits which are not durable yet must leave what their replay asks for.
#[test]
fn replay_finds_what_it_found_before() {
    let mut world = TestWorld::new(config(1 << 20));
    let commit = |world: &TestWorld, upto, seen| {
        let mut commit = commit_of(&[], upto);
        commit.seen = seen;
        world.store().commit(commit).expect("commits");
    };
    commit(&world, 1, arrivals(0..500, 0));
    world.store().flush().expect("flushes");
    // A backlog of twenty hours, request after request; the first one is within the window of what is durable.
    for hour in 1..=20 {
        commit(&world, 1 + hour as u64, arrivals(1000 + hour * 10..1010 + hour * 10, i64::from(hour) * HOUR));
    }
    while world.store().work().expect("works") {}
    world.crash();
    let found = world.store().seen(&arrivals(0..500, HOUR)).expect("an answer");
    assert!(found.iter().all(|found| *found == Some(UnixMicros(0))));
}

#[test]
fn answers_are_exact_while_others_flush_and_merge() {
    const COMMITS: u32 = 40;
    let world = TestWorld::new(StoreConfig { background: true, ..config(10_000) });
    let store = world.embedded();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    store.flush().expect("flushes");
                    store.work().expect("works");
                }
            });
        }
        for commit in 0..COMMITS {
            let mut next = commit_of(&[], u64::from(commit) + 1);
            next.seen = arrivals(commit * 100..commit * 100 + 100, 0);
            assert!(store.seen(&next.seen).expect("an answer").iter().all(Option::is_none));
            store.commit(next).expect("commits");
            let so_far = store.seen(&arrivals(0..commit * 100 + 100, 0)).expect("an answer");
            assert!(so_far.iter().all(Option::is_some), "commit {commit}");
        }
        done.store(true, Ordering::SeqCst);
    });
}
