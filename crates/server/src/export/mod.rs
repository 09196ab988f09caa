//! `aqueduct export`: events or persons of a project to a file.
//!
//! ```text
//! a running server, over its API ──┐
//!                                  ├─▶ lines ─▶ in the order of time ─▶ NDJSON or Parquet
//! the directory of a stopped one ──┘             (sort)                  (write)
//! ```
//! Either way it is one moment of the store. Of a directory only what the store has is exported: if the journal holds more (the server was killed), that is
//! refused rather than left out.
//!
//! # Invariants
//! - Memory is bounded: what is sorted goes through files beyond a budget.
//! - The output has its name only when it is whole.

mod sort;
mod write;

use crate::cli::{ExportArgs, ExportFormat, ExportWhat, ServeArgs};
use crate::client::{Call, Client, Server, segment};
use crate::config::Config;
use crate::error::Fatal;
use crate::wire;
use aqueduct_api::bulk::{self, EventFilter};
use aqueduct_event::{ProjectId, timestamp};
use http_body_util::BodyExt;
use sort::Sorter;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use write::Output;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
/// How long the first of an answer, or the next of it, may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Exports.
pub(crate) fn run(arguments: &ExportArgs) -> Result<(), Fatal> {
    let format = arguments.format.unwrap_or_else(|| match arguments.output.extension() {
        Some(ending) if ending == "parquet" => ExportFormat::Parquet,
        _ => ExportFormat::Ndjson,
    });
    if format == ExportFormat::Parquet && arguments.output == Path::new("-") {
        return Err(Fatal::Usage("--output: found none, expected a file: Parquet is not written to stdout".to_owned()));
    }
    let mut output = Output::create(&arguments.output, arguments.what, format)?;
    let mut lines = Lines::default();
    let count = match arguments.what {
        ExportWhat::Persons => {
            let mut count = 0_u64;
            lines.of(arguments, &mut |line| {
                count += 1;
                output.line(line)
            })?;
            count
        }
        ExportWhat::Events => {
            let mut sorter = Sorter::new(output.spill_dir(), arguments.sort_memory.max(1) << 20);
            lines.of(arguments, &mut |line| sorter.push(line))?;
            sorter.finish(|line| output.line(line))?
        }
    };
    output.finish()?;
    eprintln!("exported {count} {}", if arguments.what == ExportWhat::Events { "events" } else { "persons" });
    Ok(())
}

type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Fatal>;

/// Cuts pieces of text into lines.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
}

impl Lines {
    /// Gives every line of what is asked for.
    fn of(&mut self, arguments: &ExportArgs, take: Take<'_>) -> Result<(), Fatal> {
        if arguments.data_dir.is_some() || arguments.config.is_some() {
            self.of_stopped(arguments, take)
        } else {
            crate::runtime("work", 0)?.block_on(self.of_server(arguments, take))
        }
    }

    async fn of_server(&mut self, arguments: &ExportArgs, take: Take<'_>) -> Result<(), Fatal> {
        let server = Server::parse(arguments.url.as_deref().unwrap_or(DEFAULT_URL))?;
        let what = format!("cannot export from {}", server.url());
        let path = path(arguments)?;
        let mut client = Client::new(server, arguments.api_key.clone());
        let answer = client.open(Call::get(&path, PATIENCE)).await.map_err(|failure| {
            let remedy = failure.remedy();
            Fatal::failure(&what, failure, remedy)
        })?;
        let broken = |why: &dyn std::fmt::Display| Fatal::failure(&what, why, "see the server's log, and export again");
        let mut body = answer.into_body();
        loop {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.map_err(|_| broken(&"the answer has stopped"))?;
            let Some(frame) = frame else { break };
            // An answer that was broken off is no export.
            let frame = frame.map_err(|error| broken(&error))?;
            if let Some(piece) = frame.data_ref() {
                self.cut(piece, take)?;
            }
        }
        if self.begun.is_empty() { Ok(()) } else { Err(broken(&"the answer ends within a line")) }
    }

    fn of_stopped(&mut self, arguments: &ExportArgs, take: Take<'_>) -> Result<(), Fatal> {
        let serve = ServeArgs { config: arguments.config.clone(), data_dir: arguments.data_dir.clone(), ..ServeArgs::default() };
        let config = Config::load(&serve)?;
        let project: u32 = arguments.project.parse().map_err(|_| Fatal::Usage("--project: expected a number".to_owned()))?;
        let filter = filter(arguments)?;
        let runtime = crate::runtime("work", 0)?;
        let stopped = runtime.block_on(wire::open_stopped(&config))?;
        let mut failed = None;
        let exported = stopped.view(ProjectId(project)).and_then(|view| {
            let piece = |piece: String| match self.cut(piece.as_bytes(), take) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    failed = Some(failure);
                    ControlFlow::Break(())
                }
            };
            let read = match arguments.what {
                ExportWhat::Events => bulk::events(&*view, &filter, piece),
                ExportWhat::Persons => bulk::persons(&*view, piece),
            };
            read.map_err(|error| Fatal::failure("cannot export", error, "`aqueduct check` names all damage"))
        });
        let closed = runtime.block_on(stopped.close());
        failed.map_or(exported, Err).and(closed)
    }

    fn cut(&mut self, mut piece: &[u8], take: Take<'_>) -> Result<(), Fatal> {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            if self.begun.is_empty() {
                take(line)?;
            } else {
                self.begun.extend_from_slice(line);
                take(&self.begun)?;
                self.begun.clear();
            }
            piece = rest;
        }
        self.begun.extend_from_slice(piece);
        Ok(())
    }
}

/// What a server is asked for.
fn path(arguments: &ExportArgs) -> Result<String, Fatal> {
    let base = format!("/api/projects/{}/export/", segment(&arguments.project));
    if arguments.what == ExportWhat::Persons {
        return Ok(base + "persons/");
    }
    filter(arguments)?;
    let mut pairs = Vec::new();
    for (name, text) in [("date_from", &arguments.from), ("date_to", &arguments.to)] {
        pairs.extend(text.as_ref().map(|text| format!("{name}={}", segment(text))));
    }
    if !arguments.events.is_empty() {
        let names = serde_json::Value::from(arguments.events.clone()).to_string();
        pairs.push(format!("events={}", segment(&names)));
    }
    Ok(format!("{base}events/?{}", pairs.join("&")))
}

fn filter(arguments: &ExportArgs) -> Result<EventFilter, Fatal> {
    let time = |option: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let wrong = || Fatal::Usage(format!("{option}: found {text:?}, expected a time such as 2026-03-01T12:00:00Z"));
            timestamp::parse(text).map(|time| Some(time.0)).ok_or_else(wrong)
        }
    };
    let (from, to) = (time("--from", &arguments.from)?, time("--to", &arguments.to)?);
    Ok(EventFilter { from, to, events: arguments.events.iter().cloned().collect() })
}
