//! The server alone, in states that are less tidy than rest.
//!
//! - `first`: the first question after a start, for each question its own start. The files may be in the page cache, nothing is decoded.
//! - `load`: while events come in at half of the rate at which they were loaded.
//! - `untidy`: late events all over the span, merged persons, rows in memory.

use super::data::Data;
use super::{Loaded, Outcome, QueriesArgs, Question, Times, ask};
use crate::batches::{self, EVENTS_PER_BATCH, batch_request};
use crate::http::Connection;
use crate::load::{self, Rate};
use crate::probe::{self, Target};
use crate::process::{Launch, Server};
use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Streams of further events; those of the data are numbered from 0.
const LOAD_STREAM: u64 = 1_000_000;
const LATE_STREAM: u64 = 1_000_001;
const CONNECTIONS: usize = 8;
/// One late event for so many others.
const EVENTS_PER_LATE: u64 = 100;
const LATE_EVENTS_MAX: u64 = 200_000;
const MERGES: u64 = 2_000;
const VISIBLE_PATIENCE: Duration = Duration::from_secs(120);

/// Asks in each state that is wanted.
pub(super) fn measure(
    args: &QueriesArgs,
    data: Data,
    loaded: &Loaded,
    launch: &Launch<'_>,
    questions: &[Question],
    outcomes: &mut [Outcome],
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let wants = |state: &str| args.states.iter().any(|asked| asked == state);
    if wants("first") {
        for (question, outcome) in questions.iter().zip(&mut *outcomes) {
            let mut server = Server::start(launch)?;
            let target = Target::of(&server);
            let first = runtime.block_on(async { ask(&target, &mut Connection::open(&target.address).await?, &question.query).await })?;
            outcome.states.insert("first", first.0);
            server.stop()?;
        }
    }
    if wants("load") {
        under_load(args, data, loaded.events_per_second / 2.0, launch, questions, outcomes, runtime)?;
    }
    if wants("untidy") {
        untidy(args, data, launch, questions, outcomes, runtime)?;
    }
    Ok(())
}

/// Medians of all questions, one after the other.
async fn medians(args: &QueriesArgs, target: &Target, questions: &[Question]) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(&target.address).await?;
    let mut medians = Vec::new();
    for question in questions {
        let mut times = Times::default();
        for round in 0..=args.runs {
            let (ms, _) = ask(target, &mut connection, &question.query).await?;
            if round > 0 {
                times.0.push(ms);
            }
        }
        medians.push(times.median().unwrap_or(f64::NAN));
    }
    Ok(medians)
}

fn under_load(
    args: &QueriesArgs,
    data: Data,
    rate: f64,
    launch: &Launch<'_>,
    questions: &[Question],
    outcomes: &mut [Outcome],
    runtime: &Runtime,
) -> anyhow::Result<()> {
    const SECONDS: u64 = 60;
    let mut server = Server::start(launch)?;
    let target = Target::of(&server);
    let count = (rate * SECONDS as f64) as u64 / EVENTS_PER_BATCH;
    let batches = Arc::new(batches::make(data.more(LOAD_STREAM, count * EVENTS_PER_BATCH), count, &target.token)?);
    let stop = Arc::new(AtomicBool::new(false));
    let medians = runtime.block_on(async {
        let (address, stopped) = (target.address.clone(), Arc::clone(&stop));
        let sending = tokio::spawn(async move {
            let sent = load::run(&address, batches, CONNECTIONS, Rate::Events(rate), Duration::from_secs(SECONDS)).await;
            stopped.store(true, Ordering::Relaxed);
            sent
        });
        let medians = medians(args, &target, questions).await?;
        ensure!(
            !stop.load(Ordering::Relaxed) || args.runs == 0,
            "the load ended before the last question; ask fewer questions or less often"
        );
        sending.abort();
        Ok::<_, anyhow::Error>(medians)
    })?;
    for (outcome, median) in outcomes.iter_mut().zip(medians) {
        outcome.states.insert("load", median);
    }
    server.stop()?;
    Ok(())
}

fn untidy(
    args: &QueriesArgs,
    data: Data,
    launch: &Launch<'_>,
    questions: &[Question],
    outcomes: &mut [Outcome],
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let mut server = Server::start(launch)?;
    let target = Target::of(&server);
    let late = (data.events / EVENTS_PER_LATE).clamp(EVENTS_PER_BATCH, LATE_EVENTS_MAX);
    let batches = Arc::new(batches::make(data.more(LATE_STREAM, late), late / EVENTS_PER_BATCH, &target.token)?);
    let medians = runtime.block_on(async {
        let mut connection = Connection::open(&target.address).await?;
        let before = target.count_events(&mut connection).await?;
        let hogql = format!("SELECT distinct_id FROM events GROUP BY distinct_id ORDER BY distinct_id LIMIT {}", MERGES * 2);
        let ids = target.rows(&mut connection, &hogql).await?;
        let merges: Vec<_> = ids
            .chunks_exact(2)
            .map(|pair| json!({"event": "$merge_dangerously", "distinct_id": pair[0][0], "properties": {"alias": pair[1][0]}}))
            .collect();
        let body = json!({"api_key": target.token, "batch": merges}).to_string();
        let answer = connection.send(&batch_request(body.as_bytes())?).await?;
        ensure!(answer.status == 200, "merges: status {}", answer.status);
        let sent = load::run(&target.address, batches, CONNECTIONS, Rate::Max, VISIBLE_PATIENCE).await?;
        probe::wait_for_count(&target, before + sent.events + merges.len() as u64, VISIBLE_PATIENCE)
            .await
            .context("late events and merges")?;
        medians(args, &target, questions).await
    })?;
    for (outcome, median) in outcomes.iter_mut().zip(medians) {
        outcome.states.insert("untidy", median);
    }
    server.stop()?;
    Ok(())
}
