//! `bench crash`: the real binary under load from clients that retry, killed again and again, frozen, out of disk, out of memory; then everything is compared
//! through the public API with what the clients were told.
//!
//! A run that finds an acknowledged event lost, an event twice, or one that nobody sent, fails and keeps the data directory.

mod check;
mod client;
mod fleet;
mod place;
mod report;
mod story;

use crate::disk;
use crate::probe::Target;
use crate::process::{self, Launch, Server};
use crate::stats::Durations;
use anyhow::{Context, ensure};
use fleet::Fleet;
use place::{MemoryGroup, SmallDisk};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use report::{Report, Scenario};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// One kill in so many comes while the server is still starting.
const EARLY_KILL_ONE_IN: u32 = 5;
/// The latest moment of such a kill.
const EARLY_KILL_MAX: Duration = Duration::from_millis(80);
/// How long the full disk stays full, and the small memory small.
const PRESSURE: Duration = Duration::from_secs(8);
/// After the pressure ends, events have to be acknowledged again within this time.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(30);

/// What to do to the server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CrashArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/aqueduct")]
    pub(crate) server: PathBuf,
    /// How often it is killed.
    #[arg(long, default_value_t = 300)]
    pub(crate) kills: u32,
    /// How often it is stopped and continued, two seconds each.
    #[arg(long, default_value_t = 3)]
    pub(crate) freezes: u32,
    /// Size of a disk that fills up, MiB; 0: none. Needs the right to mount.
    #[arg(long, default_value_t = 192)]
    pub(crate) disk_mib: u64,
    /// Memory that the server gets, MiB; 0: no such scenario. Needs the right to make a control group.
    #[arg(long, default_value_t = 96)]
    pub(crate) memory_mib: u64,
    /// Clients side by side.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: u32,
    /// Pause of a client between batches, milliseconds.
    #[arg(long, default_value_t = 4)]
    pub(crate) pause_ms: u64,
    /// Longest time between a start and the next kill, milliseconds.
    #[arg(long, default_value_t = 600)]
    pub(crate) up_ms: u64,
    /// Everything acknowledged is counted after each so many kills.
    #[arg(long, default_value_t = 20)]
    pub(crate) check_every: u32,
    /// Same seed, same events and the same order of faults.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Where the server's data goes. Default: the system's place for temporary files.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Print JSON instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs all scenarios and prints the report.
pub(crate) fn run(args: &CrashArgs) -> anyhow::Result<()> {
    let root = disk::scratch(args.dir.as_deref())?;
    match measure(args, root.path()) {
        Ok(report) if args.json => println!("{}", serde_json::to_string_pretty(&report)?),
        Ok(report) => print!("{}", report.lines()),
        Err(error) => {
            let kept = root.keep();
            return Err(error.context(format!("the data is kept in {}", kept.display())));
        }
    }
    Ok(())
}

fn measure(args: &CrashArgs, root: &Path) -> anyhow::Result<Report> {
    let runtime = crate::runtime()?;
    let mut report = Report::default();
    if args.kills > 0 || args.freezes > 0 {
        let data_dir = root.join("kills");
        std::fs::create_dir(&data_dir)?;
        report.scenarios.push(Stage::open("kills and freezes", args, &runtime, &data_dir, 0)?.kills_and_freezes()?);
    }
    if args.disk_mib > 0 {
        match SmallDisk::mount(&root.join("small-disk"), args.disk_mib * MIB) {
            Ok(disk) => {
                let data_dir = disk.path().join("data");
                std::fs::create_dir(&data_dir)?;
                report.scenarios.push(Stage::open("a full disk", args, &runtime, &data_dir, 1)?.full_disk(&disk)?);
            }
            Err(why) => report.skipped.push(format!("a full disk: {why:#}")),
        }
    }
    if args.memory_mib > 0 {
        match MemoryGroup::make(args.memory_mib * MIB) {
            Ok(group) => {
                let data_dir = root.join("memory");
                std::fs::create_dir(&data_dir)?;
                report.scenarios.push(Stage::open("little memory", args, &runtime, &data_dir, 2)?.little_memory(&group)?);
            }
            Err(why) => report.skipped.push(format!("little memory: {why:#}")),
        }
    }
    Ok(report)
}

/// One scenario under way: a server, its clients, and what was measured.
struct Stage<'a> {
    args: &'a CrashArgs,
    runtime: &'a tokio::runtime::Runtime,
    data_dir: &'a Path,
    settings: Vec<(&'static str, String)>,
    target: Target,
    server: Server,
    fleet: Fleet,
    rng: ChaCha8Rng,
    starts: Durations,
    scenario: Scenario,
}

impl<'a> Stage<'a> {
    fn open(
        name: &'static str,
        args: &'a CrashArgs,
        runtime: &'a tokio::runtime::Runtime,
        data_dir: &'a Path,
        number: u64,
    ) -> anyhow::Result<Self> {
        eprintln!("{name}");
        let server = Server::start(&Launch::new(&args.server, data_dir))?;
        let target = Target::of(&server);
        let fleet = Fleet::start(runtime, &target, args.clients, args.seed + number, Duration::from_millis(args.pause_ms));
        let rng = ChaCha8Rng::seed_from_u64(args.seed + number);
        let scenario = Scenario { name, ..Scenario::default() };
        Ok(Self { args, runtime, data_dir, settings: Vec::new(), target, server, fleet, rng, starts: Durations::default(), scenario })
    }

    fn launch(&self) -> Launch<'_> {
        Launch { listen: &self.target.address, settings: &self.settings, ..Launch::new(&self.args.server, self.data_dir) }
    }

    fn kills_and_freezes(mut self) -> anyhow::Result<Scenario> {
        for kill in 1..=self.args.kills {
            std::thread::sleep(Duration::from_millis(self.rng.random_range(0..=self.args.up_ms)));
            self.fleet.must_be_well(self.runtime)?;
            if kill % self.args.check_every == 0 {
                self.quick_check()?;
                eprintln!("{kill} kills, {} events acknowledged", self.fleet.acknowledged());
            }
            self.kill_and_start()?;
        }
        for _ in 0..self.args.freezes {
            self.server.freeze(Duration::from_secs(2))?;
            self.scenario.freezes += 1;
            std::thread::sleep(Duration::from_millis(500));
            self.quick_check()?;
        }
        self.finish()
    }

    /// Fills the disk to its last byte with a ballast, lets clients and kills go on, takes the ballast away. A server that finds no byte to start with may
    /// say so and end; whoever runs it starts it again, as here.
    fn full_disk(mut self, disk: &SmallDisk) -> anyhow::Result<Scenario> {
        std::thread::sleep(Duration::from_secs(1));
        disk.fill()?;
        let full = Instant::now();
        while full.elapsed() < PRESSURE {
            std::thread::sleep(Duration::from_millis(self.rng.random_range(200..=1_500)));
            self.fleet.must_be_well(self.runtime)?;
            if self.rng.random_ratio(1, 3) && self.server.ended()?.is_none() {
                self.server.kill()?;
                self.scenario.kills += 1;
            }
            if self.server.ended()?.is_some() && self.start_again().is_err() {
                self.scenario.failed_starts += 1;
            }
        }
        disk.free()?;
        self.recovers()?;
        self.finish()
    }

    /// Gives the server too little memory for its load: the kernel may kill it, and then it is started again.
    fn little_memory(mut self, group: &MemoryGroup) -> anyhow::Result<Scenario> {
        group.add(self.server.pid())?;
        let begun = Instant::now();
        while begun.elapsed() < PRESSURE {
            std::thread::sleep(Duration::from_millis(100));
            self.fleet.must_be_well(self.runtime)?;
            if self.server.ended()?.is_some() {
                self.scenario.killed_by_kernel += 1;
                self.start_again()?;
                group.add(self.server.pid())?;
            }
        }
        group.lift()?;
        self.recovers()?;
        self.finish()
    }

    fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.server.kill()?;
        self.scenario.kills += 1;
        if self.rng.random_ratio(1, EARLY_KILL_ONE_IN) {
            let after = self.rng.random_range(Duration::ZERO..EARLY_KILL_MAX);
            process::start_and_kill(&self.launch(), after)?;
            self.scenario.kills += 1;
        }
        self.start_again()
    }

    fn start_again(&mut self) -> anyhow::Result<()> {
        let server = Server::start(&self.launch())?;
        self.starts.push(server.start_time);
        self.server = server;
        Ok(())
    }

    fn quick_check(&mut self) -> anyhow::Result<()> {
        self.runtime.block_on(check::quick(&self.target, &self.fleet.acknowledged_each()))?;
        self.scenario.checks += 1;
        Ok(())
    }

    /// Waits until every client was acknowledged something new.
    fn recovers(&mut self) -> anyhow::Result<()> {
        let (ended, before) = (Instant::now(), self.fleet.acknowledged_each());
        loop {
            if self.server.ended()?.is_some() {
                self.start_again()?;
            }
            self.fleet.must_be_well(self.runtime)?;
            let now = self.fleet.acknowledged_each();
            if before.iter().zip(&now).all(|((_, before), (_, now))| now > before) {
                self.scenario.recovery_ms = Some(ended.elapsed().as_secs_f64() * 1000.0);
                return Ok(());
            }
            ensure!(
                ended.elapsed() < RECOVERY_PATIENCE,
                "not every client was acknowledged again {RECOVERY_PATIENCE:?} after the pressure"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks everything, then once more after an orderly restart.
    fn finish(mut self) -> anyhow::Result<Scenario> {
        self.fleet.stop(self.runtime)?;
        let told = self.fleet.told();
        let checked = self.runtime.block_on(check::whole(&self.target, &told))?;
        process::with_log(self.server.stop(), self.data_dir)?;
        self.server = Server::start(&self.launch())?;
        let again = self.runtime.block_on(check::whole(&self.target, &told)).context("after an orderly restart")?;
        self.runtime.block_on(check::ledger(&self.server.ops_address))?;
        ensure!(checked == again, "before an orderly restart {checked:?} were there, after it {again:?}");
        self.server.stop()?;
        self.scenario.checks += 2;
        self.scenario.acknowledged = checked.acknowledged;
        self.scenario.unacknowledged = checked.unacknowledged;
        self.scenario.starts = self.starts.percentiles();
        self.scenario.traffic(&self.fleet.traffic);
        Ok(self.scenario)
    }
}
