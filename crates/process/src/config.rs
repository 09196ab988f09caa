//! Settings of processing.

use aqueduct_event::limits::MIB;
use std::time::Duration;

/// Settings of processing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Journal bytes that go into one commit, about. More: fewer and larger chunks; less: fresher under load. Default: 4 MiB.
    pub commit_bytes_max: usize,
    /// Least time between two commits while records come in slowly, so that a trickle does not make a chunk of each record. Default: 5 ms.
    pub commit_interval: Duration,
    /// Memory for persons, distinct ids and groups at hand, about. Default: 128 MiB.
    pub cache_bytes_max: usize,
    /// First wait after a commit failed; doubles up to `retry_wait_max`. Default: 100 ms.
    pub retry_wait: Duration,
    /// Longest wait between two tries. Default: 5 s.
    pub retry_wait_max: Duration,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            commit_bytes_max: 4 * MIB,
            commit_interval: Duration::from_millis(5),
            cache_bytes_max: 128 * MIB,
            retry_wait: Duration::from_millis(100),
            retry_wait_max: Duration::from_secs(5),
        }
    }
}
