//! Merging runs: few runs to ask, each arrival rewritten a few times, old ones given up.

use super::rule::Seen;
use super::run::{Run, RunReader};
use super::write::{Job, write};
use crate::files::Files;
use crate::{CommitError, ReadError};
use std::ops::Range;

/// A run is merged with those behind it when it is not larger than so many times all of them.
const RATIO: u64 = 2;
/// A run never has more than this share of all arrivals, since it stays until its newest one is old.
const SHARE_MAX: u64 = 4;
/// Below this the share does not matter.
const SMALL_ARRIVALS: u64 = 256 * 1024;

/// Neighbours to be merged next, of runs of these sizes, oldest first.
pub(crate) fn due(sizes: &[u64]) -> Option<Range<usize>> {
    let max = (sizes.iter().sum::<u64>() / SHARE_MAX).max(SMALL_ARRIVALS);
    for from in 0..sizes.len() {
        let mut behind = 0;
        let mut range = None;
        for to in from + 1..sizes.len() {
            behind += sizes[to];
            if sizes[from] + behind > max {
                break;
            }
            if sizes[from] <= behind * RATIO {
                range = Some(from..to + 1);
            }
        }
        if range.is_some() {
            return range;
        }
    }
    None
}

/// Writes the arrivals of `runs` that are not older than `horizon` into a new run. `None` when there is none.
pub(crate) fn merge(files: &dyn Files, id: u64, runs: &[Run], horizon: i64) -> Result<Option<Run>, CommitError> {
    let arrivals_max: u64 = runs.iter().map(|run| run.descriptor().arrivals).sum();
    let seq = runs.iter().map(|run| run.descriptor().seq).max().unwrap_or_default();
    let mut readers: Vec<RunReader<'_>> = runs.iter().map(|run| RunReader::new(&run.file)).collect();
    let mut heads: Vec<Option<Seen>> = Vec::with_capacity(readers.len());
    for reader in &mut readers {
        heads.push(reader.next(files)?);
    }
    let next = || -> Result<Option<Seen>, ReadError> {
        loop {
            // There are few runs: looking at all is as good as a heap.
            let smallest = heads.iter().enumerate().filter_map(|(place, head)| head.map(|seen| (seen, place))).min();
            let Some((seen, place)) = smallest else {
                return Ok(None);
            };
            heads[place] = readers[place].next(files)?;
            if seen.received_at.0 >= horizon {
                return Ok(Some(seen));
            }
        }
    };
    let job = Job { id, seq, arrivals_max: usize::try_from(arrivals_max).unwrap_or(usize::MAX) };
    write(files, &job, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flushes of `flush` arrivals, up to `window` in all, for three windows. Answers the most runs at a time, the mean, and how often an arrival was written.
    fn simulate(flush: u64, window: u64) -> (usize, f64, f64) {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let (mut written, mut most, mut sum) = (0, 0, 0);
        let rounds = window / flush * 3;
        for round in 0..rounds {
            runs.push((flush, round));
            written += flush;
            while let Some(range) = due(&runs.iter().map(|run| run.0).collect::<Vec<_>>()) {
                let merged: u64 = runs[range.clone()].iter().map(|run| run.0).sum();
                written += merged;
                let newest = runs[range.end - 1].1;
                runs.splice(range, [(merged, newest)]);
            }
            runs.retain(|(_, newest)| round - newest <= window / flush);
            most = most.max(runs.len());
            sum += runs.len();
        }
        (most, sum as f64 / rounds as f64, written as f64 / (rounds * flush) as f64)
    }

    #[test]
    fn few_runs_and_few_writes() {
        for (flush, window) in [(250_000, 100_000_000), (250_000, 10_000_000), (5_000, 20_000_000), (30, 600_000)] {
            let (most, mean, writes) = simulate(flush, window);
            assert!(
                most <= 12 && mean <= 8.5 && writes <= 13.0,
                "{flush} of {window}: {most} runs, {mean:.1} in the mean, {writes:.1} writes"
            );
        }
    }
}
