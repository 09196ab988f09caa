//! `bench ingest`: the phases of a run, in order.
//!
//! - The disk by itself.
//! - Start on an empty directory; memory and freshness at rest.
//! - Load at the asked rate, with marked events beside it; then how long until everything acknowledged is in the count, exactly.
//! - The same at half of the rate that was reached.
//! - Quiet: bytes on the disk.
//! - Stop, start again, count again.

use crate::generator::Plan;
use crate::load::{self, Outcome, Rate};
use crate::probe::{self, Probes, Target};
use crate::process::{KEY, Launch, Server, TOKEN, Usage};
use crate::report::{Machine, Phase, Report, Restart, Storage};
use crate::{DAY_MILLIS, batches, disk, process};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long acknowledged events may take to become visible before the run fails.
const VISIBLE_PATIENCE: Duration = Duration::from_secs(120);
/// Marked events while the server rests.
const PROBES_AT_REST: u64 = 20;
/// After a start, before memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// Between two marked events.
const PROBE_PAUSE: Duration = Duration::from_millis(200);
const QUIET: Duration = Duration::from_secs(3);
const QUIET_PATIENCE: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct IngestArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/aqueduct")]
    pub(crate) server: PathBuf,
    /// Drive a server that runs already instead, given as host:port. It must be empty and is not restarted.
    #[arg(long, requires = "token", requires = "key")]
    pub(crate) address: Option<String>,
    /// Process id of that server, for its CPU and memory.
    #[arg(long, requires = "address")]
    pub(crate) pid: Option<u32>,
    /// Its project token.
    #[arg(long, requires = "address")]
    pub(crate) token: Option<String>,
    /// Its personal API key.
    #[arg(long, requires = "address")]
    pub(crate) key: Option<String>,
    /// Number of its project.
    #[arg(long, default_value_t = 1)]
    pub(crate) project: u32,
    /// Length of the main phase; it ends before when all events are sent.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Events per second, or `max`.
    #[arg(long, default_value = "max", value_parser = parse_rate)]
    pub(crate) rate: Rate,
    /// Events that are made for the main phase.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// Length of a second phase at half of the rate that was reached; 0: none.
    #[arg(long, default_value_t = 10)]
    pub(crate) half_seconds: u64,
    /// Kept connections, each with one batch under way.
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Same seed, same events.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Where the server's data goes: a new directory is made in it and removed afterwards. Default: the system's place for temporary files.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    match text {
        "max" => Ok(Rate::Max),
        _ => match text.parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate::Events(rate)),
            _ => Err(format!("`max` or a number of events per second expected, {text:?} found")),
        },
    }
}

/// Runs all phases and prints the report.
pub(crate) fn run(args: &IngestArgs) -> anyhow::Result<()> {
    let report = measure(args, &crate::runtime()?)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// Runs all phases, in a directory that is removed afterwards.
pub(crate) fn measure(args: &IngestArgs, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Report> {
    let root = disk::scratch(args.dir.as_deref())?;
    let data_dir = root.path().join("data");
    process::with_log(measure_in(&data_dir, args, runtime), &data_dir)
}

fn measure_in(data_dir: &Path, args: &IngestArgs, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Report> {
    std::fs::create_dir(data_dir)?;
    let launch = Launch::new(&args.server, data_dir);
    let mut report = Report::new(Machine::find(disk::measure_sync(data_dir)?));
    let server = if args.address.is_none() { Some(Server::start(&launch)?) } else { None };
    report.start_ms = server.as_ref().map(|server| server.start_time.as_secs_f64() * 1000.0);
    let mut run = Run::new(args, server.as_ref());
    if server.is_some() {
        std::thread::sleep(SETTLE);
    }
    report.rest_bytes = run.usage()?.map(|usage| usage.resident_bytes);
    report.rest_visible = runtime.block_on(run.probes(PROBES_AT_REST))?.visible.percentiles();

    let main = run.phase(runtime, args.rate, args.events, Duration::from_secs(args.seconds))?;
    let half_rate = (main.events_per_second / 2.0).max(1.0);
    report.phases.push(("load", main));
    if args.half_seconds > 0 {
        let events = (half_rate * args.half_seconds as f64) as u64;
        report.phases.push(("half", run.phase(runtime, Rate::Events(half_rate), events, Duration::from_secs(args.half_seconds))?));
    }
    report.peak_bytes = run.usage()?.map(|usage| usage.resident_peak_bytes);
    let Some(mut server) = server else { return Ok(report) };

    report.storage = Some(Storage::of(disk::wait_until_quiet(data_dir, QUIET, QUIET_PATIENCE)?, run.acknowledged));
    report.quiet_bytes = run.usage()?.map(|usage| usage.resident_bytes);
    let stop = server.stop()?;
    let mut server = Server::start(&launch)?;
    run.target.address.clone_from(&server.address);
    runtime.block_on(probe::wait_for_count(&run.target, run.acknowledged, VISIBLE_PATIENCE)).context("after a restart")?;
    report.restart = Some(Restart { stop_ms: stop.as_secs_f64() * 1000.0, start_ms: server.start_time.as_secs_f64() * 1000.0 });
    server.stop()?;
    Ok(report)
}

/// What goes on from phase to phase.
#[derive(Debug)]
struct Run<'a> {
    args: &'a IngestArgs,
    target: Target,
    pid: Option<u32>,
    /// Events acknowledged so far, marked ones not counted.
    acknowledged: u64,
    streams: u64,
    probe_numbers: Arc<AtomicU64>,
}

impl<'a> Run<'a> {
    fn new(args: &'a IngestArgs, server: Option<&Server>) -> Self {
        let address = server.map(|server| server.address.clone()).or_else(|| args.address.clone()).unwrap_or_default();
        let given = |given: &Option<String>, own: &str| given.clone().unwrap_or_else(|| own.to_owned());
        let target = Target { address, token: given(&args.token, TOKEN), key: given(&args.key, KEY), project: args.project };
        let pid = server.map(Server::pid).or(args.pid);
        Self { args, target, pid, acknowledged: 0, streams: 0, probe_numbers: Arc::default() }
    }

    fn usage(&self) -> anyhow::Result<Option<Usage>> {
        self.pid.map(Usage::of).transpose()
    }

    async fn probes(&self, count: u64) -> anyhow::Result<Probes> {
        probe::run(self.target.clone(), Arc::clone(&self.probe_numbers), count, PROBE_PAUSE, Arc::default()).await
    }

    /// Makes events, sends them, waits until all are visible.
    fn phase(&mut self, runtime: &tokio::runtime::Runtime, rate: Rate, events: u64, time: Duration) -> anyhow::Result<Phase> {
        let now = jiff::Timestamp::now().as_millisecond();
        let persons = (self.args.events / 50).max(1);
        let plan =
            Plan { seed: self.args.seed, stream: self.streams, events, persons, start_millis: now - DAY_MILLIS, span_millis: DAY_MILLIS };
        self.streams += 1;
        eprintln!("making {events} events");
        let batches = Arc::new(batches::make(plan, events.div_ceil(batches::EVENTS_PER_BATCH), &self.target.token)?);
        eprintln!("sending");
        let (before, own_before) = (self.usage()?, Usage::of(std::process::id())?);
        let (outcome, probes, visible) = runtime.block_on(self.send(batches, rate, time))?;
        let (after, own_after) = (self.usage()?, Usage::of(std::process::id())?);
        let cpu = before.zip(after).map(|(before, after)| after.cpu_seconds - before.cpu_seconds);
        Ok(Phase::of(outcome, probes, visible, cpu, own_after.cpu_seconds - own_before.cpu_seconds))
    }

    async fn send(&mut self, batches: Arc<Vec<bytes::Bytes>>, rate: Rate, time: Duration) -> anyhow::Result<(Outcome, Probes, Duration)> {
        let stop = Arc::new(AtomicBool::new(false));
        let probing =
            tokio::spawn(probe::run(self.target.clone(), Arc::clone(&self.probe_numbers), u64::MAX, PROBE_PAUSE, Arc::clone(&stop)));
        let outcome = load::run(&self.target.address, batches, self.args.connections, rate, time).await;
        stop.store(true, Ordering::Relaxed);
        let outcome = outcome?;
        self.acknowledged += outcome.events;
        let visible = probe::wait_for_count(&self.target, self.acknowledged, VISIBLE_PATIENCE).await?;
        Ok((outcome, probing.await??, visible))
    }
}

#[cfg(test)]
mod tests;
