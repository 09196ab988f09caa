//! Runs seeds for as long as told, on as many threads as there are cores, and says how far it is.
//!
//! `cargo run -p aqueduct-testkit --example soak -- SECONDS [FIRST_SEED]`. Ends with status 1 when a promise was broken.

use aqueduct_testkit::{Counts, Failure, run};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two lines of progress.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Broken promises after which it stops.
const FAILURES_MAX: usize = 5;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(seconds)), Ok(first)) = (numbers.next(), numbers.next().unwrap_or(Ok(1_000_000))) else {
        eprintln!("usage: soak SECONDS [FIRST_SEED]");
        return ExitCode::from(2);
    };
    let (begun, next) = (Instant::now(), AtomicU64::new(first));
    let found: Mutex<(Counts, Vec<Failure>)> = Mutex::default();
    let found = &found;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let next = &next;
            scope.spawn(move || {
                let mut said = Instant::now();
                while begun.elapsed() < Duration::from_secs(seconds) {
                    let outcome = run(next.fetch_add(1, Ordering::Relaxed));
                    let Ok(mut found) = found.lock() else { return };
                    found.0.absorb(&outcome.counts);
                    if let Some(failure) = outcome.failure {
                        println!("{failure}\n");
                        found.1.push(failure);
                    }
                    if found.1.len() >= FAILURES_MAX {
                        return;
                    }
                    if thread == 0 && said.elapsed() > SAY_EVERY {
                        said = Instant::now();
                        say(begun, next.load(Ordering::Relaxed) - first, &found.0);
                    }
                }
            });
        }
    });
    let Ok(found) = found.lock() else { return ExitCode::FAILURE };
    say(begun, next.load(Ordering::Relaxed) - first, &found.0);
    let seeds: Vec<u64> = found.1.iter().map(|failure| failure.seed).collect();
    println!("broken promises: {} {seeds:?}", seeds.len());
    if seeds.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(begun: Instant, seeds: u64, counts: &Counts) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:.0} s, {seeds} seeds, {:.1} seeds/s: {counts}", seeds as f64 / seconds);
}
