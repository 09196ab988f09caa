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
