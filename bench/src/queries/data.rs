//! The events of a comparison: the same ones over HTTP for the server and as compressed NDJSON for the other engines, a slice of the span at a time.

use crate::batches::{self, EVENTS_PER_BATCH};
use crate::generator::{self, Generator, Plan};
use crate::load::{self, Rate};
use crate::probe::{self, Target};
use crate::{DAY_MILLIS, WRITE_BYTES};
use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Events that are made at once: what the driver holds in memory.
const CHUNK_EVENTS: u64 = 1_000_000;
const DAYS: i64 = 90;
/// 2026-01-01, milliseconds since 1970.
const START_MILLIS: i64 = 1_767_225_600_000;
const EVENTS_PER_PERSON: u64 = 50;
const CONNECTIONS: usize = 16;
const CHUNK_PATIENCE: Duration = Duration::from_secs(600);

/// Which events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) events: u64,
    pub(super) seed: u64,
}

impl Data {
    /// The slices of the span, in order of time, each with its number of requests.
    fn chunks(self) -> impl Iterator<Item = (Plan, u64)> {
        let count = self.events.div_ceil(CHUNK_EVENTS).max(1);
        let span = DAYS * DAY_MILLIS;
        (0..count).map(move |chunk| {
            let events = (self.events - chunk * CHUNK_EVENTS).min(CHUNK_EVENTS);
            let at = |chunk: u64| i64::try_from(u128::from(chunk) * span.unsigned_abs() as u128 / u128::from(count)).unwrap_or(span);
            let plan = Plan {
                seed: self.seed,
                stream: chunk,
                events,
                persons: self.persons(),
                start_millis: START_MILLIS + at(chunk),
                span_millis: at(chunk + 1) - at(chunk),
            };
            (plan, events.div_ceil(EVENTS_PER_BATCH))
        })
    }

    fn persons(self) -> u64 {
        (self.events / EVENTS_PER_PERSON).max(1)
    }

    /// A plan of further events in the same span, of the same persons.
    pub(super) fn more(self, stream: u64, events: u64) -> Plan {
        Plan { seed: self.seed, stream, events, persons: self.persons(), start_millis: START_MILLIS, span_millis: DAYS * DAY_MILLIS }
    }

    /// Sends everything; the answer is events acknowledged and queryable per second, the making of them not counted.
    pub(super) fn send(self, runtime: &Runtime, target: &Target) -> anyhow::Result<f64> {
        let (mut sent, mut seconds) = (0, 0.0);
        for (plan, count) in self.chunks() {
            let batches = Arc::new(batches::make(plan, count, &target.token)?);
            let outcome = runtime.block_on(load::run(&target.address, batches, CONNECTIONS, Rate::Max, CHUNK_PATIENCE))?;
            sent += outcome.events;
            let visible = runtime.block_on(probe::wait_for_count(target, sent, CHUNK_PATIENCE))?;
            seconds += outcome.seconds + visible.as_secs_f64();
            eprintln!("  {sent} events sent");
        }
        Ok(sent as f64 / seconds)
    }

    /// Writes everything as NDJSON, compressed; the answer is the files, two streams of one slice after the other.
    pub(super) fn write(self, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(dir)?;
        let mut files = Vec::new();
        for (chunk, (plan, count)) in self.chunks().enumerate() {
            let streams: Vec<_> = batches::streams(plan, count).enumerate().collect();
            let path = |stream: usize| dir.join(format!("events-{chunk:03}-{stream}.ndjson.gz"));
            files.extend(streams.iter().map(|(stream, _)| path(*stream)));
            std::thread::scope(|scope| {
                let writers: Vec<_> = streams
                    .iter()
                    .map(|(stream, (plan, share))| {
                        let (path, plan, events) = (path(*stream), *plan, share * EVENTS_PER_BATCH);
                        scope.spawn(move || write_file(&path, plan, events))
                    })
                    .collect();
                writers.into_iter().try_for_each(|writer| writer.join().ok().context("a thread that writes events panicked")?)
            })?;
        }
        Ok(files)
    }
}

fn write_file(path: &Path, plan: Plan, events: u64) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut file = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut lines = String::with_capacity(WRITE_BYTES + 4096);
    for event in Generator::new(plan).take(usize::try_from(events)?) {
        generator::write_ndjson(&event, &mut lines);
        lines.push('\n');
        if lines.len() >= WRITE_BYTES {
            file.write_all(lines.as_bytes())?;
            lines.clear();
        }
    }
    file.write_all(lines.as_bytes())?;
    file.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_all_events_and_fill_the_span() {
        let chunks: Vec<_> = Data { events: 2_500_000, seed: 42 }.chunks().collect();
        assert_eq!(chunks.iter().map(|(plan, _)| plan.events).collect::<Vec<_>>(), [1_000_000, 1_000_000, 500_000]);
        assert_eq!(chunks.iter().map(|(_, count)| count).sum::<u64>() * EVENTS_PER_BATCH, 2_500_000);
        assert_eq!(chunks.iter().map(|(plan, _)| plan.span_millis).sum::<i64>(), DAYS * DAY_MILLIS);
        assert!(chunks.windows(2).all(|pair| pair[0].0.start_millis + pair[0].0.span_millis == pair[1].0.start_millis));
    }
}
