//! What a run did and found, for people and for programs.

use super::client::Traffic;
use crate::stats::Percentiles;
use serde::Serialize;
use std::sync::atomic::Ordering;

/// All scenarios.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) scenarios: Vec<Scenario>,
    /// What could not be done here, and why.
    pub(crate) skipped: Vec<String>,
}

/// One scenario in which nothing was lost, twice or invented.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) kills: u32,
    pub(crate) killed_by_kernel: u32,
    pub(crate) freezes: u32,
    /// Starts that found no room on the disk.
    pub(crate) failed_starts: u32,
    /// Events that were acknowledged; all are there, once.
    pub(crate) acknowledged: u64,
    /// Events that were sent, never acknowledged, and are there, once.
    pub(crate) unacknowledged: u64,
    pub(crate) checks: u32,
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    pub(crate) lost_answers: u64,
    pub(crate) repeated: u64,
    /// From starting the process to its first answer.
    pub(crate) starts: Option<Percentiles>,
    /// From the end of the pressure until every client was acknowledged something new.
    pub(crate) recovery_ms: Option<f64>,
}

impl Scenario {
    pub(crate) fn traffic(&mut self, traffic: &Traffic) {
        self.requests = traffic.requests.load(Ordering::Relaxed);
        self.refused = traffic.refused.load(Ordering::Relaxed);
        self.broken = traffic.broken.load(Ordering::Relaxed);
        self.lost_answers = traffic.lost_answers.load(Ordering::Relaxed);
        self.repeated = traffic.repeated.load(Ordering::Relaxed);
    }
}

impl Report {
    pub(crate) fn lines(&self) -> String {
        let of_scenarios = self.scenarios.iter().flat_map(Scenario::lines);
        let skipped = self.skipped.iter().map(|skipped| format!("SKIPPED {skipped}"));
        of_scenarios.chain(skipped).map(|line| line + "\n").collect()
    }
}

impl Scenario {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{}: {} kills, {} by the kernel, {} freezes, {} starts without room",
                self.name, self.kills, self.killed_by_kernel, self.freezes, self.failed_starts
            ),
            format!(
                "  acknowledged {}: 0 lost, 0 twice, 0 invented, order kept, ledger residue 0 ({} checks)",
                self.acknowledged, self.checks
            ),
            format!("  there without an acknowledgement: {}", self.unacknowledged),
            format!(
                "  {} requests, {} refused, {} broken, {} answers lost, {} old batches sent again",
                self.requests, self.refused, self.broken, self.lost_answers, self.repeated
            ),
        ];
        lines.extend(self.starts.map(|starts| {
            format!(
                "  start to first answer: p50 {:.0}  p99 {:.0}  max {:.0} ms (n={})",
                starts.p50_ms, starts.p99_ms, starts.max_ms, starts.count
            )
        }));
        lines.extend(self.recovery_ms.map(|ms| format!("  all clients acknowledged again {ms:.0} ms after the pressure")));
        lines
    }
}
