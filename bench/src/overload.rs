//! `bench overload`: what is left of a server when clients want several times what it can do.
//!
//! - The most it can do: closed loop, until everything acknowledged can be queried. Before and after each overload and for as long, since what a server can do
//!   changes with what it holds, and what a machine can do with what else it does.
//! - The same clients at 5 and at 40 times that rate, as an open loop: a batch that is refused goes back to the others and is offered again, as by a client
//!   that retries. Goodput is what was acknowledged and can be queried, divided by the time of the phase.
//! - After each: until marked events are taken and visible at once.
//! - Fairness: events of a quiet project, from sending until they are seen, beside a project that sends its usual rate and beside the same one at 100 times
//!   that: once half of what the server can do, once five times as much.
//!
//! The driver runs on the same cores. What it could really offer is in the table; it is less than asked where the machine is small. So are the processor
//! time of both, and what the server needed of it for each event: the part of a loss that is not the driver's.

use crate::batches::{self, EVENTS_PER_BATCH};
use crate::generator::Plan;
use crate::http::Connection;
use crate::load::{self, Rate};
use crate::probe::{self, Target};
use crate::process::{Launch, Server, Usage};
use crate::stats::Percentiles;
use crate::{DAY_MILLIS, disk, process};
use anyhow::{Context, ensure};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What projects usually send, as parts of the maximum.
const USUAL: [f64; 2] = [0.005, 0.05];
/// The noisy project sends so many times its usual rate.
const NOISE: f64 = 100.0;

const VISIBLE_PATIENCE: Duration = Duration::from_secs(120);
const PROBE_PAUSE: Duration = Duration::from_millis(200);
/// A marked event that is visible within this time was not held up by a backlog.
const NORMAL_FRESHNESS: Duration = Duration::from_secs(1);
/// Marked events in a row that have to be so.
const NORMAL_PROBES: u32 = 5;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OverloadArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/aqueduct")]
    pub(crate) server: PathBuf,
    /// Length of each overload.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Length of each phase that finds the maximum. Default: that of an overload.
    #[arg(long)]
    pub(crate) max_seconds: Option<u64>,
    /// Multiples of the maximum.
    #[arg(long, value_delimiter = ',', default_value = "5,40")]
    pub(crate) times: Vec<u32>,
    /// Measure one maximum and fairness alone.
    #[arg(long)]
    pub(crate) fairness: bool,
    /// Kept connections of the overload.
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
    /// Most events that the server is thought to take per second; so many are made beforehand.
    #[arg(long, default_value_t = 90_000)]
    pub(crate) made_per_second: u64,
    /// Settings of the server, NAME=VALUE as environment variables.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Same seed, same events.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Where the server's data goes. Default: the system's place for temporary files.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

/// Processor time of server and driver in a phase.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    seconds: f64,
    server_seconds: f64,
    driver_seconds: f64,
}

impl Cpu {
    /// Since both processes began; `since`: when this one did.
    fn now(server: u32, since: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            seconds: since.elapsed().as_secs_f64(),
            server_seconds: Usage::of(server)?.cpu_seconds,
            driver_seconds: Usage::of(std::process::id())?.cpu_seconds,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            seconds: self.seconds - before.seconds,
            server_seconds: self.server_seconds - before.server_seconds,
            driver_seconds: self.driver_seconds - before.driver_seconds,
        }
    }

    fn print(self, events: u64) {
        let cores = |seconds: f64| seconds / self.seconds;
        let micros = self.server_seconds * 1e6 / events.max(1) as f64;
        println!(
            "  processor: server {:.2} cores, {micros:.1} us/event; driver {:.2} cores",
            cores(self.server_seconds),
            cores(self.driver_seconds)
        );
    }
}

/// One phase of too much.
#[derive(Clone, Debug)]
struct Overload {
    /// Events per second that the driver could offer.
    offered_per_second: f64,
    goodput_per_second: f64,
    acknowledged: u64,
    refused_requests: u64,
    broken_requests: u64,
    visible: Option<Percentiles>,
    /// Of marked events, from sending until their acknowledgement.
    answered: Option<Percentiles>,
    /// Of marked events, from sending.
    whole: Option<Percentiles>,
    /// From the end of the phase until everything acknowledged was in the count.
    all_visible_ms: f64,
    /// From the end of the phase until marked events are visible at once again.
    normal_ms: f64,
    resident_peak_bytes: u64,
    /// From its begin until everything acknowledged was in the count.
    cpu: Cpu,
}

/// Runs all phases and prints a table.
pub(crate) fn run(args: &OverloadArgs) -> anyhow::Result<()> {
    let root = disk::scratch(args.dir.as_deref())?;
    let data_dir = root.path().join("data");
    process::with_log(measure(args, &data_dir), &data_dir)
}

fn measure(args: &OverloadArgs, data_dir: &Path) -> anyhow::Result<()> {
    let runtime = crate::runtime()?;
    std::fs::create_dir(data_dir)?;
    let settings: Vec<_> = args
        .settings
        .iter()
        .map(|setting| setting.split_once('=').map(|(name, value)| (name, value.to_owned())).context("--set NAME=VALUE expected"))
        .collect::<Result<_, _>>()?;
    let mut server = Server::start(&Launch { settings: &settings, ..Launch::new(&args.server, data_dir) })?;
    let target = Target::of(&server);
    let mut run = Run { args, watched: target.clone(), target, pid: server.pid(), acknowledged: 0, streams: 0, probes: Arc::default() };

    let mut maximum = run.maximum(&runtime)?;
    for times in args.times.iter().filter(|_| !args.fairness) {
        let overload = run.overload(&runtime, maximum * f64::from(*times))?;
        let after = run.maximum(&runtime)?;
        println!("{times} times the maximum:");
        print_overload(&overload, (maximum + after) / 2.0);
        maximum = after;
    }
    run.watched = runtime.block_on(run.target.new_project("quiet"))?;
    for (usual, times) in USUAL.iter().flat_map(|usual| [(usual, 1.0), (usual, NOISE)]) {
        let beside = run.overload(&runtime, maximum * usual * times)?;
        println!(
            "a quiet project beside one that sends {times} times its usual rate, {:.0} events/s offered, {:.0} taken",
            beside.offered_per_second, beside.goodput_per_second
        );
        print_percentiles("from sending until acknowledged", beside.answered.as_ref());
        print_percentiles("from there until seen", beside.visible.as_ref());
        print_percentiles("from sending until seen", beside.whole.as_ref());
        beside.cpu.print(beside.acknowledged);
    }
    server.stop()?;
    Ok(())
}

fn print_percentiles(what: &str, of: Option<&Percentiles>) {
    if let Some(of) = of {
        println!("  {what}: p50 {:.0}  p99 {:.0}  max {:.0} ms (n={})", of.p50_ms, of.p99_ms, of.max_ms, of.count);
    }
}

fn print_overload(of: &Overload, maximum: f64) {
    println!("  offered {:.0} events/s ({:.1} times)", of.offered_per_second, of.offered_per_second / maximum);
    println!(
        "  goodput {:.0} events/s = {:.0} % of the mean of the maxima before and after; {} acknowledged, all there; {} requests refused, {} broken",
        of.goodput_per_second,
        of.goodput_per_second / maximum * 100.0,
        of.acknowledged,
        of.refused_requests,
        of.broken_requests
    );
    print_percentiles("marked events visible after the acknowledgement", of.visible.as_ref());
    println!(
        "  all visible {:.0} ms after the end, normal after {:.0} ms; peak memory {:.0} MiB",
        of.all_visible_ms,
        of.normal_ms,
        of.resident_peak_bytes as f64 / f64::from(1 << 20)
    );
    of.cpu.print(of.acknowledged);
}

#[derive(Debug)]
struct Run<'a> {
    args: &'a OverloadArgs,
    target: Target,
    /// Whose marked events are watched.
    watched: Target,
    pid: u32,
    acknowledged: u64,
    streams: u64,
    probes: Arc<AtomicU64>,
}

impl Run<'_> {
    /// Events for a phase that offers so many per second: all of them, or as many as the server is thought to take.
    fn make(&mut self, seconds: u64, per_second: f64) -> anyhow::Result<Vec<Bytes>> {
        let under_way = self.args.connections as u64 * EVENTS_PER_BATCH;
        let events = (per_second.min(self.args.made_per_second as f64) * seconds as f64) as u64 + under_way + EVENTS_PER_BATCH;
        let now = jiff::Timestamp::now().as_millisecond();
        let plan = Plan {
            seed: self.args.seed,
            stream: self.streams,
            events,
            persons: events / 50,
            start_millis: now - DAY_MILLIS,
            span_millis: DAY_MILLIS,
        };
        self.streams += 1;
        eprintln!("making {events} events");
        batches::make(plan, events / EVENTS_PER_BATCH, &self.target.token)
    }

    /// Events per second that are accepted and can be queried, when each connection waits for its answer.
    fn maximum(&mut self, runtime: &Runtime) -> anyhow::Result<f64> {
        let seconds = self.args.max_seconds.unwrap_or(self.args.seconds);
        let batches = Arc::new(self.make(seconds, f64::INFINITY)?);
        let made = batches.len() as u64 * EVENTS_PER_BATCH;
        let started = Instant::now();
        let before = Cpu::now(self.pid, started)?;
        let outcome = runtime.block_on(load::run(&self.target.address, batches, 16, Rate::Max, Duration::from_secs(seconds)))?;
        ensure!(outcome.events < made, "the server took all that was made: raise --made-per-second");
        self.acknowledged += outcome.events;
        runtime.block_on(probe::wait_for_count(&self.target, self.acknowledged, VISIBLE_PATIENCE))?;
        let maximum = outcome.events as f64 / started.elapsed().as_secs_f64();
        println!("maximum: {maximum:.0} events/s accepted and queryable");
        Cpu::now(self.pid, started)?.since(before).print(outcome.events);
        Ok(maximum)
    }

    fn overload(&mut self, runtime: &Runtime, per_second: f64) -> anyhow::Result<Overload> {
        let offer = Arc::new(Offer {
            address: self.target.address.clone(),
            batches: Mutex::new(self.make(self.args.seconds, per_second)?),
            gap: Duration::from_secs_f64(EVENTS_PER_BATCH as f64 / per_second),
            started: Instant::now(),
            time: Duration::from_secs(self.args.seconds),
            slot: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        });
        eprintln!("offering {per_second:.0} events/s");
        let before = Cpu::now(self.pid, offer.started)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (watched, numbers) = (self.watched.clone(), Arc::clone(&self.probes));
        // On a thread of its own: another client does not wait for those that make the noise.
        let until = Arc::clone(&stop);
        let probing = std::thread::spawn(move || -> anyhow::Result<probe::Probes> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(probe::run(watched, numbers, u64::MAX, PROBE_PAUSE, until))
        });
        let senders: Vec<_> = (0..self.args.connections).map(|_| runtime.spawn(Arc::clone(&offer).send())).collect();
        for sender in senders {
            runtime.block_on(sender)?;
        }
        let ended = Instant::now();
        let seconds = (ended - offer.started).as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let acknowledged = offer.acknowledged.load(Ordering::Relaxed);
        ensure!(!offer.batches().is_empty(), "the server took all that was made: raise --made-per-second");
        self.acknowledged += acknowledged;
        let probes = probing.join().ok().context("the thread that sends marked events panicked")??;
        let all_visible = runtime.block_on(probe::wait_for_count(&self.target, self.acknowledged, VISIBLE_PATIENCE))?;
        let all_visible = all_visible.max(ended.elapsed());
        let cpu = Cpu::now(self.pid, offer.started)?.since(before);
        runtime.block_on(self.until_normal())?;
        let refused = offer.refused.load(Ordering::Relaxed);
        let broken = offer.broken.load(Ordering::Relaxed);
        Ok(Overload {
            offered_per_second: ((refused + broken) * EVENTS_PER_BATCH + acknowledged) as f64 / seconds,
            goodput_per_second: acknowledged as f64 / (seconds + all_visible.as_secs_f64()),
            acknowledged,
            refused_requests: refused,
            broken_requests: broken,
            visible: probes.visible.percentiles(),
            answered: probes.acknowledged.percentiles(),
            whole: probes.whole.percentiles(),
            all_visible_ms: all_visible.as_secs_f64() * 1000.0,
            normal_ms: ended.elapsed().as_secs_f64() * 1000.0,
            resident_peak_bytes: Usage::of(self.pid)?.resident_peak_bytes,
            cpu,
        })
    }

    /// Waits until some marked events in a row are taken at once and visible at once.
    async fn until_normal(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut good = 0;
        while good < NORMAL_PROBES {
            ensure!(started.elapsed() < VISIBLE_PATIENCE, "the server did not come back to normal within {VISIBLE_PATIENCE:?}");
            let one = Instant::now();
            let seen = probe::run(self.target.clone(), Arc::clone(&self.probes), 1, Duration::ZERO, Arc::default()).await;
            good = if seen.is_ok() && one.elapsed() < NORMAL_FRESHNESS { good + 1 } else { 0 };
        }
        Ok(())
    }
}

/// What is offered, and what came of it.
#[derive(Debug)]
struct Offer {
    address: String,
    /// Those that are not acknowledged.
    batches: Mutex<Vec<Bytes>>,
    /// Time between two requests.
    gap: Duration,
    started: Instant,
    time: Duration,
    slot: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

impl Offer {
    fn batches(&self) -> std::sync::MutexGuard<'_, Vec<Bytes>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self: Arc<Self>) {
        let mut connection = None;
        loop {
            let slot = self.slot.fetch_add(1, Ordering::Relaxed);
            let due = self.started + self.gap.mul_f64(slot as f64);
            if due.duration_since(self.started) >= self.time || self.started.elapsed() >= self.time {
                return;
            }
            tokio::time::sleep_until(due.into()).await;
            let Some(batch) = self.batches().pop() else { return };
            match attempt(&self.address, &mut connection, &batch).await {
                Ok(200) => {
                    self.acknowledged.fetch_add(EVENTS_PER_BATCH, Ordering::Relaxed);
                }
                refused => {
                    let counter = if refused.is_ok() { &self.refused } else { &self.broken };
                    counter.fetch_add(1, Ordering::Relaxed);
                    self.batches().push(batch);
                }
            }
        }
    }
}

async fn attempt(address: &str, connection: &mut Option<Connection>, batch: &Bytes) -> anyhow::Result<u16> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(address).await?,
    };
    let answer = open.send(batch).await?;
    *connection = Some(open);
    Ok(answer.status)
}
