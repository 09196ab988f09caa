//! Work on shards side by side.
//!
//! # Invariants
//! - Never on more threads than the query may have; with one it is done here, in the order of the items.

use crate::error::QueryError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on each item, on up to `threads` threads, and answers the results in the order of the items.
///
/// # Errors
/// The first error in that order.
pub(crate) fn over<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<T, QueryError> + Sync,
) -> Result<Vec<T>, QueryError> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?))) {
            done.push((at, work(item)));
        }
        done
    };
    let mut results: Vec<(usize, Result<T, QueryError>)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
