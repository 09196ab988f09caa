//! Settings of the query engine.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Settings of the query engine. Every field has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Threads that queries run on. 0: as many as the machine has cores. Default: `0`.
    pub threads: usize,
    /// Seconds that a query may take before it is stopped. Default: `60`.
    pub seconds_max: u64,
    /// Queries that run at the same time; further ones wait for their turn, which goes round among projects. 0: twice the threads, at least 4. Default: `0`.
    pub running_max: usize,
    /// Queries of one project that run at the same time. 0: half of `running_max`. Default: `0`.
    pub project_running_max: usize,
    /// Queries of one project that may wait; further ones are answered 429. Default: `500`.
    pub queued_max: usize,
    /// Seconds that a query may wait for its turn before it is answered 429. Default: `30`.
    pub queued_seconds_max: u64,
    /// Bytes of answers that are kept to be given again while nothing that they depend on has changed. 0: none. Default: 64 MiB.
    pub cache_bytes_max: usize,
    /// Seconds during which a kept answer is given again although new events came. 0: a new event is seen by the next query. Default: `0`.
    pub cache_slack_seconds: u64,
    /// Bytes that all running queries together may hold in hash tables and sorts; beyond it they spill or fail. Default: 2 GiB.
    pub memory_bytes_max: usize,
    /// Bytes that one query may hold. Default: 1 GiB.
    pub query_memory_bytes_max: usize,
    /// Where queries spill to. Default: the system's folder for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// Bytes that queries may spill. Default: 20 GiB.
    pub spill_bytes_max: u64,
    /// Where the query log is kept over restarts. Default: `queries` in the data directory.
    pub log_dir: Option<PathBuf>,
}

const MIB: usize = 1024 * 1024;
const GIB: usize = 1024 * MIB;

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            seconds_max: 60,
            running_max: 0,
            project_running_max: 0,
            queued_max: 500,
            queued_seconds_max: 30,
            cache_bytes_max: 64 * MIB,
            cache_slack_seconds: 0,
            memory_bytes_max: 2 * GIB,
            query_memory_bytes_max: GIB,
            spill_dir: None,
            spill_bytes_max: 20 * GIB as u64,
            log_dir: None,
        }
    }
}

impl QueryConfig {
    /// Threads, with 0 taken as the number of cores.
    pub(crate) fn threads(&self) -> usize {
        if self.threads > 0 { self.threads } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
    }

    /// Queries that run at the same time. One thread still gives each of two projects a place.
    pub(crate) fn running_max(&self) -> usize {
        if self.running_max > 0 { self.running_max } else { (2 * self.threads()).max(4) }
    }

    /// Queries of one project that run at the same time.
    pub(crate) fn project_running_max(&self) -> usize {
        if self.project_running_max > 0 { self.project_running_max } else { self.running_max().div_ceil(2) }
    }
}
