//! The benchmark kit: `bench ingest` drives a server end to end over HTTP and prints one table; `bench overload` offers it too much; `bench crash` kills and starves a server and checks that nothing
//! was lost; `bench queries` asks the same questions of it and of other engines; `bench generate` writes the same events for other engines.
//!
//! It links none of the product's crates: what it measures is what any client would see. How to read the table: `bench/README.md`.

mod batches;
mod crash;
mod disk;
mod generator;
mod http;
mod ingest;
mod load;
mod overload;
mod probe;
mod process;
mod queries;
mod report;
mod stats;

use anyhow::Context;
use clap::{Parser, Subcommand};
use generator::{Generator, Plan};
use std::io::Write;
use std::path::PathBuf;

const DAY_MILLIS: i64 = 86_400_000;
/// Bytes of lines that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Measures Aqueduct end to end.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server on an empty directory, load it over HTTP, print one table.
    Ingest(ingest::IngestArgs),
    /// Offer a server several times of what it can do, print what it still does.
    Overload(overload::OverloadArgs),
    /// Kill, freeze and starve a server under load, then compare what is there with what clients were told.
    Crash(crash::CrashArgs),
    /// Ask the same questions of the server, of ClickHouse and of DuckDB, over the same events; print one table.
    Queries(queries::QueriesArgs),
    /// Write events as NDJSON.
    Generate(GenerateArgs),
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    /// How many.
    #[arg(long)]
    events: u64,
    /// Same seed, same events.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Size of the population. Default: one person per 50 events.
    #[arg(long)]
    persons: Option<u64>,
    /// Days that the events span.
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// First day.
    #[arg(long, default_value = "2026-01-01")]
    start: jiff::civil::Date,
    /// Where to.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Ingest(args) => ingest::run(&args),
        Command::Overload(args) => overload::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Queries(args) => queries::run(&args),
        Command::Generate(args) => generate(&args),
    }
}

/// Two threads for the driver.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let plan = Plan {
        seed: args.seed,
        stream: 0,
        events: args.events,
        persons: args.persons.unwrap_or(args.events / 50).max(1),
        start_millis: args.start.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_millisecond(),
        span_millis: i64::from(args.days) * DAY_MILLIS,
    };
    let mut file = std::fs::File::create(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let mut lines = String::with_capacity(WRITE_BYTES + 4096);
    let count = usize::try_from(args.events)?;
    for event in Generator::new(plan).take(count) {
        generator::write_ndjson(&event, &mut lines);
        lines.push('\n');
        if lines.len() >= WRITE_BYTES {
            file.write_all(lines.as_bytes())?;
            lines.clear();
        }
    }
    file.write_all(lines.as_bytes())?;
    Ok(())
}
