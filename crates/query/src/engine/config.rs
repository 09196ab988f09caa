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
    /// Bytes that all running queries together may hold in hash tables and sorts; beyond it they spill or fail. Default: 2 GiB.
    pub memory_bytes_max: usize,
    /// Bytes that one query may hold. Default: 1 GiB.
    pub query_memory_bytes_max: usize,
    /// Where queries spill to. Default: the system's folder for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// Bytes that queries may spill. Default: 20 GiB.
    pub spill_bytes_max: u64,
}

const GIB: usize = 1024 * 1024 * 1024;

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            seconds_max: 60,
            memory_bytes_max: 2 * GIB,
            query_memory_bytes_max: GIB,
            spill_dir: None,
            spill_bytes_max: 20 * GIB as u64,
        }
    }
}

impl QueryConfig {
    /// Threads, with 0 taken as the number of cores.
    pub(crate) fn threads(&self) -> usize {
        if self.threads > 0 { self.threads } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
    }
}
