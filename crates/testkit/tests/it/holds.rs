//! Every promise holds for every seed.

use aqueduct_testkit::{Counts, run};

/// Seeds of one test; two run at once.
const SEEDS: u64 = 500;

fn seeds(from: u64) {
    let mut counts = Counts::default();
    for seed in from..from + SEEDS {
        let outcome = run(seed);
        counts.absorb(&outcome.counts);
        if let Some(failure) = outcome.failure {
            panic!("{failure}");
        }
    }
    println!("{SEEDS} seeds: {counts}");
}

#[test]
fn a_thousand_seeds_first_half() {
    seeds(0);
}

#[test]
fn a_thousand_seeds_second_half() {
    seeds(SEEDS);
}

/// `SEED=17 cargo test -p aqueduct-testkit one_seed -- --nocapture`
#[test]
fn one_seed() {
    let seed = std::env::var("SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    let outcome = run(seed);
    println!("{}", outcome.counts);
    if let Some(failure) = outcome.failure {
        panic!("{failure}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..40 {
        assert_eq!(run(seed).trace_hash, run(seed).trace_hash, "seed {seed}");
    }
}
