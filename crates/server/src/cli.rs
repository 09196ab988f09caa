//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Product analytics as reliable as running water.
#[derive(Debug, Parser)]
#[command(name = "aqueduct", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server
    Serve(ServeArgs),
    /// Print every setting with its meaning, default and environment variable, as a config file
    Config,
    /// Send the events of a made-up product: some weeks of history, then live traffic
    Demo(DemoArgs),
    /// Say where an event is, or what became of the newest events of a distinct id, and why
    Trace(TraceArgs),
    /// Prove that nothing is missing: compare what was accepted with what became of it, event by event
    Audit(AuditArgs),
    /// Look after events that could not be processed: list, show, fix, replay, discard
    DeadLetters(DeadLettersArgs),
    /// Send events from files to a running server: exports of PostHog or of this program, or batches of SDKs
    Import(ImportArgs),
    /// Write events or persons to a file, as lines of JSON or Parquet
    Export(ExportArgs),
    /// Look at every byte of the data of a stopped server and say what is damaged
    Check(CheckArgs),
    /// Copy all data, checked, to a directory; the server may run
    Backup(BackupArgs),
    /// Make a data directory from a backup
    Restore(RestoreArgs),
}

/// Options of `trace`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TraceArgs {
    /// Uuid of an event, or a distinct id
    #[arg(value_name = "UUID|DISTINCT_ID")]
    pub(crate) id: String,
    /// Project that it was sent to
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) project: String,
    /// Server to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// Personal API key
    #[arg(long, value_name = "KEY", env = "AQUEDUCT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `audit`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArgs {
    /// First time of receipt, for instance 2026-03-01T12:00:00Z [default: the oldest]
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// End of the times of receipt [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Running server to audit; without it the data directory of a stopped one is read
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "config"])]
    pub(crate) url: Option<String>,
    /// Personal API key, with --url
    #[arg(long, value_name = "KEY", env = "AQUEDUCT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Directory of all data [default: ./aqueduct-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Config file (TOML) of the server
    #[arg(long, value_name = "FILE", env = "AQUEDUCT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `import`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files: lines of JSON, or one document of JSON; plain, gzip or zstd; `-` or none reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Server to send to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// Project token to send with [default: that of --project, asked for with --api-key]
    #[arg(long, value_name = "TOKEN", env = "AQUEDUCT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Personal API key, with which every event is looked for in the store before the import counts as done
    #[arg(long, value_name = "KEY", env = "AQUEDUCT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Project, by number, with --api-key
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) project: String,
    /// Requests at the same time
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) workers: usize,
    /// File that remembers how far the import is [default: aqueduct-import-….json here]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// File for what cannot be imported [default: beside the state, ending .rejects.ndjson]
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Begin anew, whatever the state says
    #[arg(long)]
    pub(crate) restart: bool,
    /// Set the person properties of exported events on their persons, where the events themselves do not
    #[arg(long)]
    pub(crate) person_properties: bool,
    /// Seconds for which a server that cannot take events is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) patience: u64,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to export
    #[arg(value_enum, value_name = "WHAT", default_value = "events")]
    pub(crate) what: ExportWhat,
    /// File to write; `-` is stdout, for lines of JSON
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Format [default: as the file's name ends, else ndjson]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// First timestamp, for instance 2026-03-01 or 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// End of the timestamps, not in it any more
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only events of this name; may be given several times
    #[arg(long = "event", value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// Project, by number
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) project: String,
    /// Running server to ask [default: http://127.0.0.1:8000, unless a data directory is named]
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "config"])]
    pub(crate) url: Option<String>,
    /// Personal API key, for a running server
    #[arg(long, value_name = "KEY", env = "AQUEDUCT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Directory of the data of a server that is stopped
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Config file (TOML) of a server that is stopped
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Megabytes of events that are sorted in memory; more goes through temporary files beside the output
    #[arg(long, value_name = "MB", default_value_t = 64)]
    pub(crate) sort_memory: usize,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportWhat {
    Events,
    Persons,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object for each line.
    #[value(alias = "jsonl", alias = "json")]
    Ndjson,
    /// Parquet, with properties as JSON text.
    Parquet,
}

/// Options of `dead-letters`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeadLettersArgs {
    /// Project, by number
    #[arg(long, value_name = "N", default_value = "1", global = true)]
    pub(crate) project: String,
    /// Server to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", global = true)]
    pub(crate) url: String,
    /// Personal API key
    #[arg(long, value_name = "KEY", env = "AQUEDUCT_API_KEY", hide_env_values = true, global = true)]
    pub(crate) api_key: Option<String>,
    #[command(subcommand)]
    pub(crate) action: LetterAction,
}

/// What to do with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LetterAction {
    /// List them, the oldest first
    List {
        /// Those of no project: records that could not be read
        #[arg(long)]
        unassigned: bool,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Show one, with its payload
    Show {
        /// As `list` shows it
        id: String,
    },
    /// Replace the payload of one by the JSON of a file
    Fix {
        /// As `list` shows it
        id: String,
        /// The payload as `show` prints it, mended; `-` reads it from stdin
        file: PathBuf,
    },
    /// Put one, or all that the project has now, through processing again
    Replay {
        /// As `list` shows it
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All of the project
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Give one up: its event is counted as dropped
    Discard {
        /// As `list` shows it
        id: String,
    },
}

/// Options of `serve`. Each stands above the environment, which stands above the config file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Config file (TOML); `aqueduct config` prints a complete one
    #[arg(long, value_name = "FILE", env = "AQUEDUCT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of all data [default: ./aqueduct-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Address for events, API and web app; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Address for metrics and probes [default: 127.0.0.1:8001]
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops_listen: Option<String>,
    /// What this process does, of capture,process,api [default: all]
    #[arg(long, value_name = "LIST")]
    pub(crate) roles: Option<String>,
    /// Take the listening sockets over from the server that runs on the data directory, which then finishes and ends; starts as usual when there is none
    #[arg(long)]
    pub(crate) takeover: bool,
}

/// Where the data is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DataArgs {
    /// Config file of the server (TOML)
    #[arg(long, value_name = "FILE", env = "AQUEDUCT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of all data [default: ./aqueduct-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
}

impl DataArgs {
    /// The options of a server with this data.
    pub(crate) fn as_serve(&self) -> ServeArgs {
        ServeArgs { config: self.config.clone(), data_dir: self.data_dir.clone(), ..ServeArgs::default() }
    }
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Mend what can be mended without losing anything
    #[arg(long)]
    pub(crate) repair: bool,
    /// With --repair: go on without what cannot be mended in the journal, and take changed files of the catalog and manifest as they are
    #[arg(long, requires = "repair")]
    pub(crate) accept_loss: bool,
}

/// Options of `backup`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    /// Directory of the backup: a new one, or that of an earlier backup, whose unchanged files are kept
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Options of `restore`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Directory that `aqueduct backup` wrote
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Server to send to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", conflicts_with = "serve")]
    pub(crate) url: String,
    /// Project token to send with
    #[arg(long, value_name = "TOKEN", default_value = "phc_live_sample_data")]
    pub(crate) token: String,
    /// Start a server too, whose first project has the token
    #[arg(long)]
    pub(crate) serve: bool,
    /// Days of history to send first
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) days: u32,
    /// Visitors of a usual day
    #[arg(long, value_name = "N", default_value_t = 150)]
    pub(crate) visitors: u32,
    /// Live events per second, about; 0 sends the history only
    #[arg(long, value_name = "N", default_value_t = 4.0)]
    pub(crate) rate: f64,
    /// The same seed makes the same product
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) server: ServeArgs,
}
