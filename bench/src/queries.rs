//! `bench queries`: the same questions of the server, of ClickHouse (chDB) and of DuckDB, over the same events, in one run.
//!
//! - The events go to the server over HTTP, and as NDJSON into the others.
//! - Each question is asked of one engine after the other, again and again; the median of each counts. The server is asked over HTTP and told to
//!   compute (`force_blocking`), the others are called in process. Answers have to agree.
//! - Then the server alone: the first question after a start, with events late, persons merged and fresh rows in memory, and under load.

mod answer;
mod data;
mod engine;
mod questions;
mod states;
mod table;

use crate::disk;
use crate::http::Connection;
use crate::probe::Target;
use crate::process::{self, Launch, Server};
use answer::Rows;
use anyhow::{Context, ensure};
use data::Data;
use engine::Engine;
use questions::Question;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const QUIET: Duration = Duration::from_secs(5);
const QUIET_PATIENCE: Duration = Duration::from_secs(300);
/// A person with about so many events is asked for its last ones.
const PERSON_EVENTS: u64 = 2_000;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QueriesArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/aqueduct")]
    pub(crate) server: PathBuf,
    /// How many events.
    #[arg(long, default_value_t = 20_000_000)]
    pub(crate) events: u64,
    /// Times that each question is asked of each engine, after one that does not count.
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// Other engines to ask: `chdb`, `duckdb`; `none` for the server alone.
    #[arg(long, value_delimiter = ',', default_value = "chdb,duckdb")]
    pub(crate) engines: Vec<String>,
    /// Python that has the packages of `bench/queries/requirements.txt`.
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Only these questions.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// States of the server beside the settled one: `first`, `load`, `untidy`; `none` for none.
    #[arg(long, value_delimiter = ',', default_value = "first,load,untidy")]
    pub(crate) states: Vec<String>,
    /// Same seed, same events.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Settings of the server, NAME=VALUE as environment variables.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
    /// A directory that is kept: what is loaded there already is not loaded again. Default: a new one that is removed afterwards.
    #[arg(long)]
    pub(crate) keep: Option<PathBuf>,
}

/// What is known of the loaded data; kept beside it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Loaded {
    events: u64,
    /// Events per second over HTTP, durable and queryable.
    events_per_second: f64,
    /// Seconds that each engine took.
    seconds: BTreeMap<String, f64>,
    /// Bytes on the disk.
    bytes: BTreeMap<String, u64>,
}

/// Times of one question, milliseconds.
#[derive(Clone, Debug, Default)]
struct Times(Vec<f64>);

impl Times {
    fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

/// What became of one question.
#[derive(Clone, Debug, Default)]
struct Outcome {
    /// By engine; `aqueduct` is the server.
    times: BTreeMap<&'static str, Times>,
    /// Milliseconds of all threads together, per question; a mean.
    cpu: BTreeMap<&'static str, f64>,
    /// For engines that gave another answer, or none: why.
    differs: BTreeMap<&'static str, String>,
    /// The server's median in other states.
    states: BTreeMap<&'static str, f64>,
}

const OURS: &str = "aqueduct";

/// Loads what is not loaded, asks, prints the table.
pub(crate) fn run(args: &QueriesArgs) -> anyhow::Result<()> {
    let scratch = if args.keep.is_none() { Some(disk::scratch(None)?) } else { None };
    let root = match (&args.keep, &scratch) {
        (Some(keep), _) => keep.clone(),
        (None, Some(scratch)) => scratch.path().to_owned(),
        (None, None) => std::env::temp_dir(),
    };
    std::fs::create_dir_all(root.join(OURS))?;
    // Engines are given paths, and may have directories of their own.
    let root = root.canonicalize()?;
    let data_dir = root.join(OURS);
    process::with_log(compare(args, &root, &data_dir), &data_dir)
}

fn compare(args: &QueriesArgs, root: &Path, data_dir: &Path) -> anyhow::Result<()> {
    let runtime = crate::runtime()?;
    let data = Data { events: args.events, seed: args.seed };
    let settings = settings(args)?;
    let launch = Launch { settings: &settings, ..Launch::new(&args.server, data_dir) };
    let mut engines = engines(args, root)?;
    let loaded = load(args, root, data, &launch, &mut engines, &runtime)?;

    let mut server = Server::start(&launch)?;
    let target = Target::of(&server);
    runtime.block_on(monday(&target))?;
    let person = runtime.block_on(person(&target, loaded.events))?;
    let questions: Vec<Question> = questions::all(&person)
        .into_iter()
        .filter(|question| args.only.is_empty() || args.only.iter().any(|only| only == question.name))
        .collect();
    let mut outcomes = vec![Outcome::default(); questions.len()];
    for (question, outcome) in questions.iter().zip(&mut outcomes) {
        ask_all(question, outcome, (&target, server.pid()), &mut engines, args.runs, &runtime)?;
    }
    let memory = process::Usage::of(server.pid())?;
    server.stop()?;
    // They would hold memory and files that the server alone does not need.
    drop(engines);
    states::measure(args, data, &loaded, &launch, &questions, &mut outcomes, &runtime)?;
    print!("{}", table::table(&loaded, &questions, &outcomes, memory));
    Ok(())
}

fn settings(args: &QueriesArgs) -> anyhow::Result<Vec<(&str, String)>> {
    args.settings
        .iter()
        .map(|setting| setting.split_once('=').map(|(name, value)| (name, value.to_owned())).context("--set NAME=VALUE expected"))
        .collect()
}

fn engines(args: &QueriesArgs, root: &Path) -> anyhow::Result<Vec<Engine>> {
    let wanted = ["chdb", "duckdb"].into_iter().filter(|kind| args.engines.iter().any(|asked| asked == kind));
    wanted.map(|kind| Engine::start(kind, &args.python, root)).collect()
}

/// Loads what the directory does not have yet.
fn load(
    args: &QueriesArgs,
    root: &Path,
    data: Data,
    launch: &Launch<'_>,
    engines: &mut [Engine],
    runtime: &Runtime,
) -> anyhow::Result<Loaded> {
    let note = root.join("loaded.json");
    let mut loaded: Loaded = match std::fs::read(&note) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => Loaded { events: args.events, ..Loaded::default() },
    };
    ensure!(loaded.events == args.events, "{} holds {} events, {} asked for", root.display(), loaded.events, args.events);
    let save = |loaded: &Loaded| std::fs::write(&note, serde_json::to_vec_pretty(loaded)?).context("cannot write loaded.json");
    if !loaded.bytes.contains_key(OURS) {
        eprintln!("loading the server over HTTP");
        let mut server = Server::start(launch)?;
        loaded.events_per_second = data.send(runtime, &Target::of(&server))?;
        let used = disk::wait_until_quiet(launch.data_dir, QUIET, QUIET_PATIENCE)?;
        server.stop()?;
        let store = disk::bytes_by_extension(&launch.data_dir.join("store"))?;
        let of = |extension: &str| store.get(extension).copied().unwrap_or_default();
        loaded.bytes.insert(OURS.to_owned(), of("parquet"));
        loaded.bytes.insert("aqueduct, keys of the last 7 days".to_owned(), of("seen"));
        loaded.bytes.insert("aqueduct, persons".to_owned(), of("redb"));
        loaded.bytes.insert("aqueduct, all files".to_owned(), used.values().sum());
        save(&loaded)?;
    }
    let (have, missing): (Vec<&mut Engine>, Vec<&mut Engine>) =
        engines.iter_mut().partition(|engine| loaded.bytes.contains_key(engine.kind));
    have.into_iter().try_for_each(Engine::open)?;
    if !missing.is_empty() {
        eprintln!("writing events for the other engines");
        let dir = root.join("ndjson");
        let files = data.write(&dir)?;
        for engine in missing {
            eprintln!("loading {}", engine.kind);
            loaded.seconds.insert(engine.kind.to_owned(), engine.load(&files)?);
            loaded.bytes.insert(engine.kind.to_owned(), engine.bytes()?);
            save(&loaded)?;
        }
        std::fs::remove_dir_all(dir)?;
    }
    Ok(loaded)
}

/// Weeks begin on Monday in the questions.
async fn monday(target: &Target) -> anyhow::Result<()> {
    let mut connection = Connection::open(&target.address).await?;
    target.ask(&mut connection, "PATCH", "/api/projects/1/", br#"{"week_start_day": 1}"#).await.map(drop)
}

/// The distinct id of a person with about [`PERSON_EVENTS`] events, or as many as anybody has in little data.
async fn person(target: &Target, events: u64) -> anyhow::Result<String> {
    let mut connection = Connection::open(&target.address).await?;
    let least = PERSON_EVENTS.min(events / 1_000);
    let hogql =
        format!("SELECT distinct_id, count() AS n FROM events GROUP BY distinct_id HAVING n >= {least} ORDER BY n, distinct_id LIMIT 1");
    let rows = target.rows(&mut connection, &hogql).await?;
    rows.first().and_then(|row| row.first()?.as_str()).map(str::to_owned).context("no person has enough events")
}

/// Milliseconds that the server took, and its answer.
async fn ask(target: &Target, connection: &mut Connection, query: &Value) -> anyhow::Result<(f64, Value)> {
    let body = json!({"query": query, "refresh": "force_blocking"}).to_string();
    let began = Instant::now();
    let answer = target.ask(connection, "POST", "/api/projects/1/query/", body.as_bytes()).await?;
    Ok((began.elapsed().as_secs_f64() * 1000.0, answer))
}

/// Asks every engine in turn. The first round warms up and is compared; the others are timed.
fn ask_all(
    question: &Question,
    outcome: &mut Outcome,
    (target, pid): (&Target, u32),
    engines: &mut [Engine],
    runs: usize,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    eprint!("{}", question.name);
    let mut connection = runtime.block_on(Connection::open(&target.address))?;
    let mut ours = Rows::new();
    for round in 0..=runs {
        let before = process::Usage::of(pid)?.cpu_seconds;
        let (ms, answer) = runtime.block_on(ask(target, &mut connection, &question.query)).with_context(|| question.name)?;
        let cpu_ms = (process::Usage::of(pid)?.cpu_seconds - before) * 1000.0;
        match round {
            0 => ours = question.shape.rows(&answer)?,
            _ => {
                outcome.times.entry(OURS).or_default().0.push(ms);
                *outcome.cpu.entry(OURS).or_default() += cpu_ms / runs as f64;
            }
        }
        for engine in &mut *engines {
            let sql = if engine.kind == "chdb" { Some(&question.clickhouse) } else { question.duckdb.as_ref() };
            // Who could not answer is not asked again.
            let Some(sql) = sql.filter(|_| round == 0 || outcome.times.contains_key(engine.kind)) else { continue };
            match engine.ask(sql) {
                Ok((_, _, rows)) if round == 0 => {
                    if let Err(difference) = answer::agree(&ours, &answer::theirs(&rows), question.check) {
                        outcome.differs.insert(engine.kind, format!("{difference:#}"));
                    }
                    outcome.times.entry(engine.kind).or_default();
                }
                Ok((ms, cpu_ms, _)) => {
                    outcome.times.entry(engine.kind).or_default().0.push(ms);
                    *outcome.cpu.entry(engine.kind).or_default() += cpu_ms / runs as f64;
                }
                Err(error) => {
                    outcome.differs.insert(engine.kind, format!("{error:#}"));
                }
            }
        }
    }
    for (engine, times) in &outcome.times {
        eprint!("  {engine} {:.1}", times.median().unwrap_or(f64::NAN));
    }
    eprintln!();
    Ok(())
}
