//! Config: one struct for each crate, composed here; from defaults, a TOML file, the environment and the command line, the later above the earlier.
//!
//! # Invariants
//! - Unknown keys of the file are refused; a wrong value is named with where it came from and its key, before anything starts.
//! - Every setting has a default, a key, and an environment variable: `journal.segment_bytes` is `AQUEDUCT_JOURNAL_SEGMENT_BYTES`.

mod layer;
mod reference;
mod roles;

pub(crate) use reference::print as print_reference;
pub(crate) use roles::{Role, Roles};

use crate::cli::ServeArgs;
use crate::error::Fatal;
use aqueduct_capture::CaptureConfig;
use aqueduct_journal::WalConfig;
use aqueduct_ledger::recorder::RecorderConfig;
use aqueduct_process::ProcessConfig;
use aqueduct_query::QueryConfig;
use aqueduct_store::StoreConfig;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the query log lies in the data directory unless it is set.
const QUERY_LOG: &str = "queries";

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory of all data. Directories of the journal, the store, the traces and the query log that are relative lie in it. Default: `aqueduct-data`.
    pub(crate) data_dir: PathBuf,
    /// Address for events, API and web app; port 0 takes a free one. Default: `127.0.0.1:8000`.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: SocketAddr,
    /// Address for metrics and probes. Keep it away from the public. Default: `127.0.0.1:8001`.
    #[serde(deserialize_with = "address")]
    pub(crate) ops_listen: SocketAddr,
    /// What this process does, of `capture`, `process` and `api`. Default: all of them.
    pub(crate) roles: Roles,
    /// Memory that this process may hold, in bytes. Budgets of its parts shrink to fit, and requests beyond it are answered 503.
    /// 0: three quarters of what the machine, or its control group, has. At least 256 MiB. Default: 0.
    pub(crate) memory_max: u64,
    pub(crate) log: LogConfig,
    pub(crate) http: HttpConfig,
    pub(crate) capture: CaptureConfig,
    pub(crate) journal: WalConfig,
    pub(crate) process: ProcessSettings,
    pub(crate) store: StoreConfig,
    pub(crate) query: QueryConfig,
    pub(crate) trace: RecorderConfig,
}

/// Logs on stderr.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// `human`, `json`, or `auto`: human on a terminal, JSON elsewhere. Default: `auto`.
    pub(crate) format: LogFormat,
    /// Least level, for all or for some crates, for instance `aqueduct_store=debug,info`. Default: `info`.
    pub(crate) level: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Auto,
    Human,
    Json,
}

/// Connections of the main listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    /// Connections at the same time; further ones wait to be accepted. Default: 16384.
    pub(crate) connections_max: usize,
    /// Connections from one address at the same time; further ones are closed at once. 0: half of `connections_max`. Default: 0.
    pub(crate) connections_per_address_max: usize,
    /// How long a connection may be idle between two requests, in milliseconds. When more than half of all connections are taken, the time shrinks with those
    /// that are left, for slow heads of requests too. Default: 75000.
    pub(crate) keep_alive_ms: u64,
    /// How long requests under way may take to finish when the server stops, in milliseconds. Default: 20000.
    pub(crate) drain_timeout_ms: u64,
    /// By how much threads that decode many events, the store's work in the background, and queries of projects that ask a lot stand behind those that make
    /// events visible when there is not enough processor for all, 0 to 19 (`nice`); those that take requests stand half as far behind. Default: 5.
    pub(crate) nice: u8,
}

/// Processing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProcessSettings {
    /// Journal bytes that go into one commit, about. More: fewer and larger chunks; less: fresher under load. Default: 4 MiB.
    pub(crate) commit_bytes_max: usize,
    /// Least time between two commits while records come in slowly, in milliseconds. Default: 5.
    pub(crate) commit_interval_ms: u64,
    /// Memory for persons, distinct ids and groups at hand, about. Default: 128 MiB.
    pub(crate) cache_bytes_max: usize,
    /// How long a stop makes accepted events visible before it leaves the rest in the journal for the next start, in milliseconds. Default: 10000.
    pub(crate) drain_timeout_ms: u64,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("found {text:?}, expected an address and a port such as \"127.0.0.1:8000\"")))
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("aqueduct-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 8001)),
            roles: Roles::default(),
            memory_max: 0,
            log: LogConfig::default(),
            http: HttpConfig::default(),
            capture: CaptureConfig::default(),
            journal: WalConfig::default(),
            process: ProcessSettings::default(),
            store: StoreConfig::default(),
            query: QueryConfig::default(),
            trace: RecorderConfig::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { connections_max: 16_384, connections_per_address_max: 0, keep_alive_ms: 75_000, drain_timeout_ms: 20_000, nice: 5 }
    }
}

impl Default for ProcessSettings {
    fn default() -> Self {
        let config = ProcessConfig::default();
        Self {
            commit_bytes_max: config.commit_bytes_max,
            commit_interval_ms: config.commit_interval.as_millis() as u64,
            cache_bytes_max: config.cache_bytes_max,
            drain_timeout_ms: 10_000,
        }
    }
}

impl ProcessSettings {
    pub(crate) fn config(&self) -> ProcessConfig {
        ProcessConfig {
            commit_bytes_max: self.commit_bytes_max,
            commit_interval: Duration::from_millis(self.commit_interval_ms),
            cache_bytes_max: self.cache_bytes_max,
            ..ProcessConfig::default()
        }
    }
}

impl Config {
    /// The config that `arguments`, the environment and the file make together.
    pub(crate) fn load(arguments: &ServeArgs) -> Result<Self, Fatal> {
        let mut config: Self = layer::extract(arguments)?;
        config.check()?;
        config.journal.dir = config.data_dir.join(&config.journal.dir);
        config.store.dir = config.data_dir.join(&config.store.dir);
        config.trace.dir = config.data_dir.join(&config.trace.dir);
        let log_dir = config.query.log_dir.take().unwrap_or_else(|| QUERY_LOG.into());
        config.query.log_dir = Some(config.data_dir.join(log_dir));
        Ok(config)
    }

    /// Warns of environment variables that look like settings and are none; once logs are started.
    pub(crate) fn warn_of_strange_variables() {
        for name in layer::strange_variables() {
            tracing::warn!(name, "this environment variable is no setting; `aqueduct config` lists all");
        }
    }

    fn check(&self) -> Result<(), Fatal> {
        let wrong = |key: &str, found: u64, expected: &str| Err(Fatal::Usage(format!("{key}: found {found}, expected {expected}")));
        if self.http.connections_max == 0 {
            return wrong("http.connections_max", 0, "at least 1");
        }
        if self.http.nice > 19 {
            return wrong("http.nice", self.http.nice.into(), "0 to 19");
        }
        if self.store.shards == 0 {
            return wrong("store.shards", 0, "at least 1");
        }
        if self.process.commit_bytes_max == 0 {
            return wrong("process.commit_bytes_max", 0, "at least 1");
        }
        if self.listen == self.ops_listen && self.listen.port() != 0 {
            return wrong("ops_listen", self.listen.port().into(), "another port than that of listen");
        }
        Ok(())
    }
}
