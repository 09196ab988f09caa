//! What a run found, as a table for people and as JSON for programs.

use crate::load::Outcome;
use crate::probe::Probes;
use crate::stats::Percentiles;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    /// Of the source tree, with `+` when it had changes.
    commit: String,
    time: String,
    /// The disk's own write of 70 kB with fdatasync, in this run.
    disk_sync: Percentiles,
}

impl Machine {
    pub(crate) fn find(disk_sync: Percentiles) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map_or("unknown", |(_, name)| name.trim());
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: cpu.to_owned(),
            commit: git(&["rev-parse", "--short=12", "HEAD"])
                .map_or("unknown".to_owned(), |commit| commit + if changed { "+" } else { "" }),
            time: format!("{:.0}", jiff::Timestamp::now()),
            disk_sync,
        }
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = std::process::Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// One phase of load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    /// From the first send until all of them were in the count.
    pub(crate) events_per_second_visible: f64,
    pub(crate) wire_bytes_per_event: f64,
    pub(crate) acknowledged: Option<Percentiles>,
    pub(crate) visible: Option<Percentiles>,
    pub(crate) probe_acknowledged: Option<Percentiles>,
    /// From the last acknowledgement until all of them were in the count.
    pub(crate) all_visible_ms: f64,
    pub(crate) server_cpu_us_per_event: Option<f64>,
    pub(crate) server_cores: Option<f64>,
    pub(crate) driver_cores: f64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) failure: Option<String>,
}

impl Phase {
    pub(crate) fn of(outcome: Outcome, probes: Probes, all_visible: Duration, server_cpu: Option<f64>, driver_cpu: f64) -> Self {
        let (events, seconds) = (outcome.events.max(1) as f64, outcome.seconds.max(1e-9));
        let whole = seconds + all_visible.as_secs_f64();
        Self {
            events: outcome.events,
            seconds,
            events_per_second: outcome.events as f64 / seconds,
            events_per_second_visible: outcome.events as f64 / whole,
            wire_bytes_per_event: outcome.wire_bytes as f64 / events,
            acknowledged: outcome.latency.percentiles(),
            visible: probes.visible.percentiles(),
            probe_acknowledged: probes.acknowledged.percentiles(),
            all_visible_ms: all_visible.as_secs_f64() * 1000.0,
            server_cpu_us_per_event: server_cpu.map(|cpu| cpu * 1e6 / events),
            server_cores: server_cpu.map(|cpu| cpu / whole),
            driver_cores: driver_cpu / whole,
            refused: outcome.refused,
            failed: outcome.failed,
            failure: outcome.failure,
        }
    }
}

/// What lies on the disk when the server has come to rest.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Storage {
    total_bytes: u64,
    bytes_per_event: f64,
    /// By the first level of the data directory.
    by_name: BTreeMap<String, u64>,
}

impl Storage {
    pub(crate) fn of(by_name: BTreeMap<String, u64>, events: u64) -> Self {
        let total_bytes = by_name.values().sum();
        Self { total_bytes, bytes_per_event: total_bytes as f64 / events.max(1) as f64, by_name }
    }
}

/// Stop and start with all the data.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Restart {
    pub(crate) stop_ms: f64,
    pub(crate) start_ms: f64,
}

/// All of it. What could not be measured is absent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) start_ms: Option<f64>,
    pub(crate) rest_bytes: Option<u64>,
    pub(crate) rest_visible: Option<Percentiles>,
    pub(crate) phases: Vec<(&'static str, Phase)>,
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) quiet_bytes: Option<u64>,
    pub(crate) storage: Option<Storage>,
    pub(crate) restart: Option<Restart>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        let phases = Vec::new();
        Self {
            machine,
            start_ms: None,
            rest_bytes: None,
            rest_visible: None,
            phases,
            peak_bytes: None,
            quiet_bytes: None,
            storage: None,
            restart: None,
        }
    }

    /// One line per figure.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::default();
        let machine = &self.machine;
        table.row("machine", format!("{} cores, {}, commit {}, {}", machine.cores, machine.cpu, machine.commit, machine.time));
        table.row("disk: 70 kB + fdatasync", percentiles(machine.disk_sync));
        table.maybe("start, empty directory", self.start_ms.map(|ms| format!("{ms:.0} ms")));
        table.maybe("memory at rest", self.rest_bytes.map(mebibytes));
        table.maybe("at rest: accepted to queryable", self.rest_visible.map(percentiles));
        for (name, phase) in &self.phases {
            table.phase(name, phase);
        }
        table.maybe("memory, peak", self.peak_bytes.map(mebibytes));
        table.maybe("memory, quiet after load", self.quiet_bytes.map(mebibytes));
        if let Some(storage) = &self.storage {
            let parts: Vec<_> = storage.by_name.iter().map(|(name, bytes)| format!("{name} {}", mebibytes(*bytes))).collect();
            table.row(
                "disk, bytes per event",
                format!("{:.1} ({}: {})", storage.bytes_per_event, mebibytes(storage.total_bytes), parts.join(", ")),
            );
        }
        table.maybe(
            "stop; start with the data",
            self.restart.map(|restart| format!("{:.0} ms; {:.0} ms, count exact", restart.stop_ms, restart.start_ms)),
        );
        table.0
    }
}

#[derive(Debug, Default)]
struct Table(String);

impl Table {
    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        // INVARIANT: writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<38} {}", value.as_ref());
    }

    fn maybe(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.row(name, value);
        }
    }

    fn phase(&mut self, name: &str, phase: &Phase) {
        self.row(
            &format!("{name}: accepted, durable"),
            format!("{:.0} events/s ({} in {:.1} s)", phase.events_per_second, phase.events, phase.seconds),
        );
        self.row(&format!("{name}: accepted and queryable"), format!("{:.0} events/s, count exact", phase.events_per_second_visible));
        self.row(&format!("{name}: last accepted to all queryable"), format!("{:.0} ms", phase.all_visible_ms));
        self.maybe(&format!("{name}: acknowledged, batches of 100"), phase.acknowledged.map(percentiles));
        self.maybe(&format!("{name}: acknowledged, single event"), phase.probe_acknowledged.map(percentiles));
        self.maybe(&format!("{name}: accepted to queryable"), phase.visible.map(percentiles));
        let cores = phase.server_cores.zip(phase.server_cpu_us_per_event);
        self.maybe(&format!("{name}: server CPU"), cores.map(|(cores, micros)| format!("{micros:.2} us/event, {cores:.2} cores")));
        self.row(
            &format!("{name}: driver"),
            format!("{:.2} cores, {:.0} bytes/event on the wire", phase.driver_cores, phase.wire_bytes_per_event),
        );
        let failure = phase.failure.as_deref().map_or(String::new(), |failure| format!(", last: {failure}"));
        self.row(&format!("{name}: sent again"), format!("{} refused, {} failed{failure}", phase.refused, phase.failed));
    }
}

fn percentiles(of: Percentiles) -> String {
    format!(
        "p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms  (n={})",
        of.p50_ms, of.p90_ms, of.p99_ms, of.p999_ms, of.max_ms, of.count
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
